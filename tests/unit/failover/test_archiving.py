"""What a primary says about its archive, and what the agent leaves for its backup container."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hapg_failover.adapters.threads import Threads
from hapg_failover.backup_link import BackupLink
from hapg_failover.core.archiving import FAILING_S, SILENCE, SILENT_S, Archiving, news, parse

NOW, WALL = 1000.0, 5000.0
STATE = {"at": NOW, "failing": "", "failing_since": 0.0, "misconfigured": "", "holes": []}


def state(**changes: object) -> str:
    return json.dumps(STATE | changes)


def test_what_the_container_says_is_taken() -> None:
    found = parse(state(failing="no", failing_since=WALL - FAILING_S, misconfigured="wrong", holes=["A"]), NOW, WALL)
    assert found == Archiving("no", "wrong", ("A",))


def test_a_failure_of_seconds_is_no_news() -> None:
    assert parse(state(failing="no", failing_since=WALL - FAILING_S + 1), NOW, WALL) == Archiving()


def test_a_container_that_says_nothing_new_fails() -> None:
    assert parse(state(at=NOW - SILENT_S - 1), NOW, WALL).failing == SILENCE


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
    ],
)
def test_an_event_tells_each_change_once(told: Archiving, found: Archiving, reasons: list[str]) -> None:
    events = news(told, found)
    assert [event.reason for event in events] == reasons
    assert all(event.message for event in events)


class TestLink:
    def test_it_leaves_the_birth_and_tells_of_the_archive_while_this_pod_is_the_primary(self, tmp_path: Path) -> None:
        told: list[str] = []
        leads: list[int | None] = [None]
        births = [""]
        link = BackupLink(tmp_path, Threads(), lambda: births[0], lambda: leads[0], lambda kind, reason, message: told.append(reason))
        link.look()
        assert not (tmp_path / "backup").exists()
        births[0] = "1a2b3c4d-0000-4000-8000-000000000001"
        link.look()
        assert (tmp_path / "backup" / "birth").read_text() == births[0]
        clock = Threads()
        content = {**STATE, "at": clock.now(), "failing": "no", "failing_since": clock.wall_clock() - FAILING_S}
        (tmp_path / "backup" / "state.json").write_text(json.dumps(content))
        link.look()
        assert told == []
        leads[0] = 5
        link.look()
        link.look()
        assert told == ["ArchivingFailed"]
        (tmp_path / "backup" / "state.json").write_text(json.dumps({**content, "failing": "", "failing_since": 0.0}))
        link.look()
        assert told == ["ArchivingFailed", "ArchivingResumed"]
