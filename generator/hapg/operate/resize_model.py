"""What `hapg resize` sees of a release, and its steps. Frozen values, and the steps that replace a StatefulSet. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, Protocol

from hapg.operate import kept_set
from hapg.operate.kubectl import Object
from hapg.operate.release import OperateError, Release
from hapg.spec import quantity
from hapg_protocol import kept

OPTIONS = {"data": "--size", "wal": "--wal-size"}
"""The option that gives the size of the volumes of a claim template."""


class Act(Enum):
    """What a step does. REQUEST: change the size that claims request; NOTE: keep the StatefulSet in a ConfigMap; DELETE: delete the
    StatefulSet and leave its pods; CREATE: make it again, as it is wanted; MANAGERS: give its fields back to who had set them; FORGET:
    delete the ConfigMap; RESTART: delete a pod; SWITCHOVER: move the primary to a pod; REPLACE: delete a pod and its claims; WAIT: nothing
    but to change pods a little, so that kubelet or the StatefulSet controller looks at them.
    """

    REQUEST = auto()
    NOTE = auto()
    DELETE = auto()
    CREATE = auto()
    MANAGERS = auto()
    FORGET = auto()
    RESTART = auto()
    SWITCHOVER = auto()
    REPLACE = auto()
    WAIT = auto()
    DONE = auto()


@dataclass(frozen=True)
class Step:
    """The next step. why: for people; names: the claims of REQUEST, the pod of RESTART, SWITCHOVER and REPLACE, the pods of WAIT."""

    act: Act
    why: str
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Claim:
    """A claim of the release.

    requested, capacity: quantities, capacity None if it has no volume; on_node: the disk has grown, and the file system on it is still to
    be grown by kubelet; problem: what the storage last complained of; given_up: it won't try again; deleting: it goes with its pod.
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
    uid: str = ""
    deleting: bool = False

    def has(self, size: str) -> bool:
        """True if its volume is of this size or larger."""
        return self.capacity is not None and not larger(size, self.capacity)


@dataclass(frozen=True)
class Seen:
    """What the cluster shows.

    claims: those of the release, by name; stateful_set: with its managers, None if there is none; noted, noted_claims: the StatefulSet that
    the ConfigMap of an earlier step holds, and the UIDs, by name, of the claims whose data was made without the wanted volumes; waited: for
    how long this command has seen a claim wait for kubelet, in seconds, by its name; told: the latest warning about an object, by its name;
    copied: how many bytes are on the new volumes of a pod, by its name; size: how many the primary has.
    """

    release: Release
    claims: tuple[Claim, ...]
    stateful_set: Object | None
    noted: Object | None = None
    noted_claims: Mapping[str, str] = field(default_factory=dict)
    waited: Mapping[str, float] = field(default_factory=dict)
    told: Mapping[str, str] = field(default_factory=dict)
    copied: Mapping[str, int] = field(default_factory=dict)
    size: int = 0

    @property
    def known(self) -> Object | None:
        """The StatefulSet, or while there is none the noted one."""
        return self.noted if self.stateful_set is None else self.stateful_set

    @property
    def wanted_pods(self) -> tuple[str, ...]:
        """The pods that the release is to have."""
        return () if self.release.paused else tuple(f"{self.release.name}-{number}" for number in range(self.release.replicas))


class Plan(Protocol):
    """What a run of the command is to reach, and the way there."""

    @property
    def sizes(self) -> Mapping[str, str]:
        """The wanted sizes as quantities, by claim template."""

    def next_step(self, seen: Seen) -> Step:
        """Return the next step. Raise OperateError if there can't be one."""

    def stateful_set(self, noted: Object) -> dict[str, Any]:
        """Return the StatefulSet to create in the place of the noted one."""

    def unfit_claims(self, seen: Seen, /) -> dict[str, str]:
        """Return the claims to note, by name their UIDs."""

    def values(self) -> str:
        """Return the Helm options that set the same in the release's values."""


