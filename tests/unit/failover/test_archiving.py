"""What a primary says about its archive, and what the agent leaves for its backup container."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from hapg_failover.adapters.threads import Threads
from hapg_failover.backup_link import BackupLink
from hapg_failover.core.archiving import SILENCE, Archiving, annotation, is_due, news, parse
from hapg_failover.core.timing import ARCHIVE_FAILING_S, ARCHIVE_SHOWN_S, ARCHIVE_SILENT_S
from hapg_protocol.archive_report import ANNOTATION, ArchiveReport, Verified, decode

NOW, WALL = 1000.0, 5000.0
STATE = {"at": NOW, "failing": "", "failing_since": 0.0, "misconfigured": "", "holes": [], "waiting": 0, "oldest_s": 0.0}


VERIFICATION = {
    "ended": 8.0, "failure": "", "backup": "B", "timeline": 1, "lsn": "0/1", "size": 100, "restore_s": 2.0, "replay_s": 3.0, "check_s": 1.0,
    "checks": ["query"],
}  # fmt: skip


def verified() -> Archiving:
    return Archiving(report=ArchiveReport(verified=Verified(7.0, "", "B", 5.0, 1.0)))


def not_verified(at: float) -> Archiving:
    return Archiving(report=ArchiveReport(failed=Verified(at, "why", "B")))


def state(**changes: object) -> str:
    return json.dumps(STATE | changes)


def test_what_the_container_says_is_taken() -> None:
    found = parse(state(failing="no", failing_since=WALL - ARCHIVE_FAILING_S, misconfigured="wrong", holes=["A"]), NOW, WALL)
    assert found == Archiving("no", "wrong", ("A",))


def test_what_it_says_of_backups_and_restores_is_taken() -> None:
    record = {"verified": VERIFICATION, "failed": VERIFICATION | {"ended": 9.0, "failure": "no"}}
    given = state(
        archived="A", archived_at=1.0, waiting=1, oldest_s=2.0, timeout_s=60.0, checked_at=3.0, backups={"full": 4}, record=record
    )
    assert parse(given, NOW, WALL).report == ArchiveReport(
        archived="A",
        archived_at=1.0,
        waiting_since=WALL - 2.0,
        timeout=60.0,
        read_at=3.0,
        backups={"full": 4.0, "diff": 0.0, "incr": 0.0},
        verified=Verified(8.0, "", "B", 5.0, 50.0),
        failed=Verified(9.0, "no", "B", 5.0, 50.0),
    )


def test_a_failure_of_seconds_is_no_news() -> None:
    assert parse(state(failing="no", failing_since=WALL - ARCHIVE_FAILING_S + 1), NOW, WALL) == Archiving()


def test_a_container_that_says_nothing_new_fails() -> None:
    assert parse(state(at=NOW - ARCHIVE_SILENT_S - 1), NOW, WALL).failing == SILENCE


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"at": "soon"}'])
def test_a_malformed_state_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse(text, NOW, WALL)


@pytest.mark.parametrize(
    ("told", "found", "reasons"),
    [
        (Archiving(), Archiving(), []),
        (Archiving(), Archiving("no"), ["ArchivingFailed"]),
        (Archiving("no"), Archiving("no, still"), []),
        (Archiving("no"), Archiving(), ["ArchivingResumed"]),
        (Archiving(), Archiving("", "wrong"), ["ArchiveMisconfigured"]),
        (Archiving("", "wrong"), Archiving("", "wrong, too"), ["ArchiveMisconfigured"]),
        (Archiving("", "wrong"), Archiving(), []),
        (Archiving(), Archiving("", "", ("A", "B to C")), ["ArchiveHole"]),
        (Archiving("", "", ("A",)), Archiving("", "", ("A",)), []),
        (Archiving(), verified(), []),
        (Archiving(), not_verified(5.0), ["BackupNotVerified"]),
        (not_verified(5.0), not_verified(5.0), []),
        (not_verified(5.0), not_verified(6.0), ["BackupNotVerified"]),
        (not_verified(5.0), verified(), ["BackupVerified"]),
        (not_verified(5.0), Archiving(), []),
    ],
)
def test_an_event_tells_each_change_once(told: Archiving, found: Archiving, reasons: list[str]) -> None:
    events = news(told, found)
    assert [event.reason for event in events] == reasons
    assert all(event.message for event in events)


def test_a_backup_that_is_not_verified_is_named_with_the_reason() -> None:
    (event,) = news(Archiving(), not_verified(5.0))
    assert event.message == "the restore of B is not verified: why"
    (event,) = news(Archiving(), Archiving(report=ArchiveReport(failed=Verified(5.0, "no repository"))))
    assert event.message == "the restore of the latest backup is not verified: no repository"


def test_the_report_on_an_archive_has_its_trouble() -> None:
    assert annotation(Archiving("no", "", ("A",), ArchiveReport("B"))) == ArchiveReport("B", trouble="no", holes=("A",))
    assert annotation(Archiving("no", "wrong")).trouble == "wrong"


@pytest.mark.parametrize(
    ("told", "found", "since_s", "due"),
    [
        (None, ArchiveReport(), 0.0, True),
        (ArchiveReport("A"), ArchiveReport("A"), 1000.0, False),
        (ArchiveReport("A"), ArchiveReport("B", 2.0, 1.0, read_at=5.0), ARCHIVE_SHOWN_S, False),
        (ArchiveReport("A"), ArchiveReport("B"), ARCHIVE_SHOWN_S + 1, True),
        (ArchiveReport("A"), ArchiveReport("A", trouble="no"), 0.0, True),
        (ArchiveReport("A"), ArchiveReport("B", backups={"full": 1.0}), 0.0, True),
        (ArchiveReport("A"), ArchiveReport("A", failed=Verified(1.0, "no")), 0.0, True),
    ],
)
def test_the_report_on_an_archive_is_written_seldom_unless_something_happens(
    told: ArchiveReport | None, found: ArchiveReport, since_s: float, due: bool
) -> None:
    assert is_due(told, found, since_s) is due


class TestLink:
    def test_it_leaves_the_birth_and_tells_of_the_archive_while_this_pod_is_the_primary(self, tmp_path: Path) -> None:
        told: list[str] = []
        leads: list[int | None] = [None]
        births = [""]
        shown: list[Mapping[str, str | None]] = []
        link = BackupLink(
            tmp_path, Threads(), lambda: births[0], lambda: leads[0], lambda kind, reason, message: told.append(reason), shown.append
        )
        link.look()
        assert not (tmp_path / "backup").exists()
        births[0] = "1a2b3c4d-0000-4000-8000-000000000001"
        link.look()
        assert (tmp_path / "backup" / "birth").read_text() == births[0]
        clock = Threads()
        content = {**STATE, "at": clock.now(), "failing": "no", "failing_since": clock.wall_clock() - ARCHIVE_FAILING_S}
        (tmp_path / "backup" / "state.json").write_text(json.dumps(content))
        link.look()
        assert (told, shown) == ([], [])
        leads[0] = 5
        link.look()
        link.look()
        assert told == ["ArchivingFailed"]
        (tmp_path / "backup" / "state.json").write_text(json.dumps({**content, "failing": "", "failing_since": 0.0}))
        link.look()
        assert told == ["ArchivingFailed", "ArchivingResumed"]
        assert [decode(each[ANNOTATION] or "").trouble for each in shown] == ["no", ""]
        leads[0] = None
        link.look()
        link.look()
        assert shown[2:] == [{ANNOTATION: None}]
