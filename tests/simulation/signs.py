"""Observable signs in a simulated world that a rule is missing."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from .world import World

Sign = Callable[[World], bool]
Scenario = Callable[[int], World]
Patch = Callable[[pytest.MonkeyPatch], None]
SEEDS = range(25)
ON_THE_WIRE_S = 0.3
SWITCHOVER_S = 6.0
LONG_S = 14.0


def violated(words: str) -> Sign:
    """Return a predicate for a violation that contains these words."""
    return lambda world: any(words in violation for violation in world.violations)


def loses(world: World) -> bool:
    """True if the last promotion lost acknowledged rows."""
    return bool(world.lost[-1])


def loses_more_than_the_wire_holds(world: World) -> bool:
    """True if the last promotion lost rows acknowledged so early that they could have been streamed before the last acknowledgement."""
    return bool(world.lost[-1]) and world.lost[-1][-1].at - world.lost[-1][0].at > ON_THE_WIRE_S


def loses_anything(world: World) -> bool:
    """True if any promotion lost acknowledged rows."""
    return any(world.lost)


def keeps_clients_out(world: World) -> bool:
    """True if the last promotion came later after the preceding commit than a switchover may take."""
    at, _, _ = world.promotions[-1]
    return at - max(c.at for c in world.commits if c.at < at) > SWITCHOVER_S


def updates_too_soon(world: World) -> bool:
    """True if a rolling update deleted the primary's pod while no standby followed."""
    return world.statefulset.too_soon > 0


def promotes_who_has_most_to_replay(world: World) -> bool:
    """True if the last promoted server became writable only after a long recovery."""
    return world.promotions[-1][0] - max(c.at for c in world.commits) > LONG_S


def stays(world: World) -> bool:
    """True if no other member was promoted."""
    return len(world.promotions) == 1


def a_fault_cost_two_failovers(world: World) -> bool:
    """True if there was more than one promotion after the first primary's."""
    return len(world.promotions) > 2


def not_written_anew(world: World) -> bool:
    """True if the Lease still has the term of the last promotion."""
    return world.api.lease is not None and world.api.lease.state.term <= world.promotions[-1][2]


def nobody_writes(world: World) -> bool:
    """True if no server is writable at the end."""
    return world.primary() is None


def found(scenario: Scenario, sign: Sign) -> bool:
    """True if at least one seed shows the sign."""
    return any(sign(scenario(seed)) for seed in SEEDS)
