"""Growing a release's volumes: from what is there to the next step. Pure; a refusal is an OperateError.

Every step can be seen in the cluster once it is done, so a command that was interrupted goes on where another one stopped. The claims grow
first, because a full volume cannot wait. The StatefulSet is made again last, when it is certain that the storage can do it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum, auto

from hapg.operate import kept_set
from hapg.operate.kubectl import Object
from hapg.operate.release import OperateError, Release
from hapg.spec import quantity
from hapg_protocol import kept
from hapg_protocol.model import Pod

OFFLINE_SECONDS = 100.0
"""How long kubelet may take to grow a file system in use. It looks at each pod every 60 to 90 s, and at once if the pod changes."""

OPTIONS = {"data": "--size", "wal": "--wal-size"}
"""The option that gives the size of the volumes of a claim template."""


class Act(Enum):
    """What a step does. REQUEST: change the size that claims request; NOTE: keep the StatefulSet in a ConfigMap; DELETE: delete the
    StatefulSet and leave its pods; CREATE: make it again, with the new sizes; MANAGERS: give its fields back to who had set them; FORGET:
    delete the ConfigMap; RESTART: delete a pod; WAIT: nothing but to have kubelet look at pods.
    """

    REQUEST = auto()
    NOTE = auto()
    DELETE = auto()
    CREATE = auto()
    MANAGERS = auto()
    FORGET = auto()
    RESTART = auto()
    WAIT = auto()
    DONE = auto()


@dataclass(frozen=True)
class Step:
    """The next step. why: for people; names: the claims of REQUEST, the pod of RESTART, the pods that kubelet is to look at of WAIT."""

    act: Act
    why: str
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Claim:
    """A claim of the release.

    requested, capacity: quantities, capacity None if it has no volume; on_node: the disk has grown, and the file system on it is still to
    be grown by kubelet; problem: what the storage last complained of; given_up: it won't try again.
    """

    name: str
    volume: str
    pod: str
    storage_class: str
    requested: str
    capacity: str | None
    on_node: bool = False
    problem: str = ""
    given_up: bool = False

    def has(self, size: str) -> bool:
        """True if its volume is of this size or larger."""
        return self.capacity is not None and quantity.value(self.capacity) >= quantity.value(size)


@dataclass(frozen=True)
class Seen:
    """What the cluster shows.

    claims: those of the release, by name; stateful_set: with its managers, None if there is none; noted: the StatefulSet that the
    ConfigMap of an earlier step holds; waited: for how long this command has seen a claim wait for kubelet, in seconds, by its name.
    """

    release: Release
    claims: tuple[Claim, ...]
    stateful_set: Object | None
    noted: Object | None = None
    waited: Mapping[str, float] = field(default_factory=dict)

    @property
    def wanted_pods(self) -> tuple[str, ...]:
        """The pods that the release is to have."""
        return () if self.release.paused else tuple(f"{self.release.name}-{number}" for number in range(self.release.replicas))


def claim_of(found: Object, release: str) -> Claim | None:
    """Return a claim read from the API, or None if it isn't one of this release."""
    parts = kept.claim(found["metadata"]["name"])
    if parts is None or parts.release != release:
        return None
    spec, status = found["spec"], found.get("status") or {}
    conditions = {each["type"]: each for each in status.get("conditions") or []}
    resizing = str((status.get("allocatedResourceStatuses") or {}).get("storage") or "")
    problems = [conditions[kind].get("message") or kind for kind in ("ControllerResizeError", "NodeResizeError") if kind in conditions]
    bound = status.get("phase") == "Bound"
    return Claim(
        name=found["metadata"]["name"],
        volume=parts.volume,
        pod=f"{release}-{parts.ordinal}",
        storage_class=str(spec.get("storageClassName") or ""),
        requested=str(spec["resources"]["requests"]["storage"]),
        capacity=str(status["capacity"]["storage"]) if bound and "storage" in (status.get("capacity") or {}) else None,
        on_node="FileSystemResizePending" in conditions or resizing in ("NodeResizePending", "NodeResizeInProgress"),
        problem=" ".join(" ".join(problems).split()),
        given_up=resizing.endswith("Infeasible"),
    )


# --- what is refused before anything is changed ---


def check(seen: Seen, sizes: Mapping[str, str]) -> None:
    """Raise OperateError if the volumes can't get these sizes. sizes: quantities, by claim template."""
    name, known = seen.release.name, seen.noted if seen.stateful_set is None else seen.stateful_set
    if known is None:
        raise OperateError(f"{name} has no StatefulSet: bring it back with `helm upgrade`, then run this again; nothing was changed")
    templates = kept_set.sizes(known)
    for volume, size in sizes.items():
        if volume not in templates:
            missing = (
                "a WAL volume: see docs/operations.md, 'A volume for WAL'" if "data" in templates else "volumes (its value storage is null)"
            )
            raise OperateError(f"{OPTIONS[volume]}: {name} does not have {missing}; nothing was changed")
        if _larger(templates[volume], size):
            raise OperateError(f"{OPTIONS[volume]} {size}: {name} has {templates[volume]}, and a volume cannot shrink; nothing was changed")
        for claim in _claims(seen, volume):
            _check_claim(claim, size)


