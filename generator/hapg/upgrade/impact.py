"""What a difference does to a running release: pure rules on the objects that hapg's charts consist of."""

from __future__ import annotations

import enum
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from hapg.chart.manifests import Manifest, key
from hapg.upgrade.differences import MISSING, Change, Path, changes


class Effect(enum.IntEnum):
    """What happens, from harmless to harmful. The exit code is 10 more, but for NOTHING, whose is 0."""

    NOTHING = 0
    RELOAD = 1
    STANDBYS = 2
    SWITCHOVER = 3
    IMMUTABLE = 4
    DATA = 5

    @property
    def words(self) -> str:
        """How a user is told."""
        return ("nothing", "reload", "restart of standbys", "switchover", "immutable", "data at risk")[self]


@dataclass(frozen=True)
class Finding:
    """A change of one object, what it does, and why. change: None where the object comes or goes."""

    effect: Effect
    reason: str
    change: Change | None = None


@dataclass(frozen=True)
class ObjectDiff:
    """What changes in one object. name: KIND/NAME, with the namespace if it says one; findings: at least one."""

    name: str
    findings: tuple[Finding, ...]

    @property
    def worst(self) -> Effect:
        """The worst of its effects."""
        return max(finding.effect for finding in self.findings)


def compare(old: Sequence[Manifest], new: Sequence[Manifest]) -> list[ObjectDiff]:
    """Return what changes from the objects `old` to the objects `new`, by kind and name; unchanged objects are left out."""
    before, after = ({key(manifest): manifest for manifest in manifests} for manifests in (old, new))
    found = []
    for each in sorted(before.keys() | after.keys(), key=lambda each: each[1:]):
        findings = tuple(_findings(before.get(each), after.get(each)))
        if findings:
            _, kind, namespace, name = each
            found.append(ObjectDiff(f"{kind}/{name}" + (f" in {namespace}" if namespace else ""), findings))
    return found


def worst(diffs: Sequence[ObjectDiff]) -> Effect:
    """Return the worst effect of all."""
    return max((diff.worst for diff in diffs), default=Effect.NOTHING)


def _findings(old: Manifest | None, new: Manifest | None) -> Iterator[Finding]:
    if old is None:
        comes = new is not None and new["kind"] == "NetworkPolicy"
        yield Finding(*((Effect.SWITCHOVER, _CUTS_OFF) if comes else (Effect.NOTHING, "comes new")))
    elif new is None:
        yield _gone(old)
    else:
        yield from _changed(old, new)


_CUTS_OFF = "what it doesn't allow can't reach the servers any more, or isn't reached by them"

_GONE = {
    "StatefulSet": (Effect.DATA, "goes: its servers stop, and another one would begin with empty volumes"),
    "PersistentVolumeClaim": (Effect.DATA, "goes, and the volume with it unless its class retains it"),
    "Secret": (Effect.DATA, "goes, and what it holds with it"),
    "Service": (Effect.SWITCHOVER, "goes: clients that use its name lose their way"),
    "Role": (Effect.SWITCHOVER, "goes: without its rights the primary stops writing"),
    "RoleBinding": (Effect.SWITCHOVER, "goes: without its rights the primary stops writing"),
    "ServiceAccount": (Effect.SWITCHOVER, "goes: pods that have it can't be made any more"),
}


def _gone(old: Manifest) -> Finding:
    return Finding(Effect.NOTHING, "goes") if _is_hook(old) else Finding(*_GONE.get(old["kind"], (Effect.NOTHING, "goes")))


def _is_hook(manifest: Manifest) -> bool:
    """Whether it is one of helm's own hooks, which is made anew each time."""
    return "helm.sh/hook" in (manifest["metadata"].get("annotations") or {})


def _changed(old: Manifest, new: Manifest) -> Iterator[Finding]:
    judge = _JUDGES.get(old["kind"], _other)
    for change in changes(old, new):
        if _is_hook(old) and _is_hook(new):
            yield Finding(Effect.NOTHING, "it is made anew each time", change)
        elif change.path[0] in ("metadata", "apiVersion"):
            yield Finding(Effect.NOTHING, "labelled anew", change)
        elif change.path[0] in ("data", "stringData", "binaryData") and old.get("immutable"):
            yield Finding(Effect.IMMUTABLE, "the object says that its content never changes", change)
        else:
            yield from judge(change, old, new)


# --- a judge for each kind: change, old and new object to findings ---


