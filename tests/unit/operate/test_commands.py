"""The commands: their output, their actions and their exit codes."""

from __future__ import annotations

import io
import json
import re
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from hapg.cli import main
from hapg.interrupts import Interrupted
from hapg.operate import waiting
from hapg.operate.kubectl import KubectlError
from hapg_protocol import requests
from hapg_protocol.model import Holder
from tests.unit.operate.conftest import GIVEN_BACK, HELD, Clock, FakeCluster, config, lease, pod, pods, said

Use = Callable[[FakeCluster], FakeCluster]
FREE = replace(HELD, release=GIVEN_BACK)
WAITING = [pod(0, "primary", ready=False), pod(1, position_report=said(1, 200)), pod(2, position_report=said(2, 100))]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(waiting, "time", clock)
    monkeypatch.setattr(waiting, "datetime", clock)
    return clock


def test_status_as_a_table_and_as_json(use: Use, capsys: pytest.CaptureFixture[str]) -> None:
    use(FakeCluster())
    assert main(["status", "pg", "-n", "demo"]) == 0
    assert capsys.readouterr().out.startswith("release   pg in namespace demo, 3 replicas\n")
    assert main(["status", "pg", "-o", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["primary"] == "pg-0"


def test_a_release_that_is_not_there_is_one_sentence(use: Use, capsys: pytest.CaptureFixture[str]) -> None:
    use(FakeCluster(config=None))
    assert main(["status", "pg"]) == 1
    assert capsys.readouterr() == ("", "error: release pg not found in namespace demo: no ConfigMap pg-config\n")


def installed(helm_name: str, full_name: str = "pg") -> dict[str, Any]:
    """The ConfigMap of a release as Helm labels it."""
    metadata = {"name": f"{full_name}-config", "namespace": "demo", "labels": {"app.kubernetes.io/instance": helm_name}}
    return {**config(), "metadata": metadata}


@pytest.mark.parametrize("name", ["orders", "pg"])
def test_a_release_is_found_by_helms_name_and_by_its_own(name: str, use: Use, clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    other = {"metadata": {"name": "x-config", "labels": {"app.kubernetes.io/instance": "orders"}}, "data": {}}
    cluster = use(FakeCluster(configs=[installed("orders"), installed("others", "other"), other]))
    assert main(["status", name]) == 0
    assert capsys.readouterr().out.startswith("release   pg in namespace demo, 3 replicas\n")
    assert main(["switchover", name, "--timeout", "1"]) == 1
    assert cluster.annotated[0][0] == "pg-0"


def test_the_lag_of_streaming_replicas_comes_from_the_primary(use: Use, capsys: pytest.CaptureFixture[str]) -> None:
    cluster = use(FakeCluster(streaming=["pg-1 0", "pg-2 16777216", "backup 5", "pg-9", "nonsense"]))
    assert main(["status", "pg", "-o", "json"]) == 0
    assert [each["lagBytes"] for each in json.loads(capsys.readouterr().out)["pods"]] == [None, 0, 16777216]
    assert main(["status", "pg"]) == 0
    assert re.findall(r"^(pg-\d).* (\S+) +\S+$", capsys.readouterr().out, re.MULTILINE) == [
        ("pg-0", "-"),
        ("pg-1", "0"),
        ("pg-2", "16777216"),
    ]
    assert [pod for pod, _ in cluster.asked] == ["pg-0", "pg-0"]
    assert "pg_current_wal_lsn() - flush_lsn" in cluster.asked[0][1]


def test_the_lag_is_unknown_without_the_right_to_ask(use: Use, capsys: pytest.CaptureFixture[str]) -> None:
    use(FakeCluster())
    assert main(["status", "pg", "-o", "json"]) == 0
    assert [each["lagBytes"] for each in json.loads(capsys.readouterr().out)["pods"]] == [None, None, None]


def test_the_lag_in_9_6_is_asked_for_by_its_names(use: Use) -> None:
    names = {"pg_current_wal_lsn": "pg_current_xlog_location", "flush_lsn": "flush_location"}
    cluster = use(FakeCluster(config=config(postgresMajor={"major": "9.6", "sqlNames": names}), streaming=[]))
    assert main(["status", "pg"]) == 0
    assert "pg_current_xlog_location() - flush_location FROM" in cluster.asked[0][1]


def test_nobody_is_asked_for_the_lag_while_nobody_leads(use: Use) -> None:
    cluster = use(FakeCluster(WAITING, lease(FREE)))
    assert main(["status", "pg"]) == 1
    assert cluster.asked == []


def test_several_releases_of_one_name_are_told(use: Use, capsys: pytest.CaptureFixture[str]) -> None:
    use(FakeCluster(configs=[installed("shop", "pg"), installed("shop", "other")]))
    assert main(["status", "shop"]) == 1
    assert capsys.readouterr().err == ("error: shop: Helm has installed several releases under this name: other, pg; name one of them\n")


def test_status_without_a_name_lists_all_releases(use: Use, capsys: pytest.CaptureFixture[str]) -> None:
    cluster = use(FakeCluster(configs=[installed("orders"), {"metadata": {"name": "x-config"}}]))
    assert main(["status"]) == 0
    assert capsys.readouterr().out == ("RELEASE  PRIMARY  READY  WRITABLE  WARNINGS\npg       pg-0     3/3    yes       0\n")
    assert main(["status", "-o", "json"]) == 0
    assert [each["release"] for each in json.loads(capsys.readouterr().out)] == ["pg"]
    cluster.lease = lease(FREE)
    assert main(["status"]) == 1
    assert " no  " in capsys.readouterr().out
    cluster.configs = []
    assert main(["status"]) == 0
    assert capsys.readouterr().out == "no release in namespace demo\n"


def test_a_switchover_waits_for_the_new_primary(use: Use, clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    cluster = use(FakeCluster())

    def taken() -> None:
        _, _, asked = cluster.annotated[0]
        id = requests.switchover(asked[requests.SWITCHOVER]).id
        cluster.pods = [pod(0, "primary", answer=requests.answer(id, "taken", "switching over to pg-1")), *pods(1, 2)]

    def gone() -> None:
        raise KubectlError("kubectl get pods: connection refused")

    def claimed() -> None:
        cluster.lease = lease(replace(HELD, holder=Holder("pg-1", "u1"), term=8))
        cluster.pods = [pod(0), pod(1, "primary"), pod(2)]

    clock.then = [taken, lambda: None, claimed]
    assert main(["switchover", "pg", "--to", "pg-1"]) == 0
    captured = capsys.readouterr()
    assert captured.out == "pg-1 is the primary under term 8; it was pg-0\n"
    assert captured.err == "asked pg-0\npg-0: switching over to pg-1\n"
    assert [(name, uid) for name, uid, _ in cluster.annotated] == [("pg-0", "u0")]


@pytest.mark.parametrize("to", [(), ("--to", "pg-1")], ids=["anyone", "one"])
def test_a_switchover_right_after_a_failover_waits_for_a_member(
    use: Use, clock: Clock, capsys: pytest.CaptureFixture[str], to: tuple[str, ...]
) -> None:
    cluster = use(FakeCluster(lease=lease(replace(HELD, eligible=()))))

    def streams() -> None:
        cluster.lease = lease(HELD)

    def claimed() -> None:
        cluster.lease = lease(replace(HELD, holder=Holder("pg-1", "u1"), term=8))
        cluster.pods = [pod(0), pod(1, "primary"), pod(2)]

    clock.then = [lambda: None, streams, claimed]
    assert main(["switchover", "pg", *to]) == 0
    assert capsys.readouterr().out == "pg-1 is the primary under term 8; it was pg-0\n"


def test_a_switchover_without_a_member_is_refused_after_a_while(use: Use, clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    cluster = use(FakeCluster(lease=lease(replace(HELD, eligible=()))))
    assert main(["switchover", "pg"]) == 1
    assert capsys.readouterr().err == "error: pg has no eligible replica to switch over to\n"
    assert (clock.seconds, cluster.annotated) == (5.0, [])


def test_a_refusal_is_an_error(use: Use, clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    cluster = use(FakeCluster())

    def refused() -> None:
        id = requests.switchover(cluster.annotated[0][2][requests.SWITCHOVER]).id
        cluster.pods = [pod(0, "primary", answer=requests.answer(id, "refused", "pg-1 is being deleted")), *pods(1, 2)]

    clock.then = [refused]
    assert main(["switchover", "pg"]) == 1
    assert capsys.readouterr().err == "asked pg-0\nerror: pg-0 refused: pg-1 is being deleted\n"


def test_a_request_that_nobody_takes_is_withdrawn(use: Use, capsys: pytest.CaptureFixture[str]) -> None:
    cluster = use(FakeCluster())
    assert main(["switchover", "pg", "--timeout", "3"]) == 1
    assert "error: not done after 3 s; the request was withdrawn; last state: waiting for pg-0 to answer\n" in capsys.readouterr().err
    assert cluster.annotated[-1] == ("pg-0", "u0", {requests.SWITCHOVER: None})


def interrupt() -> None:
    raise Interrupted(signal.SIGTERM)


def test_an_interrupt_withdraws_the_request(use: Use, clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    cluster = use(FakeCluster())
    clock.then = [lambda: None, interrupt]
    assert main(["switchover", "pg"]) == 143
    assert capsys.readouterr().err.endswith("the request was withdrawn\nerror: interrupted\n")
    assert cluster.annotated[-1] == ("pg-0", "u0", {requests.SWITCHOVER: None})


def test_an_interrupt_after_the_request_was_taken_says_that_it_goes_on(use: Use, clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    cluster = use(FakeCluster())

    def taken() -> None:
        id = requests.switchover(cluster.annotated[0][2][requests.SWITCHOVER]).id
        cluster.pods = [pod(0, "primary", answer=requests.answer(id, "taken", "switching over to pg-1")), *pods(1, 2)]

    clock.then = [taken, interrupt]
    assert main(["switchover", "pg"]) == 143
    assert "pg-0 had taken the request already and carries it out; see `hapg status pg`\n" in capsys.readouterr().err


def test_an_interrupt_withdraws_a_forced_failover_too(use: Use, clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    cluster = use(FakeCluster(WAITING, lease(FREE)))
    clock.then = [interrupt]
    assert main(["failover", "pg", "--force", "--yes"]) == 143
    assert cluster.annotated[-1] == ("pg-1", "u1", {requests.FORCE: None})


def test_a_request_that_cannot_be_withdrawn_is_told(
    use: Use, clock: Clock, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster = use(FakeCluster())

    def away() -> None:
        def refuse(*_: object) -> None:
            raise KubectlError("kubectl patch pod: connection refused")

        monkeypatch.setattr(cluster, "annotate", refuse)
        interrupt()

    clock.then = [away]
    assert main(["switchover", "pg"]) == 143
    assert (
        "the request may still stand: kubectl patch pod: connection refused; "
        "`kubectl annotate pod pg-0 ha-postgres/switchover-` withdraws it\n"
    ) in capsys.readouterr().err


def test_nobody_to_tell_withdraws_the_request(use: Use, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = use(FakeCluster())

    def full(*_: str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(waiting, "say", full)
    assert main(["switchover", "pg"]) == 1
    assert cluster.annotated[-1] == ("pg-0", "u0", {requests.SWITCHOVER: None})


def test_an_api_that_is_away_for_a_moment_is_waited_for(
    use: Use, clock: Clock, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster = use(FakeCluster())
    select = cluster.select

    def fail() -> None:
        def refuse(*_: object) -> list[object]:
            raise KubectlError("kubectl get pods: connection refused")

        monkeypatch.setattr(cluster, "select", refuse)

    def back() -> None:
        monkeypatch.setattr(cluster, "select", select)
        cluster.lease = lease(replace(HELD, holder=Holder("pg-1", "u1"), term=8))
        cluster.pods = [pod(0), pod(1, "primary"), pod(2)]

    clock.then = [fail, back]
    assert main(["switchover", "pg"]) == 0
    assert "kubectl get pods: connection refused\n" in capsys.readouterr().err


def test_failover_without_force_does_nothing(use: Use, capsys: pytest.CaptureFixture[str]) -> None:
    cluster = use(FakeCluster(WAITING, lease(FREE)))
    assert main(["failover", "pg"]) == 2
    assert "may lose acknowledged rows: add --force to accept that" in capsys.readouterr().err
    assert cluster.annotated == []


def test_failover_without_a_terminal_wants_yes(use: Use, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    cluster = use(FakeCluster(WAITING, lease(FREE)))
    monkeypatch.setattr(sys, "stdin", io.StringIO("pg-1\n"))
    assert main(["failover", "pg", "--force"]) == 2
    captured = capsys.readouterr()
    assert "pg-1 would be promoted; its WAL ends at 4:0/C8\n" in captured.err
    assert captured.err.endswith("error: no terminal to ask for confirmation; use --yes to skip the question\n")
    assert cluster.annotated == []


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("typed", "code", "asked"), [("pg-1\n", 0, 1), ("yes\n", 2, 0), ("", 2, 0)])
def test_failover_on_a_terminal_asks_for_the_pods_name(
    typed: str, code: int, asked: int, use: Use, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = use(FakeCluster(WAITING, lease(FREE)))
    monkeypatch.setattr(sys, "stdin", Terminal(typed))

    def promoted() -> None:
        cluster.lease = lease(replace(HELD, holder=Holder("pg-1", "u1"), term=8))
        cluster.pods = [pod(0), pod(1, "primary"), pod(2)]

    clock.then = [promoted]
    assert main(["failover", "pg", "--force"]) == code
    assert len(cluster.annotated) == asked


def test_failover_with_yes_asks_nobody(use: Use, clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    cluster = use(FakeCluster(WAITING, lease(FREE)))

    def promoted() -> None:
        cluster.lease = lease(replace(HELD, holder=Holder("pg-2", "u2"), term=8))
        cluster.pods = [pod(0), pod(1), pod(2, "primary")]

    clock.then = [promoted]
    assert main(["failover", "pg", "--force", "--to", "pg-2", "--yes"]) == 0
    captured = capsys.readouterr()
    assert "LOST FOR CERTAIN: 100 bytes of WAL up to 4:0/C8\n" in captured.err
    assert captured.out == "pg-2 is the primary under term 8; it was pg-0\n"


@pytest.mark.parametrize("text", ["0", "-1", "soon", "inf", "nan"])
def test_a_timeout_is_a_time(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["switchover", "pg", f"--timeout={text}"])
    assert caught.value.code == 2
    assert f"'{text}' is not a number of seconds above 0" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["status", "switchover", "failover"])
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([command, "--help"])
    assert caught.value.code == 0
    printed = capsys.readouterr().out
    assert "RELEASE" in printed
    assert "--namespace" in printed
