"""Cloning a release's servers onto new claims, one at a time: from what is there to the next step. Pure; a refusal is an OperateError.

The StatefulSet is made again first, because it makes the new claims. Then one server after the other loses its pod and its claims, and is
cloned: only while there is a primary, it is not that one, and all others are sound. With three servers or more, each row is therefore on
two of them at any time. The primary comes last, after a switchover.

A WAL volume is another matter than a size: the new StatefulSet has another pod template. The StatefulSet controller stops at the first pods
that do not have the volume, by their ordinals, so it brings none back behind them. Servers are then cloned from ordinal 0 upwards, and the
StatefulSet is made again only when ordinal 0 can be cloned at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from hapg.operate import kept_set, members, quotas, resize_model, status, wal_volume
from hapg.operate.kubectl import Object
from hapg.operate.release import OperateError, Release
from hapg.operate.resize_model import Act, Claim, Seen, Step, differ, words

CLASS_OPTION = "--wal-storage-class"


@dataclass(frozen=True)
class Reclone:
    """The plan of a run that clones servers onto new claims. See `resize_model.Plan`.

    wal_class: the StorageClass of WAL volumes that are added, None for the cluster's default.
    """

    sizes: Mapping[str, str]
    wal_class: str | None = None

    def next_step(self, seen: Seen) -> Step:
        """Return the next step. Raise OperateError if there can't be one."""
        name, found = seen.release.name, seen.stateful_set
        if step := resize_model.without_set(seen, words(self.sizes)):
            return step
        assert found is not None
        if not self.is_made(found):
            return _before_the_first(seen, self) or resize_model.replacing(seen, found, self.unfit_claims(seen))
        if back := resize_model.giving_back(seen, found):
            return back
        if seen.noted is not None and not any(_is_noted(seen, claim) for claim in seen.claims):
            return resize_model.forgetting(seen)
        return _next_server(seen, self.sizes) or Step(Act.DONE, f"{name} has {words(self.sizes)}")

    def stateful_set(self, noted: Object) -> dict[str, Any]:
        """Return the same with the new sizes, and with the WAL volume if that is added. Raise OperateError if that can't be done."""
        new = kept_set.with_sizes(noted, self.sizes)
        if not self.adds_wal(noted):
            return new
        try:
            return wal_volume.added(new, self.sizes["wal"], self.wal_class)
        except ValueError as error:
            raise OperateError(f"StatefulSet {noted['metadata']['name']} cannot get a WAL volume: {error}") from error

    def unfit_claims(self, seen: Seen, /) -> dict[str, str]:
        """Return the claims whose data was made without the WAL volume that is added. Their sizes do not tell."""
        if not self.adds_wal(seen.stateful_set):
            return dict(seen.noted_claims)
        return {claim.name: claim.uid for claim in seen.claims if claim.pod in seen.wanted_pods}

    def values(self) -> str:
        """Return the Helm options that set the same in the release's values."""
        enabled = ["--set walVolume.enabled=true"] if "wal" in self.sizes else []
        given = [] if self.wal_class is None else [f"--set walVolume.storageClassName={self.wal_class}"]
        return " ".join([resize_model.values(self.sizes), *enabled, *given])

    def adds_wal(self, found: Object | None) -> bool:
        """True if there is this StatefulSet, and it is to get a WAL volume."""
        return "wal" in self.sizes and found is not None and not wal_volume.has_one(found)

    def is_made(self, found: Object) -> bool:
        """True if the StatefulSet makes the wanted claims."""
        templates = kept_set.sizes(found)
        return all(volume in templates and not differ(templates[volume], size) for volume, size in self.sizes.items())


# --- what is refused before anything is changed ---


def check(seen: Seen, plan: Reclone) -> None:
    """Raise OperateError if the servers can't be cloned onto claims of these sizes."""
    release, known = seen.release, seen.known
    name = release.name
    if known is None:
        raise OperateError(f"{resize_model.lost(name)}; nothing was changed")
    if "data" not in kept_set.sizes(known):
        raise OperateError(f"{name} does not have volumes (its value storage is null); nothing was changed")
    if release.paused:
        raise OperateError(f"{name} is paused, so there is no primary to clone: set its value pause to false first; nothing was changed")
    if release.replicas < 2:
        raise OperateError(
            f"{name} has one server, and a clone needs another one that has the data: add one first (helm upgrade … --set replicas=2), "
            "and remove it afterwards; nothing was changed"
        )
    try:
        plan.stateful_set(known)
    except OperateError as error:
        raise OperateError(f"{error}; nothing was changed") from error
    _check_class(name, known, plan)
    _check_former(seen, plan)
    _check_quorum(seen)
    if not plan.is_made(known) and seen.stateful_set is not None and (step := _not_yet(seen, plan)):
        raise OperateError(f"{name} is not at full strength, {step.why}; nothing was changed")


