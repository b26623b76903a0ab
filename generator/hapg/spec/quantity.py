"""Kubernetes quantities. The chart's templates say the same of them (`_quantities.tpl`)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
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


def size_problems(path: str, size: str | float) -> Iterator[str]:
    """Yield what is wrong with the size of a volume, which is a valid quantity."""
    if value(size) < 2**20:
        yield f"{path}: {size} is less than 1Mi; add its unit, such as Gi"
    elif value(size) >= 2**63:
        yield f"{path}: {size} is more than Kubernetes can count, which is less than 8Ei"


def resources_problems(path: str, resources: Mapping[str, Mapping[str, str | float]]) -> Iterator[str]:
    """Yield what is wrong with the `requests` and `limits` of a container, which are valid quantities."""
    limits = resources.get("limits", {})
    for name, request in resources.get("requests", {}).items():
        if name in limits and value(request) > value(limits[name]):
            yield f"{path}.requests.{name}: {request} is more than the limit, {limits[name]}"
