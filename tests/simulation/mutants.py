"""The protocol with one rule removed at a time; the simulation must find each."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from hapg_failover.agent import Agent
from hapg_failover.core import decide as core
from hapg_failover.core import election, primary, renewal
from hapg_failover.core.state.actions import Order, Seal
from hapg_failover.core.state.decision import Decision, Step
from hapg_failover.core.state.memory import Memory
from hapg_failover.core.state.observation import Observation
from hapg_failover.core.state.phases import Phase
from hapg_failover.core.timing import Timing
from hapg_failover.core.write_quorum import Setting
from hapg_failover.events import Event, LeaseSeen, TurnBegan
from hapg_failover.settings import Identity
from hapg_failover.world import World
from hapg_protocol.model import LeaseState
from tests.memories import changed

from .server import Deadline, Server


def whole_ttl(patch: pytest.MonkeyPatch) -> None:
    """The holder keeps writing for the whole TTL, which is how long claimers wait."""
    patch.setattr(Timing, "usable_lease", lambda self, recorded_ttl: self.ttl)


def no_waiting(patch: pytest.MonkeyPatch) -> None:
    """A Lease counts as expired once it is overdue."""
    observe = World.observe

    def impatient(self: World, turn: TurnBegan, identity: Identity, memory: Memory) -> Observation:
        seen = observe(self, turn, identity, memory)
        if memory.phase is not Phase.SEALED or seen.lease is None or seen.lease.state is None:
            return seen
        ttl = seen.timing.overdue + 0.1
        lease = replace(seen.lease, state=replace(seen.lease.state, ttl_s=ttl))
        return replace(seen, timing=replace(seen.timing, ttl=ttl), lease=lease)

    patch.setattr(World, "observe", impatient)


def only_our_ttl(patch: pytest.MonkeyPatch) -> None:
    """Replicas use only their own TTL, not the recorded one, from sealing to the claim."""
    patch.setattr(election, "is_expired", lambda ttl, lease_ttl, age: age >= ttl)
    patch.setattr(Timing, "claim_after", lambda self, recorded_ttl: self.ttl)


def timelines_again(patch: pytest.MonkeyPatch) -> None:
    """A claim reserves the timeline after the claimer's own, even if the Lease has reserved a later one."""
    claim = election.claim

    def reusing(me: election.Candidate, *args: Any) -> LeaseState:
        return replace(claim(me, *args), timeline=me.position.timeline + 1)

    patch.setattr(election, "claim", reusing)


def reads_extend(patch: pytest.MonkeyPatch) -> None:
    """A holder that reads the Lease as its own extends its deadline from the time of the read."""
    apply = Agent._apply

    def extending(self: Agent, event: Event) -> None:
        apply(self, event)
        lease = event.lease if isinstance(event, LeaseSeen) else None
        ours = lease is not None and lease.state.holder.uid == self._me.uid and lease.state.release is None
        if lease is not None and ours and self.world.hello is not None:
            deadline = self._runtime.now() + self._settings().timing.lease
            self._adapters.supervisor.write_deadline(deadline, self.world.term_in_force, self.world.hello)

    patch.setattr(Agent, "_apply", extending)


def no_fence(patch: pytest.MonkeyPatch) -> None:
    """The supervisor ignores the deadline."""
    patch.setattr(Server, "_fence", lambda self: None)


def promoted_late(patch: pytest.MonkeyPatch) -> None:
    """The supervisor promotes after the deadline too."""
    promote = Server.promote

    def anyway(self: Server, timeline: int, term: int, *setting: Setting) -> str | None:
        real = self.deadline
        self.deadline = Deadline(None, term, self.nonce)
        answer = promote(self, timeline, term, *setting)
        self.deadline = real
        return answer

    patch.setattr(Server, "promote", anyway)


def unsealed_early(patch: pytest.MonkeyPatch) -> None:
    """A replica that has reported its position follows again before the Lease changes."""
    decide = core.decide

    def forgetful(o: Observation, m: Memory) -> Decision:
        if m.phase is Phase.SEALED and o.lease is not None and m.reporting.promised is not None and o.now - m.phase_since > 1.0:
            m = changed(m, promised=None, started=False)
        return decide(o, m)

    patch.setattr(core, "decide", forgetful)


def no_proof(patch: pytest.MonkeyPatch) -> None:
    """A server counts as dead once its kill has been ordered."""
    observe = World.observe

    def hopeful(self: World, turn: TurnBegan, identity: Identity, memory: Memory) -> Observation:
        seen = observe(self, turn, identity, memory)
        return replace(seen, server="down") if memory.phase is Phase.DOWN else seen

    patch.setattr(World, "observe", hopeful)


def ranks_from_release(patch: pytest.MonkeyPatch) -> None:
    """Lower ranks start their wait at the release, not at the end of the wait for the best candidate."""
    patch.setattr(election, "_rank_wait", lambda rank, cold, lease, ttl, behind: rank * 1.0)


def sick_renewals(patch: pytest.MonkeyPatch) -> None:
    """The Lease is renewed and the server keeps running although nothing can be written."""
    patch.setattr(renewal, "ill_health", lambda step: None)
    patch.setattr(primary, "_is_stuck", lambda step: False)


def unreplicated_wal_unasked(patch: pytest.MonkeyPatch) -> None:
    """A dead server's agent is never asked for its unreplicated WAL."""
    run = Step.run

    def unasked(self: Step, order: Order, reason: str, term: int | None = None) -> None:
        run(self, replace(order, dead=None) if isinstance(order, Seal) else order, reason, term)

    patch.setattr(Step, "run", unasked)
