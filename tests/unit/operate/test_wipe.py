"""`hapg wipe`, with a new user's mistakes."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable

import pytest

from hapg.cli import main
from hapg.operate import wiping
from tests.unit.operate.conftest import Clock
from tests.unit.operate.sleeping import FakeNamespace, install, labels, of, uninstalled

Use = Callable[[FakeNamespace], FakeNamespace]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(wiping, "time", clock)
    return clock


def of_pg(namespace: FakeNamespace) -> set[str]:
    mine = {"lease/pg", "secret/pg-auth", "secret/pg-replication", *(f"persistentvolumeclaim/data-pg-{number}" for number in range(3))}
    return namespace.names() & mine


def test_wipe_shows_what_goes_and_removes_it_and_nothing_beside_it(use: Use, capsys: pytest.CaptureFixture[str]) -> None:
    namespace = use(uninstalled("pg", "pg-2", "pg-auth"))
    beside = namespace.names() - of_pg(namespace)
    assert main(["wipe", "pg", "-n", "demo", "--yes", "pg"]) == 0
    assert namespace.names() == beside
    told = capsys.readouterr()
    assert told.out == "pg is wiped: 3 claims, 2 Secrets and the Lease are deleted\n"
    assert told.err.splitlines() == [
        "pg in namespace demo would be wiped. That cannot be undone:",
        "  claim data-pg-0, 8Gi",
        "  claim data-pg-1, 8Gi",
        "  claim data-pg-2, 8Gi",
        "  Secret pg-auth",
        "  Secret pg-replication",
        "  Lease pg, last written 2026-01-02 03:04:05Z, WAL up to 4:0/3000028",
    ]


def test_wipe_deletes_the_lease_last(use: Use) -> None:
    namespace = use(uninstalled("pg"))
    main(["wipe", "pg", "--yes", "pg"])
    assert [name.partition("/")[0] for name in namespace.deleted] == [*["persistentvolumeclaim"] * 3, *["secret"] * 2, "lease"]


@pytest.mark.parametrize(("typed", "code"), [("pg\n", 0), ("pg-2\n", 2), ("yes\n", 2), ("", 2)])
def test_wipe_asks_for_the_name(use: Use, monkeypatch: pytest.MonkeyPatch, typed: str, code: int) -> None:
    namespace = use(uninstalled("pg", "pg-2"))
    terminal = io.StringIO(typed)
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdin", terminal)
    assert main(["wipe", "pg"]) == code
    assert len(of_pg(namespace)) == (0 if code == 0 else 6)


def test_wipe_asks_nobody_where_there_is_no_terminal(use: Use, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    namespace = use(uninstalled("pg"))
    monkeypatch.setattr(sys, "stdin", io.StringIO("pg\n"))
    assert main(["wipe", "pg"]) == 2
    assert "no terminal to ask for confirmation; use --yes pg; nothing was deleted" in capsys.readouterr().err
    assert namespace.deleted == []


@pytest.mark.parametrize("yes", ["pg-2", "PG", "", "yes"])
def test_wipe_refuses_another_name_in_yes(use: Use, capsys: pytest.CaptureFixture[str], yes: str) -> None:
    namespace = use(uninstalled("pg", "pg-2"))
    assert main(["wipe", "pg", "--yes", yes]) == 2
    assert f"error: {yes!r} is not the release's name, pg; nothing was deleted\n" in capsys.readouterr().err
    assert namespace.deleted == []


@pytest.mark.parametrize("name", ["p", "pgg", "pg-3", "data-pg-0"])
def test_wipe_refuses_a_wrong_name(use: Use, capsys: pytest.CaptureFixture[str], name: str) -> None:
    namespace = use(uninstalled("pg", "pg-2"))
    assert main(["wipe", name, "-n", "demo", "--yes", name]) == 1
    assert capsys.readouterr().err == (
        f"error: nothing to wipe: no release {name} in namespace demo; uninstalled releases there: pg, pg-2; nothing was deleted\n"
    )
    assert namespace.deleted == []


def test_wipe_refuses_a_wrong_namespace(use: Use, capsys: pytest.CaptureFixture[str]) -> None:
    use(FakeNamespace(namespace="default"))
    assert main(["wipe", "pg", "--yes", "pg"]) == 1
    assert "no release pg in namespace default; uninstalled releases there: none; nothing was deleted" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("replicas", "pods", "words"),
    [
        (3, 3, "pg is running: `helm uninstall orders` first; nothing was deleted"),
        (3, 0, "pg is running: `helm uninstall orders` first; nothing was deleted"),
        (0, 1, "pg is being paused, and still installed: `helm uninstall orders` first; nothing was deleted"),
        (0, 0, "pg is paused, and still installed: `helm uninstall orders` first; nothing was deleted"),
    ],
)
def test_wipe_refuses_an_installed_release(use: Use, capsys: pytest.CaptureFixture[str], replicas: int, pods: int, words: str) -> None:
    namespace = use(install(uninstalled("pg"), "pg", replicas, pods, "orders"))
    assert main(["wipe", "pg", "--yes", "pg"]) == 1
    assert capsys.readouterr().err == f"error: {words}\n"
    assert namespace.deleted == []


def test_wipe_refuses_a_release_whose_stateful_set_alone_was_deleted(use: Use, capsys: pytest.CaptureFixture[str]) -> None:
    namespace = use(install(uninstalled("pg"), "pg"))
    namespace.objects["statefulset"] = []
    assert main(["wipe", "pg", "--yes", "pg"]) == 1
    assert "pg is still installed, although its StatefulSet is gone: `helm uninstall pg` first" in capsys.readouterr().err


def test_wipe_refuses_a_release_that_still_stops(use: Use, capsys: pytest.CaptureFixture[str]) -> None:
    namespace = use(uninstalled("pg"))
    namespace.add("pod", of("pg-1", labels("pg")))
    assert main(["wipe", "pg", "--yes", "pg"]) == 1
    assert "its pods still stop: wait until pg-1 are gone; nothing was deleted" in capsys.readouterr().err


def test_a_second_wipe_finds_nothing(use: Use, capsys: pytest.CaptureFixture[str]) -> None:
    use(uninstalled("pg"))
    assert main(["wipe", "pg", "--yes", "pg"]) == 0
    assert main(["wipe", "pg", "--yes", "pg"]) == 1
    assert "nothing to wipe: no release pg in namespace demo" in capsys.readouterr().err


@pytest.mark.parametrize("steps", range(6))
def test_an_interrupted_wipe_is_finished_by_the_next(use: Use, steps: int) -> None:
    namespace = use(uninstalled("pg", "pg-2"))
    beside = namespace.names() - of_pg(namespace)

    def interrupted() -> None:
        if len(namespace.deleted) == steps:
            raise KeyboardInterrupt

    namespace.after = interrupted
    if steps:
        assert main(["wipe", "pg", "--yes", "pg"]) == 130
        assert "lease/pg" in namespace.names()
    namespace.after = None
    assert main(["wipe", "pg", "--yes", "pg"]) == 0
    assert namespace.names() == beside


@pytest.mark.parametrize("number", range(1, 7))
def test_wipe_run_by_two_operators_at_a_time_deletes_nothing_beside_it(use: Use, number: int) -> None:
    """The second run goes from its beginning to its end after one deletion of the first."""
    namespace = use(uninstalled("pg", "pg-2"))
    beside = namespace.names() - of_pg(namespace)
    second: list[int] = []

    def join() -> None:
        if len(namespace.deleted) == number:
            namespace.after = None
            second.append(main(["wipe", "pg", "--yes", "pg"]))

    namespace.after = join
    assert main(["wipe", "pg", "--yes", "pg"]) == 0
    assert second == ([0] if number < 6 else [1]), "after the last deletion there is nothing to wipe"
    assert namespace.names() == beside


def test_wipe_waits_for_a_claim_that_is_held_and_keeps_the_lease(use: Use, clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    namespace = use(uninstalled("pg"))
    namespace.held = {"data-pg-1"}
    assert main(["wipe", "pg", "--yes", "pg", "--timeout", "5"]) == 1
    told = capsys.readouterr().err
    assert "waiting until these are gone: persistentvolumeclaim data-pg-1\n" in told
    assert "the Lease is kept until then: run `hapg wipe pg` again" in told
    assert {"lease/pg", "secret/pg-auth"} <= namespace.names()
    clock.then = [lambda: namespace.objects.update(persistentvolumeclaim=[])]
    assert main(["wipe", "pg", "--yes", "pg", "--timeout", "5"]) == 0
    assert of_pg(namespace) == set()


def test_wipe_stops_when_the_release_is_installed_again(use: Use, capsys: pytest.CaptureFixture[str]) -> None:
    namespace = use(uninstalled("pg"))

    def installed() -> None:
        namespace.after = None
        install(namespace, "pg")

    namespace.after = installed
    assert main(["wipe", "pg", "--yes", "pg"]) == 1
    assert "pg has been installed again meanwhile; what is left of it is kept" in capsys.readouterr().err
    assert "lease/pg" in namespace.names()


def test_wipe_keeps_a_secret_that_the_pods_did_not_create(use: Use) -> None:
    namespace = use(uninstalled("pg"))
    namespace.objects["secret"] = [of("pg-auth", {"owner": "me"}), of("pg-replication", labels("pg"))]
    assert main(["wipe", "pg", "--yes", "pg"]) == 0
    assert namespace.names() == {"secret/pg-auth"}


def test_wipe_deletes_the_secret_of_an_application_too(use: Use, capsys: pytest.CaptureFixture[str]) -> None:
    namespace = use(uninstalled("pg"))
    namespace.objects["secret"].append(of("pg-app", labels("pg")))
    assert main(["wipe", "pg", "--yes", "pg"]) == 0
    assert namespace.names() == set()
    assert "  Secret pg-app\n" in capsys.readouterr().err


def test_wipe_of_what_is_left_without_a_lease(use: Use, capsys: pytest.CaptureFixture[str]) -> None:
    namespace = use(uninstalled("pg"))
    namespace.objects["lease"] = []
    assert main(["wipe", "pg", "--yes", "pg"]) == 0
    assert capsys.readouterr().out == "pg is wiped: 3 claims, 2 Secrets are deleted\n"
    assert namespace.names() == set()
