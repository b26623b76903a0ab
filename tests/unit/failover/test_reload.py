"""Files that take force with a reload."""

from __future__ import annotations

from pathlib import Path

import pytest

from hapg_failover.adapters.ports import SqlError
from hapg_failover.reload import Reload


class Server:
    """Counts its reloads, and may refuse."""

    def __init__(self) -> None:
        self.reloads, self.refuses = 0, False

    def reload(self) -> None:
        if self.refuses:
            raise SqlError("not now")
        self.reloads += 1


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def watched(server: Server, said: list[str], tmp_path: Path) -> Reload:
    (tmp_path / "pg_hba.conf").write_text("a")
    return Reload(server.reload, said.append, [tmp_path / "pg_hba.conf", tmp_path / "tls.crt"])


def test_a_server_is_reloaded_once_and_then_when_a_file_changes(watched: Reload, server: Server, said: list[str], tmp_path: Path) -> None:
    for _ in range(3):
        watched.look(answers=True)
    assert (server.reloads, said) == (1, [])
    (tmp_path / "tls.crt").write_text("new")
    for _ in range(3):
        watched.look(answers=True)
    assert (server.reloads, len(said)) == (2, 1)


def test_a_replaced_link_counts_as_a_change(watched: Reload, server: Server, tmp_path: Path) -> None:
    """As kubelet does it: the name is a link to another file."""
    watched.look(answers=True)
    (tmp_path / "other").write_text("a")
    (tmp_path / "pg_hba.conf").unlink()
    (tmp_path / "pg_hba.conf").symlink_to(tmp_path / "other")
    watched.look(answers=True)
    assert server.reloads == 2


def test_a_reload_that_fails_is_tried_again(watched: Reload, server: Server) -> None:
    server.refuses = True
    watched.look(answers=True)
    server.refuses = False
    watched.look(answers=True)
    assert server.reloads == 1


def test_a_server_that_takes_no_connection_is_left_alone_and_reloaded_later(watched: Reload, server: Server) -> None:
    watched.look(answers=False)
    assert server.reloads == 0
    watched.look(answers=True)
    watched.look(answers=False)
    watched.look(answers=True)
    assert server.reloads == 2
