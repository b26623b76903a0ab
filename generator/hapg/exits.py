"""The exit codes that all commands have in common."""

from __future__ import annotations

DONE = 0
FAILED = 1
"""What was asked for isn't so (drift), or can't be done."""
REFUSED = 2
"""The input, or the way the command was called, is wrong."""