def _stateful_set(change: Change, _old: Manifest, new: Manifest) -> Iterator[Finding]:
    match change.path[1:]:
        case ("replicas",):
            yield _scaled(change, new)
        case ("template", *inner):
            yield _pods(tuple(inner), change, new)
        case ("persistentVolumeClaimRetentionPolicy", *_):
            deletes = "Delete" in str(change.new)
            yield Finding(
                Effect.DATA if deletes else Effect.NOTHING, "volumes are deleted with their pods" if deletes else "volumes are kept", change
            )
        case ("updateStrategy" | "minReadySeconds" | "revisionHistoryLimit", *_):
            yield Finding(Effect.NOTHING, "it holds for later changes", change)
        case ("volumeClaimTemplates", *_):
            yield Finding(Effect.IMMUTABLE, "Kubernetes refuses to change the claims of a StatefulSet", change)
        case _:
            yield Finding(Effect.IMMUTABLE, "Kubernetes refuses to change this of a StatefulSet", change)


def _scaled(change: Change, new: Manifest) -> Finding:
    before, after = ((1 if value is MISSING else value) for value in (change.old, change.new))
    if after > before:
        return Finding(Effect.NOTHING, "servers are added as standbys", change)
    if "Delete" in str(new["spec"].get("persistentVolumeClaimRetentionPolicy", {}).get("whenScaled")):
        return Finding(Effect.DATA, "the servers with the highest ordinals go, and their volumes with them", change)
    return Finding(
        Effect.SWITCHOVER, "the servers with the highest ordinals go; if the primary is one of them it switches over first", change
    )


def _pods(path: Path, change: Change, new: Manifest) -> Finding:
    if path[:2] == ("spec", "volumes") and path[2:3] in ((), ("[data]",)):
        return Finding(Effect.DATA, "the servers' data would lie in another volume", change)
    if path[-1:] == ("[HAPG_SSLMODE]",) and change.old is MISSING and change.new["value"] != "prefer":
        return Finding(
            Effect.DATA, "standbys, which restart first, can't follow a primary without TLS; go by way of tls.mode allow", change
        )
    if path[:2] == ("spec", "securityContext") and path[2:] in (("runAsUser",), ("fsGroup",)):
        return Finding(Effect.DATA, "the files on the volumes belong to another user, whom PostgreSQL insists on", change)
    if new["spec"].get("replicas", 1) > 1:
        return Finding(Effect.SWITCHOVER, "pods are restarted one by one; the primary switches over before its own restart", change)
    return Finding(Effect.SWITCHOVER, "the only server is restarted", change)


def _service(change: Change, old: Manifest, _new: Manifest) -> Iterator[Finding]:
    match change.path[1:]:
        case ("clusterIP" | "clusterIPs" | "ipFamilies", *_):
            yield Finding(Effect.IMMUTABLE, "Kubernetes refuses to change the address of a Service", change)
        case ("selector", *_):
            yield Finding(Effect.SWITCHOVER, "clients are led to other pods", change)
        case ("ports", *_) if old["spec"].get("clusterIP") != "None":
            yield Finding(Effect.SWITCHOVER, "clients have to use another port", change)
        case ("type",) if change.old == "ExternalName" or change.new == "ExternalName":
            yield Finding(Effect.SWITCHOVER, "clients are led elsewhere", change)
        case _:
            yield Finding(Effect.NOTHING, "open connections stay", change)


def _config_map(change: Change, old: Manifest, _new: Manifest) -> Iterator[Finding]:
    match change.path:
        case ("data", *_) if old["metadata"]["name"].endswith("-initdb"):
            yield Finding(Effect.NOTHING, "scripts are run for a new database only", change)
        case ("data", "failover.json"):
            yield from _settings(change)
        case ("data" | "binaryData", *_):
            yield Finding(Effect.RELOAD, "read within the time that kubelet needs to pass it on, by servers when they reload", change)
        case ("immutable",) if change.old is True:
            yield Finding(Effect.IMMUTABLE, "Kubernetes refuses to take this back", change)
        case _:
            yield Finding(Effect.NOTHING, "", change)


_SETTINGS = {
    "standbyMode": (Effect.STANDBYS, "standbys restart in the other mode"),
    "replicas": (Effect.NOTHING, "the failover containers are told how many there are"),
    "terminationGracePeriodSeconds": (Effect.NOTHING, "it holds for pods that are made anew"),
    "postgresMajor": (Effect.SWITCHOVER, "it holds for pods that are made anew"),
    "name": (Effect.DATA, "the release would look for its Lease and its pods under another name"),
    "selector": (Effect.DATA, "the release would look for its pods under other labels"),
    "labels": (Effect.DATA, "the release would look for its pods under other labels"),
}


