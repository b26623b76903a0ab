"""The settings that the chart writes to `failover.json` (docs/contract.md) and the pod's own identity."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from .core.timing import Timing
from .core.write_quorum import ASYNCHRONOUS, Policy


class SettingsError(ValueError):
    """A setting is missing or unusable, or unknown where that matters; the message names its path, its value and what is allowed."""


@dataclass(frozen=True)
class Settings:
    """What the chart says. max_lag in bytes, grace in seconds; labels are the keys of the name, kind and role labels.

    policy: of replication; sql_names: what has another name in SQL in this major, by the name of today; reloads_conninfo: a standby takes
    another upstream without a restart; slots: replication slots are used; replication_role: the members log in on each other under a role
    of their own; authentication: the method of pg_hba.conf for passwords.
    """

    name: str
    replicas: int
    standby_mode: str
    port: int
    http_port: int
    peer_port: int
    label_name: str
    label_kind: str
    label_role: str
    selector: Mapping[str, str]
    secret: str
    database: str
    major: str
    wal_directory: str
    sql_names: Mapping[str, str]
    reloads_conninfo: bool
    slots: bool
    replication_role: bool
    authentication: str
    timing: Timing
    max_lag: int
    grace: int
    policy: Policy

    @property
    def replication_secret(self) -> str:
        """The name of the Secret with the password that the members use among themselves."""
        return f"{self.name}-replication"


@dataclass(frozen=True)
class Identity:
    """Who this pod is, from its environment."""

    pod: str
    namespace: str
    uid: str
    ip: str

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Identity:
        """Read POD_NAME, POD_NAMESPACE, POD_UID, POD_IP. Raise SettingsError if one is missing."""
        names = ("POD_NAME", "POD_NAMESPACE", "POD_UID", "POD_IP")
        missing = [name for name in names if not environment.get(name)]
        if missing:
            raise SettingsError(f"environment: {', '.join(missing)} must be set")
        return cls(*(environment[name] for name in names))

    @property
    def claim(self) -> str:
        """The name of the pod's claims, as core.volumes has it."""
        return f"{self.namespace}/{self.pod}"

    @property
    def ordinal(self) -> int:
        """The number at the end of the pod's name."""
        return int(self.pod.rsplit("-", 1)[1])


_TIMING = {
    "ttlSeconds": "ttl",
    "leaseSeconds": "lease",
    "renewSeconds": "renew",
    "callTimeoutSeconds": "call",
    "overdueSeconds": "overdue",
    "fenceSeconds": "fence",
    "clockRatio": "clock_ratio",
    "restartInPlaceSeconds": "restart",
    "extensionSeconds": "extension",
    "recoveryStallSeconds": "stall",
    "cleanHoldSeconds": "hold",
    "unreadySeconds": "unready",
}


_LATER = frozenset({"recoveryStallSeconds", "cleanHoldSeconds", "unreadySeconds", "replicationRole", "authentication"})
"""Keys that a chart of an earlier version doesn't have: without them the defaults hold, so that a rollback finds an agent that starts."""


