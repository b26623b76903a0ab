"""The protocol's times and the inequalities between them (docs/protocol.md, section 1)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Timing:
    """All in seconds, but `clock_ratio`, which is the greatest relative difference of two clocks' rates.

    ttl: what a claimer waits since it saw the Lease change last; lease: the holder's usable part, from the send of its last
    acknowledged write; renew: from send to send; call: total limit of an API call; overdue: a Lease this old makes a replica
    seal itself; fence: the supervisor's loop plus the kill; restart: how long a dead primary's restart in place is waited for.
    """

    ttl: float = 6.0
    lease: float = 4.7
    renew: float = 2.0
    call: float = 1.2
    overdue: float = 3.5
    fence: float = 0.7
    clock_ratio: float = 0.05
    restart: float = 3.0

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
        return found

    def usable_lease(self, recorded_ttl: float) -> float:
        """Return how long the holder may go on after the send of a write that recorded `recorded_ttl`.

        A claimer waits for the recorded TTL, so a longer one is used only once it is recorded.
        """
        bound = (recorded_ttl - self.fence) / (1 + self.clock_ratio)
        return self.lease if self.ttl <= recorded_ttl else min(self.lease, bound - 0.05)

    @property
    def read_gap(self) -> float:
        """Longest time between two reads of the Lease for which a member still counts its age through."""
        return self.renew + self.call
