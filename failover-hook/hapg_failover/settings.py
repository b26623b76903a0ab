"""The settings that the chart writes to `failover.json` (docs/contract.md), and the pod's own identity."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hapg_protocol import settings as protocol
from hapg_protocol.addresses import with_port
from hapg_protocol.settings import POD, SettingsError
from hapg_protocol.version_profile import VersionProfile

from .core.timing import Timing
from .core.write_quorum import ASYNCHRONOUS, Policy
from .credentials.app import App


@dataclass(frozen=True)
class Source:
    """A live server that the first server of a new release is a clone of. ssl_mode: libpq's; user: None if the Secret names it."""

    host: str
    port: int
    ssl_mode: str
    user: str | None = None

    def __str__(self) -> str:
        return with_port(self.host, self.port)


@dataclass(frozen=True)
class Settings:
    """The chart's settings.

    max_lag: bytes; grace: seconds; label_role: key of the role label; policy: of replication; profile: of
    the PostgreSQL major version; backup: there is a backup container; restores: it restores the first server, so that initdb
    does not create one; source: the live server that the first server is a clone of instead; upgrades_from: the PostgreSQL major whose data
    may be upgraded, None: none; upgrade_verified_s: how many seconds before an upgrade a restore of a backup has to have been verified,
    None: no backup is needed; app: the database of an application, None: there is none.
    """

    name: str
    replicas: int
    standby_mode: str
    port: int
    http_port: int
    peer_port: int
    label_role: str
    selector: Mapping[str, str]
    secret: str
    database: str
    profile: VersionProfile
    timing: Timing
    max_lag: int
    grace: int
    policy: Policy
    backup: bool = False
    restores: bool = False
    source: Source | None = None
    upgrades_from: str | None = None
    upgrade_verified_s: float | None = None
    app: App | None = None

    @property
    def replication_secret(self) -> str:
        """The name of the Secret with the password that the replicas use among themselves."""
        return f"{self.name}-replication"

    @property
    def backup_secret(self) -> str:
        """The name of the Secret with the key that requests to the backup containers are signed with."""
        return f"{self.name}-backup"


@dataclass(frozen=True)
class Identity:
    """This pod's identity, from its environment."""

    pod: str
    namespace: str
    uid: str
    ip: str

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Identity:
        """Read POD_NAME, POD_NAMESPACE, POD_UID, POD_IP. Raise SettingsError if one is missing."""
        missing = [name for name in POD if not environment.get(name)]
        if missing:
            raise SettingsError(f"environment: {', '.join(missing)} must be set")
        return cls(*(environment[name] for name in POD))

    @property
    def claim(self) -> str:
        """The name of the pod's PVCs, in the form of core.volumes."""
        return f"{self.namespace}/{self.pod}"

    @property
    def ordinal(self) -> int:
        """The number at the end of the pod's name."""
        return int(self.pod.rsplit("-", 1)[1])


TIMING: Mapping[str, str] = {
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
"""Maps the keys of `failover` to the fields of Timing."""


def parse(text: str) -> Settings:
    """Return the settings in `text`, the content of failover.json. Raise SettingsError, also for an unknown key."""
    settings, unknown = read(text)
    if unknown:
        raise SettingsError(unknown[0])
    return settings


def read(text: str) -> tuple[Settings, tuple[str, ...]]:
    """Return the settings in `text`, and one sentence for each unknown key: a chart newer than this agent may have written it.

    Raise SettingsError if a known setting is missing or invalid.
    """
    document = protocol.read(text)
    root, labels, failover = document.root, document.labels, document.failover
    timing = Timing(**{field: failover[key] for key, field in TIMING.items() if key in failover})
    violations = timing.violations()
    if violations:
        raise SettingsError("failover.json.failover: " + "; ".join(violations))
    settings = Settings(
        name=root["name"],
        replicas=root["replicas"],
        standby_mode=root["standbyMode"],
        port=root["port"],
        http_port=root["httpPort"],
        peer_port=root["peerPort"],
        label_role=labels["role"],
        selector={str(k): str(v) for k, v in root["selector"].items()},
        secret=root["secret"],
        database=root["database"],
        profile=document.profile,
        timing=timing,
        max_lag=failover["maxLagBytes"],
        grace=root["terminationGracePeriodSeconds"],
        policy=_policy(document.replication, root["replicas"]),
        backup=root.get("backup", False),
        restores=root.get("bootstrap") == "restore",
        source=_source(root, document.source),
        upgrades_from=root.get("upgradesFrom"),
        upgrade_verified_s=root["upgradeVerifiedHours"] * 3600.0 if "upgradeVerifiedHours" in root else None,
        app=_app(document.app),
    )
    return settings, document.unknown


def _source(root: Mapping[str, Any], source: Mapping[str, Any]) -> Source | None:
    if root.get("bootstrap") != "clone":
        return None
    if not source:
        raise SettingsError("failover.json.source: missing; an object, because bootstrap is clone")
    return Source(source["host"], source["port"], source["sslMode"], source.get("user"))


def _app(app: Mapping[str, Any]) -> App | None:
    if not app:
        return None
    return App(app["database"], app["owner"], app["secret"], app["makesSecret"], app["host"], app["port"], app["readHost"])


def _policy(replication: Mapping[str, Any], replicas: int) -> Policy:
    k = replication["minSyncReplicas"]
    if replication["mode"] == "asynchronous":
        return ASYNCHRONOUS
    if not 1 <= k < replicas:
        where = "failover.json.replication.minSyncReplicas"
        raise SettingsError(f"{where}: {k} is not allowed; a number from 1 and less than replicas, {replicas}")
    return Policy(k, replication["synchronousPolicy"] == "strict")
