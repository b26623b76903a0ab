"""The effect of each difference on a running release: pure rules for the objects in hapg's charts."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hapg.chart.manifests import Manifest, key
from hapg.upgrade import logins, reach
from hapg.upgrade.differences import MISSING, Change, Path, changes
from hapg.upgrade.effects import Effect, Finding, ObjectDiff
from hapg_protocol import start_settings

__all__ = ["Effect", "Finding", "ObjectDiff", "compare", "worst"]


def compare(old: Sequence[Manifest], new: Sequence[Manifest]) -> list[ObjectDiff]:
    """Return the changes from the objects `old` to `new`, by kind and name, without unchanged objects."""
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
        yield Finding(*_COMES.get(_hook_or_kind(new), (Effect.NOTHING, "is added")))
    elif new is None:
        yield _gone(old)
    else:
        yield from _changed(old, new)


_CUTS_OFF = "it blocks all traffic to and from the servers that it does not allow"

_COMES = {
    "NetworkPolicy": (Effect.CUT_OFF, _CUTS_OFF),
    "Job after deletion": (Effect.DATA, "it deletes all data of the release once that is uninstalled"),
}

_GONE = {
    "StatefulSet": (Effect.DATA, "is removed: its servers stop, and another StatefulSet would start with empty volumes"),
    "PersistentVolumeClaim": (Effect.DATA, "is removed, with its volume unless the StorageClass retains it"),
    "Secret": (Effect.DATA, "is removed with its content"),
    "Service": (Effect.CUT_OFF, "is removed: clients that use its name can no longer connect"),
    "Role": (Effect.SWITCHOVER, "is removed: without its rights the primary stops writing"),
    "RoleBinding": (Effect.SWITCHOVER, "is removed: without its rights the primary stops writing"),
    "ServiceAccount": (Effect.SWITCHOVER, "is removed: pods that use it can no longer be created"),
}


def _gone(old: Manifest) -> Finding:
    harmless = (Effect.NOTHING, "is removed")
    return Finding(*harmless) if _is_hook(old) or _is_for_others(old) else Finding(*_GONE.get(old["kind"], harmless))


def _hook_or_kind(new: Manifest | None) -> str:
    if new is None:
        return ""
    after_deletion = (new["metadata"].get("annotations") or {}).get("helm.sh/hook") == "post-delete"
    return f"{new['kind']} after deletion" if after_deletion else str(new["kind"])


def _is_hook(manifest: Manifest) -> bool:
    """True for helm's own hooks, which are created again at each upgrade."""
    return "helm.sh/hook" in (manifest["metadata"].get("annotations") or {})


def _is_for_others(manifest: Manifest) -> bool:
    """True for what only the backup Jobs or the monitoring use: it comes and goes with them."""
    return (manifest["metadata"].get("labels") or {}).get("app.kubernetes.io/component") in ("backup", "metrics")


def _changed(old: Manifest, new: Manifest) -> Iterator[Finding]:
    judge = _JUDGES.get(old["kind"], _other)
    for found in changes(old, new):
        change = _hidden(found) if old["kind"] == "Secret" else found
        if _is_hook(old) and _is_hook(new):
            yield Finding(Effect.NOTHING, "it is created again at each upgrade", change)
        elif change.path[0] in ("metadata", "apiVersion"):
            yield Finding(Effect.NOTHING, "only its labels change", change)
        elif change.path[0] in ("data", "stringData", "binaryData") and old.get("immutable"):
            yield Finding(Effect.IMMUTABLE, "the object is marked immutable", change)
        else:
            yield from judge(change, old, new)


def _hidden(change: Change) -> Change:
    """Return a change without its values, which annotations may repeat."""
    old, new = (value if value is MISSING else "…" for value in (change.old, change.new))
    return Change(change.path, old, new)


# --- one judge per kind: from a change, the old and the new object to findings ---


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
            yield Finding(Effect.NOTHING, "it takes effect at later changes", change)
        case ("volumeClaimTemplates", *_):
            resizes = "; `hapg resize` changes their size" if change.path[-1] == "storage" else ""
            yield Finding(Effect.IMMUTABLE, f"Kubernetes refuses to change the claims of a StatefulSet{resizes}", change)
        case _:
            yield Finding(Effect.IMMUTABLE, "Kubernetes refuses to change this field of a StatefulSet", change)


