"""Kubernetes quantities."""

from __future__ import annotations

import re
from decimal import Decimal

_SUFFIXES = {
    **{prefix + "i": Decimal(1024) ** power for power, prefix in enumerate("KMGTPE", start=1)},
    **{prefix: Decimal(1000) ** power for power, prefix in enumerate("kMGTPE", start=1)},
    "m": Decimal(10) ** -3,
    "u": Decimal(10) ** -6,
    "n": Decimal(10) ** -9,
}


def value(quantity: str | float) -> Decimal:
    """Return a valid quantity, such as 50Mi, 1.5G, 1e3 or 100m, in its base unit (bytes for storage)."""
    text = str(quantity)
    suffix = re.search(r"(?<=[0-9.])[KMGTPEkmun]i?$", text)
    return Decimal(text.removesuffix(suffix[0])) * _SUFFIXES[suffix[0]] if suffix else Decimal(text)
