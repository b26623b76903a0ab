"""The settings of a release's pods: the keys of failover.json and the environment variables. The chart writes them and the pods read them.

docs/contract.md explains each one. Constraints that span several keys (the inequalities between times, the write quorum) are checked by the
program that uses them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from . import version_profile
from .version_profile import AUTHENTICATION, VersionProfile

FILE = "failover.json"
WAL_VOLUME = "HAPG_WAL_VOLUME"
POD = ("POD_NAME", "POD_NAMESPACE", "POD_UID", "POD_IP")

ENVIRONMENT: Mapping[str, tuple[str, ...]] = {
    "prepare": ("POD_NAMESPACE",),
    "failover": (*POD, WAL_VOLUME, "PGSSLMODE", "PGSSLROOTCERT"),
    "backup": ("POD_NAME", WAL_VOLUME),
    "postgres": ("POD_NAME", version_profile.VARIABLE, "HAPG_GRACE", "HAPG_INITDB_ARGS", WAL_VOLUME, "HAPG_SSLMODE"),
}
"""The environment variables that the chart sets, by container. libpq reads the ones that begin with PGSSL."""


class SettingsError(ValueError):
    """A setting is missing, unusable, or unknown where that matters; the message gives its path, its value and the allowed values."""


@dataclass(frozen=True)
class Key:
    """One key of an object. kind: the type of its value; allowed: the same in words; choices: all allowed values, if there are only a few.

    is_later: charts of earlier versions don't write this key. The default then applies, so that the agent still starts after a rollback.
    """

    kind: type
    allowed: str
    choices: tuple[str, ...] = ()
    is_later: bool = False


def _choice(*choices: str, is_later: bool = False) -> Key:
    return Key(str, " or ".join(choices), choices, is_later)


_COUNT = Key(int, "a number from 1")
_OBJECT = Key(dict, "an object")
_LABEL = Key(str, "a label key")
_PORT = Key(int, "a port")
_SECONDS = Key(float, "a number of seconds")
_LATER_SECONDS = Key(float, "a number of seconds", is_later=True)
_FLAG = Key(bool, "true or false")
_LATER_FLAG = Key(bool, "true or false", is_later=True)
_LATER_TEXT = Key(str, "a string", is_later=True)

PROFILE = "postgresMajor"

KEYS: Mapping[str, Mapping[str, Key]] = {
    "": {
        "name": Key(str, "the release's name"),
        "replicas": _COUNT,
        "standbyMode": _choice("warm", "hot"),
        "replication": _OBJECT,
        "port": _PORT,
        "httpPort": _PORT,
        "peerPort": _PORT,
        "labels": _OBJECT,
        "selector": Key(dict, "an object of labels"),
        "secret": Key(str, "the name of the Secret"),
        "database": Key(str, "the name of a database"),
        PROFILE: _OBJECT,
        "failover": _OBJECT,
        "terminationGracePeriodSeconds": Key(int, "a number of seconds"),
        "upgradesFrom": _LATER_TEXT,
        "upgradeVerifiedHours": Key(int, "a number of hours", is_later=True),
        "backup": _LATER_FLAG,
        "bootstrap": _choice("initdb", "restore", "clone", is_later=True),
        "source": Key(dict, "an object", is_later=True),
        "app": Key(dict, "an object", is_later=True),
    },
    "labels": {"name": _LABEL, "kind": _LABEL, "role": _LABEL},
    "replication": {
        "mode": _choice("asynchronous", "synchronous"),
        "minSyncReplicas": _COUNT,
        "synchronousPolicy": _choice("strict", "preferred"),
    },
    "failover": {
        "ttlSeconds": _SECONDS,
        "leaseSeconds": _SECONDS,
        "renewSeconds": _SECONDS,
        "callTimeoutSeconds": _SECONDS,
        "overdueSeconds": _SECONDS,
        "fenceSeconds": _SECONDS,
        "clockRatio": Key(float, "a ratio"),
        "maxLagBytes": Key(int, "a number of bytes"),
        "restartInPlaceSeconds": _SECONDS,
        "extensionSeconds": _LATER_SECONDS,
        "recoveryStallSeconds": _LATER_SECONDS,
        "cleanHoldSeconds": _LATER_SECONDS,
        "unreadySeconds": _LATER_SECONDS,
    },
    "source": {
        "host": Key(str, "a host"),
        "port": _PORT,
        "sslMode": _choice("disable", "prefer", "require", "verify-ca", "verify-full"),
        "user": _LATER_TEXT,
    },
    "app": {
        "database": Key(str, "the name of a database"),
        "owner": Key(str, "the name of a role"),
        "secret": Key(str, "the name of the Secret"),
        "makesSecret": _FLAG,
        "host": Key(str, "a host"),
        "port": _PORT,
        "readHost": Key(str, "a host"),
    },
    PROFILE: {
        "major": Key(str, "a PostgreSQL major version"),
        "binDirectory": _LATER_TEXT,
        "walDirectory": Key(str, "pg_wal or pg_xlog"),
        "walDump": _LATER_TEXT,
        "walDumpQuiet": _LATER_FLAG,
        "walKeep": _LATER_TEXT,
        "standbyFile": _LATER_TEXT,
        "recoveryParameters": _LATER_FLAG,
        "reloadsConninfo": _FLAG,
        "boundsSlots": _FLAG,
        "statusLine": _LATER_FLAG,
        "quorum": _LATER_FLAG,
        "replicationRole": _LATER_FLAG,
        "authentication": _choice(*AUTHENTICATION, is_later=True),
        "sqlNames": Key(dict, "an object of names"),
    },
}
"""The keys of failover.json, by the object that contains them; '' is the top level."""


@dataclass(frozen=True)
class Document:
    """The content of failover.json; each value has the type that KEYS gives it.

    root, labels, replication, failover: the objects of that name; profile: `postgresMajor`; unknown: a sentence about each unknown key,
    which a newer chart may have written; source, app: empty if the object is missing.
    """

    root: Mapping[str, Any]
    labels: Mapping[str, Any]
    replication: Mapping[str, Any]
    failover: Mapping[str, Any]
    profile: VersionProfile
    unknown: tuple[str, ...]
    source: Mapping[str, Any] = field(default_factory=dict)
    app: Mapping[str, Any] = field(default_factory=dict)


def read(text: str) -> Document:
    """Return the content of failover.json from its `text`. Raise SettingsError if a known setting is missing or unusable."""
    try:
        document = json.loads(text)
    except ValueError as error:
        raise SettingsError(f"{FILE}: not JSON: {error}") from error
    unknown: list[str] = []
    root = _values(document, "", unknown.append)
    labels, replication, failover, profile = (
        _values(root[name], name, unknown.append) for name in ("labels", "replication", "failover", PROFILE)
    )
    if root["replicas"] < 1:
        raise SettingsError(f"{FILE}.replicas: {root['replicas']} is not allowed; {_COUNT.allowed}")
    source, app = (_values(root[name], name, unknown.append) if name in root else {} for name in ("source", "app"))
    return Document(root, labels, replication, failover, _profile(profile), tuple(unknown), source, app)


def _values(value: object, name: str, tell: Callable[[str], None]) -> dict[str, Any]:
    path, keys = f"{FILE}.{name}".rstrip("."), KEYS[name]
    if not isinstance(value, dict):
        raise SettingsError(f"{path}: expected an object, found {value!r}")
    for key in (key for key in value if key not in keys):
        near = get_close_matches(key, keys, n=1)
        tell(f"{path}.{key}: unknown key" + (f"; did you mean {near[0]}?" if near else ""))
    return {key: _value(value, key, known, path) for key, known in keys.items() if key in value or not known.is_later}


def _value(found: Mapping[str, Any], key: str, known: Key, path: str) -> Any:
    if key not in found:
        raise SettingsError(f"{path}.{key}: missing; {known.allowed}")
    value = found[key]
    if known.kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    is_right = isinstance(value, known.kind) and not (known.kind is int and isinstance(value, bool))
    if not is_right or (known.choices and value not in known.choices):
        raise SettingsError(f"{path}.{key}: {value!r} is not allowed; {known.allowed}")
    return value


def _profile(values: Mapping[str, Any]) -> VersionProfile:
    """Return a profile; keys that a chart of an earlier version doesn't write get the value that they implied then."""
    earlier = {"replicationRole": False, "authentication": "md5" if values["major"] == "9.6" else "scram-sha-256"}
    return VersionProfile(**{version_profile.NAMES[key]: value for key, value in (earlier | dict(values)).items()})
