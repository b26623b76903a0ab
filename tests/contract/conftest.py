"""One side of a contract after the other: a fake from tests/fakes, and what it stands for."""

from __future__ import annotations

from tests.cluster.fixtures import cluster

__all__ = ["cluster"]
