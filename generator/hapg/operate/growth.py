"""Growing a release's volumes: from what is there to the next step. Pure; a refusal is an OperateError.

Every step can be seen in the cluster once it is done, so a command that was interrupted goes on where another one stopped. The claims grow
first, because a full volume cannot wait. The StatefulSet is made again last, when it is certain that the storage can do it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from hapg.operate import kept_set, quotas, resize_model
from hapg.operate.kubectl import Object
from hapg.operate.release import OperateError
from hapg.operate.resize_model import OPTIONS, Act, Claim, Seen, Step, differ, larger, words
from hapg_protocol.model import Pod

OFFLINE_SECONDS = 100.0
"""How long kubelet may take to grow a file system in use. It looks at each pod every 60 to 90 s, and at once if the pod changes."""

RECLONE = "with --reclone each server is cloned onto new claims instead"
"""What is said of a volume that cannot become what is wanted."""


@dataclass(frozen=True)
class Growth:
    """The plan of a run that grows volumes where they are. See `resize_model.Plan`."""

    sizes: Mapping[str, str]

    def next_step(self, seen: Seen) -> Step:
        """Return the next step. Raise OperateError if there can't be one."""
        return next_step(seen, self.sizes)

    def stateful_set(self, noted: Object) -> dict[str, Any]:
        """Return the same with the new sizes."""
        return kept_set.with_sizes(noted, self.sizes)

    def unfit_claims(self, _: Seen, /) -> dict[str, str]:
        """Return none: all claims stay."""
        return {}

    def values(self) -> str:
        """Return the Helm options that set the same in the release's values."""
        return resize_model.values(self.sizes)


# --- what is refused before anything is changed ---


def check(seen: Seen, sizes: Mapping[str, str]) -> None:
    """Raise OperateError if the volumes can't get these sizes. sizes: quantities, by claim template."""
    name, known = seen.release.name, seen.known
    if known is None:
        raise OperateError(f"{resize_model.lost(name)}; nothing was changed")
    if seen.noted_claims:
        raise OperateError(f"{name} is getting WAL volumes: go on with that first, with --reclone; nothing was changed")
    templates = kept_set.sizes(known)
    for volume, size in sizes.items():
        if volume not in templates:
            missing = f"a WAL volume; {RECLONE}" if "data" in templates else "volumes (its value storage is null)"
            raise OperateError(f"{OPTIONS[volume]}: {name} does not have {missing}; nothing was changed")
        if larger(templates[volume], size):
            raise OperateError(
                f"{OPTIONS[volume]} {size}: {name} has {templates[volume]}, and a volume cannot shrink; {RECLONE}; nothing was changed"
            )
        for claim in _claims(seen, volume):
            _check_claim(claim, size)


def _check_claim(claim: Claim, size: str) -> None:
    if claim.capacity is None:
        raise OperateError(
            f"claim {claim.name} has no volume yet, and cannot be changed before it has one: its Events say why "
            f"(if pod {claim.pod} is not needed, delete the claim and the pod); nothing was changed"
        )
    if larger(claim.capacity, size) and larger(claim.requested, size):
        raise OperateError(
            f"{OPTIONS[claim.volume]} {size}: claim {claim.name} has {claim.capacity}, and a volume cannot shrink; {RECLONE}; "
            "nothing was changed"
        )


def check_quotas(found: Iterable[Object], seen: Seen, sizes: Mapping[str, str]) -> None:
    """Raise OperateError if a ResourceQuota of the namespace leaves too little for all claims together."""
    needs = [quotas.storage(claim.storage_class, sizes[claim.volume], claim.requested) for claim in requests(seen, sizes)]
    quotas.check(found, chain.from_iterable(needs))


# --- what is done ---


def requests(seen: Seen, sizes: Mapping[str, str]) -> list[Claim]:
    """Return the claims that have to request another size."""
    claims = [claim for claim in seen.claims if claim.volume in sizes]
    return [claim for claim in claims if not claim.has(size := sizes[claim.volume]) and differ(claim.requested, size)]


