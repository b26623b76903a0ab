"""An in-memory Kubernetes API for several clients; tests set its faults and release its delayed writes.

The contract test (tests/contract/test_kube_contract.py) compares it with a real API server. It stores encoded annotations, as the API
does, so its users exercise the codecs too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar

from hapg_failover.adapters.ports.kubernetes import ApiError, ApiUnavailable, Conflict, NotFound
from hapg_protocol import lease as lease_codec
from hapg_protocol import pods as pod_codec
from hapg_protocol.model import LeaseObject, LeaseState, Pod, PodPatch

Json = dict[str, Any]
OnLease = Callable[[LeaseObject | None], None]
OnPod = Callable[[Pod, bool], None]
Written = TypeVar("Written")

LEASE_UID = "5e1f0000-0000-4000-8000-00000000abcd"
"""The UID of every Lease here."""


@dataclass
class Faults:
    """One client's faults, until the test changes them.

    unavailable: nothing reaches the API; lost_answers: writes are carried out, but the caller gets no answer; late: writes are held back
    until `FakeCluster.deliver_late`, and the caller gets no answer.
    """

    unavailable: bool = False
    lost_answers: bool = False
    late: bool = False


@dataclass
class FakeCluster:
    """The contents of etcd: the Lease, the pods, the Secrets, the Events."""

    name: str = "db"
    role_label: str = "kubedb.com/role"
    lease: Json | None = None
    pods: dict[str, Json] = field(default_factory=dict)
    secrets: dict[str, dict[str, str]] = field(default_factory=dict)
    events: list[tuple[str, str, str]] = field(default_factory=list)
    late: list[Callable[[], None]] = field(default_factory=list)
    _version: int = 100
    _lease_watchers: list[OnLease] = field(default_factory=list)
    _pod_watchers: list[OnPod] = field(default_factory=list)

    def client(self) -> FakeKube:
        """Return a client with its own faults."""
        return FakeKube(self)

    def add_pod(self, ordinal: int, uid: str, **more: Any) -> Pod:
        """Create a pod, as the StatefulSet controller does. more: further status fields: podIP, conditions."""
        metadata = {"name": f"{self.name}-{ordinal}", "uid": uid, "labels": {}, "annotations": {}}
        return self._store_pod({"metadata": metadata, "spec": {}, "status": more})

    def delete_pod(self, name: str) -> None:
        """Delete a pod."""
        pod = self.pods.pop(name)
        self._stamp(pod)
        for watcher in self._pod_watchers:
            watcher(self.decode_pod(pod), True)

    def delete_lease(self) -> None:
        """Delete the Lease."""
        self.lease = None
        for watcher in self._lease_watchers:
            watcher(None)

    def deliver_late(self) -> int:
        """Carry out the delayed writes, in the order in which they were sent; return their number."""
        late, self.late = self.late, []
        for write in late:
            try:
                write()
            except ApiError:
                continue  # the API refused it, and nobody waits for the answer
        return len(late)

    def watch_lease(self, on_state: OnLease) -> None:
        """Call `on_state` with the current state and every later change."""
        self._lease_watchers.append(on_state)
        if self.lease is not None:
            on_state(lease_codec.from_object(self.lease))

    def watch_pods(self, on_pod: OnPod) -> None:
        """Call `on_pod` for the current pods and for every later change."""
        self._pod_watchers.append(on_pod)
        for pod in self.pods.values():
            on_pod(self.decode_pod(pod), False)

    def put_lease(self, state: LeaseState, version: str | None) -> LeaseObject:
        """Create the Lease (version None) or replace that version of it."""
        if version is None and self.lease is not None:
            raise Conflict("the Lease exists already")
        if version is not None and self.lease is None:
            raise NotFound("there is no Lease any more")
        if version is not None and self.lease is not None and version != self.lease["metadata"]["resourceVersion"]:
            raise Conflict(f"the Lease has another version than {version}")
        self.lease = lease_codec.to_object(state, self.name, {}, datetime.now(UTC), self.lease)
        self.lease["metadata"]["uid"] = LEASE_UID
        self._stamp(self.lease)
        decoded = lease_codec.from_object(self.lease)
        for watcher in self._lease_watchers:
            watcher(decoded)
        return decoded

    def patch_pod(self, patch: PodPatch) -> Pod:
        """Apply a merge patch to a pod's metadata under its preconditions."""
        if patch.pod not in self.pods:
            raise NotFound(f"there is no pod {patch.pod}")
        pod = deepcopy(self.pods[patch.pod])
        metadata = pod["metadata"]
        if patch.uid != metadata["uid"] or patch.version not in (None, metadata["resourceVersion"]):
            raise Conflict(f"pod {patch.pod} has another UID or version")
        for kind, changes in (("labels", patch.labels), ("annotations", patch.annotations)):
            for key, value in changes.items():
                if value is None:
                    metadata[kind].pop(key, None)
                else:
                    metadata[kind][key] = value
        if pod == self.pods[patch.pod]:
            return self.decode_pod(pod)  # a patch that changes nothing doesn't create a new version
        return self._store_pod(pod)

    def change_secret(self, name: str, entries: Mapping[str, str | None]) -> None:
        """Apply a merge patch to a Secret's entries."""
        if name not in self.secrets:
            raise NotFound(f"there is no Secret {name}")
        changed = {**self.secrets[name], **entries}
        self.secrets[name] = {key: value for key, value in changed.items() if value is not None}

    def decode_pod(self, pod: Json) -> Pod:
        """Return the pod as clients see it."""
        decoded = pod_codec.from_object(pod, self.name, self.role_label)
        assert decoded is not None
        return decoded

    def _store_pod(self, pod: Json) -> Pod:
        self._stamp(pod)
        decoded = self.decode_pod(pod)
        self.pods[decoded.name] = pod
        for watcher in self._pod_watchers:
            watcher(decoded, False)
        return decoded

    def _stamp(self, item: Json) -> None:
        self._version += 1
        item["metadata"]["resourceVersion"] = str(self._version)


