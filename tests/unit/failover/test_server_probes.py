"""The results of an agent's probes, and which of them are reported as changes."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest

from hapg_failover.adapters.ports.sql import Sender, ServerStatus
from hapg_failover.adapters.threads import Threads
from hapg_failover.core.state.phases import Phase
from hapg_failover.core.state.volume import DATA_VOLUME
from hapg_failover.events import ConfigurationTried, Event, Greeted
from hapg_failover.server_probes import ServerProbes
from hapg_protocol.lsn import Position
from hapg_protocol.version_profile import VersionProfile


class Looked:
    """A primary's probes, with their reports."""

    def __init__(self) -> None:
        self.sql, self.volume, self.files, self.logged = Mock(), Mock(), Mock(), Mock()
        self.phase = Phase.PRIMARY
        self.news: list[bool] = []
        self.events: list[Event] = []
        settings: Any = SimpleNamespace(profile=VersionProfile(major="15", bounds_slots=False), standby_mode="hot")
        self.looks = ServerProbes(
            Threads(), lambda: settings, lambda: self.phase, self.sql, self.volume, self.files, lambda: None, self._report, self.logged
        )

    def _report(self, event: Event, is_news: bool) -> None:
        self.news.append(is_news)
        self.events.append(event)

    def shows(self, state: str, flushed: int | None) -> bool:
        """True if a standby like this in pg_stat_replication is reported as a change."""
        sender = Sender("pg-1", "10.0.0.2", state, flushed)
        self.sql.status.return_value = ServerStatus(False, Position(2, 0x500), (sender,), "7")
        self.looks._look_at_server()
        return self.news[-1]


@pytest.fixture
def looked() -> Looked:
    return Looked()


def test_a_standby_that_streams_and_one_that_says_what_it_has_are_news(looked: Looked) -> None:
    """The primary then makes it eligible; waiting for the next renewal would be too late."""
    assert looked.shows("catchup", None)
    assert looked.shows("streaming", None)
    assert looked.shows("streaming", 0x400)
    assert not looked.shows("streaming", 0x500)


def test_what_a_new_connection_is_told_is_counted(looked: Looked) -> None:
    def silent(patience: float, waiting: Any) -> None:
        waiting(14.0)
        waiting(patience)

    for answer in ("", "57P03", "57P03", "53300", "57P03"):
        looked.sql.greet.side_effect = [answer]
        looked.looks._greet()
    looked.sql.greet.side_effect = silent
    looked.looks._greet()
    told = [event.greeting for event in looked.events if isinstance(event, Greeted)]
    assert [(g.silent, g.refusing, g.crowded) for g in told] == [
        (0, 0, False),
        (0, 5, False),
        (0, 10, False),
        (0, 0, True),
        (0, 5, False),
        (14, 0, False),
        (15, 0, False),
    ]
    assert looked.news == [False] * 6 + [True]
    looked.volume.production.return_value = None
    looked.sql.greet.side_effect = ["53300"]
    looked.looks._greet()
    last = looked.events[-1]
    assert isinstance(last, Greeted)
    assert not last.greeting.crowded  # it is recovering: nothing shows that it will become primary


def test_a_hot_standbys_session_is_kept_from_the_start(looked: Looked) -> None:
    looked.phase = Phase.FOLLOW
    looked.looks._look_at_server()
    assert looked.sql.keep.called
    looked.looks._greet()
    assert not looked.sql.greet.called


def test_what_can_not_be_set_aside_is_said_once(looked: Looked) -> None:
    looked.volume.make_emergency_spaces.side_effect = OSError("no space left on device")
    looked.looks._make_emergency_spaces()
    looked.looks._make_emergency_spaces()
    assert [call.args for call in looked.logged.call_args_list] == [
        ("warning", "emergency_space", "can't reserve emergency WAL space: no space left on device")
    ]


def test_what_is_set_aside_is_said_by_volume(looked: Looked) -> None:
    looked.volume.make_emergency_spaces.return_value = [DATA_VOLUME]
    looked.looks._make_emergency_spaces()
    assert [call.args for call in looked.logged.call_args_list] == [
        ("info", "emergency_space", "space for 4 WAL segments is reserved on the data volume")
    ]


def test_files_that_are_refused_are_reported_and_logged(looked: Looked) -> None:
    looked.files.look.return_value = "no such value"
    looked.looks._look_at_files()
    assert (looked.events, looked.news) == ([ConfigurationTried("no such value")], [True])
    looked.logged.assert_called_once_with("warning", "configuration", "no such value")
    looked.files.look.return_value = None
    looked.looks._look_at_files()
    assert looked.news == [True]


def test_the_files_are_left_alone_while_a_server_is_on_its_way(looked: Looked) -> None:
    """Its start has checked them; a trial would delay an election."""
    for looked.phase in (Phase.BOOT, Phase.SEALED, Phase.CLAIMING, Phase.PROMOTING):
        looked.looks._look_at_files()
    assert not looked.files.look.called
