"""API calls that hang don't block others."""

from __future__ import annotations

import queue
import threading
from typing import Any, cast

from hapg_failover.adapters.ports.kubernetes import ApiError
from hapg_failover.adapters.threads import Threads
from hapg_failover.api_calls import ApiCalls
from hapg_failover.core.state.actions import PutKind, PutLease
from hapg_failover.core.state.results import PutOutcome
from hapg_failover.core.timing import Timing
from hapg_failover.events import Event, PutAnswered, VolumeFacts
from hapg_failover.world import World
from hapg_protocol.model import Holder, LeaseObject, LeaseState, Pod, VolumeState

LEASE = LeaseObject("70", LeaseState(Holder("pg-0", "u0"), 1, 6.0, "system"))
LIMIT_S = 10.0


class Api:
    """Its first reads and writes hang until released; the others are answered."""

    def __init__(self, hanging: int) -> None:
        self.hanging = hanging
        self.begun: queue.SimpleQueue[None] = queue.SimpleQueue()
        self.let_go = threading.Event()
        self.timeouts: list[float] = []

    def update_lease(self, _state: LeaseState, _version: str, timeout: float) -> LeaseObject:
        self.timeouts.append(timeout)
        return self.get_lease(timeout)

    def get_lease(self, timeout: float) -> LeaseObject:
        hangs, self.hanging = self.hanging > 0, self.hanging - 1
        self.begun.put(None)
        if hangs:
            self.let_go.wait(LIMIT_S)
        return LEASE


class Refusing(Api):
    """It refuses every call, as with a token that nobody knows."""

    def __init__(self) -> None:
        super().__init__(hanging=0)

    def get_lease(self, timeout: float) -> LeaseObject:
        super().get_lease(timeout)
        raise ApiError("401 Unauthorized")

    def list_pods(self, timeout: float) -> tuple[Pod, ...]:
        self.get_lease(timeout)
        return ()


class Settings:
    """The chart's timing values."""

    timing = Timing()


def calls(api: Api) -> tuple[ApiCalls, queue.SimpleQueue[Event]]:
    events: queue.SimpleQueue[Event] = queue.SimpleQueue()
    return ApiCalls(Threads(), cast("Any", api), cast("Any", Settings), events.put, cast("Any", lambda *_, **__: None)), events


def test_a_second_read_is_answered_while_the_first_one_hangs() -> None:
    api = Api(hanging=1)
    made, events = calls(api)
    world = World(VolumeFacts(VolumeState.EMPTY, None, None, 0))
    made.read_lease()
    api.begun.get(timeout=LIMIT_S)
    made.read_lease()
    world.apply(events.get(timeout=LIMIT_S))
    assert world.lease is not None
    assert world.lease.version == "70"
    api.let_go.set()


def test_reads_do_not_pile_up_while_the_api_is_away() -> None:
    api = Api(hanging=2)
    made, events = calls(api)
    for _ in range(2):
        made.read_lease()
        api.begun.get(timeout=LIMIT_S)
    for _ in range(5):
        made.read_lease()
    api.let_go.set()
    for _ in range(2):
        events.get(timeout=LIMIT_S)
    assert api.begun.empty()


def test_a_second_renewal_is_answered_while_the_first_one_hangs_and_both_answers_are_taken() -> None:
    api = Api(hanging=1)
    made, events = calls(api)
    world = World(VolumeFacts(VolumeState.EMPTY, None, None, 0))
    for _ in range(2):
        made.put(PutLease(PutKind.RENEW, LEASE.state, "69"))
        api.begun.get(timeout=LIMIT_S)
    world.apply(events.get(timeout=LIMIT_S))
    api.let_go.set()
    world.apply(events.get(timeout=LIMIT_S))
    later, earlier = world.puts
    assert earlier.sent_at < later.sent_at


def test_only_the_answer_to_a_renewal_or_a_claim_is_waited_for_longer_than_a_call_may_take() -> None:
    api = Api(hanging=0)
    made, events = calls(api)
    for kind in (PutKind.RENEW, PutKind.CLAIM, PutKind.RELEASE, PutKind.BOOTSTRAP):
        made.put(PutLease(kind, LEASE.state, "69"))
        events.get(timeout=LIMIT_S)
    assert api.timeouts == [2.4, 2.4, 1.2, 1.2]


def test_an_api_that_refuses_is_no_different_from_one_that_is_away() -> None:
    """As with 401 for everybody: nothing is concluded from the refusal, so the members can extend the leader's lease."""
    api = Refusing()
    made, events = calls(api)
    made.read_lease()
    made.list_pods()
    made.put(PutLease(PutKind.RENEW, LEASE.state, "69"))
    answer = events.get(timeout=LIMIT_S)
    assert isinstance(answer, PutAnswered)
    assert (answer.result.outcome, answer.lease) == (PutOutcome.UNKNOWN, None)
    for _ in range(2):
        api.begun.get(timeout=LIMIT_S)
    assert events.empty()
