"""Errors that a user can do something about."""

from __future__ import annotations


class Misconfigured(ValueError):
    """The settings or the credentials are wrong or incomplete; the message says which, and what is allowed."""
