"""Render hooks: Python functions, written by users, that change the output of hapg.

A file with hooks imports from here:

    from hapg.hooks import Refused, hook

    @hook
    def adjust_manifests(manifests):
        for manifest in manifests:
            manifest["metadata"].setdefault("labels", {})["example.com/team"] = "orders"

hapg.hooks.specs lists all hooks, with their arguments and return values.
"""

from __future__ import annotations

import pluggy

PROJECT = "hapg"
"""The project name of the hooks in pluggy."""

ENTRY_POINTS = "hapg.hooks"
"""The entry point group through which an installed package provides hooks."""

hook = pluggy.HookimplMarker(PROJECT)
"""Marks a function as a hook. `@hook(tryfirst=True)` makes it run before all others, `@hook(trylast=True)` after them."""


class Refused(Exception):
    """Raise this in a hook to refuse the input, with a sentence for the user. No output is written."""


__all__ = ["ENTRY_POINTS", "PROJECT", "Refused", "hook"]
