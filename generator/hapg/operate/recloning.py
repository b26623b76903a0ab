"""What `hapg resize --reclone` asks and does in the cluster besides making the StatefulSet again."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace

from hapg.errors import HapgError
from hapg.operate import members, plan, reclone, space, waiting
from hapg.operate.kubectl import KubectlError, Object, Resizable
from hapg.operate.release import OperateError, Release
from hapg.operate.resize_model import Seen
from hapg.operate.space import Used
from hapg_protocol.model import Pod

NEWS_SECONDS = 10.0
_MEASURE_SECONDS = 900.0
_COPIED = "du -sB1 /var/lib/postgresql/data 2>/dev/null | cut -f1"
_COPIED_SECONDS = 30.0
KEEP = r"""if [[ -e /var/lib/postgresql/data/pgdata/pg_wal ]]; then end=pg_current_wal_flush_lsn at=flush_lsn
else end=pg_current_xlog_flush_location at=flush_location; fi
ask() { PGCONNECT_TIMEOUT=5 psql -XqAtw -h /run/hapg/socket -U postgres -d postgres -v ON_ERROR_STOP=1 -c "$1" 2>&1; }
position=$(ask "SELECT $end()") || { echo "$position"; exit 1; }
for _ in {1..50}; do
    found=$(ask "SELECT count(*) FROM pg_stat_replication
        WHERE state = 'streaming' AND application_name = ANY ('$2') AND $at >= '$position'") || { echo "$found"; exit 1; }
    if ((found >= $1)); then echo kept; exit; fi
    sleep 0.2
done
echo "the other replicas do not have all that the primary has written: $found of $1 within 10 s"
"""
"""Run on the primary with NUMBER and NAMES, an array literal. It prints `kept` once so many of these replicas have flushed what the server
has written."""
_KEEP_SECONDS = 30.0
_GONE = re.compile(r"\((NotFound|Conflict)\)")
_CONSEQUENCE = "FailedUpdate"
"""The StatefulSet controller's complaint about pods that do not have the WAL volume yet."""


class NotYet(HapgError):
    """A server must not be replaced now; the text says why."""


def measure(cluster: Resizable, pod: Pod) -> Used:
    """Return what the primary uses. Raise OperateError, KubectlError."""
    lines: list[str] = []
    cluster.execute(pod.name, "postgres", ["bash", "-c", space.SCRIPT], lines.append, _MEASURE_SECONDS)
    found = space.of_output(lines)
    if found is None:
        raise OperateError(f"{pod.name} does not say how much space it uses: {' '.join(lines) or 'no output'}; nothing was changed")
    return found


def check_class(cluster: Resizable, wanted: str | None) -> None:
    """Raise OperateError if there is no such StorageClass. Who may not look at them learns it from the claims' Events."""
    if wanted is None:
        return
    with suppress(KubectlError):
        if cluster.find("storageclass", wanted) is None:
            raise OperateError(f"{reclone.CLASS_OPTION}: there is no StorageClass {wanted}; nothing was changed")


def check_deletions(cluster: Resizable, seen: Seen) -> None:
    """Ask the API server whether it would delete each pod and each claim. Raise OperateError if not."""
    objects = [(path_of(seen, "pods", pod.name), pod.uid) for pod in seen.release.pods]
    objects += [(path_of(seen, "persistentvolumeclaims", each.name), each.uid) for each in seen.claims if each.pod in seen.wanted_pods]
    for path, uid in objects:
        try:
            cluster.erase(path, uid, dry_run=True)
        except KubectlError as error:
            if _GONE.search(str(error)):
                continue  # it was on its way when the command began
            raise OperateError(f"{path.rpartition('/')[2]} cannot be deleted: {error}; nothing was changed") from error


class News:
    """What is to be told of servers that are not sound: warnings, and how far a clone is. It is asked for now and then only."""

    def __init__(self, cluster: Resizable, size: int) -> None:
        self._cluster, self._size = cluster, size
        self._asked = -NEWS_SECONDS
        self._told: dict[str, str] = {}
        self._copied: dict[str, int] = {}

    def added(self, seen: Seen) -> Seen:
        """Return what was seen with the news."""
        if all(members.is_sound(seen.release, name) for name in seen.wanted_pods):
            self._told, self._copied = {}, {}
        elif time.monotonic() - self._asked >= NEWS_SECONDS:
            self._asked = time.monotonic()
            with suppress(KubectlError):  # who may not list Events gets no reasons
                self._told = warnings(self._cluster.all("event"), seen)
            self._copied = {pod.name: size for pod in seen.release.pods if (size := self._progress(seen, pod)) is not None}
        return replace(seen, told=self._told, copied=self._copied, size=self._size)

    def _progress(self, seen: Seen, pod: Pod) -> int | None:
        if pod.ready or pod.deleting or seen.release.phases.get(pod.name) != "Running":
            return None
        lines: list[str] = []
        with suppress(KubectlError):
            self._cluster.execute(pod.name, "postgres", ["bash", "-c", _COPIED], lines.append, _COPIED_SECONDS)
        return int(lines[-1]) if lines and lines[-1].isdecimal() else None


def warnings(events: list[Object], seen: Seen) -> dict[str, str]:
    """Return the latest warning about each object of the release as it exists now, by the object's name."""
    objects = {pod.uid for pod in seen.release.pods} | {claim.uid for claim in seen.claims}
    if seen.stateful_set is not None:
        objects.add(seen.stateful_set["metadata"]["uid"])
    found = [
        each
        for each in events
        if each.get("type") == "Warning" and each.get("reason") != _CONSEQUENCE and each["involvedObject"].get("uid") in objects
    ]
    found.sort(key=lambda each: str(each.get("lastTimestamp") or each.get("eventTime") or each["metadata"].get("creationTimestamp") or ""))
    return {each["involvedObject"]["name"]: " ".join(str(each.get("message", "")).split()) for each in found}


def switch_over(cluster: Resizable, seen: Seen, target: str, timeout: float) -> None:
    """Move the primary to the pod `target`. Raise OperateError, KubectlError."""
    with suppress(plan.NoEligibleReplicaYet):
        order = plan.switchover(seen.release, target, secrets.token_hex(4))
        waiting.carry_out(cluster, seen.release.name, order, timeout)


def replace_server(cluster: Resizable, seen: Seen, name: str, sizes: Mapping[str, str]) -> None:
    """Delete a replica's pod, and its claims while it ends. Raise NotYet if its data is still needed, OperateError, KubectlError.

    All of it is looked at twice. Before the pod's deletion, so that no pod is deleted in vain. After it has begun, because only then the
    answer lasts: a pod that is being deleted does not become the primary any more. If that fails, or the command is interrupted, the pod
    comes back with its data.

    Once a claim of a pair is being deleted, that data does not come back. The other claim is then deleted before the pod, which holds both
    until it ends. After the pod's deletion a new pod might hold it, and so for ever, if pods end sooner than the API answers. Until the pod
    is deleted too it may have become the primary.
    """
    [pod] = [pod for pod in seen.release.pods if pod.name == name]
    claims = reclone.old_claims(seen, name, sizes)
    doomed_pod = [(path_of(seen, "pods", name), pod.uid)]
    doomed_claims = [(path_of(seen, "persistentvolumeclaims", claim.name), claim.uid) for claim in claims if not claim.deleting]
    claims_first = len(doomed_claims) < len(claims)
    for doomed in (doomed_claims, doomed_pod) if claims_first else (doomed_pod, doomed_claims):
        _check_dispensable(cluster, seen, pod)
        for path, uid in doomed:
            cluster.erase(path, uid)


def _check_dispensable(cluster: Resizable, seen: Seen, pod: Pod) -> None:
    """Raise NotYet unless the same primary as before answers, and the other replicas are still sound, and enough of them have its WAL."""
    before, now = members.primary(seen.release), waiting.look(cluster, seen.release.name)
    primary = members.primary(now)
    if before is None or primary is None or primary.uid != before.uid or _term(now) != _term(seen.release):
        raise NotYet(f"{pod.name} keeps its volumes: the primary has changed meanwhile")
    others = _other_replicas(now, pod, primary)
    if len(others) < len(_other_replicas(seen.release, pod, primary)):
        raise NotYet(f"{pod.name} keeps its volumes: another server is not sound any more")
    needed = max(reclone.quorum(now), min(1, len(others)))
    lines: list[str] = []
    command = ["bash", "-c", KEEP, "bash", str(needed), f"{{{','.join(others)}}}"]
    if cluster.execute(primary.name, "postgres", command, lines.append, _KEEP_SECONDS) or lines != ["kept"]:
        raise NotYet(f"{pod.name} keeps its volumes: {' '.join(lines) or f'{primary.name} does not answer'}")


def _other_replicas(release: Release, pod: Pod, primary: Pod) -> list[str]:
    names = [f"{release.name}-{number}" for number in range(release.replicas)]
    return [name for name in names if name not in (pod.name, primary.name) and members.is_sound(release, name)]


def _term(release: Release) -> int | None:
    return None if release.lease is None else release.lease.state.term


def path_of(seen: Seen, resource: str, name: str) -> str:
    """Return the path in the API of a pod or a claim. resource: such as `pods`."""
    return f"/api/v1/namespaces/{seen.release.namespace}/{resource}/{name}"