def _scaled(change: Change, new: Manifest) -> Finding:
    before, after = ((1 if value is MISSING else value) for value in (change.old, change.new))
    if after > before:
        return Finding(Effect.NOTHING, "servers are added as standbys" if before else "the release goes on with its data", change)
    if after == 0:
        return Finding(Effect.CUT_OFF, "all servers shut down, until the release goes on; their volumes are kept", change)
    if "Delete" in str(new["spec"].get("persistentVolumeClaimRetentionPolicy", {}).get("whenScaled")):
        return Finding(Effect.DATA, "the servers with the highest ordinals are removed with their volumes", change)
    return Finding(Effect.SWITCHOVER, "the servers with the highest ordinals are removed; a primary among them switches over first", change)


_NEEDS_ALLOW = "can't follow a primary {}; set tls.mode allow in between"
_RESTARTS = "pods restart one by one; the primary switches over before its own restart"


def _pods(path: Path, change: Change, new: Manifest) -> Finding:
    if path[:2] == ("spec", "volumes") and path[2:3] in ((), ("[data]",)):
        return Finding(Effect.DATA, "the servers' data would be in another volume", change)
    if path[-1:] == ("[HAPG_SSLMODE]",) and _requires_tls(change.old) != _requires_tls(change.new) and MISSING in (change.old, change.new):
        without = "without TLS" if change.old is MISSING else "that no longer has TLS"
        who = "standbys restart first and" if change.old is MISSING else "standbys that have not restarted yet"
        return Finding(Effect.DATA, f"{who} {_NEEDS_ALLOW.format(without)}", change)
    if path[:2] == ("spec", "securityContext") and path[2:] in (("runAsUser",), ("fsGroup",)):
        return Finding(Effect.DATA, "the files on the volumes belong to another user, and PostgreSQL refuses them", change)
    if path == ("spec", "containers", "[postgres]", "image") and (majors := _other_majors(change)) is not None:
        return Finding(
            Effect.DATA, f"servers of {majors[1]} can't read the data of {majors[0]}; see docs/upgrade.md, To the next major", change
        )
    restart = _RESTARTS if new["spec"].get("replicas", 1) > 1 else "the only server restarts"
    if path[-1:] == ("[HAPG_SSLMODE]",) and change.new is MISSING:
        return Finding(Effect.CUT_OFF, f"{restart}; clients that insist on TLS can no longer connect", change)
    if "[HAPG_INITDB_ARGS]" in path:
        return Finding(Effect.SWITCHOVER, f"{restart}; the arguments themselves count for a new database only", change)
    if path[:3] == ("spec", "volumes", "[secret]") and path[-1] == "name":
        return Finding(Effect.SWITCHOVER, f"{restart}, if this Secret exists", change)
    return Finding(Effect.SWITCHOVER, restart, change)


def _requires_tls(variable: Any) -> bool:
    return isinstance(variable, Mapping) and variable["value"] != "prefer"


_TAG = re.compile(r":([1-9][0-9]*)(\.([0-9]+))?[^/:@]*(@.*)?")


def _other_majors(change: Change) -> tuple[str, str] | None:
    """Return the majors in the tags of two images if both are known and differ."""
    old, new = (_major(value) for value in (change.old, change.new))
    return (old, new) if old is not None and new is not None and old != new else None


def _major(image: object) -> str | None:
    """Return the major that an image's tag names: 15 for postgres:15.4-bookworm, 9.6 for postgres:9.6.24."""
    found = _TAG.search(str(image).rpartition("/")[2])
    if found is None or not found.string.endswith(found[0]):
        return None
    return f"{found[1]}{found[2] or ''}" if found[1] == "9" else found[1]


def _service(change: Change, old: Manifest, new: Manifest) -> Iterator[Finding]:
    match change.path[1:]:
        case ("ipFamilies", *_):
            yield Finding(*reach.address_families(change.old, change.new), change)
        case ("clusterIP" | "clusterIPs", *_):
            yield Finding(Effect.IMMUTABLE, "Kubernetes refuses to change the address of a Service", change)
        case ("selector", *_):
            yield Finding(Effect.CUT_OFF, "clients reach other pods", change)
        case ("ports", _, "appProtocol"):
            yield Finding(Effect.NOTHING, "it tells proxies the protocol; the servers do not read it", change)
        case ("ports", *_) if old["spec"].get("clusterIP") != "None":
            yield Finding(Effect.CUT_OFF, "clients must use another port", change)
        case ("type",):
            yield reach.service_type(change)
        case ("loadBalancerClass",):
            yield reach.load_balancer_class(change, old["spec"], new["spec"])
        case ("loadBalancerSourceRanges",):
            yield reach.source_ranges(change)
        case ("loadBalancerIP",):
            yield Finding(Effect.CUT_OFF, "clients reach another address", change)
        case ("internalTrafficPolicy",) if change.new == "Local":
            yield Finding(Effect.CUT_OFF, "clients on nodes without such a pod can no longer connect", change)
        case ("ipFamilyPolicy",) if change.new == "SingleStack":
            yield Finding(Effect.CUT_OFF, "the Service loses its second address, and clients that use it can no longer connect", change)
        case _:
            yield Finding(Effect.NOTHING, "open connections stay", change)