class _Reader:
    def __init__(self, value: Any, path: str) -> None:
        if not isinstance(value, dict):
            raise SettingsError(f"{path}: expected an object, found {value!r}")
        self._left = dict(value)
        self._path = path
        self._known: list[str] = []

    def get(self, key: str, kind: type, allowed: str) -> Any:
        self._known.append(key)
        where = f"{self._path}.{key}"
        if key not in self._left:
            raise SettingsError(f"{where}: missing; {allowed}")
        value = self._left.pop(key)
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise SettingsError(f"{where}: {value!r} is not allowed; {allowed}")
        return value

    def has(self, key: str, optional: frozenset[str]) -> bool:
        """Tell whether a key is to be read: all must be there but the optional ones."""
        return key not in optional or key in self._left

    def choice(self, key: str, *allowed: str) -> str:
        value: str = self.get(key, str, " or ".join(allowed))
        if value not in allowed:
            raise SettingsError(f"{self._path}.{key}: {value!r} is not allowed; {' or '.join(allowed)}")
        return value

    def unknown(self) -> list[str]:
        """Say which keys nobody has asked for, one sentence each."""
        found = []
        for key in self._left:
            near = get_close_matches(key, self._known, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            found.append(f"{self._path}.{key}: unknown key{hint}")
        return found


def parse(text: str) -> Settings:
    """Return the settings in `text`, the content of failover.json, every key of which must be known. Raise SettingsError."""
    settings, unknown = read(text)
    if unknown:
        raise SettingsError(unknown[0])
    return settings


def read(text: str) -> tuple[Settings, tuple[str, ...]]:
    """Return the settings in `text`, and a sentence about each key that isn't known: a chart newer than this agent may have written it.

    Raise SettingsError if a setting that is known is missing or unusable.
    """
    try:
        document = json.loads(text)
    except ValueError as error:
        raise SettingsError(f"failover.json: not JSON: {error}") from error
    root = _Reader(document, "failover.json")
    labels = _Reader(root.get("labels", dict, "an object"), "failover.json.labels")
    major = _Reader(root.get("postgresMajor", dict, "an object"), "failover.json.postgresMajor")
    failover = _Reader(root.get("failover", dict, "an object"), "failover.json.failover")
    mode = root.choice("standbyMode", "warm", "hot")
    replicas = root.get("replicas", int, "a number from 1")
    if replicas < 1:
        raise SettingsError(f"failover.json.replicas: {replicas} is not allowed; a number from 1")
    given = {field: failover.get(key, float, "a number of seconds") for key, field in _TIMING.items() if failover.has(key, _LATER)}
    timing = Timing(**given)
    violations = timing.violations()
    if violations:
        raise SettingsError("failover.json.failover: " + "; ".join(violations))
    replication = _Reader(root.get("replication", dict, "an object"), "failover.json.replication")
    selector = root.get("selector", dict, "an object of labels")
    version = major.get("major", str, "a PostgreSQL major version")
    settings = Settings(
        name=root.get("name", str, "the release's name"),
        replicas=replicas,
        standby_mode=mode,
        port=root.get("port", int, "a port"),
        http_port=root.get("httpPort", int, "a port"),
        peer_port=root.get("peerPort", int, "a port"),
        label_name=labels.get("name", str, "a label key"),
        label_kind=labels.get("kind", str, "a label key"),
        label_role=labels.get("role", str, "a label key"),
        selector={str(k): str(v) for k, v in selector.items()},
        secret=root.get("secret", str, "the name of the Secret"),
        database=root.get("database", str, "the name of a database"),
        major=version,
        wal_directory=major.get("walDirectory", str, "pg_wal or pg_xlog"),
        sql_names=major.get("sqlNames", dict, "an object of names"),
        reloads_conninfo=major.get("reloadsConninfo", bool, "true or false"),
        slots=major.get("boundsSlots", bool, "true or false"),
        replication_role=major.get("replicationRole", bool, "true or false") if major.has("replicationRole", _LATER) else False,
        authentication=_authentication(major, version),
        timing=timing,
        max_lag=failover.get("maxLagBytes", int, "a number of bytes"),
        grace=root.get("terminationGracePeriodSeconds", int, "a number of seconds"),
        policy=_policy(replication, replicas),
    )
    return settings, tuple(sentence for reader in (root, labels, failover, replication) for sentence in reader.unknown())


def _authentication(major: _Reader, version: str) -> str:
    if major.has("authentication", _LATER):
        return major.choice("authentication", "scram-sha-256", "md5")
    return "md5" if version == "9.6" else "scram-sha-256"


def _policy(replication: _Reader, replicas: int) -> Policy:
    mode = replication.choice("mode", "asynchronous", "synchronous")
    strictness = replication.choice("synchronousPolicy", "strict", "preferred")
    k = replication.get("minSyncReplicas", int, "a number from 1")
    if mode == "asynchronous":
        return ASYNCHRONOUS
    if not 1 <= k < replicas:
        where = "failover.json.replication.minSyncReplicas"
        raise SettingsError(f"{where}: {k} is not allowed; a number from 1 and less than replicas, {replicas}")
    return Policy(k, strictness == "strict")