def claim_of(found: Object, release: str) -> Claim | None:
    """Return a claim read from the API, or None if it isn't one of this release."""
    parts = kept.claim(found["metadata"]["name"])
    if parts is None or parts.release != release:
        return None
    metadata, spec, status = found["metadata"], found["spec"], found.get("status") or {}
    conditions = {each["type"]: each for each in status.get("conditions") or []}
    resizing = str((status.get("allocatedResourceStatuses") or {}).get("storage") or "")
    problems = [conditions[kind].get("message") or kind for kind in ("ControllerResizeError", "NodeResizeError") if kind in conditions]
    bound = status.get("phase") == "Bound"
    return Claim(
        name=metadata["name"],
        volume=parts.volume,
        pod=f"{release}-{parts.ordinal}",
        storage_class=str(spec.get("storageClassName") or ""),
        requested=str(spec["resources"]["requests"]["storage"]),
        capacity=str(status["capacity"]["storage"]) if bound and "storage" in (status.get("capacity") or {}) else None,
        on_node="FileSystemResizePending" in conditions or resizing in ("NodeResizePending", "NodeResizeInProgress"),
        problem=" ".join(" ".join(problems).split()),
        given_up=resizing.endswith("Infeasible"),
        uid=str(metadata.get("uid", "")),
        deleting=metadata.get("deletionTimestamp") is not None,
    )


# --- how a StatefulSet is replaced ---


def without_set(seen: Seen, what: str) -> Step | None:
    """Return the step while there is no StatefulSet, or it is being deleted; None if it is there. what: it gets, such as `16Gi for data`.

    Raise OperateError if it is lost.
    """
    name, found = seen.release.name, seen.stateful_set
    if found is not None and "deletionTimestamp" not in found["metadata"]:
        return None
    if found is not None:
        return Step(Act.WAIT, f"waiting until StatefulSet {name} is deleted; its pods run on")
    if seen.noted is None:
        raise OperateError(lost(name))
    return Step(Act.CREATE, f"creating StatefulSet {name} again, with {what}")


def lost(name: str) -> str:
    """Return what is said of a StatefulSet that is neither there nor noted."""
    return f"{name} has no StatefulSet: bring it back with `helm upgrade`, then run this again"


def replacing(seen: Seen, found: Object, unfit_claims: Mapping[str, str]) -> Step:
    """Return the next step to a StatefulSet that is as it is wanted, from `found`, which is not."""
    name, noted = seen.release.name, seen.noted
    if noted is None or _identity(noted) != _identity(found) or seen.noted_claims != unfit_claims:
        return Step(Act.NOTE, f"keeping StatefulSet {name} in ConfigMap {kept_set.name_of(name)}")
    return Step(Act.DELETE, f"deleting StatefulSet {name}; its pods run on")


def giving_back(seen: Seen, found: Object) -> Step | None:
    """Return the step that gives the new StatefulSet's fields back, None if that is done."""
    if seen.noted is None or not kept_set.is_ours(found):
        return None
    return Step(Act.MANAGERS, f"giving the fields of StatefulSet {seen.release.name} back to who had set them")


def forgetting(seen: Seen) -> Step:
    """Return the step that deletes the note."""
    return Step(Act.FORGET, f"deleting ConfigMap {kept_set.name_of(seen.release.name)}")


def _identity(found: Object) -> tuple[str, str]:
    return found["metadata"]["uid"], found["metadata"]["resourceVersion"]


# --- sizes and words ---


def larger(one: str, other: str) -> bool:
    """True if the quantity `one` is larger than `other`."""
    return quantity.value(one) > quantity.value(other)


def differ(one: str, other: str) -> bool:
    """True if two quantities are of different values."""
    return quantity.value(one) != quantity.value(other)


def words(sizes: Mapping[str, str]) -> str:
    """Return the sizes as text, such as `16Gi for data and 8Gi for WAL`."""
    return " and ".join(f"{size} for {'WAL' if volume == 'wal' else volume}" for volume, size in sorted(sizes.items()))


def values(sizes: Mapping[str, str]) -> str:
    """Return the Helm options that set the sizes in the release's values."""
    keys = {"data": "storage.resources.requests.storage", "wal": "walVolume.size"}
    return " ".join(f"--set {keys[volume]}={size}" for volume, size in sorted(sizes.items()))
