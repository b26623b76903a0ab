"""Log sequence numbers and positions.

An LSN is a byte position in the write-ahead log, an unsigned 64-bit number that PostgreSQL prints as two hexadecimal
halves, `16/B374D848` (https://www.postgresql.org/docs/15/datatype-pg-lsn.html).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_LSN = re.compile(r"([0-9A-Fa-f]{1,8})/([0-9A-Fa-f]{1,8})")
_LONGEST = 17  # errors quote no longer text: it could be anything


def parse_lsn(text: str) -> int:
    """Return the byte position of the LSN in `text`, such as '16/B374D848'.

    Raises ValueError if `text` isn't an LSN.
    """
    match = _LSN.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"not an LSN: {text!r}" if len(text) <= _LONGEST else f"not an LSN: {len(text)} characters")
    return (int(match[1], 16) << 32) | int(match[2], 16)


def format_lsn(lsn: int) -> str:
    """Return `lsn` as PostgreSQL prints it."""
    return f"{lsn >> 32:X}/{lsn & 0xFFFFFFFF:X}"


@dataclass(frozen=True, order=True)
class Position:
    """The end of a server's WAL; ordered by timeline, then LSN.

    timeline: PostgreSQL's timeline ID; lsn: the end of the last valid record, in bytes.
    """

    timeline: int
    lsn: int

    def __str__(self) -> str:
        return f"{self.timeline}:{format_lsn(self.lsn)}"
