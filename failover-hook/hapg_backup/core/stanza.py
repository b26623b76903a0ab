"""The name under which a release's archive and backups are kept. It belongs to one birth of a database."""

from __future__ import annotations

import re
from collections.abc import Iterable

from .errors import Misconfigured

_UID = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{4,40}")
_ID = 8
_STANZA = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?-[0-9a-f]{8}")


def stanza_of(name: str, birth: str) -> str:
    """Return the stanza of a release: its name and the first 8 digits of its birth, the UID of its Lease.

    Kubernetes never gives a UID twice, so a release that was restored, or created again, gets a path of its own. Raise ValueError if
    `birth` isn't a UID.
    """
    if not _UID.fullmatch(birth):
        raise ValueError(f"not a UID: {birth[:60]!r}")
    return f"{name}-{birth[:_ID]}"


def source_stanza(source: str, available: Iterable[str]) -> str:
    """Return the stanza to restore from. source: a stanza, or the name of a release with exactly one.

    available: the stanzas in the repository. Raise Misconfigured, which says what to write instead.
    """
    there = sorted(available)
    if source in there:
        return source
    of_release = [stanza for stanza in there if stanza[:-_ID] == f"{source}-" and _STANZA.fullmatch(stanza)]
    if len(of_release) == 1:
        return of_release[0]
    if of_release:
        raise Misconfigured(f"the repository has several archives of {source}: set restore.stanza to one of {', '.join(of_release)}")
    raise Misconfigured(f"the repository has no archive {source}; it has {', '.join(there) or 'none'}")
