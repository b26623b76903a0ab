"""Which backup a restore begins with, how pgBackRest is called, and whether recovery has ended where it should."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hapg_backup.core import restoring
from hapg_backup.core.backups import Backup, parse_info
from hapg_backup.core.errors import Misconfigured
from hapg_backup.core.lineage import Lineage
from hapg_backup.core.restoring import Plan
from hapg_backup.core.settings import Restore
from hapg_backup.core.stanza import source_stanza, stanza_of
from hapg_backup.core.wal_names import Segment

SIZE = 1 << 20
LINEAGE = Lineage(5, ((1, 4 * SIZE),))


def backup(label: str, timeline: int, stop: int, ended: int) -> Backup:
    return Backup(label, "full", ended - 5, ended, timeline, stop - 1, stop, "a", "b", 1, 1, False, ())


FIRST, DEAD, LAST = backup("A", 1, 2 * SIZE, 100), backup("B", 1, 5 * SIZE, 200), backup("C", 5, 6 * SIZE, 300)
ALL = (FIRST, DEAD, LAST)
INFO = """[{"name": "db-1a2b3c4d", "db": [{"id": 1, "version": "15"}], "backup": [{"label": "20261201-101010F", "type": "full",
 "timestamp": {"start": 1, "stop": 2}, "archive": {"start": "000000020000000000000003", "stop": "000000020000000000000003"},
 "lsn": {"start": "0/3000028", "stop": "0/3000100"}, "info": {"size": 9, "repository": {"delta": 4}}, "error": false,
 "reference": null, "database": {"id": 1}}]}]"""


@pytest.mark.parametrize(
    ("restore", "label"),
    [
        (Restore("db"), "C"),
        (Restore("db", "name", "x"), "C"),
        (Restore("db", "lsn", "0/580000"), "A"),
        (Restore("db", "lsn", "0/600000"), "C"),
        (Restore("db", "time", "1970-01-01 00:05:00+00:00"), "A"),
        (Restore("db", "time", "1970-01-01 00:05:01+00:00"), "C"),
        (Restore("db", backup="A"), "A"),
    ],
)
def test_the_newest_backup_on_the_history_that_ended_before_the_target(restore: Restore, label: str) -> None:
    assert restoring.choose(restore, ALL, LINEAGE).label == label


@pytest.mark.parametrize(
    ("restore", "lineage", "reason"),
    [
        (Restore("db", backup="Z"), LINEAGE, "there is no backup Z; there are A, B, C"),
        (Restore("db", backup="B"), LINEAGE, "the backup B is not on the history of timeline 5"),
        (Restore("db"), Lineage(9), "no backup from which timeline 9 can be reached"),
        (Restore("db", "lsn", "0/1"), LINEAGE, "the first backup, A, ended after the target lsn 0/1: choose a later target"),
    ],
)
def test_without_such_a_backup_it_says_what_is_there(restore: Restore, lineage: Lineage, reason: str) -> None:
    with pytest.raises(Misconfigured, match=reason):
        restoring.choose(restore, ALL, lineage)


def test_the_timeline_is_always_named() -> None:
    plan = Plan("db-1a2b3c4d", "C", LINEAGE)
    common = ["--set=C", "--recovery-option=restore_command=get"]
    assert restoring.arguments(Restore("db"), plan, "get") == [*common, "--target-timeline=5", "--type=default"]
    exclusive = restoring.arguments(Restore("db", "xid", "7", inclusive=False), plan, "get")
    assert exclusive == [*common, "--target-timeline=5", "--type=xid", "--target-action=promote", "--target=7", "--target-exclusive"]
    assert restoring.arguments(Restore("db", "immediate"), plan, "get") == [*common, "--type=immediate", "--target-action=promote"]


@pytest.mark.parametrize(
    ("restore", "parent", "end", "log", "reason"),
    [
        (Restore("db"), 5, 7 * SIZE, "", ""),
        (Restore("db"), 5, 6 * SIZE, "", "recovery ended at 0/600000, before the archive's last segment, 000000050000000000000006"),
        (Restore("db"), 1, 5 * SIZE, "", "recovery ended on timeline 1 at 0/500000, which is not on the history of timeline 5"),
        (Restore("db", "time", "t"), 5, 1, "LOG:  recovery stopping before commit of transaction 7", ""),
        (Restore("db", "name", "n"), 5, 1, "", "recovery ended at 0/1, before the target name n was reached; if it lies before"),
        (Restore("db", "time", "t"), 5, 1, "", "recovery ended at 0/1, before the target time t was reached"),
    ],
)
def test_where_recovery_has_ended(restore: Restore, parent: int, end: int, log: str, reason: str) -> None:
    found = restoring.misses(restore, Plan("db", "C", LINEAGE), parent, end, log, Segment(5, 6), SIZE)
    assert found.startswith(reason)
    assert bool(found) == bool(reason)


def test_backups_as_pgbackrest_tells_them() -> None:
    (found,) = parse_info(INFO, "db-1a2b3c4d")
    assert (found.timeline, found.stop, found.version, found.stored) == (2, 0x3000100, "15", 4)
    assert found.document["stopLsn"] == "0/3000100"
    assert parse_info(INFO, "another") == ()
    for text in ("[{}]", '["x"]', "[]x"):
        with pytest.raises(ValueError):
            parse_info(text, "db")
    assert replace(found, failed=True).document["error"] is True


def test_only_backups_of_the_charts_major_are_restored() -> None:
    former, new = replace(FIRST, version="15"), replace(LAST, version="17")
    assert restoring.of_major([former, new], "17", "db", "") == [new]
    assert restoring.of_major([former, new], "15", "db", "A") == [former]
    assert restoring.of_major([], "15", "db", "A") == []
    with pytest.raises(Misconfigured, match="the backups of db are of PostgreSQL 17, this is the chart of PostgreSQL 16"):
        restoring.of_major([former, new], "16", "db", "")
    with pytest.raises(Misconfigured, match="the backup A is of PostgreSQL 15, this is the chart of PostgreSQL 17"):
        restoring.of_major([former, new], "17", "db", "A")


def test_the_stanza_is_that_of_one_birth() -> None:
    birth = "1a2b3c4d-0000-4000-8000-000000000001"
    assert stanza_of("db", birth) == "db-1a2b3c4d"
    with pytest.raises(ValueError, match="not a UID"):
        stanza_of("db", "../../x")


def test_a_source_is_a_stanza_or_the_only_one_of_a_release() -> None:
    there = ["db-1a2b3c4d", "db-2-1a2b3c4d", "other-00000000", "other-11111111", "plain"]
    assert source_stanza("db", there) == "db-1a2b3c4d"
    assert source_stanza("plain", there) == "plain"
    with pytest.raises(Misconfigured, match=r"several archives of other: set restore\.stanza to one of other-00000000, other-11111111"):
        source_stanza("other", there)
    with pytest.raises(Misconfigured, match="no archive nobody; it has none"):
        source_stanza("nobody", [])
