"""The tests' client retries only while the Service has no endpoint."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import pytest

from tests.robustness import client
from tests.robustness.client import Client
from tests.robustness.programs import Done, Namespace, ProgramError

REFUSED = 'psql: error: connection to server at "demo" (10.96.1.2), port 5432 failed: Connection refused\n\tIs the server running?'
REFUSED_BEFORE_14 = "psql: error: could not connect to server: No route to host"
BROKEN = "server closed the connection unexpectedly"
TIMED_OUT = 'psql: error: connection to server at "demo" (10.96.1.2), port 5432 failed: timeout expired'


class Answers:
    """Stands for a namespace whose kubectl returns these answers, one after the other."""

    def __init__(self, answers: Sequence[Done]) -> None:
        self.answers = list(answers)

    def try_kubectl(self, *_: str, **__: Any) -> Done:
        return self.answers.pop(0)


def asked(*answers: Done) -> tuple[Client, Answers]:
    namespace = Answers(answers)
    return Client(cast("Namespace", namespace), "client-0", "node1", "demo.ns"), namespace


@pytest.mark.parametrize("error", [REFUSED, REFUSED_BEFORE_14])
def test_the_service_is_asked_again_while_it_leads_nowhere(error: str) -> None:
    who, namespace = asked(Done(2, "", error), Done(2, "", error), Done(0, "1\ttwo\n", ""))
    assert who.sql("SELECT 1, 'two'") == [["1", "two"]]
    assert not namespace.answers


@pytest.mark.parametrize("error", [BROKEN, TIMED_OUT, "ERROR: relation does not exist"])
def test_what_may_have_been_done_is_not_done_again(error: str) -> None:
    who, namespace = asked(Done(2, "", error), Done(0, "", ""))
    with pytest.raises(ProgramError, match=error.partition(":")[0]):
        who.sql("INSERT INTO kept VALUES (1)")
    assert len(namespace.answers) == 1


def test_a_pod_is_asked_once() -> None:
    who, namespace = asked(Done(2, "", REFUSED), Done(0, "1\n", ""))
    with pytest.raises(ProgramError, match="Connection refused"):
        who.sql("SELECT 1", host="10.244.1.7")
    assert len(namespace.answers) == 1


def test_it_gives_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "ROUTE_SECONDS", 0.0)
    who, namespace = asked(*[Done(2, "", REFUSED)] * 9)
    with pytest.raises(ProgramError, match="Connection refused"):
        who.sql("SELECT 1")
    assert namespace.answers
