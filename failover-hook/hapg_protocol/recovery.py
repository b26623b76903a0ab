"""Recovery progress of a holder that must replay its WAL before it can write (docs/protocol.md, rule 5)."""

from __future__ import annotations

from dataclasses import dataclass

_GB, _MB = 1e9, 1e6


@dataclass(frozen=True)
class Progress:
    """Recovery progress: begun, replayed and target are LSNs in bytes; rate is in bytes per second (0: not known yet)."""

    begun: int
    replayed: int
    target: int
    rate: int

    def __str__(self) -> str:
        done, total = max(0, self.replayed - self.begun), max(0, self.target - self.begun)
        unit, name = (_GB, "GB") if total >= _GB else (_MB, "MB")
        left = f", about {(self.target - self.replayed) / self.rate:.0f} s left" if self.rate else ""
        return f"recovering, {done / unit:.1f} of {total / unit:.1f} {name}{left}"
