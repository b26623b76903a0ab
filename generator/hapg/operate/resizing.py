"""Carrying out `hapg resize`: what is refused, and the steps of `growth` or `reclone`, each as soon as it is the next one."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, assert_never

from hapg.operate import dormant, growth, kept_set, members, reclone, recloning, resize_model, space, waiting
from hapg.operate.growth import Growth
from hapg.operate.kubectl import KubectlError, Object, Resizable
from hapg.operate.reclone import Reclone
from hapg.operate.recloning import News, NotYet
from hapg.operate.release import OperateError
from hapg.operate.resize_model import Act, Plan, Seen, Step
from hapg.operate.waiting import POLL_SECONDS, say

LOOK = "ha-postgres/resize"
"""The annotation that makes kubelet and the StatefulSet controller look at a pod at once."""
LOOK_SECONDS = 10.0

_AGAIN = "run the same command again to go on"
_CLASS_REFUSES = "must support resize"
"""In the API server's refusal to grow a claim of a StorageClass without allowVolumeExpansion."""
_REFUSALS = ("(Forbidden)", "is forbidden", "is invalid", "(Invalid)")


def grow(cluster: Resizable, name: str, sizes: Mapping[str, str], timeout: float) -> str:
    """Grow the volumes, and return the result in a sentence. sizes: quantities, by claim template.

    Raise OperateError if that is refused, or if there is no progress for `timeout` seconds; KubectlError.
    """
    _check_installed(cluster, name)
    seen = look(cluster, name, {})
    growth.check(seen, sizes)
    _check_rights(cluster, seen)
    _check_requests(cluster, seen, sizes)
    return _Work(cluster, name, Growth(sizes), timeout).run()


@dataclass(frozen=True)
class Cloning:
    """What was found before servers are cloned onto new claims. seen: the release; size: bytes that its primary uses, 0 if not known."""

    seen: Seen
    plan: Reclone
    size: int


def prepare(cluster: Resizable, name: str, plan: Reclone) -> Cloning:
    """Find out whether the servers can be cloned onto such claims. Raise OperateError if that is refused, KubectlError."""
    _check_installed(cluster, name)
    seen = look(cluster, name, {})
    reclone.check(seen, plan)
    _check_rights(cluster, seen)
    recloning.check_class(cluster, plan.wal_class)
    recloning.check_deletions(cluster, seen)
    reclone.check_quotas(_quotas(cluster), seen, plan)
    primary, size = members.primary(seen.release), 0
    if primary is not None:
        used = recloning.measure(cluster, primary)
        space.check(primary.name, used, plan.sizes)
        size = used.total
    return Cloning(seen, plan, size)


def clone(cluster: Resizable, found: Cloning, timeout: float) -> str:
    """Clone the servers, and return the result in a sentence. Raise OperateError as `grow` does, KubectlError."""
    return _Work(cluster, found.seen.release.name, found.plan, timeout, News(cluster, found.size)).run()


def look(cluster: Resizable, name: str, waited: Mapping[str, float]) -> Seen:
    """Return the present state. Raise OperateError if there is no such release, KubectlError."""
    found = cluster.find("configmap", kept_set.name_of(name))
    try:
        noted = None if found is None else kept_set.of_note(found)
        noted_claims = {} if found is None else kept_set.claims_of_note(found)
    except ValueError as error:
        raise OperateError(f"ConfigMap {kept_set.name_of(name)} can't be read: {error}; delete it if {name} has its StatefulSet") from error
    claims = [claim for each in cluster.all("persistentvolumeclaim") if (claim := resize_model.claim_of(each, name)) is not None]
    return Seen(
        release=waiting.look(cluster, name),
        claims=tuple(sorted(claims, key=lambda claim: claim.name)),
        stateful_set=cluster.find_with_managers("statefulset", name),
        noted=noted,
        noted_claims=noted_claims,
        waited=waited,
    )


