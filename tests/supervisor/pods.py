"""A whole release without Kubernetes: real agents in threads, real supervisors and servers, and an in-memory API."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hapg_failover.adapters.backup_container import BackupContainer
from hapg_failover.adapters.live_source import LiveSource
from hapg_failover.adapters.ports.peers import NotNow, PeerAnswer, PeerError
from hapg_failover.adapters.ports.supervisor import SupervisorEvent
from hapg_failover.adapters.sql import PostgresSql
from hapg_failover.adapters.threads import Threads
from hapg_failover.adapters.volume import Volume
from hapg_failover.agent import Adapters, Agent
from hapg_failover.core.state.extensions import ExtensionRequest
from hapg_failover.core.timing import Timing
from hapg_failover.core.unreplicated_wal import WalRequest
from hapg_failover.core.write_quorum import ASYNCHRONOUS, Policy
from hapg_failover.inspection import Inspection
from hapg_failover.settings import Identity, Settings, Source
from hapg_protocol import model
from hapg_protocol.model import LeaseObject, LeaseState
from hapg_protocol.version_profile import VersionProfile
from tests.fakes.kube import FakeCluster
from tests.ports import free_port

from .conftest import Make
from .harness import DEFAULT, Container, as_server_user, wait_for
from .harness import Agent as Files

READ_S = 0.1
PAUSE_S = 120.0


class UserThreads(Threads):
    """Threads that write files as the pod's user, and end when told to."""

    def __init__(self) -> None:
        self.ended = False

    def now(self) -> float:
        if self.ended:
            raise SystemExit
        return super().now()

    def spawn(self, name: str, work: Callable[[], None]) -> None:
        def run() -> None:
            try:
                with as_server_user():
                    work()
            except SystemExit:
                pass
            except OSError:
                if not self.ended:  # the resources it used are gone
                    raise

        super().spawn(name, run)


class StoppableFiles(Files):
    """The supervisor's FIFOs and files, which nobody reads any more once the threads are to end."""

    def __init__(self, run: Path, runtime: UserThreads) -> None:
        super().__init__(run)
        self._runtime = runtime
        self.ended = threading.Event()

    def read_events(self, timeout: float) -> list[SupervisorEvent]:
        events: list[SupervisorEvent] = []
        while not events:
            if self._runtime.ended:
                self.ended.set()
            self._runtime.now()
            events = super().read_events(min(timeout, READ_S))
        return events

    def wait_container_dead(self) -> Callable[[], None]:
        give_back = super().wait_container_dead()
        if self._runtime.ended:  # a process that has ended holds no lock
            give_back()
            raise SystemExit
        return give_back


class InProcess:
    """The other pods' agents, reached without a network."""

    def __init__(self, pods: list[Pod]) -> None:
        self._pods = pods

    def _at(self, address: str) -> Agent:
        for pod in self._pods:
            if pod.address == address and pod.agent is not None:
                return pod.agent
        raise PeerError(f"nobody is at {address}")

    def ask(self, request: ExtensionRequest, address: str, timeout: float) -> PeerAnswer:
        answer = self._at(address).asked_by_peer(request)
        if answer is None:
            raise PeerError("no answer")
        return answer

    def fetch_wal(self, request: WalRequest, address: str, timeout: float) -> bytes:
        answer = self._at(address).wal_for_peer(request)
        if answer is None:
            raise NotNow
        return answer


class Pod:
    """One pod: its postgres container, and its agent while it runs."""

    def __init__(self, release: Release, container: Container, ordinal: int) -> None:
        self.container = container
        self.ordinal = ordinal
        self.address = f"127.0.0.{ordinal + 1}"
        self.uid = f"u{ordinal}{release.generation}"
        self.agent: Agent | None = None
        self.log: list[tuple[str, str, str]] = []
        self._release = release
        self._runtime = UserThreads()
        self._files = StoppableFiles(container.run, self._runtime)
        conf = container.config / "postgresql.conf"
        text = conf.read_text().replace(f"port = {container.port}\n", f"port = {release.port}\n")
        conf.write_text(text.replace("listen_addresses = '127.0.0.1'", f"listen_addresses = '{self.address}'"))
        container.port = release.port

    def start(self, agent_first: bool = False) -> None:
        """Start both containers. agent_first: as kubelet does; the agent looks at the volume before the supervisor has."""
        if agent_first:
            self.start_agent()
            self.container.launch()
        else:
            self.container.launch()
            self.start_agent()
        self._release.cluster.watch_lease(self._lease_seen)
        self._release.cluster.watch_pods(self._pod_seen)

    def start_agent(self) -> None:
        """Start the failover container."""
        release, container, profile = self._release, self.container, self.container.profile
        runtime = self._runtime = UserThreads()
        claim = f"default/{container.name}"
        volume = Volume(container.volume, profile.major, profile.wal_directory, container.wal_volume, claim)
        sql = PostgresSql(lambda: container.logins, profile.sql_names, container.port, str(container.run / "socket"))

        def log(level: str, event: str, reason: str = "", **fields: Any) -> None:
            self.log.append((level, event, f"{reason} {fields}"))

        self._files = StoppableFiles(container.run, runtime)
        with as_server_user():
            agent = Agent(
                release.settings,
                Identity(container.name, "default", self.uid, self.address),
                Adapters(
                    runtime,
                    release.cluster.client(),
                    sql,
                    self._files,
                    volume,
                    InProcess(release.pods),
                    lambda run, missing: Inspection(run, volume, missing),
                    log,
                    find_source=LiveSource(release.source_secret, container.run, profile.major),
                    archive=BackupContainer(container.run) if release.settings().backup else None,
                ),
            )
        runtime.spawn("agent", agent.run)
        self.agent = agent

    def _lease_seen(self, lease: LeaseObject | None) -> None:
        if self.agent is not None:
            self.agent.lease_seen(lease)

    def _pod_seen(self, pod: model.Pod, deleted: bool) -> None:
        if self.agent is not None:
            self.agent.pod_seen(pod, deleted)

    def stop_agent(self) -> None:
        """End the failover container's process."""
        self.agent = None
        self._runtime.ended = True
        self._files.ended.wait()  # what is still unread is for the next one

    def terminate(self) -> None:
        """Begin the pod's deletion, as kubelet does."""
        os.kill(self.container.pid1, signal.SIGTERM)

    @property
    def writes(self) -> bool:
        """True if its server is writable."""
        return self.container.answers("select not pg_is_in_recovery()") == "t"


