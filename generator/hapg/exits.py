"""The exit codes that all commands share."""

from __future__ import annotations

DONE = 0
FAILED = 1
"""Drift was found, or the request can't be carried out."""
REFUSED = 2
"""The input or the command line is invalid."""
INTERRUPTED = 130
"""Ctrl-C, as a shell reports it: 128 plus the signal's number."""