def _check_installed(cluster: Resizable, name: str) -> None:
    if cluster.find("configmap", f"{name}-config") is None:
        sleeping = any(each.name == name for each in dormant.read(cluster))
        why = f"{name} is uninstalled: install it again first" if sleeping else f"release {name} not found in namespace {cluster.namespace}"
        raise OperateError(f"{why}; nothing was changed")


def _check_rights(cluster: Resizable, seen: Seen) -> None:
    """Ask the API server whether the StatefulSet may be replaced."""
    name = seen.release.name
    note = f"configmaps/{kept_set.name_of(name)}"
    needed = [("create", "statefulsets.apps"), ("patch", f"statefulsets.apps/{name}")]
    needed += [("create", "configmaps"), ("patch", note), ("delete", note)]
    for verb, resource in needed:
        if not cluster.may(verb, resource):
            raise OperateError(f"you may not {verb} {resource} in namespace {cluster.namespace}; nothing was changed")
    if seen.stateful_set is None:
        return
    try:
        cluster.erase(_path_of_set(cluster.namespace, name), seen.stateful_set["metadata"]["uid"], orphan=True, dry_run=True)
    except KubectlError as error:
        raise OperateError(f"StatefulSet {name} cannot be replaced: {error}; nothing was changed") from error


def _check_requests(cluster: Resizable, seen: Seen, sizes: Mapping[str, str]) -> None:
    """Ask the API server whether it would accept every change of a claim, alone and all together."""
    for claim in growth.requests(seen, sizes):
        try:
            cluster.patch("persistentvolumeclaim", claim.name, _request(sizes[claim.volume]), dry_run=True)
        except KubectlError as error:
            if _CLASS_REFUSES not in str(error):
                raise OperateError(f"claim {claim.name} cannot grow: {error}; nothing was changed") from error
            known = f"StorageClass {claim.storage_class}" if claim.storage_class else "its StorageClass"
            raise OperateError(
                f"claim {claim.name} cannot grow: {known} does not allow it (allowVolumeExpansion); {growth.RECLONE}; nothing was changed"
            ) from error
    growth.check_quotas(_quotas(cluster), seen, sizes)


def _quotas(cluster: Resizable) -> list[Object]:
    """Return the ResourceQuotas. Who may not read them is refused by the API server, after the claims that still fit."""
    try:
        return cluster.all("resourcequota")
    except KubectlError:
        return []


def _path_of_set(namespace: str, name: str) -> str:
    return f"/apis/apps/v1/namespaces/{namespace}/statefulsets/{name}"


def _request(size: str) -> dict[str, Any]:
    return {"spec": {"resources": {"requests": {"storage": size}}}}


