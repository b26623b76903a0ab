"""The question before something is deleted that cannot be brought back: the release's name, typed or given."""

from __future__ import annotations

import sys


def by_name(release: str, given: str | None, what: str, kept: str) -> bool:
    """Return whether the user confirms it by the release's name, and say why not.

    given: the name from the command line, None: ask for it; what: such as `to wipe it`; kept: such as `nothing was deleted`.
    """
    if given is None and not sys.stdin.isatty():
        print(f"error: no terminal to ask for confirmation; use --yes {release}; {kept}", file=sys.stderr)
        return False
    if given is None:
        print(f"Type the release's name {what}: {release}? ", end="", file=sys.stderr, flush=True)
        given = sys.stdin.readline().strip()
    if given == release:
        return True
    print(f"error: {given!r} is not the release's name, {release}; {kept}", file=sys.stderr)
    return False
