"""Render hooks: Python functions of users that change what hapg makes.

A file with hooks imports what it needs from here:

    from hapg.hooks import Refused, hook

    @hook
    def adjust_manifests(manifests):
        for manifest in manifests:
            manifest["metadata"].setdefault("labels", {})["example.com/team"] = "orders"

The hooks there are, with what they get and may return: hapg.hooks.specs.
"""

from __future__ import annotations

import pluggy

PROJECT = "hapg"
"""The name under which pluggy knows the hooks."""

ENTRY_POINTS = "hapg.hooks"
"""The group of entry points by which an installed package brings hooks."""

hook = pluggy.HookimplMarker(PROJECT)
"""Marks a function as a hook. `@hook(tryfirst=True)` and `@hook(trylast=True)` put it before and after those without."""


class Refused(Exception):
    """Raise it in a hook to refuse what it was given, with a sentence for the user: no output is written."""


__all__ = ["ENTRY_POINTS", "PROJECT", "Refused", "hook"]
