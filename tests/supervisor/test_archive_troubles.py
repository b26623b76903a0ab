"""Troubles around an archive that nobody caused on purpose: each is named, loses nothing, and ends once it is corrected."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hapg_failover.core.archiving import Archiving, news, parse
from hapg_failover.core.timing import ARCHIVE_FAILING_S
from tests.robustness.certificates import Authority

from . import object_stores
from .backups import STANZA, TABLE, Backup, Beside, primary_with_backup, ready, rows, settled, switch
from .conftest import Make
from .harness import boot_time, chown, give_size, wait_for
from .test_object_store import mount
from .test_restore import NEW_BIRTH, begin, is_clean

FAILED_SECONDS = 90.0


def fill(folder: Path) -> Path:
    """Write until nothing more fits; return the file."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(1 << 12))
    return filler


def event(backup: Backup) -> str:
    """Return the Event that the agent records about the container's state, once that has lasted long enough."""
    text = (backup.folder / "state.json").read_text()
    return " ".join(
        f"{each.reason}: {each.message}" for each in news(Archiving(), parse(text, boot_time(), time.time() + ARCHIVE_FAILING_S))
    )


@pytest.fixture
def bounded(make: Make, template: Path, beside: Beside) -> Iterator[Backup]:
    """The backup container of a primary whose repository is a file system of its own."""
    repository = make("unused").run.parent.parent / "repository"
    repository.mkdir()
    give_size(repository, 64)
    backup = primary_with_backup(make, template, beside, "db-0")
    yield backup
    backup.kill()
    subprocess.run(["umount", str(repository)], check=True)


def test_a_repository_that_is_full_is_named_by_an_event_and_nothing_is_missing_once_it_has_room(bounded: Backup) -> None:
    primary = bounded.container
    settled(primary)
    filler = fill(bounded.repository)
    names = [switch(primary, f"unarchived {number}") for number in range(3)]
    wait_for(lambda: bounded.state().get("failing"), "the state says so", FAILED_SECONDS, bounded.said)
    said = event(bounded)
    assert said.startswith("ArchivingFailed: WAL is kept and not archived: ")
    assert "No space left on device" in said
    assert set(names) <= set(ready(primary))

    filler.unlink()
    settled(primary, timeout=FAILED_SECONDS)
    wait_for(lambda: not bounded.state()["failing"], "the state says that it goes on")
    assert set(names) <= bounded.archived()
    bounded.backup()
    found = bounded.info()
    assert (found["continuity"]["holes"], len(found["backups"])) == ([], 2)


def test_a_backup_of_a_server_with_a_tablespace_is_refused_until_it_is_dropped(archived: Backup) -> None:
    primary = archived.container
    folder = primary.volume / "fast"
    folder.mkdir()
    chown(folder)
    primary.sql(f"create tablespace fast location '{folder}'", "create table there (n int) tablespace fast")
    oid = primary.sql("select oid from pg_tablespace where spcname = 'fast'")
    before = archived.state()["failed_backups"]
    code, lines = archived.ask("/backup", type="full")
    assert code == 78
    expected = f"the server has tablespaces, which are not supported (pg_tblspc/{oid}): move everything in them to pg_default and drop them"
    assert lines[-1] == f"error: {expected}"
    wait_for(lambda: archived.state()["failed_backups"] == before + 1, "it counts as failed")
    switch(primary, "archived all the same")
    settled(primary)
    primary.sql("alter table there set tablespace pg_default", "drop tablespace fast")
    archived.backup()
    assert len(archived.info()["backups"]) == 2


@pytest.mark.thorough
def test_an_object_store_of_another_authority_is_named_by_an_archive_and_by_a_restore(
    make: Make, template: Path, beside: Beside, tmp_path: Path
) -> None:
    with object_stores.s3(tmp_path) as store:
        (tmp_path / "other").mkdir()
        wrong = store.entries | {"CA_CERT_DATA": Authority(tmp_path / "other", "other").certificate, "CIPHER_PASS": "a long pass"}
        right = store.entries | {"CIPHER_PASS": "a long pass"}
        container = make("db-0")
        container.take_data_of(template)
        backup = beside(container, **store.settings())
        mount(backup, wrong)
        container.start()
        container.ok("start", "hot")
        container.promote(2, 1)
        container.sql(TABLE)
        switch(container, "with a wrong authority")
        wait_for(lambda: backup.state().get("failing"), "the state says so", FAILED_SECONDS, backup.said)
        assert "certificate" in event(backup)
        code, lines = backup.ask("/backup", type="full")
        assert code != 0
        assert "certificate" in lines[-1]

        mount(backup, right)
        settled(container, timeout=FAILED_SECONDS)
        backup.backup()
        switch(container, "with the right one")
        settled(container)
        assert backup.info()["continuity"]["holes"] == []

        new = make("new-0")
        restored = beside(new, **store.settings() | {"name": "new", "restore": {"stanza": STANZA}})
        restored.birth(NEW_BIRTH)
        mount(restored, wrong)
        new.start()
        failed = new.ask("restore")
        assert failed.result == "error"
        assert "certificate" in failed.text
        assert is_clean(new)
        mount(restored, right)
        assert new.answer(new.tell("restore"), 60).result == "ok"
        begin(new)
        assert rows(new) == {"with a wrong authority": 1, "with the right one": 1}
