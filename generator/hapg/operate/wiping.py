"""Deleting for good what is kept of an uninstalled release. The Lease goes last, so that an interrupted wipe is found and finished."""

from __future__ import annotations

import time

from hapg.operate import dormant
from hapg.operate.dormant import Kept, State
from hapg.operate.kubectl import Namespace
from hapg.operate.release import OperateError
from hapg.operate.waiting import POLL_SECONDS, say


def choose(cluster: Namespace, name: str) -> Kept:
    """Return the release to wipe. Raise OperateError if there is none of this name, or if it is not uninstalled; KubectlError."""
    wanted, every = dormant.read_one(cluster, name)
    if wanted is None:
        others = ", ".join(each.name for each in every if each.state is State.UNINSTALLED) or "none"
        raise OperateError(
            f"nothing to wipe: no release {name} in namespace {cluster.namespace}; uninstalled releases there: {others}; "
            "nothing was deleted"
        )
    why = _refusal(wanted)
    if why is not None:
        raise OperateError(f"{name} {why}; nothing was deleted")
    return wanted


def _refusal(wanted: Kept) -> str | None:
    uninstall = f"`helm uninstall {wanted.installed_as}` first"
    match wanted.state:
        case State.RUNNING:
            return f"is running: {uninstall}"
        case State.PAUSED:
            return f"is paused, and still installed: {uninstall}"
        case State.STOPPING if wanted.installed_as is not None:
            return f"is being paused, and still installed: {uninstall}"
        case State.STOPPING:
            return f"is being uninstalled, and its pods still stop: wait until {', '.join(wanted.pods)} are gone"
        case State.INCOMPLETE:
            return f"is still installed, although its StatefulSet is gone: {uninstall}"
        case State.UNINSTALLED:
            return None


def summary(wanted: Kept, namespace: str) -> list[str]:
    """Return what will be deleted, in lines."""
    lines = [f"{wanted.name} in namespace {namespace} would be wiped. That cannot be undone:"]
    lines += [f"  claim {claim.name}, {claim.size}" for claim in wanted.claims]
    lines += [f"  Secret {name}" for name in wanted.secrets]
    if wanted.has_lease:
        since = "" if wanted.since is None else f", last written {wanted.since:%Y-%m-%d %H:%M:%SZ}"
        position = "" if wanted.position is None else f", WAL up to {wanted.position}"
        lines.append(f"  Lease {wanted.name}{since}{position}")
    return lines


def carry_out(cluster: Namespace, wanted: Kept, timeout: float) -> str:
    """Delete claims, then Secrets, then the Lease; return the result in a sentence.

    Raise OperateError if the release has been installed again meanwhile, or if something is still there after `timeout` seconds.
    """
    end = time.monotonic() + timeout
    _delete(cluster, wanted.name, "persistentvolumeclaim", [claim.name for claim in wanted.claims], end)
    _delete(cluster, wanted.name, "secret", list(wanted.secrets), end)
    _delete(cluster, wanted.name, "lease", [wanted.name] if wanted.has_lease else [], end)
    lease = " and the Lease" if wanted.has_lease else ""
    return f"{wanted.name} is wiped: {len(wanted.claims)} claims, {len(wanted.secrets)} Secrets{lease} are deleted"


def _delete(cluster: Namespace, release: str, kind: str, names: list[str], end: float) -> None:
    again, _ = dormant.read_one(cluster, release)
    if again is not None and again.state is not State.UNINSTALLED:
        raise OperateError(f"{release} has been installed again meanwhile; what is left of it is kept")
    for name in names:
        cluster.delete(kind, name)
    said: list[str] = []
    while left := [name for name in names if cluster.find(kind, name) is not None]:
        if time.monotonic() > end:
            raise OperateError(
                f"{kind} {', '.join(left)} is still being deleted, because a pod or a finalizer holds it; "
                f"the Lease is kept until then: run `hapg wipe {release}` again"
            )
        if left != said:
            say(f"waiting until these are gone: {kind} {', '.join(left)}")
            said = left
        time.sleep(POLL_SECONDS)