def _check_class(name: str, known: Object, plan: Reclone) -> None:
    if plan.wal_class is not None and not plan.adds_wal(known) and wal_volume.storage_class(known) != plan.wal_class:
        raise OperateError(f"{CLASS_OPTION}: only for WAL volumes that are added, and {name} has some; nothing was changed")


def _check_former(seen: Seen, plan: Reclone) -> None:
    for claim in seen.claims:
        if claim.pod not in seen.wanted_pods and (_differs(claim, plan.sizes) or plan.adds_wal(seen.known)):
            raise OperateError(
                f"claim {claim.name} is of a former replica, and would stay as it is: delete it, or add servers again until it "
                "has its pod; nothing was changed"
            )


def _check_quorum(seen: Seen) -> None:
    needed, others = quorum(seen.release), seen.release.replicas - 2
    if needed > others:
        raise OperateError(
            f"commits wait for {needed} standbys, and while one is cloned {seen.release.name} has {others} others: add a server first, "
            "or make replication asynchronous meanwhile; nothing was changed"
        )


def check_quotas(found: Iterable[Object], seen: Seen, plan: Reclone) -> None:
    """Raise OperateError if a ResourceQuota of the namespace leaves too little for the new claims in the place of the old ones."""
    needs: list[quotas.Need] = []
    there = {claim.name: claim for claim in seen.claims}
    for pod in seen.wanted_pods:
        for volume, size in plan.sizes.items():
            if claim := there.get(f"{volume}-{pod}"):
                needs += quotas.storage(claim.storage_class, size, claim.requested)
            else:
                needs += [*quotas.storage(plan.wal_class or "", size), ("persistentvolumeclaims", Decimal(1))]
    quotas.check(found, needs)


def left(seen: Seen, plan: Reclone) -> list[str]:
    """Return the servers that are still to be cloned."""
    every = plan.adds_wal(seen.known)
    return [name for name in seen.wanted_pods if every or old_claims(seen, name, plan.sizes)]


def summary(seen: Seen, plan: Reclone) -> list[str]:
    """Return what will be done, for who has to confirm it."""
    names, sizes = ", ".join(left(seen, plan)), words(plan.sizes)
    lines = [f"each of {names} is deleted with its volumes in turn, and cloned from the others onto new ones: {sizes}"]
    if seen.release.replicas == 2:
        lines.append("with two servers, only the primary has the data while the other one is cloned: its volume must not be lost then")
    return lines


# --- what is done ---


def old_claims(seen: Seen, pod: str, sizes: Mapping[str, str]) -> tuple[Claim, ...]:
    """Return the claims of a pod that is still to be cloned, that for WAL first; none if it is on new ones.

    Both of a pair go, because the servers never open one with another. If only that for WAL has gone when the command is interrupted, the
    data beside it counts as damaged, and is cloned again; the other way round the pod would refuse the two.
    """
    claims = [claim for claim in seen.claims if claim.pod == pod]
    if not any(claim.deleting or _is_noted(seen, claim) or _differs(claim, sizes) for claim in claims):
        return ()
    return tuple(sorted(claims, key=lambda claim: claim.volume != "wal"))


def _is_noted(seen: Seen, claim: Claim) -> bool:
    return seen.noted_claims.get(claim.name) == claim.uid


def _differs(claim: Claim, sizes: Mapping[str, str]) -> bool:
    return claim.volume in sizes and differ(claim.requested, sizes[claim.volume])


def quorum(release: Release) -> int:
    """Return how many standbys a commit waits for."""
    lease = release.lease
    return 0 if lease is None or lease.state.sync is None else lease.state.sync.k


def _before_the_first(seen: Seen, plan: Reclone) -> Step | None:
    """Return what comes before the StatefulSet is made again, None if nothing."""
    if step := _not_yet(seen, plan):
        return step
    writer = members.primary(seen.release)
    first, *others = seen.wanted_pods
    return _switchover(first, others[-1]) if plan.adds_wal(seen.stateful_set) and writer is not None and writer.name == first else None


def _not_yet(seen: Seen, plan: Reclone) -> Step | None:
    """Return the wait without which the StatefulSet must not be made again, None if it may.

    One server that serves nobody is no obstacle to other sizes: it is cloned first. Otherwise there would be no way out for one whose new
    volume is too small, or does not come.
    """
    step = _waits_for_all(seen)
    if step is None or members.primary(seen.release) is None or plan.adds_wal(seen.known):
        return step
    unsound = _unsound(seen)
    without = [name for name in unsound if old_claims(seen, name, plan.sizes) or all(claim.pod != name for claim in seen.claims)]
    return None if len(without) == len(unsound) == 1 else step


