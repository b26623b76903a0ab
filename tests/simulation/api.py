"""The Kubernetes API: one Lease and the pods, compare-and-swap by resource version, watches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from hapg_failover.core.state.results import PutOutcome
from hapg_protocol.model import LeaseObject, LeaseState, Pod, PositionReport
from hapg_protocol.start_settings import Shown

Watcher = Callable[[LeaseObject | None, Pod | None, bool], None]


@dataclass(frozen=True)
class Snapshot:
    """The state of etcd at one moment."""

    version: int
    lease: LeaseObject | None
    pods: dict[str, Pod]


class Api:
    """The contents of etcd. restored: the Lease that a restore has brought back.

    Watchers get a Lease, or a pod and whether it was deleted."""

    def __init__(self) -> None:
        self.lease: LeaseObject | None = None
        self.pods: dict[str, Pod] = {}
        self.reported_at: dict[str, float] = {}
        self.watchers: list[Watcher] = []
        self.deleted_at = -1.0
        self.restored: LeaseObject | None = None
        self._version = 100

    def next_version(self) -> str:
        """Return a resource version that was never used before."""
        self._version += 1
        return str(self._version)

    def put(self, state: LeaseState, version: str | None) -> tuple[PutOutcome, LeaseObject | None]:
        """Create the Lease (version None), or replace exactly that version."""
        if version is None:
            if self.lease is not None:
                return PutOutcome.CONFLICT, None
        elif self.lease is None:
            return PutOutcome.NOT_FOUND, None
        elif self.lease.version != version:
            return PutOutcome.CONFLICT, None
        self.lease = LeaseObject(self.next_version(), state)
        for watcher in self.watchers:
            watcher(self.lease, None, False)
        return PutOutcome.OK, self.lease

    def delete_lease(self, now: float = 0.0) -> None:
        """Delete the Lease, as an operator might."""
        self.lease = None
        self.deleted_at = now

    def snapshot(self) -> Snapshot:
        """Return the current state."""
        return Snapshot(self._version, self.lease, dict(self.pods))

    def restore(self, snapshot: Snapshot, bump: int = 0) -> None:
        """Restore a snapshot: the Lease and the pods' annotations are as they were, and versions are used a second time. No watch
        reports it.

        bump: the restore raises all versions by this much (etcdutl snapshot restore --bump-revision). Pods created since then stay.
        """
        self._version = snapshot.version + bump
        self.lease = snapshot.lease and LeaseObject(self._as_restored(snapshot.lease.version, bump), snapshot.lease.state)
        self.restored = self.lease
        for name, pod in self.pods.items():
            then = snapshot.pods.get(name)
            if then is not None and then.uid == pod.uid:
                self.pods[name] = replace(then, version=self._as_restored(then.version, bump))
            else:
                self.pods[name] = replace(pod, version=self.next_version())

    def _as_restored(self, version: str, bump: int) -> str:
        return str(int(version) + bump)

    def put_pod(self, pod: Pod) -> None:
        """Create or replace a pod."""
        pod = replace(pod, version=self.next_version())
        self.pods[pod.name] = pod
        for watcher in self.watchers:
            watcher(None, pod, False)

    def patch_pod(
        self,
        name: str,
        uid: str,
        *,
        role: str | None = None,
        reads: bool | None = None,
        report: PositionReport | None = None,
        switchover: str | None = "",
        force: str | None = "",
        standby_mode: str | None = None,
        settings: Shown | None = None,
        now: float = 0.0,
    ) -> Literal["ok", "conflict", "not-found"]:
        """Change what is given of exactly that pod; '' leaves a request unchanged."""
        pod = self.pods.get(name)
        if pod is None:
            return "not-found"
        if pod.uid != uid:
            return "conflict"
        if report is not None and report != pod.report:
            self.reported_at[name] = now
        switchover = pod.switchover if switchover == "" else switchover
        force = pod.force if force == "" else force
        role, report, standby_mode = role or pod.role, report or pod.report, standby_mode or pod.standby_mode
        reads = pod.reads if reads is None else reads
        pod = replace(pod, role=role, reads=reads, report=report, switchover=switchover, force=force, standby_mode=standby_mode)
        self.put_pod(replace(pod, start_settings=settings or pod.start_settings))
        return "ok"

    def remove_pod(self, name: str) -> None:
        """Delete a pod."""
        pod = self.pods.pop(name, None)
        if pod is not None:
            for watcher in self.watchers:
                watcher(None, pod, True)