def _config_map(change: Change, old: Manifest, _new: Manifest) -> Iterator[Finding]:
    match change.path:
        case ("data", *_) if old["metadata"]["name"].endswith("-initdb"):
            yield Finding(Effect.NOTHING, "scripts run only for a new database", change)
        case ("data", *_) if old["metadata"]["name"].endswith("-import"):
            yield Finding(Effect.NOTHING, "the import's own", change)
        case ("data", "failover.json"):
            yield from _settings(change, {**_SETTINGS, **_replication(change)}, "the failover containers reload it")
        case ("data", "backup.json"):
            yield from _settings(change, _ARCHIVE, "the containers `backup` reload it")
        case ("data", "postgresql.conf"):
            yield from _parameters(change)
        case ("data", "pg_hba.conf"):
            yield logins.authentication(change)
        case ("data", "roles.json"):
            yield Finding(Effect.RELOAD, "the agent of the primary makes the new roles and databases true", change)
        case ("data" | "binaryData", *_):
            yield Finding(Effect.RELOAD, "read once the kubelet has updated the files; servers reload them", change)
        case ("immutable",) if change.old is True:
            yield Finding(Effect.IMMUTABLE, "Kubernetes refuses to undo this", change)
        case _:
            yield Finding(Effect.NOTHING, "", change)


def _parameters(change: Change) -> Iterator[Finding]:
    """Yield a finding for each setting that servers read only when they start, and one for the whole file if others have changed."""
    old, new = (start_settings.read(text) if isinstance(text, str) else None for text in (change.old, change.new))
    if old is not None and new is not None:
        why = "servers restart in place: standbys one by one, the primary last after a switchover; the only server in its place"
        for inner in changes(old, new):
            yield Finding(Effect.SWITCHOVER, why, Change((*change.path, *inner.path), inner.old, inner.new))
    before, after = (str(text).partition(start_settings.RELOADED)[2] for text in (change.old, change.new))
    if before != after or old is None or new is None or old == new:
        yield Finding(Effect.RELOAD, "read once the kubelet has updated the files; servers reload them", change)


_SETTINGS = {
    "standbyMode": (Effect.STANDBYS, "standbys restart in the other mode"),
    "replicas": (Effect.NOTHING, "the failover containers read the new number"),
    "terminationGracePeriodSeconds": (Effect.NOTHING, "it takes effect when pods are created again"),
    "postgresMajor": (Effect.SWITCHOVER, "it takes effect when pods are created again"),
    "secret": (Effect.CUT_OFF, "the password of postgres becomes the one in this Secret; clients have to use it"),
    "name": (Effect.DATA, "the release would look for its Lease and its pods under another name"),
    "selector": (Effect.DATA, "the release would look for its pods under other labels"),
    "labels": (Effect.DATA, "the release would look for its pods under other labels"),
    "backup": (Effect.NOTHING, "it takes effect when pods are created again"),
    "bootstrap": (Effect.NOTHING, "a restore or a clone is only for the first server of a new release"),
    "source": (Effect.NOTHING, "a clone is only for the first server of a new release"),
    "upgradesFrom": (Effect.NOTHING, "data of another major is upgraded at a start, and only once"),
    "upgradeVerifiedHours": (Effect.NOTHING, "it is looked at before data of another major is upgraded"),
}


