"""The backups of a stanza, from `pgbackrest info --output=json`."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from hapg_protocol.lsn import format_lsn, parse_lsn


@dataclass(frozen=True)
class Backup:
    """A backup. kind: full, diff or incr; started, ended: seconds since the epoch; timeline: on which it was made; start, stop: LSNs in
    bytes; first, last: the WAL segments that it needs; size, stored: bytes of the database and in the repository; failed: pages with a
    wrong checksum were found; needs: labels of earlier backups; version: the major of PostgreSQL, '' if not known.
    """

    label: str
    kind: str
    started: int
    ended: int
    timeline: int
    start: int
    stop: int
    first: str
    last: str
    size: int
    stored: int
    failed: bool
    needs: tuple[str, ...]
    version: str = ""

    @property
    def document(self) -> dict[str, Any]:
        """The backup as `hapg-backup request info` shows it."""
        found = asdict(self)
        names = {
            "kind": "type", "started": "startedAt", "ended": "endedAt", "start": "startLsn", "stop": "stopLsn", "first": "startWal",
            "last": "stopWal", "size": "bytes", "stored": "repositoryBytes", "failed": "error", "needs": "reference",
        }  # fmt: skip
        document = {names.get(key, key): value for key, value in found.items()}
        for key in ("startLsn", "stopLsn"):
            document[key] = format_lsn(document[key])
        return document


def parse_info(text: str, stanza: str) -> tuple[Backup, ...]:
    """Return the backups of a stanza, oldest first; none if it doesn't exist. Raise ValueError if `text` has another form."""
    try:
        found = next((each for each in json.loads(text) if each["name"] == stanza), None)
        if found is None:
            return ()
        versions = {each["id"]: str(each["version"]) for each in found.get("db", ())}
        return tuple(_backup(each, versions) for each in found.get("backup", ()))
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"pgbackrest info printed something else: {error!r}") from error


def _backup(each: dict[str, Any], versions: dict[int, str]) -> Backup:
    size = each["info"]
    stored = size["repository"]
    return Backup(
        label=each["label"],
        kind=each["type"],
        started=int(each["timestamp"]["start"]),
        ended=int(each["timestamp"]["stop"]),
        timeline=int(each["archive"]["start"][:8], 16),
        start=parse_lsn(each["lsn"]["start"]),
        stop=parse_lsn(each["lsn"]["stop"]),
        first=each["archive"]["start"],
        last=each["archive"]["stop"],
        size=int(size["size"]),
        stored=int(stored.get("delta", stored.get("size", 0))),
        failed=bool(each.get("error")),
        needs=tuple(each.get("reference") or ()),
        version=versions.get(each["database"]["id"], ""),
    )