def _waits_for_all(seen: Seen) -> Step | None:
    """Return the wait for a primary or for the first server that is not sound, None if all are."""
    if members.primary(seen.release) is None:
        return _wait(seen, f"a primary ({status.nobody_writes(seen.release) or 'its pod is not ready'})")
    unsound = _unsound(seen)
    return _wait(seen, members.trouble(seen, unsound[0])) if unsound else None


def _unsound(seen: Seen) -> list[str]:
    return [name for name in seen.wanted_pods if not members.is_sound(seen.release, name)]


def _next_server(seen: Seen, sizes: Mapping[str, str]) -> Step | None:
    """Return the next step towards the next server on new claims, None if all are on new ones and sound."""
    left = [name for name in seen.wanted_pods if old_claims(seen, name, sizes)]
    writer = members.primary(seen.release)
    if writer is None or not left:
        return _waits_for_all(seen)
    if len(seen.wanted_pods) < 2:
        raise OperateError(f"{seen.release.name} has been made one server meanwhile, and a clone needs another one that has the data")
    if writer.name not in seen.wanted_pods:
        return _wait(seen, f"a primary that stays: {writer.name} is to be removed")
    sound = [name for name in seen.wanted_pods if members.is_sound(seen.release, name)]
    kept_away = _kept_away(seen)
    unsound = [name for name in seen.wanted_pods if name not in sound and name not in kept_away]
    for name in unsound:
        if name not in left or _is_away(seen, name):
            return _wait(seen, members.trouble(seen, name))
    chosen = _choose(seen, [name for name in left if name not in kept_away], sound, writer.name)
    for name in unsound:
        if name != chosen:
            return _wait(seen, f"{members.trouble(seen, name)}, before {chosen} is cloned")
    others = [name for name in sound if name not in (chosen, writer.name)]
    if kept_away and not others:
        return _wait(seen, _dead_end(min(kept_away), chosen))
    if len(others) < quorum(seen.release):
        return _wait(seen, f"{quorum(seen.release)} standbys besides {chosen}, because commits wait for them")
    if chosen == writer.name:
        done = [name for name in others if name not in left]
        return _switchover(chosen, done[0] if done else others[-1])
    number = len(seen.wanted_pods) - len(left) + 1
    names = ", ".join(claim.name for claim in old_claims(seen, chosen, sizes))
    why = f"cloning {chosen} ({number} of {len(seen.wanted_pods)}): it is deleted with {names}, and comes back with new volumes"
    return Step(Act.REPLACE, why, (chosen,))


def _choose(seen: Seen, names: list[str], sound: list[str], writer: str) -> str:
    """Return the server to be cloned next: one that serves nobody, then replicas, the highest ordinal first, and the primary last.

    While a WAL volume is added: one that came back with the volume and its old data, and therefore serves nobody, then the lowest ordinal.
    """
    numbers = {name: number for number, name in enumerate(seen.wanted_pods)}
    if _adding(seen):
        return min(names, key=lambda name: (name in sound or not _has_wal(seen, name), numbers[name]))
    return min(names, key=lambda name: (name in sound, name == writer, -numbers[name]))


def _adding(seen: Seen) -> bool:
    """True if the pods are getting a WAL volume."""
    return bool(seen.noted_claims) and seen.stateful_set is not None and wal_volume.has_one(seen.stateful_set)


def _kept_away(seen: Seen) -> list[str]:
    """Return the pods that are not there, and come back only when a lower ordinal has its WAL volume."""
    if not _adding(seen):
        return []
    without = [number for number, name in enumerate(seen.wanted_pods) if seen.release.pod(name) is not None and not _has_wal(seen, name)]
    return [
        name for number, name in enumerate(seen.wanted_pods) if seen.release.pod(name) is None and any(each < number for each in without)
    ]


def _has_wal(seen: Seen, pod: str) -> bool:
    return f"wal-{pod}" in seen.release.claims.get(pod, frozenset())


def _is_away(seen: Seen, name: str) -> bool:
    pod = seen.release.pod(name)
    return pod is None or pod.deleting


def _dead_end(away: str, chosen: str) -> str:
    return (
        f"{away}, which does not come back before {chosen} has its WAL volume, while {chosen} must not be cloned before {away} is back: "
        "bring the former StatefulSet back (docs/operations.md, 'A volume for WAL')"
    )


def _switchover(chosen: str, target: str) -> Step:
    return Step(Act.SWITCHOVER, f"moving the primary from {chosen} to {target}, before {chosen} is cloned", (target,))


def _wait(seen: Seen, what: str) -> Step:
    """Return a wait. While a pod is away, the StatefulSet controller is made to look, which after failures it does ever more rarely."""
    there = [name for name in seen.wanted_pods if seen.release.pod(name) is not None]
    return Step(Act.WAIT, f"waiting for {what}", () if len(there) == len(seen.wanted_pods) else tuple(there))
