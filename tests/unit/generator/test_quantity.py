"""Quantities as Kubernetes reads them."""

from __future__ import annotations

from decimal import Decimal

import pytest

from hapg.spec import quantity


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("50Mi", 52428800),
        ("1.5Gi", 1610612736),
        ("10G", 10000000000),
        ("128974848", 128974848),
        (1000, 1000),
        ("129e6", 129000000),
        ("1E", 10**18),
        ("1E3", 1000),
        ("2Ei", 2 * 2**60),
        ("100m", Decimal("0.1")),
        ("3k", 3000),
    ],
)
def test_value(text: str | int, expected: int | Decimal) -> None:
    assert quantity.value(text) == expected
