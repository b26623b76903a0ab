"""Whom pg_hba.conf lets in, before a change and after it. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from hapg.upgrade.differences import Change
from hapg.upgrade.effects import Effect, Finding

_Entry = tuple[str, ...]
"""The words of a line of pg_hba.conf."""


def authentication(change: Change) -> Finding:
    """Return the effect of another pg_hba.conf, in which the first entry that fits a connection decides."""
    if _lets_in_as_before(_entries(change.old), _entries(change.new)):
        return Finding(Effect.RELOAD, "read once the kubelet has updated the files; servers reload them", change)
    return Finding(Effect.CUT_OFF, "servers reload it; clients for which another line counts then may no longer log in", change)


def _entries(text: object) -> list[_Entry]:
    lines = text.splitlines() if isinstance(text, str) else []
    return [tuple(line.split()) for line in lines if line.strip() and not line.lstrip().startswith("#")]


def _lets_in_as_before(old: Sequence[_Entry], new: Sequence[_Entry]) -> bool:
    """True if everybody whom `old` lets in certainly gets in with `new`: it keeps the entries, and no added one is in their way."""
    rest = list(new)
    for number, entry in enumerate(old):
        place = next((place for place, other in enumerate(rest) if _is_as_wide(entry, other)), None)
        if place is None:
            if _method(entry) != "reject":
                return False
            continue
        later = {_method(each) for each in old[number:]}
        if any(_method(added) != "trust" and later != {_method(added)} for added in rest[:place]):
            return False
        rest = rest[place + 1 :]
    return True


def _is_as_wide(old: _Entry, new: _Entry) -> bool:
    return new == old or (new[0] == "host" and old[0] in ("hostssl", "hostnossl") and new[1:] == old[1:])


def _method(entry: _Entry) -> str:
    """Return the method of an entry: local DATABASE USER METHOD, host DATABASE USER ADDRESS [MASK] METHOD."""
    if entry[0] == "local":
        return entry[3] if len(entry) > 3 else ""
    words = entry[4:]
    return next((word for word in words if not word[0].isdigit() and ":" not in word), "")