class Release:
    """Pods db-0 and so on."""

    def __init__(
        self,
        make: Make,
        replicas: int = 3,
        policy: Policy = ASYNCHRONOUS,
        restores: bool = False,
        source: Source | None = None,
        backup: bool = False,
        cluster: FakeCluster | None = None,
        major: str = DEFAULT,
        upgrades_from: str | None = None,
        generation: str = "",
        max_lag: int = 1 << 20,
    ) -> None:
        """cluster: with the objects of a release that goes on; upgrades_from, max_lag: as in Settings; generation: part of the
        pods' UIDs.
        """
        self.generation = generation
        self.port = free_port()
        self.cluster = cluster or FakeCluster()
        self.source_secret = Path("/nonexistent")
        self.pods: list[Pod] = []
        self._settings = Settings(
            name=self.cluster.name,
            replicas=replicas,
            standby_mode="hot",
            port=self.port,
            http_port=0,
            peer_port=0,
            label_role=self.cluster.role_label,
            selector={},
            secret="db",
            database="postgres",
            profile=VersionProfile(major=major, replication_role=False),
            timing=Timing(),
            max_lag=max_lag,
            grace=30,
            policy=policy,
            restores=restores,
            source=source,
            backup=backup,
            upgrades_from=upgrades_from,
        )
        for ordinal in range(replicas):
            self.pods.append(Pod(self, make(f"{self.cluster.name}-{ordinal}"), ordinal))
            self.cluster.add_pod(ordinal, self.pods[-1].uid, podIP=self.pods[-1].address)

    def settings(self) -> Settings:
        """Return the chart's values."""
        return self._settings

    def start(self) -> None:
        """Start every pod."""
        for pod in self.pods:
            pod.start()

    def pause(self) -> None:
        """Delete all pods in order, as a release that is paused does, and wait for the end of their containers."""
        for pod in self.pods:
            pod.terminate()
        for pod in self.pods:
            assert pod.container.exit_code(PAUSE_S) == 0
        self.forget()

    def lose(self) -> None:
        """Kill all containers at once, and delete their pods."""
        for pod in self.pods:
            pod.container.end()
        self.forget()

    def forget(self) -> None:
        """Stop every agent and remove the pods from the API."""
        self.stop()
        for pod in self.pods:
            self.cluster.delete_pod(pod.container.name)

    def stop(self) -> None:
        """Stop every agent; the containers are stopped by their creator."""
        for pod in self.pods:
            pod.stop_agent()

    @property
    def lease(self) -> LeaseState:
        """The current Lease."""
        return self.cluster.client().get_lease(1.0).state

    @property
    def labelled(self) -> list[str]:
        """The pods that the primary's Service selects."""
        pods = self.cluster.client().list_pods(1.0)
        return [pod.name for pod in pods if pod.role == "primary"]

    @property
    def primary(self) -> Pod | None:
        """The pod whose server is writable."""
        return next((pod for pod in self.pods if pod.writes), None)

    def is_whole(self) -> bool:
        """True if there is a primary and all others stream from it."""
        primary = self.primary
        others = len(self.pods) - 1
        return primary is not None and primary.container.answers("select count(*) from pg_stat_replication") == f"{others}"

    def wait(self, condition: Callable[[], object], what: str, timeout: float = 60.0) -> None:
        """Return as soon as the condition holds; if it doesn't, show the agents' logs."""
        try:
            wait_for(condition, what, timeout)
        except AssertionError as error:
            lines = [f"{pod.container.name}: {line}" for pod in self.pods for line in pod.log[-12:]]
            raise AssertionError("\n".join([str(error), *lines])) from None