def next_step(seen: Seen, sizes: Mapping[str, str]) -> Step:
    """Return the next step. Raise OperateError if there can't be one."""
    name, found = seen.release.name, seen.stateful_set
    if step := resize_model.without_set(seen, words(sizes)):
        return step
    assert found is not None
    if small := requests(seen, sizes):
        names = tuple(claim.name for claim in small)
        return Step(
            Act.REQUEST, f"requesting {words({claim.volume: sizes[claim.volume] for claim in small})} for {', '.join(names)}", names
        )
    if growing := [claim for claim in seen.claims if claim.volume in sizes and not _is_done(seen, claim, sizes[claim.volume])]:
        return _growing(seen, growing)
    if any(differ(old, sizes[volume]) for volume, old in kept_set.sizes(found).items() if volume in sizes):
        return resize_model.replacing(seen, found, {})
    if back := resize_model.giving_back(seen, found):
        return back
    return resize_model.forgetting(seen) if seen.noted is not None else Step(Act.DONE, f"{name} has {words(sizes)}")


def _is_done(seen: Seen, claim: Claim, size: str) -> bool:
    """True if nothing is left to be done for a claim now. A file system that no pod uses grows when a pod uses it."""
    return claim.has(size) or (claim.on_node and claim.pod not in seen.wanted_pods)


def _growing(seen: Seen, growing: Sequence[Claim]) -> Step:
    for claim in growing:
        if claim.given_up:
            raise OperateError(f"claim {claim.name}: the storage cannot do it: {claim.problem or 'its Events say why'}; try a smaller size")
    late = {claim.pod for claim in growing if seen.waited.get(claim.name, 0.0) >= OFFLINE_SECONDS}
    pods = [pod for pod in seen.release.pods if pod.name in late]
    if pods:
        return _restart(seen, pods)
    names = ", ".join(claim.name + (f" ({claim.problem})" if claim.problem else "") for claim in growing)
    on_node = tuple(sorted({claim.pod for claim in growing if claim.on_node}))
    where = "kubelet to grow the file system of" if len(on_node) == len({claim.pod for claim in growing}) else "the storage to grow"
    return Step(Act.WAIT, f"waiting for {where} {names}", on_node)


def _restart(seen: Seen, pods: Sequence[Pod]) -> Step:
    """Return the restart of one of these pods, whose file systems grow only then, or what is waited for before it.

    Pods that serve nobody come first, then replicas, and the primary last. A pod that serves is restarted only while all others do.
    """
    release = seen.release
    there = {pod.name: pod for pod in release.pods}
    away = [name for name in seen.wanted_pods if name not in there or there[name].deleting]
    if away:
        return Step(Act.WAIT, f"waiting for {', '.join(away)} to come back")
    primary = release.holder.name if release.held and release.holder is not None else None
    chosen = min(pods, key=lambda pod: (pod.ready, pod.name == primary, -pod.ordinal))
    reason = "its storage grows a file system only when a pod starts"
    if not chosen.ready:
        return Step(Act.RESTART, f"restarting {chosen.name}, which serves nobody: {reason}", (chosen.name,))
    unready = [name for name in seen.wanted_pods if name != chosen.name and not there[name].ready]
    if unready:
        return Step(Act.WAIT, f"waiting until {', '.join(unready)} are ready, before {chosen.name} is restarted")
    if chosen.name != primary:
        return Step(Act.RESTART, f"restarting {chosen.name}, a replica: {reason}", (chosen.name,))
    if len(seen.wanted_pods) > 1 and (release.lease is None or not release.lease.state.eligible):
        return Step(Act.WAIT, f"waiting for an eligible replica, before {chosen.name} is restarted")
    how = ", which switches over first" if len(seen.wanted_pods) > 1 else ", the only server"
    return Step(Act.RESTART, f"restarting {chosen.name}{how}: {reason}", (chosen.name,))


def _claims(seen: Seen, volume: str) -> list[Claim]:
    return [claim for claim in seen.claims if claim.volume == volume]