class FakeKube:
    """Implements ports.KubeApi for one client. Calls take no time: delays are set by `Faults`."""

    def __init__(self, cluster: FakeCluster) -> None:
        self.cluster = cluster
        self.faults = Faults()

    def get_lease(self, timeout: float) -> LeaseObject:
        self._reach(timeout)
        if self.cluster.lease is None:
            raise NotFound("there is no Lease")
        return lease_codec.from_object(self.cluster.lease)

    def create_lease(self, state: LeaseState, timeout: float) -> LeaseObject:
        return self._write(lambda: self.cluster.put_lease(state, None), timeout)

    def update_lease(self, state: LeaseState, version: str, timeout: float) -> LeaseObject:
        return self._write(lambda: self.cluster.put_lease(state, version), timeout)

    def list_pods(self, timeout: float) -> tuple[Pod, ...]:
        self._reach(timeout)
        pods = (self.cluster.decode_pod(pod) for pod in self.cluster.pods.values())
        return tuple(sorted(pods, key=lambda pod: pod.ordinal))

    def patch_pod(self, patch: PodPatch, timeout: float) -> Pod:
        return self._write(lambda: self.cluster.patch_pod(patch), timeout)

    def record_event(self, kind: str, reason: str, message: str, timeout: float) -> None:
        self._write(lambda: self.cluster.events.append((kind, reason, message)), timeout)

    def ensure_secret(self, name: str, key: str, make_entries: Callable[[], Mapping[str, str]], timeout: float) -> bytes:
        self._reach(timeout)
        if name not in self.cluster.secrets:
            self.cluster.secrets[name] = dict(make_entries())
        if not self.cluster.secrets[name].get(key):
            raise ApiError(f"Secret {name} exists but has no key {key}")
        return self.cluster.secrets[name][key].encode()

    def change_secret(self, name: str, entries: Mapping[str, str | None], timeout: float) -> None:
        self._write(lambda: self.cluster.change_secret(name, entries), timeout)

    def _reach(self, timeout: float) -> None:
        if self.faults.unavailable:
            raise ApiUnavailable(f"no answer within {timeout:g} s")

    def _write(self, write: Callable[[], Written], timeout: float) -> Written:
        self._reach(timeout)
        if self.faults.late:
            self.cluster.late.append(lambda: (write(), None)[1])
            raise ApiUnavailable(f"no answer within {timeout:g} s")
        try:
            return write()
        finally:
            if self.faults.lost_answers:
                raise ApiUnavailable(f"no answer within {timeout:g} s")
