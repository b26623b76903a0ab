"""A member whose server was promoted by something other than its agent, as by pg_promote()."""

from __future__ import annotations

from dataclasses import replace

from hapg_failover.core.decide import decide
from hapg_failover.core.state.actions import Op, Report, Run
from hapg_failover.core.state.phases import Phase
from hapg_protocol.lsn import Position
from hapg_protocol.model import Release
from tests.memories import changed
from tests.orders import said

from .test_decide import HELD, NOW, POD, RELEASED, SAID, SEALED, lease, remembered, seen

RESERVED = Position(4, 0x900)
MARKED = replace(POD, report=replace(SAID, position=RESERVED, foreign=True))
STANDING = changed(SEALED, position=RESERVED, reported_at=NOW - 200, phase_since=NOW - 200)


def test_what_it_publishes_says_so() -> None:
    decision = decide(seen(foreign=True, lease=lease(RELEASED)), changed(STANDING, promised=None))
    [said] = [action.report for action in decision.actions if isinstance(action, Report)]
    assert (said.foreign, said.position) == (True, RESERVED)


def test_it_claims_nothing_though_its_number_is_the_reserved_one() -> None:
    free = lease(replace(RELEASED, timeline=4), 200.0)
    claimed = decide(seen(lease=free, pods=(replace(POD, report=replace(SAID, position=RESERVED)),)), STANDING)
    assert claimed.memory.phase is Phase.CLAIMING
    kept = decide(seen(lease=free, foreign=True, pods=(MARKED,)), STANDING)
    assert kept.memory.phase is Phase.SEALED
    assert kept.memory.telling.blocked == "timeline"
    assert "our server was promoted outside the Lease" in kept.reason


def test_neither_its_shutdown_checkpoint_nor_a_switch_over_to_it_lets_it_claim() -> None:
    ended = changed(STANDING, shutdown=RESERVED, promised=None)
    decision = decide(seen(foreign=True, lease=lease(replace(HELD, timeline=4), 3.0), pods=(MARKED,)), ended)
    assert decision.memory.phase is not Phase.CLAIMING
    handed = replace(HELD, timeline=4, release=Release("switchover", clean=True, position=Position(3, 0x100), successor="pg-1"))
    assert decide(seen(foreign=True, lease=lease(handed), pods=(MARKED,)), STANDING).memory.phase is Phase.SEALED


def test_it_is_started_warm_so_that_nobody_calls_pg_promote_again() -> None:
    for foreign, mode in ((True, "warm"), (False, "hot")):
        decision = decide(seen(server="down", foreign=foreign), remembered(Phase.BOOT))
        [run] = [action for action in decision.actions if isinstance(action, Run)]
        assert (run.op, said(run).mode) == (Op.START, mode)


def test_it_is_not_ready() -> None:
    joined, held = changed(STANDING, joined_at=NOW - 1), lease(replace(HELD, timeline=4))
    assert decide(seen(foreign=True, lease=held), joined).memory.upstream.joined_at is None
    assert decide(seen(lease=held), joined).memory.upstream.joined_at is not None
