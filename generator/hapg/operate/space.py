"""Whether what a server uses fits on volumes of other sizes. Pure; a refusal is an OperateError."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_UP, Decimal

from hapg.operate.release import OperateError
from hapg.operate.resize_model import OPTIONS
from hapg.spec import quantity

SCRIPT = r"""cd /var/lib/postgresql/data/pgdata && if [[ -e pg_wal ]]; then wal=pg_wal; else wal=pg_xlog; fi
place=within; if [[ -L $wal ]]; then place=apart; fi
echo "used $(du -sB1 . 2>/dev/null | cut -f1) $(du -sB1 "$wal/." 2>/dev/null | cut -f1) $place"
"""
"""Prints what `of_output` reads. du complains of files that go while it looks, and counts the rest."""
FREE = Decimal("0.25")
"""The share of a new volume that has to stay free."""

_LINE = re.compile(r"used ([0-9]+) ([0-9]+) (within|apart)")


@dataclass(frozen=True)
class Used:
    """What a server uses. data: without WAL, in bytes; wal: bytes; apart: its WAL is on a volume of its own."""

    data: int
    wal: int
    apart: bool

    @property
    def total(self) -> int:
        """All of it, in bytes."""
        return self.data + self.wal


def of_output(lines: list[str]) -> Used | None:
    """Return what the script has printed; None if it has failed."""
    match = _LINE.fullmatch(lines[-1]) if lines else None
    if match is None:
        return None
    whole, wal, apart = int(match[1]), int(match[2]), match[3] == "apart"
    return Used(whole if apart else max(0, whole - wal), wal, apart)


def check(pod: str, used: Used, sizes: Mapping[str, str]) -> None:
    """Raise OperateError if it does not fit on volumes of these sizes, by claim template, with FREE of each left free."""
    apart = used.apart or "wal" in sizes
    needed = {"data": used.data if apart else used.total, "wal": used.wal}
    for volume, size in sizes.items():
        if needed[volume] > quantity.value(size) * (1 - FREE):
            least = (needed[volume] / (1 - FREE) / 2**20).quantize(Decimal(1), ROUND_UP)
            what = "WAL" if volume == "wal" else "data" if apart else "data and WAL"
            raise OperateError(
                f"{OPTIONS[volume]} {size}: {pod} has {needed[volume] / 2**20:.0f} MiB of {what}, and a quarter of the volume has to stay "
                f"free: it takes {least}Mi at least; nothing was changed"
            )
