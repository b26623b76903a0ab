"""A verified restore: its outcome, as the scratch pod reports it and as it is kept in the repository."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

NOTE = "verified.json"
"""The file beside the archive's directory of segments. So it is there whichever server is the primary, and goes with the archive."""

CHECKS = ("checksums", "pg_amcheck", "tables read", "query")
LONGEST_REASON = 900
"""Characters. A report has to fit into the body of a request."""
_LSN = re.compile(r"[0-9A-F]{1,8}/[0-9A-F]{1,8}")
_LABEL = re.compile(r"[0-9]{8}-[0-9]{6}F(_[0-9]{8}-[0-9]{6}[DI])?")
_MAJOR = re.compile(r"[0-9]{1,2}(\.[0-9])?")
_MOST = 1 << 62


@dataclass(frozen=True)
class Verification:
    """One restore that was checked. ended: seconds since the epoch; major: of PostgreSQL; failure: why it is not verified, '' if it is.

    backup: the label; timeline, lsn: where the archive ended, 0 and '' if that was not reached; size: bytes of the database; restore_s:
    seconds until the files were there; replay_s: until the server accepted connections at the archive's end; check_s: of the checks;
    checks: those of CHECKS that were made.
    """

    ended: float
    major: str
    failure: str = ""
    backup: str = ""
    timeline: int = 0
    lsn: str = ""
    size: int = 0
    restore_s: float = 0.0
    replay_s: float = 0.0
    check_s: float = 0.0
    checks: tuple[str, ...] = ()

    @property
    def rto_s(self) -> float:
        """Seconds that a restore to the end took, without the checks."""
        return self.restore_s + self.replay_s

    @property
    def rate(self) -> float:
        """Restored bytes of the database per second."""
        return self.size / self.restore_s if self.restore_s > 0 else 0.0

    @property
    def document(self) -> dict[str, Any]:
        """The outcome as `hapg-backup request info` shows it."""
        return {
            "endedAt": self.ended,
            "major": self.major,
            "failure": self.failure,
            "backup": self.backup,
            "timeline": self.timeline,
            "lsn": self.lsn,
            "bytes": self.size,
            "restoreSeconds": round(self.restore_s, 1),
            "replaySeconds": round(self.replay_s, 1),
            "checkSeconds": round(self.check_s, 1),
            "bytesPerSecond": round(self.rate),
            "checks": list(self.checks),
        }


@dataclass(frozen=True)
class Record:
    """What is known of an archive. verified: the last success; failed: the last failure, if it is newer."""

    verified: Verification | None = None
    failed: Verification | None = None

    def after(self, found: Verification) -> Record:
        """Return the record with one more outcome. A failure takes nothing away from an earlier success."""
        return replace(self, failed=found) if found.failure else Record(verified=found)

    def of(self, major: str) -> Record:
        """Return what is known of backups of one major: those of an earlier one restore nothing of what was written since an upgrade."""
        verified, failed = (each if each is not None and each.major == major else None for each in (self.verified, self.failed))
        return Record(verified, failed)

    @property
    def document(self) -> dict[str, Any]:
        """The record as `hapg-backup request info` shows it."""
        shown = {"verified": self.verified, "failed": self.failed}
        return {name: None if each is None else each.document for name, each in shown.items()}


def encode(record: Record) -> str:
    """Return the record as it is kept."""
    return json.dumps(asdict(record))


def decode(text: str) -> Record:
    """Return a record that was kept. Raise ValueError if it is malformed."""
    found = json.loads(text)
    if not isinstance(found, dict):
        raise ValueError(f"{NOTE}: not an object")
    return Record(**{key: None if found.get(key) is None else read(found[key]) for key in ("verified", "failed")})


def fields(found: Verification) -> dict[str, Any]:
    """Return the body of a report."""
    return asdict(found)


def read(given: Mapping[str, Any]) -> Verification:
    """Return the outcome in the body of a report, or in a record. Raise ValueError if it is malformed."""
    try:
        checks = tuple(name for name in CHECKS if name in given["checks"])
        found = Verification(
            ended=_number(given["ended"]),
            major=_text(given["major"], _MAJOR),
            failure=" ".join(str(given["failure"]).split())[:LONGEST_REASON],
            backup=_text(given["backup"], _LABEL),
            timeline=int(_number(given["timeline"])),
            lsn=_text(given["lsn"], _LSN),
            size=int(_number(given["size"])),
            restore_s=_number(given["restore_s"]),
            replay_s=_number(given["replay_s"]),
            check_s=_number(given["check_s"]),
            checks=checks,
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"malformed verification: {error!r}") from error
    if not found.failure and not (found.backup and found.lsn):
        raise ValueError("a verification without a failure has to name its backup and where it ended")
    return found


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < _MOST:
        raise ValueError(f"malformed verification: not a number: {str(value)[:40]!r}")
    return float(value)


def _text(value: object, pattern: re.Pattern[str]) -> str:
    if not isinstance(value, str) or (value and not pattern.fullmatch(value)):
        raise ValueError(f"malformed verification: {str(value)[:40]!r}")
    return value
