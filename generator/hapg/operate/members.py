"""Which members of a release are sound, and what is the matter with one that is not. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from hapg.operate.release import Release
from hapg.operate.resize_model import Seen
from hapg_protocol.model import Pod

_GIB = 2**30


def primary(release: Release) -> Pod | None:
    """Return the pod whose server writes; None if nobody can write for now."""
    holder = release.holder
    if holder is None or not release.held or release.lease is None or release.lease.state.recovery is not None:
        return None
    return holder if holder.role == "primary" and holder.ready and not holder.deleting else None


def is_sound(release: Release, name: str) -> bool:
    """True if this pod is the primary, or a replica that streams from it and could take its place."""
    pod, writer = release.pod(name), primary(release)
    if pod is None or writer is None or release.lease is None or pod.deleting or not pod.ready:
        return False
    return pod.name == writer.name or any(replica.pod == name and replica.streaming for replica in release.lease.state.eligible)


def trouble(seen: Seen, name: str) -> str:
    """Return what is waited for until this pod is sound, with the reason as far as it is known."""
    pod = seen.release.pod(name)
    claims = [claim for claim in seen.claims if claim.pod == name]
    if pod is None:
        return f"{name} to come back{_reason(seen, [*(claim.name for claim in claims), seen.release.name])}"
    if pod.deleting:
        return f"{name} to end"
    mounted = seen.release.claims.get(name, frozenset())
    if unbound := [claim.name for claim in claims if claim.capacity is None and claim.name in mounted]:
        return f"a volume for {', '.join(unbound)}{_reason(seen, [*unbound, name])}"
    if not pod.ready and name in seen.copied:
        return f"{name} to be cloned: {seen.copied[name] / _GIB:.2f} GiB of about {seen.size / _GIB:.2f}{_reason(seen, [name], pod)}"
    if not pod.ready:
        return f"{name} to be ready{_reason(seen, [name], pod)}"
    return f"{name} to stream from the primary{_reason(seen, [name], pod)}"


def _reason(seen: Seen, names: Iterable[str], pod: Pod | None = None) -> str:
    said = None if pod is None else pod.refused or pod.not_following or pod.uncreated
    found = said or next((seen.told[name] for name in names if name in seen.told), "")
    return f" ({found})" if found else ""