class _Work:
    """One run of the command. timeout: how long there may be no progress, in seconds; news: what is added to what is seen."""

    def __init__(self, cluster: Resizable, name: str, plan: Plan, timeout: float, news: News | None = None) -> None:
        self._cluster, self._name, self._plan, self._timeout, self._news = cluster, name, plan, timeout, news
        self._namespace = cluster.namespace
        self._waits_since: dict[str, float] = {}
        self._restarted: set[str] = set()
        self._looked = -LOOK_SECONDS
        self._said = ""
        self._steps: set[str] = set()
        self._since = time.monotonic()

    def run(self) -> str:
        """Take one step after the other until the work is done."""
        try:
            return self._run()
        except KeyboardInterrupt:
            say(_AGAIN)
            raise

    def _run(self) -> str:
        while True:
            try:
                seen = self._look()
                step = self._plan.next_step(seen)
                self._note_progress(step)
                if step.act is Act.DONE:
                    return f"{step.why}; the release's values have to say the same: helm upgrade … {self._plan.values()}"
                self._act(step, seen)
                waits = step.act is Act.WAIT
            except OperateError as error:
                raise OperateError(f"{error}; {_AGAIN}") from error
            except (KubectlError, NotYet) as error:  # the API may be unreachable for a moment, and others may be changing the same object
                if any(word in str(error) for word in _REFUSALS):
                    raise OperateError(f"{error}; {_AGAIN}") from error
                self._say(str(error))
                waits = True
            if time.monotonic() - self._since > self._timeout:
                raise OperateError(f"no progress for {self._timeout:g} s: {self._said}; {_AGAIN}")
            if waits:
                time.sleep(POLL_SECONDS)

    def _note_progress(self, step: Step) -> None:
        """Say what is done. It is progress only if it is done for the first time, so that nothing is tried for ever."""
        if step.why not in self._steps:
            self._steps.add(step.why)
            self._since = time.monotonic()
        self._say(step.why)

    def _say(self, text: str) -> None:
        if text != self._said:
            self._said = text
            say(text)

    def _look(self) -> Seen:
        now = time.monotonic()
        seen = look(self._cluster, self._name, {name: now - since for name, since in self._waits_since.items()})
        waiting_claims = [claim.name for claim in seen.claims if claim.on_node and claim.pod not in self._restarted]
        self._waits_since = {name: self._waits_since.get(name, now) for name in waiting_claims}
        return seen if self._news is None else self._news.added(seen)

    def _act(self, step: Step, seen: Seen) -> None:  # noqa: C901 a case for each
        match step.act:
            case Act.REQUEST:
                volumes = {claim.name: claim.volume for claim in seen.claims}
                for name in step.names:
                    self._cluster.patch("persistentvolumeclaim", name, _request(self._plan.sizes[volumes[name]]))
            case Act.NOTE:
                self._note(seen)
            case Act.DELETE:
                assert seen.noted is not None
                metadata = seen.noted["metadata"]
                path = _path_of_set(self._namespace, self._name)
                self._cluster.erase(path, metadata["uid"], metadata["resourceVersion"], orphan=True)
            case Act.CREATE:
                assert seen.noted is not None
                self._cluster.create(self._plan.stateful_set(seen.noted), kept_set.MANAGER)
            case Act.MANAGERS:
                assert seen.noted is not None
                assert seen.stateful_set is not None
                self._cluster.patch("statefulset", self._name, kept_set.managers_back(seen.noted, seen.stateful_set))
            case Act.FORGET:
                self._cluster.delete("configmap", kept_set.name_of(self._name))
            case Act.RESTART:
                [pod] = [pod for pod in seen.release.pods if pod.name in step.names]
                self._cluster.erase(recloning.path_of(seen, "pods", pod.name), pod.uid)
                self._restarted.add(pod.name)  # a second restart would not help either
            case Act.SWITCHOVER:
                recloning.switch_over(self._cluster, seen, step.names[0], self._timeout)
            case Act.REPLACE:
                recloning.replace_server(self._cluster, seen, step.names[0], self._plan.sizes)
            case Act.WAIT:
                self._have_looked_at(step, seen)
            case Act.DONE:  # the caller ends
                pass
            case _:
                assert_never(step.act)

    def _note(self, seen: Seen) -> None:
        assert seen.stateful_set is not None
        claims = self._plan.unfit_claims(seen)
        if seen.noted is None:
            config = self._cluster.find("configmap", f"{self._name}-config")
            if config is None:
                raise OperateError(f"{self._name} has been uninstalled meanwhile")
            self._cluster.create(kept_set.note(self._name, seen.stateful_set, config, claims), kept_set.MANAGER)
        else:
            self._cluster.patch("configmap", kept_set.name_of(self._name), {"data": kept_set.content(seen.stateful_set, claims)})

    def _have_looked_at(self, step: Step, seen: Seen) -> None:
        """Change pods a little now and then. Then kubelet looks at once whether their volumes have grown, instead of within 90 s."""
        if not step.names or time.monotonic() - self._looked < LOOK_SECONDS:
            return
        self._looked = time.monotonic()
        for pod in seen.release.pods:
            if pod.name in step.names and not pod.deleting:
                self._cluster.annotate(pod.name, pod.uid, {LOOK: str(int(time.time()))})