def _check_claim(claim: Claim, size: str) -> None:
    if claim.capacity is None:
        raise OperateError(
            f"claim {claim.name} has no volume yet, and cannot be changed before it has one: its Events say why "
            f"(if pod {claim.pod} is not needed, delete the claim and the pod); nothing was changed"
        )
    if _larger(claim.capacity, size) and _larger(claim.requested, size):
        raise OperateError(
            f"{OPTIONS[claim.volume]} {size}: claim {claim.name} has {claim.capacity}, and a volume cannot shrink; nothing was changed"
        )


def check_quotas(quotas: Iterable[Object], seen: Seen, sizes: Mapping[str, str]) -> None:
    """Raise OperateError if a ResourceQuota of the namespace leaves too little for all claims together."""
    claims = requests(seen, sizes)
    for quota in quotas:
        if quota["spec"].get("scopes") or quota["spec"].get("scopeSelector"):
            continue
        status = quota.get("status") or {}
        for resource, hard in (status.get("hard") or {}).items():
            more = sum((_more(claim, sizes) for claim in claims if resource in _counted_as(claim)), Decimal(0))
            free = quantity.value(hard) - quantity.value((status.get("used") or {}).get(resource, "0"))
            if more > free:
                raise OperateError(
                    f"ResourceQuota {quota['metadata']['name']} has {_bytes(free)} of {resource} left, and {_bytes(more)} more are needed; "
                    "nothing was changed"
                )


def _counted_as(claim: Claim) -> tuple[str, str]:
    return "requests.storage", f"{claim.storage_class}.storageclass.storage.k8s.io/requests.storage"


def _more(claim: Claim, sizes: Mapping[str, str]) -> Decimal:
    return quantity.value(sizes[claim.volume]) - quantity.value(claim.requested)


def _bytes(amount: Decimal) -> str:
    return f"{amount / 2**30:.1f} GiB"


# --- what is done ---


def requests(seen: Seen, sizes: Mapping[str, str]) -> list[Claim]:
    """Return the claims that have to request another size."""
    claims = [claim for claim in seen.claims if claim.volume in sizes]
    return [claim for claim in claims if not claim.has(size := sizes[claim.volume]) and _differ(claim.requested, size)]


def next_step(seen: Seen, sizes: Mapping[str, str]) -> Step:
    """Return the next step. Raise OperateError if there can't be one."""
    name, found = seen.release.name, seen.stateful_set
    if found is None:
        if seen.noted is None:
            raise OperateError(f"{name} has no StatefulSet: bring it back with `helm upgrade`, then run this again")
        return Step(Act.CREATE, f"creating StatefulSet {name} again, with {words(sizes)}")
    if "deletionTimestamp" in found["metadata"]:
        return Step(Act.WAIT, f"waiting until StatefulSet {name} is deleted; its pods run on")
    if small := requests(seen, sizes):
        names = tuple(claim.name for claim in small)
        return Step(
            Act.REQUEST, f"requesting {words({claim.volume: sizes[claim.volume] for claim in small})} for {', '.join(names)}", names
        )
    if growing := [claim for claim in seen.claims if claim.volume in sizes and not _is_done(seen, claim, sizes[claim.volume])]:
        return _growing(seen, growing)
    return _stateful_set(seen, found, sizes)


def _is_done(seen: Seen, claim: Claim, size: str) -> bool:
    """True if nothing is left to be done for a claim now. A file system that no pod uses grows when a pod uses it."""
    return claim.has(size) or (claim.on_node and claim.pod not in seen.wanted_pods)


def _stateful_set(seen: Seen, found: Object, sizes: Mapping[str, str]) -> Step:
    name, noted = seen.release.name, seen.noted
    if any(_differ(old, sizes[volume]) for volume, old in kept_set.sizes(found).items() if volume in sizes):
        if noted is None or _identity(noted) != _identity(found):
            return Step(Act.NOTE, f"keeping StatefulSet {name} in ConfigMap {kept_set.name_of(name)}")
        return Step(Act.DELETE, f"deleting StatefulSet {name}; its pods run on")
    if noted is not None and kept_set.is_ours(found):
        return Step(Act.MANAGERS, f"giving the fields of StatefulSet {name} back to who had set them")
    if noted is not None:
        return Step(Act.FORGET, f"deleting ConfigMap {kept_set.name_of(name)}")
    return Step(Act.DONE, f"{name} has {words(sizes)}")


def _identity(found: Object) -> tuple[str, str]:
    return found["metadata"]["uid"], found["metadata"]["resourceVersion"]


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


# --- words ---


def words(sizes: Mapping[str, str]) -> str:
    """Return the sizes as text, such as `16Gi for data and 8Gi for WAL`."""
    return " and ".join(f"{size} for {'WAL' if volume == 'wal' else volume}" for volume, size in sorted(sizes.items()))


def values(sizes: Mapping[str, str]) -> str:
    """Return the Helm options that set the same in the release's values."""
    keys = {"data": "storage.resources.requests.storage", "wal": "walVolume.size"}
    return " ".join(f"--set {keys[volume]}={size}" for volume, size in sorted(sizes.items()))


def _claims(seen: Seen, volume: str) -> list[Claim]:
    return [claim for claim in seen.claims if claim.volume == volume]


def _larger(one: str, other: str) -> bool:
    return quantity.value(one) > quantity.value(other)


def _differ(one: str, other: str) -> bool:
    return quantity.value(one) != quantity.value(other)
