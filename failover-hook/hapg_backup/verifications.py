"""Keeps in the repository when a restore was last verified, so that every primary knows it."""

from __future__ import annotations

from .archive import Archive
from .core.verification import NOTE, Record, Verification, decode, encode


def record(archive: Archive) -> Record:
    """Return what is known of an archive; an unreadable record counts as none. Raise Unavailable, OSError."""
    text = archive.note(NOTE)
    if text is None:
        return Record()
    try:
        return decode(text).of(archive.major)
    except ValueError:
        return Record()


def keep(archive: Archive, found: Verification) -> Record:
    """Add an outcome to the record; return that. Raise Unavailable, OSError."""
    known = record(archive).after(found)
    archive.keep(NOTE, encode(known))
    return known
