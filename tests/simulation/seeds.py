"""The seeds of a scenario: the first half in make test-fast, all of them in make test."""

from __future__ import annotations

from typing import Any

import pytest


def seeds(number: int) -> list[Any]:
    """Return the values of a parameter `seed`: 0 to `number` - 1."""
    return [pytest.param(seed, marks=() if seed < number // 2 else pytest.mark.slow) for seed in range(number)]
