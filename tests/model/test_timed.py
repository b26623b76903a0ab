"""Two servers never write at once, and one writes again once all members act in time; without one of the rules two write.

Complete means that every reachable state was visited. Bounded searches say so. HYPOTHESIS_PROFILE=nightly runs those that take minutes.
"""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

from .search import avoiding, search
from .timed import Rules, Timed, Times

nightly = pytest.mark.skipif(os.environ.get("HYPOTHESIS_PROFILE") != "nightly", reason="takes minutes: HYPOTHESIS_PROFILE=nightly")
SLOW_CLOCK = replace(Times(), ttl=6)

TEETH = {
    "the supervisor kills at the deadline": Timed(rules=Rules(deadline=False), extensions=False),
    "the lease counts from the sending": Timed(rules=Rules(from_sending=False), extensions=False),
    "a read prolongs nothing": Timed(rules=Rules(reads_prolong_nothing=False), extensions=False),
    "only the answer to its own claim promotes a member": Timed(rules=Rules(only_answers_promote=False), extensions=False),
    "a claim's answer that comes too late promotes nobody": Timed(rules=Rules(promoted_in_time=False), extensions=False),
    "only a dead server's Lease is released": Timed(rules=Rules(released_when_dead=False), extensions=False),
    "the Lease is written by compare-and-swap": Timed(rules=Rules(compare_and_swap=False), extensions=False),
    "an extension is waited out before a claim": Timed(rules=Rules(extensions_waited_out=False)),
    "an extension counts from the sending of the question": Timed(rules=Rules(extensions_from_asking=False)),
    "L + F is less than the TTL": Timed(times=replace(Times(), ttl=3), extensions=False),
    "T_f + F is less than what is waited after an extension": Timed(times=replace(Times(), patience=2)),
    "a slow clock is reckoned with": Timed(times=replace(Times(), ttl=5), extensions=False, slow=(0,)),
}


def visit_all(model: Timed) -> dict[int, int]:
    """Visit every state; return them, each with the state it was reached from."""
    found = search(model.start, model.moves, model.two_write)
    assert found.trace == ()
    assert found.complete
    return found.parents


def two_write_in(model: Timed) -> bool:
    """True if a run leads to two writable servers: by a promotion, while another holds or takes the Lease."""
    found = search(model.start, model.moves, model.two_write)
    return bool(found.trace) and found.trace[-1].endswith("is PROMOTED")


@pytest.mark.parametrize("model", TEETH.values(), ids=TEETH.keys())
def test_without_the_rule_two_write(model: Timed) -> None:
    assert two_write_in(model)


@pytest.mark.slow
def test_two_write_if_one_of_two_members_grants() -> None:
    assert two_write_in(Timed(3, rules=Rules(extensions_of_all=False), faults=0))


def test_two_members_without_extensions() -> None:
    """Complete, with any number of faults; and every run in which all act in time leads to a writable server."""
    model = Timed(extensions=False)
    states = visit_all(model)
    assert len(states) > 40_000
    assert avoiding(states, model.timely, model.one_writes) == []


@pytest.mark.slow
def test_two_members_with_extensions() -> None:
    """Complete, with any number of faults."""
    assert len(visit_all(Timed())) > 200_000


@pytest.mark.slow
@pytest.mark.thorough
def test_clocks_that_differ() -> None:
    """Complete for agents and servers that don't die; the first leader's clock skips one tick in three."""
    model = Timed(times=SLOW_CLOCK, extensions=False, slow=(0,), faults=0)
    assert avoiding(visit_all(model), model.timely, model.one_writes) == []


@pytest.mark.slow
@pytest.mark.parametrize("extensions", [False, True], ids=["without extensions", "with extensions"])
def test_three_members_as_far_as_it_goes(extensions: bool) -> None:
    """Bounded: the shortest runs, up to 200,000 states, with faults."""
    model = Timed(3, extensions=extensions)
    found = search(model.start, model.moves, model.two_write, limit=200_000)
    assert found.trace == ()
    assert len(found.parents) > 200_000


@nightly
def test_two_members_with_extensions_come_to_a_server_that_writes() -> None:
    """Complete, with any number of faults before all start to act in time."""
    model = Timed()
    assert avoiding(visit_all(model), model.timely, model.one_writes) == []


@nightly
@pytest.mark.parametrize("slow", [(1,), (0, 1)], ids=["the first replica's", "both"])
def test_other_clocks_that_differ(slow: tuple[int, ...]) -> None:
    """Complete for agents and servers that don't die."""
    model = Timed(times=SLOW_CLOCK, extensions=False, slow=slow, faults=0)
    assert avoiding(visit_all(model), model.timely, model.one_writes) == []


@nightly
def test_three_members() -> None:
    """Complete for agents and servers that don't die: it includes late and lost calls, one-way and two-way partitions, and frozen
    agents."""
    assert len(visit_all(Timed(3, extensions=False, faults=0))) > 1_000_000


@nightly
@pytest.mark.parametrize("slow", [(), (0,)], ids=["clocks alike", "the first holder's slow"])
def test_three_members_with_faults_and_extensions(slow: tuple[int, ...]) -> None:
    """Bounded: the shortest runs, up to two million states."""
    model = Timed(3, slow=slow, times=replace(SLOW_CLOCK, patience=5) if slow else Times())
    found = search(model.start, model.moves, model.two_write, limit=2_000_000)
    assert found.trace == ()
    assert len(found.parents) > 2_000_000