def _replication(change: Change) -> Mapping[str, tuple[Effect, str]]:
    """Return the effects of changed settings of synchronous replication, which depend on whether it is in use."""
    before, after = ((_json(value) or {}).get("replication", {}).get("mode") for value in (change.old, change.new))
    if after == "synchronous":
        mode = (Effect.STANDBYS, "standbys restart once, the primary does not; commits wait for standbys from then on")
    else:
        mode = (Effect.RELOAD, "commits wait for no standby from then on, and a failover may lose some")
    found = {"replication.mode": mode}
    if before == after == "synchronous":
        reason = "has no effect while the mode is synchronous; go to asynchronous, wait until the quorum is gone, and come back"
        found["replication.minSyncReplicas"] = (Effect.NOTHING, reason)
    elif after != "synchronous":
        idle = (Effect.NOTHING, "not in use while the mode is asynchronous")
        found |= {"replication.minSyncReplicas": idle, "replication.synchronousPolicy": idle}
    return found


_ARCHIVE = {
    "repository": (Effect.RELOAD, "WAL goes to another place from now on, where no backup is yet; take a full one at once"),
    "restore": (Effect.NOTHING, "a restore is only for the first server of a new release"),
}


def _settings(change: Change, known: Mapping[str, tuple[Effect, str]], otherwise: str) -> Iterator[Finding]:
    """Yield a finding for each setting in a JSON file. known: effect and reason by setting; otherwise: the reason for all others."""
    old, new = _json(change.old), _json(change.new)
    if not isinstance(old, Mapping) or not isinstance(new, Mapping):
        yield Finding(Effect.RELOAD, otherwise, change)
        return
    for inner in changes(old, new):
        shown = Change((*change.path, *inner.path), inner.old, inner.new)
        if inner.path == ("postgresMajor", "major"):
            yield Finding(Effect.DATA, "a server of another major can't read the data; see docs/upgrade.md, To the next major", shown)
        else:
            effect, reason = known.get(inner.where, known.get(inner.path[0], (Effect.RELOAD, otherwise)))
            yield Finding(effect, reason, shown)


def _json(value: object) -> Any:
    try:
        return json.loads(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _role(change: Change, old: Manifest, new: Manifest) -> Iterator[Finding]:
    lost = sorted(_rights(old) - _rights(new))
    if lost:
        verb, resource, name = lost[0]
        called = f"{verb} {resource}" + (f" {name}" if name else "")
        yield Finding(Effect.SWITCHOVER, f"running pods lose rights: {called}" + (" and more" if len(lost) > 1 else ""), change)
    else:
        yield Finding(Effect.NOTHING, "no right is removed", change)


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
        yield Finding(Effect.SWITCHOVER, "running pods with another account lose their rights", change)


def _claim(change: Change, _old: Manifest, _new: Manifest) -> Iterator[Finding]:
    if change.path[:3] == ("spec", "resources", "requests"):
        yield Finding(Effect.NOTHING, "a volume grows if its StorageClass allows it; Kubernetes refuses a smaller size", change)
    else:
        yield Finding(Effect.IMMUTABLE, "Kubernetes refuses to change this field of a claim", change)


def _secret(change: Change, _old: Manifest, _new: Manifest) -> Iterator[Finding]:
    if change.path[0] == "type":
        yield Finding(Effect.IMMUTABLE, "Kubernetes refuses to change the type of a Secret", change)
    else:
        yield Finding(Effect.RELOAD, "the content is replaced", change)


def _job(change: Change, _old: Manifest, _new: Manifest) -> Iterator[Finding]:
    is_free = change.path[1:2] in (("suspend",), ("parallelism",), ("ttlSecondsAfterFinished",), ("activeDeadlineSeconds",))
    yield Finding(*((Effect.NOTHING, "") if is_free else (Effect.IMMUTABLE, "Kubernetes refuses to change a Job")), change)


def _workload(change: Change, _old: Manifest, _new: Manifest) -> Iterator[Finding]:
    if change.path[1:2] == ("selector",):
        yield Finding(Effect.IMMUTABLE, "Kubernetes refuses to change the selector", change)
    else:
        yield Finding(Effect.NOTHING, "its own pods are replaced; the servers are not affected", change)


def _network_policy(change: Change, old: Manifest, new: Manifest) -> Iterator[Finding]:
    if reach.is_wider(old["spec"], new["spec"]):
        yield Finding(Effect.NOTHING, "it allows all that it allowed, and more", change)
    else:
        yield Finding(Effect.CUT_OFF, _CUTS_OFF, change)


def _other(change: Change, _old: Manifest, _new: Manifest) -> Iterator[Finding]:
    yield Finding(Effect.NOTHING, "the servers are not affected", change)


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
