"""Restores that fail for what is around them: each says why, leaves nothing, and succeeds once that is corrected."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from . import test_restore
from .backups import STANZA, Backup, Beside, rows, settled
from .conftest import Make
from .harness import PASSWORD, TIMEOUT, Container, give_size, wait_for
from .test_configuration import make_certificate
from .test_restore import NEW_BIRTH, Source, begin, is_clean

source = test_restore.source
ALL = ["one", "two", "three", "four"]
WAITS = """
if [[ $1 == get && ! -e {gate}/open ]]; then
    touch {gate}/asked
    until [[ -e {gate}/open ]]; do sleep 0.05; done
fi
exec bash {script} "$@"
"""
"""Stands in for pgbackrest.sh: recovery waits at its first file."""


@pytest.fixture
def resize(make: Make) -> Iterator[Callable[[Container, int], None]]:
    """Make a volume a file system of its own of this many MiB, or change its size."""
    mounted: list[Container] = []

    def resize(container: Container, size: int) -> None:
        give_size(container.volume, size)
        mounted.append(container)

    yield resize
    for container in set(mounted):
        container.end()
        subprocess.run(["umount", str(container.volume)], check=True)


@pytest.mark.thorough
def test_a_restore_onto_a_volume_that_is_too_small_says_so_and_succeeds_once_it_is_larger(
    make: Make, beside: Beside, source: Source, resize: Callable[[Container, int], None]
) -> None:
    """Too small for the backup's files; then for these, but not for what WAL adds to them."""
    origin = source.backup.container
    for number in range(9):
        origin.sql(f"create database copy_{number} template template0 strategy file_copy")  # 7 MB each, with little WAL
    last = origin.sql("select pg_walfile_name(pg_switch_wal())")
    wait_for(lambda: last in source.backup.archived(), f"{last} is archived", 60, source.backup.said)
    container = make("new-0")
    resize(container, 40)
    backup = beside(container, name="new", restore={"stanza": STANZA})
    backup.birth(NEW_BIRTH)
    container.start()

    refused = container.ask("restore")
    assert refused.result == "error"
    needed = int(refused.text.partition("the restore needs ")[2].partition(" MiB, the data volume has 40 MiB free")[0])
    assert is_clean(container)

    resize(container, needed + 1)
    failed = container.answer(container.tell("restore"), 60)
    assert failed.result == "error"
    assert "error: recovery failed: " in failed.text
    assert "No space left on device" in failed.text
    assert is_clean(container)

    resize(container, 1000)
    assert container.answer(container.tell("restore"), 60).result == "ok"
    begin(container)
    assert container.sql("select count(*) from pg_database where datname like 'copy%'") == "9"


def hold_recovery(backup: Backup) -> Path:
    """Have the restored server wait at the first file it asks for; return the directory where `asked` appears and `open` lets it go on."""
    container = backup.container
    gate = container.run.parent / "gate"
    gate.mkdir()
    gate.chmod(0o777)
    script = container.config / "pgbackrest.sh"
    moved = script.rename(script.with_name("pgbackrest.real.sh"))
    script.write_text(WAITS.format(gate=gate, script=moved))
    return gate


def test_a_restore_whose_repository_is_lost_while_it_recovers_says_so_and_succeeds_once_it_is_back(
    make: Make, beside: Beside, source: Source
) -> None:
    backup = source.restored(make, beside, "time", source.targets["time"])
    container, repository = backup.container, backup.repository
    gate = hold_recovery(backup)
    command_id = container.tell("restore")
    wait_for((gate / "asked").exists, "the server recovers", 60, backup.said)
    away = repository.rename(repository.with_name("away"))
    (gate / "open").touch()
    failed = container.answer(command_id, 90)
    assert failed.result == "error"
    assert "error: recovery failed: 00000002.history: " in failed.text
    assert "archive.info" in failed.text
    assert is_clean(container)
    again = container.ask("restore")
    assert (again.result, is_clean(container)) == ("error", True), again

    away.rename(repository)
    assert container.answer(container.tell("restore"), 60).result == "ok"
    begin(container)
    assert list(rows(container)) == ALL


@pytest.mark.thorough
def test_a_restore_into_a_release_that_requires_tls(make: Make, beside: Beside, source: Source) -> None:
    """Its connections over TCP, a clone's too, are encrypted; without TLS nobody gets in."""

    def encrypted(container: Container) -> Container:
        folder = container.config / "tls"
        make_certificate(folder, "tls")
        with (container.config / "postgresql.conf").open("a") as conf:
            conf.write(f"ssl = on\nssl_cert_file = '{folder}/tls.crt'\nssl_key_file = '{folder}/tls.key'\n")
        hba = container.config / "pg_hba.conf"
        hba.write_text(hba.read_text().replace("host ", "hostssl "))
        return container

    container = encrypted(make("new-0"))
    backup = beside(container, name="new", restore={"stanza": STANZA, "type": "time", "target": source.targets["time"]})
    backup.birth(NEW_BIRTH)
    container.start()
    assert container.answer(container.tell("restore"), 60).result == "ok"
    begin(container)
    assert list(rows(container)) == ALL

    def connect(mode: str) -> subprocess.CompletedProcess[str]:
        words = f"host={container.host} port={container.port} user=postgres dbname=postgres sslmode={mode}"
        command = ["psql", "-qAtX", words, "-c", "select ssl from pg_stat_ssl where pid = pg_backend_pid()"]
        given = os.environ | {"PGPASSWORD": PASSWORD}
        return subprocess.run(command, env=given, capture_output=True, text=True, timeout=TIMEOUT, check=False)

    assert connect("require").stdout == "t\n"
    assert "no encryption" in connect("disable").stderr
    replica = encrypted(make("new-1"))
    replica.start()
    replica.ok("clone", *container.address())
    replica.ok("start", "hot")
    replica.ok("follow", *container.address())
    container.sql("insert into kept (what) values ('new')")
    wait_for(lambda: replica.answers("select count(*) from kept") == "5", "the replica has the row")
    settled(container)
