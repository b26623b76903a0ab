"""The latest backup is restored into a scratch volume, replayed to the archive's end, checked and reported."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from hapg_backup.core.verification import NOTE

from .backups import STANZA, TABLE, Backup, Beside, encrypted_primary, follower, settled, switch, wait_listening
from .conftest import Make
from .harness import DEFAULT, chown, programs, server_user, wait_for

RUNNER = Path(__file__).with_name("verify_container.py")
LABELS = "select array_agg(distinct what order by what) = array['one', 'two'] from kept"


@dataclass
class Outcome:
    """The end of verify.sh. text: its output."""

    code: int
    text: str

    @property
    def last(self) -> str:
        return self.text.strip().splitlines()[-1].split(" ", 2)[-1]


class Scratch:
    """The pod of a verified restore, without Kubernetes."""

    def __init__(self, root: Path, source: Backup, major: str = DEFAULT) -> None:
        self.source = source
        self.major = major
        self.volume, self.run, self.work, self.scripts = (root / name for name in ("volume", "run", "work", "scripts"))
        for folder in (self.volume, self.run, self.work, self.scripts):
            folder.mkdir(parents=True, mode=0o700)
            chown(folder)
        self.log = root / "log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, url: str = "", patience: float = 20.0, program: Path | None = None) -> Scratch:
        """Start the container that hands out the backup and WAL. program: in the place of pgBackRest."""
        source = self.source
        pod = {
            "volume": self.volume,
            "run": self.run,
            "config": source.container.config,
            "key_folder": source.key_folder,
            "secret": source.secret,
            "work": self.work,
            "authorities": source.program.parent / "ca-certificates.crt",
            "restore_command": f"bash {self.scripts}/pgbackrest.sh get %f %p",
        }
        words = [json.dumps(pod, default=str), str(self.scripts), *map(str, server_user())]
        environment = {
            "PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path)),
            "PATH": os.environ["PATH"],
            "HAPG_BACKUP_URL": url or f"http://127.0.0.1:{source.http}",
            "HAPG_PGBACKREST": str(program or source.program),
            "HAPG_BACKUP_WAIT": str(patience),
        }
        with self.log.open("ab") as log:
            argv = ["setpriv", "--pdeathsig", "KILL", sys.executable, str(RUNNER), *words]
            self.process = subprocess.Popen(argv, stdout=log, stderr=log, env=environment)
        wait_listening(self.process, self.run / "backup", self.log)
        return self

    def command(self, **environment: str) -> tuple[list[str], dict[str, str]]:
        """verify.sh as the pods' user, and its environment."""
        known = {
            "PATH": os.environ["PATH"],
            "HAPG_RUN": str(self.run),
            "HAPG_VOLUME": str(self.volume),
            "HAPG_CONFIG": str(self.source.container.config),
            "HAPG_BIN": str(programs(self.major)),
            "HAPG_MAJOR": self.major,
            "HAPG_DATABASE": "postgres",
        }
        uid, gid = server_user()
        argv = ["setpriv", "--pdeathsig", "KILL", "--reuid", str(uid), "--regid", str(gid), "--clear-groups"]
        return [*argv, "bash", str(self.scripts / "verify.sh")], {**known, **environment}

    def verify(self, query: str = "", **environment: str) -> Outcome:
        """Run verify.sh to its end."""
        argv, known = self.command(HAPG_QUERY=query, **environment)
        done = subprocess.run(argv, env=known, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120, check=False)
        return Outcome(done.returncode, done.stdout)

    def said(self) -> str:
        return self.log.read_text()

    def close(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(30)


Verify = Callable[..., Scratch]


@pytest.fixture
def scratch(make: Make) -> Iterator[Callable[..., Scratch]]:
    """Make the pod of a verified restore beside a backup container's repository."""
    made: list[Scratch] = []

    def scratch(source: Backup, major: str = DEFAULT) -> Scratch:
        made.append(Scratch(source.root / f"scratch-{len(made)}", source, major))
        return made[-1]

    yield scratch
    for each in made:
        each.close()


@pytest.fixture
def written(archived: Backup) -> Backup:
    """A release with a full backup and two segments of rows after it, all archived."""
    switch(archived.container, "one")
    switch(archived.container, "two")
    settled(archived.container)
    return archived


def metrics(backup: Backup) -> dict[str, float]:
    with urllib.request.urlopen(f"http://127.0.0.1:{backup.http}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    return {name.removeprefix("ha_postgres_"): float(value) for name, value in (line.split() for line in lines if line[0] != "#")}


def record(backup: Backup) -> dict[str, Any]:
    found: dict[str, Any] = backup.info()["verification"]
    return found


def test_a_verified_restore_is_measured_and_known_to_the_primary(scratch: Verify, written: Backup) -> None:
    before = time.time()
    outcome = scratch(written).start().verify(LABELS)
    assert outcome.code == 0, (outcome, written.said()[-2000:])
    found = record(written)
    verified = found["verified"]
    assert found["failed"] is None
    assert verified["checks"] == ["checksums", "pg_amcheck", "query"]
    assert verified["backup"] == written.info()["backups"][-1]["label"]
    assert verified["timeline"] == 2
    assert before < verified["endedAt"] < time.time()
    assert min(verified[key] for key in ("restoreSeconds", "replaySeconds", "checkSeconds", "bytesPerSecond", "bytes")) > 0
    shown = metrics(written)
    assert shown["backup_verified_timestamp_seconds"] == pytest.approx(verified["endedAt"], abs=1)
    assert shown["backup_verification_failed"] == 0
    assert shown["backup_verified_restore_seconds"] == pytest.approx(verified["restoreSeconds"] + verified["replaySeconds"], abs=0.2)
    assert shown["backup_verified_restore_bytes_per_second"] > 0
    assert outcome.last.startswith("verified: restored in ")


def test_a_restore_whose_query_is_not_true_is_not_verified(scratch: Verify, written: Backup) -> None:
    pod = scratch(written).start()
    for query, reason in (
        ("select count(*) > 1000 from kept", "the query returned f instead of true"),
        ("select true from kept where false", "the query returned nothing instead of true"),
        ("select count(*) from kept", "the query returned 2 instead of true"),
        ("select nobody", 'the query failed: ERROR: column "nobody" does not exist'),
    ):
        assert pod.verify(query).code == 1
        found = record(written)
        assert found["verified"] is None
        assert found["failed"]["failure"].startswith(reason)
        assert found["failed"]["checks"] == ["pg_amcheck"]
    assert metrics(written)["backup_verification_failed"] == 1
    assert metrics(written)["backup_verified_timestamp_seconds"] == 0
    wait_for(lambda: written.state()["record"]["failed"] is not None, "the agent is told")


@pytest.mark.thorough
def test_a_verified_restore_ends_an_earlier_failure_and_a_failure_keeps_an_earlier_success(scratch: Verify, written: Backup) -> None:
    pod = scratch(written).start()
    assert pod.verify("select false").code == 1
    assert pod.verify("select true").code == 0
    first = record(written)
    assert (first["verified"] is not None, first["failed"]) == (True, None)
    assert pod.verify("select false").code == 1
    assert record(written)["verified"] == first["verified"]
    assert record(written)["failed"] is not None


def test_a_damaged_backup_is_not_verified(scratch: Verify, written: Backup) -> None:
    for manifest in (written.repository / "backup" / STANZA).glob("*F/backup.manifest*"):
        manifest.write_bytes(manifest.read_bytes()[:-20])
    outcome = scratch(written).start().verify()
    assert outcome.code == 1
    assert record(written)["failed"]["failure"].startswith("the restore failed: ")


def test_a_page_that_was_damaged_before_its_backup_is_found_in_the_restore(scratch: Verify, archived: Backup) -> None:
    container = archived.container
    container.sql("create table large as select i, repeat('x', 100) as text from generate_series(1, 20000) i", "checkpoint")
    path = container.pgdata / container.sql("select pg_relation_filepath('large')")
    with path.open("r+b") as file:
        file.seek(100 * 8192 + 4000)
        file.write(b"damage")
    archived.backup("full")
    outcome = scratch(archived).start().verify()
    assert outcome.code == 1
    failure = record(archived)["failed"]["failure"]
    assert failure.startswith("pg_amcheck found damage: ")
    assert "invalid page in block 100" in failure


def test_a_restore_with_missing_wal_is_not_verified(scratch: Verify, written: Backup) -> None:
    names = [switch(written.container, "more") for _ in range(3)]
    settled(written.container)
    [lost] = (written.repository / "archive" / STANZA).rglob(f"{names[1]}-*")
    lost.unlink()
    outcome = scratch(written).start().verify()
    assert outcome.code == 1
    reason = f"the recovery failed: {names[1]}: the archive lacks {names[1]}, although it has {names[2]}"
    assert record(written)["failed"]["failure"].startswith(reason)


def test_without_a_backup_nothing_is_verified(scratch: Verify, written: Backup) -> None:
    for path in (written.repository / "backup" / STANZA).iterdir():
        if not path.name.startswith("backup.info"):
            subprocess.run(["rm", "-rf", path], check=True)
    outcome = scratch(written).start().verify()
    assert outcome.code == 1
    assert record(written)["failed"]["failure"]


def test_a_release_that_goes_on_archiving_disturbs_no_verified_restore(scratch: Verify, written: Backup) -> None:
    """The archive's end moves between the recovery's last request and the check of where it ended."""
    done = threading.Event()

    def write() -> None:
        while not done.wait(0.05):
            switch(written.container, "one")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        outcome = scratch(written).start().verify(LABELS)
    finally:
        done.set()
        writer.join(30)
    assert outcome.code == 0, outcome


def test_wal_that_is_archived_just_after_it_was_missing_is_no_hole(scratch: Verify, written: Backup) -> None:
    """The recovery asks for a segment that is not there yet; before the archive is listed, that one and the next are."""
    pod = scratch(written)
    asked, answer = (pod.work / name for name in ("asked", "answer"))
    slow = pod.work / "pgbackrest"
    slow.write_text(
        f"""#!/bin/bash
        {written.program} "$@"
        code=$?
        if [[ $code == 1 && "$*" =~ archive-get.*[0-9A-F]{{24}} && ! -e {asked} ]]; then
            touch {asked}
            until [[ -e {answer} ]]; do sleep 0.1; done
        fi
        exit $code
        """
    )
    slow.chmod(0o755)
    pod.start(program=slow)

    def write() -> None:
        wait_for(asked.exists, "a segment was missing")
        for _ in range(2):
            switch(written.container, "one")
        settled(written.container)
        answer.touch()

    writer = threading.Thread(target=write)
    writer.start()
    outcome = pod.verify(LABELS)
    writer.join(30)
    assert outcome.code == 0, outcome


def test_the_next_primary_knows_the_last_verified_restore_backup_and_archived_segment(
    make: Make, beside: Beside, scratch: Verify, written: Backup
) -> None:
    replica = follower(make, beside, "db-1", written.container)
    assert scratch(written).start().verify().code == 0
    settled(written.container, replica.container)
    before = metrics(written)
    names = ("backup_verified_timestamp_seconds", "backup_verified_restore_seconds", 'backup_last_timestamp_seconds{type="full"}')
    archived = "archive_last_archived_timestamp_seconds"
    assert min(before[name] for name in (*names, archived)) > 0
    written.kill()
    written.container.ok("stop", "fast")
    replica.container.ok("seal", "fast")
    replica.container.promote(5, 2)
    wait_for(lambda: metrics(replica)[names[0]] > 0, "the next primary has read the repository", 60)
    after = metrics(replica)
    assert [after[name] for name in names] == [before[name] for name in names]
    assert after[archived] >= before[archived] - 2, "pgBackRest shows whole seconds, of when the file was begun"


@pytest.mark.thorough
def test_an_answer_that_is_lost_is_not_verified(scratch: Verify, written: Backup) -> None:
    """The primary goes away after the restore has begun, and does not come back."""
    pod = scratch(written).start(patience=1.0)
    argv, environment = pod.command(HAPG_QUERY="select pg_sleep(2) is not null")
    process = subprocess.Popen(argv, env=environment, stdout=subprocess.PIPE, text=True)
    wait_for(lambda: (pod.run / "restore" / "log").exists(), "the restored server runs")
    written.kill()
    said, _ = process.communicate(timeout=90)
    assert process.returncode == 1
    assert "the primary could not be told: " in said
    written.start()
    assert record(written) == {"verified": None, "failed": None}
    assert not list((written.repository / "archive" / STANZA).glob(NOTE))


def test_a_restore_that_cannot_ask_the_primary_ends_and_says_so(scratch: Verify, written: Backup) -> None:
    outcome = scratch(written).start(url="http://127.0.0.1:1", patience=1.0).verify()
    assert outcome.code == 1
    assert "the restore failed: http://127.0.0.1:1: " in outcome.text
    assert outcome.last == "the primary could not be told: the primary is not known, so it was not told"


def test_a_container_that_is_restarted_in_the_middle_fails_the_restore(scratch: Verify, written: Backup) -> None:
    pod = scratch(written).start()
    argv, environment = pod.command()
    process = subprocess.Popen(argv, env=environment, stdout=subprocess.PIPE, text=True)
    wait_for(lambda: (pod.run / "restore" / "log").exists(), "the files are restored")
    pod.close()
    (pod.run / "backup" / "listener").unlink()
    pod.start()
    said, _ = process.communicate(timeout=90)
    assert process.returncode == 1
    assert "not verified: " in said
    assert record(written) == {"verified": None, "failed": None}


def test_the_restore_of_an_encrypted_archive_is_verified_and_its_record_is_encrypted(
    make: Make, template: Path, beside: Beside, scratch: Verify
) -> None:
    backup = encrypted_primary(make, template, beside)
    outcome = scratch(backup).start().verify()
    assert outcome.code == 0, outcome
    assert record(backup)["verified"]["checks"] == ["checksums", "pg_amcheck"]
    [note] = (backup.repository / "archive" / STANZA).glob(NOTE)
    assert note.read_bytes().startswith(b"Salted__")


def test_a_report_is_taken_by_the_primary_alone_and_about_its_own_archive(make: Make, beside: Beside, written: Backup) -> None:
    replica = follower(make, beside, "db-1", written.container)
    report = {
        "ended": 1.0, "major": DEFAULT, "failure": "", "backup": "20261201-101010F", "timeline": 2, "lsn": "0/3000000", "size": 1,
        "restore_s": 1.0, "replay_s": 1.0, "check_s": 1.0, "checks": ["query"],
    }  # fmt: skip
    assert replica.ask("/verified", stanza=STANZA, **report)[0] == 75
    code, lines = written.ask("/verified", stanza="other-00000000", **report)
    assert (code, lines) == (78, [f"error: the report is about 'other-00000000', this archive is {STANZA}"])
    assert written.ask("/verified", stanza=STANZA, **{**report, "lsn": "x"})[0] == 1
    code, lines = written.ask("/verified", stanza=STANZA, **{**report, "major": "14"})
    assert (code, lines) == (78, ["error: the report is about PostgreSQL 14, this archive goes on with PostgreSQL 15"])
    assert record(written)["verified"] is None
    assert written.ask("/verified", stanza=STANZA, **report)[0] == 0
    assert record(written)["verified"]["endedAt"] == 1.0


@pytest.mark.parametrize("major", ["9.6", "13"])
def test_a_verified_restore_of_an_earlier_major_reads_every_table(
    make: Make, templates: Callable[[str], Path], beside: Beside, scratch: Verify, major: str
) -> None:
    container = make("db-0", major=major)
    container.take_data_of(templates(major))
    backup = beside(container)
    container.start()
    container.ok("start", "hot")
    container.promote(2, 1)
    container.sql(TABLE, 'create database "with \'quote"')
    backup.backup()
    container.sql("insert into kept (what) values ('one')")
    container.sql("select pg_switch_xlog()" if major == "9.6" else "select pg_switch_wal()")
    settled(container)
    outcome = scratch(backup, major).start().verify("select count(*) = 1 from kept")
    assert outcome.code == 0, outcome
    assert record(backup)["verified"]["checks"] == ["tables read", "query"]


def test_a_table_of_an_earlier_major_that_cannot_be_read_is_named(
    make: Make, templates: Callable[[str], Path], beside: Beside, scratch: Verify
) -> None:
    container = make("db-0", major="13")
    container.take_data_of(templates("13"))
    backup = beside(container)
    container.start()
    container.ok("start", "hot")
    container.promote(2, 1)
    container.sql("create table large as select i, repeat('x', 100) as text from generate_series(1, 20000) i", "checkpoint")
    path = container.pgdata / container.sql("select pg_relation_filepath('large')")
    with path.open("r+b") as file:
        file.seek(100 * 8192)
        file.write(b"damage" * 8)
    backup.backup()
    outcome = scratch(backup, "13").start().verify()
    assert outcome.code == 1
    assert record(backup)["failed"]["failure"].startswith(
        "a table of the database postgres can't be read: ERROR: invalid page in block 100"
    )


def test_what_a_loss_of_all_volumes_would_lose_is_measured(written: Backup) -> None:
    """archive_timeout and, while the repository is away, the age of the oldest segment that waits."""
    conf = written.container.config / "postgresql.conf"
    wait_for(lambda: metrics(written)["archive_rpo_seconds"] == float("inf"), "no archive_timeout is set")
    conf.write_text(conf.read_text() + "archive_timeout = '60s'\n")
    wait_for(lambda: metrics(written)["archive_rpo_seconds"] == 60, "nothing waits")
    written.repository.rename(written.repository.with_name("away"))
    written.repository.touch()
    switch(written.container, "unarchived", 2)
    wait_for(lambda: metrics(written)["archive_rpo_seconds"] > 62, "a segment waits")