def _settings(change: Change) -> Iterator[Finding]:
    """Of failover.json each setting by itself."""
    old, new = _json(change.old), _json(change.new)
    if not isinstance(old, Mapping) or not isinstance(new, Mapping):
        yield Finding(Effect.RELOAD, "the failover containers read it anew", change)
        return
    for inner in changes(old, new):
        shown = Change((*change.path, *inner.path), inner.old, inner.new)
        if inner.path == ("postgresMajor", "major"):
            yield Finding(Effect.DATA, "a server of another major can't read the data; move it by a dump, or by pg_upgrade", shown)
        else:
            effect, reason = _SETTINGS.get(inner.path[0], (Effect.RELOAD, "the failover containers read it anew"))
            yield Finding(effect, reason, shown)


def _json(value: object) -> object:
    try:
        return json.loads(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _role(change: Change, old: Manifest, new: Manifest) -> Iterator[Finding]:
    lost = sorted(_rights(old) - _rights(new))
    if lost:
        verb, resource, name = lost[0]
        called = f"{verb} {resource}" + (f" {name}" if name else "")
        yield Finding(Effect.SWITCHOVER, f"pods that still run lose rights: {called}" + (" and more" if len(lost) > 1 else ""), change)
    else:
        yield Finding(Effect.NOTHING, "no right is taken away", change)


def _rights(role: Manifest) -> set[tuple[str, str, str]]:
    return {
        (verb, f"{resource}.{group}" if group else resource, name)
        for rule in role.get("rules") or ()
        for group in rule.get("apiGroups", [""])
        for resource in rule.get("resources", [])
        for verb in rule["verbs"]
        for name in rule.get("resourceNames") or [""]
    }


def _role_binding(change: Change, _old: Manifest, _new: Manifest) -> Iterator[Finding]:
    if change.path[0] == "roleRef":
        yield Finding(Effect.IMMUTABLE, "Kubernetes refuses to bind to another role", change)
    else:
        yield Finding(Effect.SWITCHOVER, "pods that still run with another account lose their rights", change)


def _claim(change: Change, _old: Manifest, _new: Manifest) -> Iterator[Finding]:
    if change.path[:3] == ("spec", "resources", "requests"):
        yield Finding(Effect.NOTHING, "a volume grows if its class allows it; Kubernetes refuses a smaller one", change)
    else:
        yield Finding(Effect.IMMUTABLE, "Kubernetes refuses to change this of a claim", change)


def _secret(change: Change, _old: Manifest, _new: Manifest) -> Iterator[Finding]:
    if change.path[0] == "type":
        yield Finding(Effect.IMMUTABLE, "Kubernetes refuses to change the type of a Secret", change)
    else:
        yield Finding(Effect.RELOAD, "the content is replaced", Change(change.path, "…", "…"))


def _job(change: Change, _old: Manifest, _new: Manifest) -> Iterator[Finding]:
    is_free = change.path[1:2] in (("suspend",), ("parallelism",), ("ttlSecondsAfterFinished",), ("activeDeadlineSeconds",))
    yield Finding(*((Effect.NOTHING, "") if is_free else (Effect.IMMUTABLE, "Kubernetes refuses to change a Job")), change)


def _workload(change: Change, _old: Manifest, _new: Manifest) -> Iterator[Finding]:
    if change.path[1:2] == ("selector",):
        yield Finding(Effect.IMMUTABLE, "Kubernetes refuses to change the selector", change)
    else:
        yield Finding(Effect.NOTHING, "its own pods are replaced; the servers are not concerned", change)


def _network_policy(change: Change, _old: Manifest, _new: Manifest) -> Iterator[Finding]:
    yield Finding(Effect.SWITCHOVER, _CUTS_OFF, change)


def _other(change: Change, _old: Manifest, _new: Manifest) -> Iterator[Finding]:
    yield Finding(Effect.NOTHING, "the servers are not concerned", change)


_JUDGES = {
    "StatefulSet": _stateful_set,
    "Service": _service,
    "ConfigMap": _config_map,
    "Role": _role,
    "RoleBinding": _role_binding,
    "PersistentVolumeClaim": _claim,
    "Secret": _secret,
    "Job": _job,
    "Deployment": _workload,
    "DaemonSet": _workload,
    "NetworkPolicy": _network_policy,
}
