"""Runs both sides of a contract in turn: a fake from tests/fakes, and the real service."""

from __future__ import annotations

from tests.cluster.fixtures import cluster

__all__ = ["cluster"]
