"""The agent's Kubernetes API calls, each in a thread that may block; answers come back as events."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from hapg_protocol import pods
from hapg_protocol import position_report as report_codec
from hapg_protocol.model import Holder, PodPatch, PositionReport

from .adapters.ports.kubernetes import ApiError, ApiUnavailable, Conflict, KubeApi, NotFound
from .adapters.ports.runtime import Logger, Runtime
from .core.state.actions import PutKind, PutLease
from .core.state.results import PutOutcome, PutResult
from .events import Event, LeaseSeen, PodSeen, PodsListed, PutAnswered
from .settings import Settings
from .workers import Worker

PUBLISH_TRIES = 3


class ApiCalls:
    """Lease writes, reads, patches and Events don't wait for each other.

    The Lease has two readers and two writers: while one call hangs, another may succeed over a different connection.
    """

    def __init__(
        self, runtime: Runtime, kube: KubeApi, settings: Callable[[], Settings], report: Callable[[Event], None], log: Logger
    ) -> None:
        """report: receives the answers; must be callable from any thread."""
        self._runtime = runtime
        self._kube = kube
        self._settings = settings
        self._report = report
        self._log = log
        self._writers = (Worker(runtime, "put"), Worker(runtime, "put again"))
        self._readers = (Worker(runtime, "read"), Worker(runtime, "read again"))
        self._lists = Worker(runtime, "list")
        self._patches = Worker(runtime, "patch")
        self._events = Worker(runtime, "event")

    @property
    def _timeout(self) -> float:
        return self._settings().timing.call

    def put(self, put: PutLease) -> None:
        """Write the Lease. The send time is taken here, before anything is sent."""
        patient = put.kind in (PutKind.RENEW, PutKind.CLAIM)
        timeout, sent_at = self._settings().timing.late if patient else self._timeout, self._runtime.now()

        def work() -> None:
            lease = None
            try:
                if put.version is None:
                    lease = self._kube.create_lease(put.state, timeout)
                else:
                    lease = self._kube.update_lease(put.state, put.version, timeout)
                outcome = PutOutcome.OK
            except Conflict:
                outcome = PutOutcome.CONFLICT
            except NotFound:
                outcome = PutOutcome.NOT_FOUND
            except ApiError as error:
                outcome = PutOutcome.UNKNOWN
                self._log("warning", "put", str(error), kind=put.kind.value)
            now = self._runtime.now()
            if put.kind is not PutKind.RENEW:
                self._log("info", "put", kind=put.kind.value, outcome=outcome.value, seconds=round(now - sent_at, 3))

            result = PutResult(put.kind, outcome, sent_at, put.state, lease.version if lease else None)
            self._report(PutAnswered(result, lease, now, self._settings().timing.read_gap))

        next((writer for writer in self._writers if writer.idle), self._writers[0]).do(work)

    def read_lease(self) -> None:
        """Re-read the Lease, unless both readers are busy."""

        def work() -> None:
            asked = self._runtime.now()
            try:
                lease = self._kube.get_lease(self._timeout)
            except NotFound:
                lease = None
            except ApiError as error:
                self._log("warning", "read", str(error))
                return
            self._report(LeaseSeen(lease, asked, self._runtime.now(), self._settings().timing.read_gap))

        reader = next((reader for reader in self._readers if reader.idle), None)
        if reader is not None:
            reader.do(work)

    def list_pods(self) -> None:
        """Re-read the pods."""

        def work() -> None:
            asked = self._runtime.now()
            try:
                pods = self._kube.list_pods(self._timeout)
            except ApiError as error:
                self._log("warning", "list", str(error))
                return
            self._report(PodsListed(pods, asked))

        if self._lists.idle:
            self._lists.do(work)

    def report(self, me: Holder, report: PositionReport, standby_mode: str | None) -> None:
        """Publish a position report on our own pod, and the standby mode of our server unless that is None."""
        mode = {} if standby_mode is None else {pods.STANDBY_MODE: standby_mode}
        self.annotate(me, {report_codec.ANNOTATION: report_codec.encode(report), **mode})

    def annotate(self, me: Holder, annotations: Mapping[str, str | None]) -> None:
        """Change annotations of our own pod; None removes one."""
        self._patches.do(lambda: self._patch(PodPatch(me.pod, me.uid, annotations=dict(annotations)), PUBLISH_TRIES))

    def label(self, pod: str, uid: str, role: str) -> None:
        """Set a pod's role label. The primary isn't labelled as a hot standby."""
        labels: dict[str, str | None] = {self._settings().label_role: role}
        if role == "primary":
            labels[pods.HOT_STANDBY] = None
        self._patches.do(lambda: self._patch(PodPatch(pod, uid, labels=labels), 1))

    def label_reads(self, me: Holder, reads: bool) -> None:
        """Label our own pod as a hot standby, or take that label away."""
        labels = {pods.HOT_STANDBY: "true" if reads else None}
        self._patches.do(lambda: self._patch(PodPatch(me.pod, me.uid, labels=labels), 1))

    def _patch(self, patch: PodPatch, tries: int) -> None:
        begun = self._runtime.now()
        for left in reversed(range(tries)):
            try:
                pod = self._kube.patch_pod(patch, self._timeout)
            except ApiError as error:
                self._log("warning", "patch", str(error), pod_patched=patch.pod)
                if left and isinstance(error, ApiUnavailable):
                    continue
                return
            self._report(PodSeen(pod, False, self._runtime.now()))
            changed = {"labels": patch.labels} if patch.labels else {"annotations": list(patch.annotations)}
            self._log("info", "patch", pod_patched=patch.pod, seconds=round(self._runtime.now() - begun, 3), **changed)
            return

    def announce(self, kind: str, reason: str, message: str) -> None:
        """Record an Event about our pod."""

        def work() -> None:
            try:
                self._kube.record_event(kind, reason, message, self._timeout)
            except ApiError as error:
                self._log("warning", "event", str(error))

        self._events.do(work)
