"""When the release's files are tried, and how the result is used."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import Mock

import pytest

from hapg_failover import configuration
from hapg_failover.adapters.threads import Threads
from hapg_failover.configuration import DataRefused, Watch, configure
from hapg_failover.supervisor_commands import OperationFailed


class Server:
    """Counts its trials, and answers as configured."""

    def __init__(self) -> None:
        self.trials = 0
        self.says: str | Exception = ""

    def configure(self, nonce: str, term: int) -> str:
        assert (nonce, term) == ("n", 7)
        self.trials += 1
        if isinstance(self.says, Exception):
            raise self.says
        return self.says


class Watched:
    """A watch over two files, and what it reports."""

    def __init__(self, directory: Path) -> None:
        self.server = Server()
        self.refused = ""
        self.address: tuple[str, int] | None = ("n", 7)
        self.hba, self.certificate = directory / "pg_hba.conf", directory / "tls.crt"
        self.hba.write_text("a")
        self.watch = Watch(Threads(), self.server.configure, lambda: self.address, lambda: self.refused, [self.hba, self.certificate])

    def look(self) -> str | None:
        found = self.watch.look()
        if found is not None:
            self.refused = found
        return found


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    return Watched(tmp_path)


def test_files_are_tried_once_and_then_when_one_changes(watched: Watched) -> None:
    assert [watched.look() for _ in range(3)] == ["", None, None]
    watched.certificate.write_text("new")
    assert [watched.look() for _ in range(3)] == ["", None, None]
    assert watched.server.trials == 2


def test_a_replaced_link_counts_as_a_change(watched: Watched, tmp_path: Path) -> None:
    """As kubelet does it: the name is now a link to another file."""
    watched.look()
    (tmp_path / "other").write_text("a")
    watched.hba.unlink()
    watched.hba.symlink_to(tmp_path / "other")
    assert watched.look() == ""


def test_what_was_refused_is_tried_now_and_then(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may have lacked a certificate or memory that is available now."""
    watched.server.says = "no"
    assert [watched.look() for _ in range(3)] == ["no", None, None]
    monkeypatch.setattr(configuration, "AGAIN_S", 0.0)
    watched.server.says = ""
    assert watched.look() == ""
    assert watched.look() is None


def test_what_a_start_has_found_is_tried_again_too(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    watched.look()
    watched.refused = "no"
    monkeypatch.setattr(configuration, "AGAIN_S", 0.0)
    assert watched.look() == ""


def test_a_trial_that_was_not_made_is_made_at_the_next_look(watched: Watched) -> None:
    watched.server.says = OperationFailed("configure: error superseded", command_id="1")
    assert watched.look() is None
    watched.server.says = ""
    assert watched.look() == ""


def test_a_trial_that_is_not_possible_waits(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    watched.server.says = OperationFailed("configure: error exit code 2: no room", command_id="1", exit_code=2)
    assert [watched.look() for _ in range(3)] == [None, None, None]
    assert watched.server.trials == 1
    monkeypatch.setattr(configuration, "AGAIN_S", 0.0)
    watched.server.says = ""
    assert watched.look() == ""


def test_without_a_supervisor_nothing_is_tried(watched: Watched) -> None:
    watched.address = None
    assert watched.look() is None
    assert watched.server.trials == 0


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("FATAL:  no pg_hba.conf entry", "no pg_hba.conf entry"),
        ("FATAL:  could not read from control file: read 0 of 8192", DataRefused),
    ],
)
def test_the_server_s_words_are_read(said: str, expected: str | type[Exception]) -> None:
    commands, supervisor = Mock(), Mock()
    commands.call.side_effect = OperationFailed("configure: error exit code 1: FATAL", command_id="v", exit_code=1)
    supervisor.output.return_value = said
    if isinstance(expected, str):
        assert configure(commands, supervisor, "n", 1) == expected
    else:
        with pytest.raises(expected):
            configure(commands, supervisor, "n", 1)
    supervisor.output.assert_called_once_with("v")


def test_any_other_answer_is_no_refusal() -> None:
    commands = Mock()
    commands.call.side_effect = OperationFailed("configure: refused busy")
    with pytest.raises(OperationFailed):
        configure(commands, Mock(), "n", 1)
