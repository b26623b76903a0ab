"""The settings in backup.json, which the chart writes. docs/contract.md explains each key."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from .errors import Misconfigured

FILE = "backup.json"
TYPES = ("s3", "gcs", "azure", "local")
COMPRESSIONS = ("zst", "lz4", "gz", "bz2", "none")
TARGETS = ("latest", "immediate", "time", "lsn", "name", "xid")
_WITHOUT_TARGET = ("latest", "immediate")
_PATH = re.compile(r"(/[A-Za-z0-9._+=@-]+)+")
_PLAIN = re.compile(r"[A-Za-z0-9._:/\[\]-]{1,253}")
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}")
_STANZA = re.compile(r"[a-z0-9][a-z0-9.-]{0,80}")
_LABEL = re.compile(r"[0-9]{8}-[0-9]{6}F(_[0-9]{8}-[0-9]{6}[DI])?")
_LSN = re.compile(r"[0-9A-Fa-f]{1,8}/[0-9A-Fa-f]{1,8}")
_XID = re.compile(r"[0-9]{1,20}")
_POINT = re.compile(r"[^\x00-\x1f'\\]{1,63}")
_MOST = 9_999_999


@dataclass(frozen=True)
class Repository:
    """Where archives and backups are kept.

    type: one of TYPES; path: absolute, below the bucket or in a mounted volume; endpoint: '' for the vendor's; style: of URIs, host or
    path; encrypted: with a cipher pass from the Secret.
    """

    type: str
    path: str
    bucket: str = ""
    endpoint: str = ""
    region: str = ""
    style: str = "host"
    verify_tls: bool = True
    encrypted: bool = False


@dataclass(frozen=True)
class Retention:
    """full: how many full backups are kept; diff: how many differential ones, 0 for all; days: keep full backups for this long, 0: by
    their number.
    """

    full: int = 2
    diff: int = 0
    days: int = 0


@dataclass(frozen=True)
class Restore:
    """What to restore. repository: None for the release's own; stanza: or the name of the source release; type: one of TARGETS; target: in
    pgBackRest's form; timeline: None for the newest; backup: the label to begin with, '' to choose one.
    """

    stanza: str
    type: str = "latest"
    target: str = ""
    inclusive: bool = True
    timeline: int | None = None
    backup: str = ""
    repository: Repository | None = None

    @property
    def words(self) -> str:
        """The target in words."""
        return self.type if self.type in _WITHOUT_TARGET else f"{self.type} {self.target}"


@dataclass(frozen=True)
class Settings:
    """All of backup.json. repository: None if nothing is archived; level: of compression, None for the default; unknown: a sentence about
    each unknown key.
    """

    name: str
    repository: Repository | None = None
    retention: Retention = Retention()
    compression: str = "zst"
    level: int | None = None
    processes: int = 1
    restore: Restore | None = None
    unknown: tuple[str, ...] = ()


class _Object:
    """A JSON object whose keys are read one by one; `where` names it in errors."""

    def __init__(self, value: object, where: str, unknown: list[str]) -> None:
        if not isinstance(value, Mapping):
            raise Misconfigured(f"{where}: expected an object, found {value!r}")
        self._value: Mapping[str, Any] = value
        self._where = where
        self._unknown = unknown
        self._asked: set[str] = set()

    def _get(self, key: str, default: object) -> Any:
        self._asked.add(key)
        found = self._value.get(key)
        return default if found is None else found

    def refuse(self, key: str, allowed: str) -> Misconfigured:
        return Misconfigured(f"{self._where}.{key}: {self._value.get(key)!r} is not allowed; {allowed}")

    def text(self, key: str, allowed: str, pattern: re.Pattern[str], default: str | None = None) -> str:
        value = self._get(key, default)
        if value is None:
            raise Misconfigured(f"{self._where}.{key}: missing; {allowed}")
        if not isinstance(value, str) or (value != default and not pattern.fullmatch(value)):
            raise self.refuse(key, allowed)
        return value

    def choice(self, key: str, choices: tuple[str, ...], default: str | None = None) -> str:
        return self.text(key, f"one of {', '.join(choices)}", re.compile("|".join(choices)), default)

    def number(self, key: str, least: int, default: int | None) -> int | None:
        value = self._get(key, default)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= _MOST:
            raise self.refuse(key, f"a whole number from {least}")
        return value

    def count(self, key: str, least: int, default: int) -> int:
        value = self.number(key, least, default)
        assert value is not None
        return value

    def flag(self, key: str, default: bool) -> bool:
        value = self._get(key, default)
        if not isinstance(value, bool):
            raise self.refuse(key, "true or false")
        return value

    def object(self, key: str) -> _Object | None:
        value = self._get(key, None)
        return None if value is None else _Object(value, f"{self._where}.{key}", self._unknown)

    def done(self) -> None:
        self._unknown.extend(f"{self._where}.{key}: unknown key" for key in self._value if key not in self._asked)


def read(text: str) -> Settings:
    """Return the settings in `text`, the content of backup.json. Raise Misconfigured for a wrong value."""
    try:
        document = json.loads(text)
    except ValueError as error:
        raise Misconfigured(f"{FILE}: not JSON: {error}") from error
    unknown: list[str] = []
    root = _Object(document, FILE, unknown)
    name = root.text("name", "the release's name", _STANZA)
    repository, restore = _repository(root.object("repository")), _restore(root.object("restore"))
    retention, (compression, level) = _retention(root.object("retention")), _compression(root.object("compression"))
    processes = root.count("processMax", 1, 1)
    root.done()
    if restore is not None and restore.repository is None and repository is None:
        raise Misconfigured(f"{FILE}.restore.repository: missing; without `repository` the restore has to name its own")
    return Settings(name, repository, retention, compression, level, processes, restore, tuple(unknown))


def _repository(fields: _Object | None) -> Repository | None:
    if fields is None:
        return None
    kind = fields.choice("type", TYPES)
    path = fields.text("path", "an absolute path of letters, digits and ._+=@-, without a slash at its end", _PATH)
    if ".." in path.split("/"):
        raise fields.refuse("path", "a path without ..")
    needs_bucket = kind != "local"
    bucket = fields.text("bucket", "the name of a bucket or container", _BUCKET, None if needs_bucket else "")
    endpoint = fields.text("endpoint", "HOST or HOST:PORT", _PLAIN, "")
    region = fields.text("region", "a region, such as us-east-1", _PLAIN, None if kind == "s3" else "")
    style, verify = fields.choice("uriStyle", ("host", "path"), "host"), fields.flag("verifyTls", True)
    encrypted = fields.flag("encryption", False)
    fields.done()
    return Repository(kind, path, bucket, endpoint, region, style, verify, encrypted)


def _retention(fields: _Object | None) -> Retention:
    if fields is None:
        return Retention()
    found = Retention(fields.count("full", 1, 2), fields.count("diff", 0, 0), fields.count("days", 0, 0))
    fields.done()
    return found


def _compression(fields: _Object | None) -> tuple[str, int | None]:
    if fields is None:
        return "zst", None
    kind, level = fields.choice("type", COMPRESSIONS, "zst"), fields.number("level", 0, None)
    fields.done()
    return kind, level


def _restore(fields: _Object | None) -> Restore | None:
    if fields is None:
        return None
    stanza = fields.text("stanza", "an archive NAME-XXXXXXXX, or the name of its release", _STANZA)
    kind = fields.choice("type", TARGETS, "latest")
    target = _target(fields, kind)
    inclusive, timeline = fields.flag("inclusive", True), fields.number("timeline", 1, None)
    backup = fields.text("backup", "the label of a backup, such as 20261201-101010F", _LABEL, "")
    repository = _repository(fields.object("repository"))
    fields.done()
    return Restore(stanza, kind, target, inclusive, timeline, backup, repository)


def _target(fields: _Object, kind: str) -> str:
    """Return the target as pgBackRest takes it."""
    anything = re.compile(r"[^\x00-\x1f]{1,80}")
    if kind in _WITHOUT_TARGET:
        if fields.text("target", f"none, because the type is {kind}", anything, ""):
            raise fields.refuse("target", f"none, because the type is {kind}")
        return ""
    if kind == "lsn":
        return fields.text("target", "an LSN, such as 0/3000148", _LSN)
    if kind == "xid":
        return fields.text("target", "the number of a transaction", _XID)
    if kind == "name":
        return fields.text("target", "the name of a restore point, without quotes and backslashes", _POINT)
    allowed = "a time with an offset, such as 2026-12-01 10:00:00+00:00"
    try:
        found = datetime.fromisoformat(fields.text("target", allowed, anything))
    except ValueError:
        raise fields.refuse("target", allowed) from None
    if found.tzinfo is None:
        raise fields.refuse("target", allowed)
    return found.isoformat(" ")
