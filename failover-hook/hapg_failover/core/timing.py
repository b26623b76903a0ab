"""The protocol's times and the inequalities between them (docs/protocol.md, section 1)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Timing:
    """All in seconds, but `clock_ratio`, which is the greatest relative difference of two clocks' rates.

    ttl: what a claimer waits since it saw the Lease change last; lease: the holder's usable part, from the send of its last
    acknowledged write; renew: from send to send; call: total limit of an API call; overdue: of a Lease this old
    no replica promises anything; fence: the supervisor's loop plus the kill; restart: how long a dead primary's restart is waited for;
    grant: how long a member's promise not to claim lets the holder go on, from the send of the request for it; stall: how long a server
    that starts, recovers or is promoted may make no progress before it counts as failed; hold: how long those that lack WAL of a primary
    that was shut down wait for a member that has it; unready: how long a replica that doesn't follow any more stays ready.
    """

    ttl: float = 6.0
    lease: float = 4.7
    renew: float = 2.0
    call: float = 1.2
    overdue: float = 3.5
    fence: float = 0.7
    clock_ratio: float = 0.05
    restart: float = 3.0
    grant: float = 1.6
    stall: float = 60.0
    hold: float = 300.0
    unready: float = 30.0

    def violations(self) -> list[str]:
        """Return each inequality that these values break, in words; empty if they're sound."""
        found = []
        if not self.lease * (1 + self.clock_ratio) + self.fence < self.ttl:
            found.append(
                f"leaseSeconds * (1 + clockRatio) + fenceSeconds must be less than ttlSeconds: "
                f"{self.lease:g} * {1 + self.clock_ratio:g} + {self.fence:g} is not less than {self.ttl:g}"
            )
        if not self.renew + 2 * self.call <= self.lease:
            found.append(
                f"renewSeconds + 2 * callTimeoutSeconds must not exceed leaseSeconds, so that one lost call survives: "
                f"{self.renew:g} + 2 * {self.call:g} exceeds {self.lease:g}"
            )
        if not self.renew < self.overdue < self.ttl:
            found.append(
                f"overdueSeconds must lie between renewSeconds and ttlSeconds: {self.overdue:g} is not between "
                f"{self.renew:g} and {self.ttl:g}"
            )
        if not self.overdue + self.grant * (1 + self.clock_ratio) + self.fence <= self.ttl:
            found.append(
                f"overdueSeconds + grantSeconds * (1 + clockRatio) + fenceSeconds must not exceed ttlSeconds, so that a promise delays no "
                f"failover: {self.overdue:g} + {self.grant:g} * {1 + self.clock_ratio:g} + {self.fence:g} exceeds {self.ttl:g}"
            )
        return found

    def claim_after(self, recorded_ttl: float) -> float:
        """Return how old a Lease that wasn't released must be before it is claimed: while a TTL is changed, the longer one counts."""
        return max(self.ttl, recorded_ttl)

    def seal_after(self, recorded_ttl: float) -> float:
        """Return how old a Lease is, on any clock, when the server of its holder is dead at the latest; less than what a claimer waits."""
        spare = self.ttl - self.lease * (1 + self.clock_ratio) - self.fence
        return max(self.overdue, self.claim_after(recorded_ttl) - spare)

    def usable_lease(self, recorded_ttl: float) -> float:
        """Return how long the holder may go on after the send of a write that recorded `recorded_ttl`.

        A claimer waits for the recorded TTL, so a longer one is used only once it is recorded.
        """
        bound = (recorded_ttl - self.fence) / (1 + self.clock_ratio)
        return self.lease if self.ttl <= recorded_ttl else min(self.lease, bound - 0.05)

    def usable_grant(self, recorded_ttl: float) -> float:
        """Return how long a grant is good for: an agent that forgets a promise waits for `recorded_ttl` all the same."""
        return min(self.grant, (recorded_ttl - self.overdue - self.fence) / (1 + self.clock_ratio))

    def promise(self, seconds: float) -> float:
        """Return how long the member that grants `seconds` doesn't claim, on its own clock."""
        return seconds * (1 + self.clock_ratio) + self.fence

    @property
    def ask_after(self) -> float:
        """How long after the send of its last acknowledged write the holder begins to ask for grants: one renewal has failed."""
        return self.renew + self.call

    @property
    def quiet_after(self) -> float:
        """How long after the last read of the Lease a member begins to read by itself: a renewal should have been heard of."""
        return self.renew + 0.4

    @property
    def late(self) -> float:
        """How long the answer to a renewal or a claim is of use: another renewal is sent before that, on another connection."""
        return 2 * self.call

    @property
    def read_gap(self) -> float:
        """Longest time between two reads of the Lease for which a member still counts its age through."""
        return self.renew + self.call
