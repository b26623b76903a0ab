"""The exit codes that all commands share."""

from __future__ import annotations

DONE = 0
FAILED = 1
"""Drift was found, or the request can't be carried out."""
REFUSED = 2
"""The input or the command line is invalid."""
SIGNALLED = 128
"""A signal ended it: this plus the signal's number, as a shell reports it; 130 is Ctrl-C."""
