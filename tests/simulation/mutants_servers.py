"""What keeps PostgreSQL's own ways from doing harm, one left out at a time."""

from __future__ import annotations

import pytest

from . import operations
from .world import World


def crashes_are_recovered_in_place(patch: pytest.MonkeyPatch) -> None:
    """After a backend's crash the postmaster recovers and writes on, behind a shutdown checkpoint."""
    patch.setattr(World, "restart_after_crash", True)


def copies_stream_as_standbys(patch: pytest.MonkeyPatch) -> None:
    """A base backup streams under the name of its pod."""
    patch.setattr(operations, "CLONE_SUFFIX", "")
