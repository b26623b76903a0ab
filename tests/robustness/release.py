"""A release on the cluster: its objects, its primary, and whether it is at full strength."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.cluster import chosen
from tests.cluster.paths import REPOSITORY
from tests.robustness import client, programs
from tests.robustness.client import Client
from tests.robustness.programs import HAPG, LIMIT_SECONDS, Done, Namespace, ProgramError
from tests.robustness.waiting import T, wait_for

NAME = "ha-postgres"
CHART = REPOSITORY / "charts" / "ha-postgres-15"
VALUES = REPOSITORY / "values-examples" / "tutorial-warm.yaml"
ROLE = "kubedb.com/role"
STATE = "ha-postgres/state"
TTL = 6.0
"""By default a primary that nobody hears of for so long may be replaced, in seconds."""
VOLUME = "/var/lib/postgresql/data"
DATA = f"{VOLUME}/pgdata"
"""In a pod: its data volume, and the server's directory there."""

START_SECONDS = 240.0
FULL_STRENGTH_SECONDS = 180.0
FAILOVER_SECONDS = 120.0
LOG_LINES = "12"
ALL_LINES, RECENT_LINES = -1, 40
"""Of an agent's log."""

TITLES = r"""for file in /proc/[0-9]*/cmdline; do
  title=$(tr '\0' ' ' <"$file" 2>/dev/null)
  [[ $title =~ \ recovering\ ([0-9A-F]{8}) ]] && echo "${BASH_REMATCH[1]}"
done; true"""
"""Prints the timeline on which the startup process of a pod replays WAL."""


@dataclass(frozen=True)
class Pod:
    """A pod as the API sees it."""

    name: str
    uid: str
    node: str
    ip: str
    role: str
    phase: str
    ready: bool
    deleting: bool
    restarts: int
    labels: dict[str, str]

    @classmethod
    def of(cls, found: dict[str, Any]) -> Pod:
        """Read a pod from the API's JSON."""
        metadata, status = found["metadata"], found["status"]
        conditions = {item["type"]: item["status"] for item in status.get("conditions", [])}
        containers = [*status.get("containerStatuses", []), *status.get("initContainerStatuses", [])]
        return cls(
            name=metadata["name"],
            uid=metadata["uid"],
            node=found["spec"].get("nodeName", ""),
            ip=status.get("podIP", ""),
            role=metadata["labels"].get(ROLE, ""),
            phase=status.get("phase", ""),
            ready=conditions.get("Ready") == "True",
            deleting="deletionTimestamp" in metadata,
            restarts=sum(container["restartCount"] for container in containers),
            labels=metadata["labels"],
        )


@dataclass(frozen=True)
class Replica:
    """A row of pg_stat_replication."""

    name: str
    address: str
    state: str
    sync_state: str


@dataclass(frozen=True)
class Event:
    """An Event about a pod, or about another object with that name."""

    about: str
    reason: str
    message: str


def identities(pods: Iterable[Pod]) -> dict[str, tuple[str, int]]:
    """Values that change when a pod or one of its containers is restarted, by pod."""
    return {pod.name: (pod.uid, pod.restarts) for pod in pods}


@dataclass
class Release:
    """An installed release and the clients in its namespace, one per node."""

    namespace: Namespace
    name: str = NAME
    replicas: int = 3
    chart: Path = CHART
    clients: list[Client] = field(default_factory=list)
    acknowledged: dict[str, set[int]] = field(default_factory=dict)
    """What writers have been told is there, for all of the release's life: ids by the writer's name."""

    # --- install, upgrade, uninstall ---

    def install(self, chart: Path = CHART, *options: str, program: str = "helm3") -> str:
        """Install the chart and return Helm's output; doesn't wait for the pods."""
        self.chart = chart
        return self.namespace.helm("install", self.name, str(chart), *chosen.image_options(), *options, program=program)

    def uninstall(self, program: str = "helm3") -> None:
        """Uninstall it and wait until its pods are gone."""
        self.namespace.helm("uninstall", self.name, program=program)
        self.wait("the pods are gone", lambda: not self.pods(), 180)

    def upgrade(self, *options: str) -> None:
        """Upgrade it with its current values and further options."""
        self.namespace.helm("upgrade", self.name, str(self.chart), "--reuse-values", *options)

    def look_again(self) -> None:
        """Make kubelet update the pods' ConfigMaps and Secrets at once; on its own it takes up to 90 s."""
        self.namespace.kubectl("annotate", "pods", "--selector", self.selector, "--overwrite", f"tests/looked={time.time():.3f}")

    def settle(self) -> None:
        """Wait until all pods serve, make the clients, and wait for full strength."""
        self.wait_serving()
        self.add_clients()
        self.wait_full_strength()

    def wait(self, what: str, condition: Callable[[], T], seconds: float) -> T:
        """Wait for a condition; the error message describes the release."""
        return wait_for(f"{what} ({self.namespace.name})", condition, seconds, self.describe)

    # --- pods ---

    @property
    def selector(self) -> str:
        """The label selector from the documentation page."""
        return f"kubedb.com/name={self.name}"

    def pods(self) -> list[Pod]:
        """Its pods by name."""
        return [Pod.of(found) for found in self.namespace.get("pods", "--selector", self.selector)]

    def pod(self, name: str) -> Pod:
        """One pod. Raise ProgramError if it is not found."""
        return Pod.of(self.namespace.get("pod", name))

    def primary(self) -> Pod:
        """The pod labelled primary. Raise ProgramError unless there is exactly one."""
        found = [pod for pod in self.pods() if pod.role == "primary"]
        if len(found) != 1:
            raise ProgramError(f"{len(found)} pods are labelled primary: {[pod.name for pod in found]}")
        return found[0]

    def standbys(self) -> list[Pod]:
        """The pods labelled replica."""
        return [pod for pod in self.pods() if pod.role == "replica"]

    def serving(self) -> list[Pod]:
        """The pods, if all exist, are running and ready, and one is primary and the others are replicas; otherwise an empty list."""
        pods = self.pods()
        roles = sorted(pod.role for pod in pods)
        well = all(pod.ready and pod.phase == "Running" and not pod.deleting for pod in pods)
        return pods if well and roles == ["primary", *["replica"] * (self.replicas - 1)] else []

    def wait_serving(self, seconds: float = START_SECONDS) -> list[Pod]:
        """Wait until all pods exist, are running and ready, and one is primary and the others are replicas."""
        return self.wait(f"{self.replicas} ready pods, one primary", self.serving, seconds)

    def try_inside(self, pod: str, *command: str, container: str = "postgres") -> Done:
        """Run a command in a container of a pod; return the result."""
        return self.namespace.try_kubectl("exec", pod, "--container", container, "--", *command)

    def inside(self, pod: str, *command: str, container: str = "postgres") -> str:
        """Run a command in a container of a pod and return its output."""
        return self.namespace.kubectl("exec", pod, "--container", container, "--", *command)

    def agent_log(self, pod: str, lines: int = ALL_LINES) -> str:
        """The end of the log of a pod's agent since its container started."""
        return self.namespace.kubectl("logs", pod, "--container", "failover", f"--tail={lines}")

    def events(self, *selectors: str) -> list[Event]:
        """The Events that field selectors match, such as `reason=NotFollowing`."""
        only = ("--field-selector", ",".join(selectors)) if selectors else ()
        found = self.namespace.get("events", *only)
        return [Event(each["involvedObject"].get("name", ""), each.get("reason", ""), each.get("message", "")) for each in found]

    def latest(self, reason: str) -> dict[str, str]:
        """The message of the latest Event with this reason, by pod."""
        return {event.about: event.message for event in self.events(f"reason={reason}")}

    def marker(self, pod: str) -> str:
        """The marker of a pod's volume, which only a clone replaces."""
        return self.inside(pod, "cat", f"{VOLUME}/volume", container="failover")

    # --- the Lease, and the operator's commands ---

    def try_hapg(self, command: str, *options: str, limit: float = LIMIT_SECONDS) -> Done:
        """Run a `hapg` command for this release; return the result."""
        return programs.attempt(str(HAPG), command, self.name, "--namespace", self.namespace.name, *options, limit=limit)

    def hapg(self, command: str, *options: str) -> str:
        """Run a `hapg` command for this release and return its output."""
        return programs.run(str(HAPG), command, self.name, "--namespace", self.namespace.name, *options)

    def status(self) -> dict[str, Any]:
        """The output of `hapg status`. Raise AssertionError if it says that nobody can write."""
        done = self.try_hapg("status", "--output", "json")
        assert done.code == 0, done.text
        found: dict[str, Any] = json.loads(done.out)
        return found

    def try_status(self) -> tuple[int, dict[str, Any]]:
        """The exit code and the output of `hapg status`; an empty object if it prints none."""
        done = self.try_hapg("status", "--output", "json")
        return done.code, json.loads(done.out) if done.out.startswith("{") else {}

    def lease(self) -> dict[str, Any]:
        """The state stored in the Lease."""
        state: dict[str, Any] = json.loads(self.namespace.get("lease", self.name)["metadata"]["annotations"][STATE])
        return state

    def members(self) -> list[str]:
        """The eligible replicas listed in the Lease, as sorted pod names; the primary that holds it isn't among them."""
        return sorted(member["pod"] for member in self.lease()["eligibleReplicas"])

    def standby_mode(self) -> str:
        """The standby mode that its agents are configured with: 'warm' or 'hot'."""
        told = json.loads(self.namespace.get("configmap", f"{self.name}-config")["data"]["failover.json"])
        return str(told["standbyMode"])

    # --- SQL ---

    def add_clients(self) -> None:
        """Create a client on every Ready node, at most three, and wait for them."""
        image = self.image("postgres")
        found = self.namespace.get("nodes")
        nodes = [node["metadata"]["name"] for node in found if not node["spec"].get("unschedulable") and not node["spec"].get("taints")][:3]
        pods = {f"client-{number}": node for number, node in enumerate(nodes)}
        self.namespace.apply(*(client.manifest(name, node, self.name, self.namespace.name, image) for name, node in pods.items()))
        self.namespace.kubectl("wait", "--for=condition=Ready", "--timeout=120s", *(f"pod/{name}" for name in pods))
        host = f"{self.name}.{self.namespace.name}"
        self.clients = [Client(self.namespace, name, node, host) for name, node in pods.items()]

    def image(self, container: str) -> str:
        """The image of a container of its pods."""
        spec = self.namespace.get("statefulset", self.name)["spec"]["template"]["spec"]
        containers = [*spec["containers"], *spec.get("initContainers", [])]
        return str(next(each["image"] for each in containers if each["name"] == container))

    @property
    def client(self) -> Client:
        """Any client."""
        return self.clients[0]

    def client_on(self, node: str) -> Client:
        """The client on a node."""
        return next(each for each in self.clients if each.node == node)

    def client_apart_from(self, node: str) -> Client:
        """A client on another node, if there is one."""
        return next((each for each in self.clients if each.node != node), self.client)

    def ask(self, statement: str) -> list[list[str]]:
        """Query the primary at its address, because a node that was cut off learns late where the Service leads."""
        return self.client.sql(statement, host=self.primary().ip)

    def replication(self, asker: Client | None = None, host: str | None = None) -> list[Replica]:
        """pg_stat_replication of the primary, by name, without base backups in progress. host: instead of the Service."""
        rows = (asker or self.client).sql(
            "SELECT application_name, host(client_addr), state, sync_state FROM pg_stat_replication WHERE state <> 'backup' ORDER BY 1",
            host=host,
        )
        return [Replica(*row) for row in rows]

    def run_inside(self, pod: Pod, statement: str) -> None:
        """Run a statement inside a pod, where no password is needed."""
        self.inside(pod.name, "psql", "-h", "/run/hapg/socket", "-U", "postgres", "-qXc", statement)

    def ask_inside(self, statement: str, database: str = "postgres", pod: str = "") -> str:
        """Run a statement inside a pod, by default the primary's, where no password is needed; return what it prints."""
        psql = ("psql", "-h", "/run/hapg/socket", "-U", "postgres", "-d", database, "-v", "ON_ERROR_STOP=1", "-qAtXc", statement)
        return self.inside(pod or self.primary().name, *psql).strip()

    def projected(self, name: str) -> dict[str, str]:
        """A file of the ConfigMap as each pod has it, by pod."""
        return {pod.name: self.inside(pod.name, "cat", f"/etc/hapg/config/{name}", container="failover") for pod in self.pods()}

    def at_full_strength(self, asker: Client | None = None) -> list[Pod]:
        """The pods, if all serve and every replica streams from the primary; otherwise an empty list."""
        pods = self.serving()
        standbys = sorted(pod.name for pod in pods if pod.role == "replica")
        primary = next((pod.ip for pod in pods if pod.role == "primary"), None)
        streaming = [each.name for each in self.replication(asker, primary) if each.state == "streaming"] if primary else []
        return pods if primary and streaming == standbys else []

    def wait_full_strength(self, seconds: float = FULL_STRENGTH_SECONDS, asker: Client | None = None) -> float:
        """Wait until all pods serve and all replicas stream; return how long that took, in seconds."""
        begun = time.monotonic()
        self.wait("all ready, all replicas streaming", lambda: self.at_full_strength(asker), seconds)
        return time.monotonic() - begun

    def fail_over(self, *options: str) -> None:
        """Delete the primary's pod and wait for another primary at full strength. options: for kubectl delete."""
        old = self.primary()
        self.namespace.kubectl("delete", "pod", old.name, *options)
        self.wait("another primary", lambda: self.at_full_strength() and self.primary().name != old.name, FAILOVER_SECONDS)

    def lose(self, pod: Pod, *claims: str) -> None:
        """Delete a pod and those of these PVCs of the pod that exist, without waiting. claims: their names in the chart."""
        names = (f"pvc/{claim}-{pod.name}" for claim in claims)
        self.namespace.kubectl("delete", *names, f"pod/{pod.name}", "--ignore-not-found", "--wait=false")

    def wait_replaced(self, pod: Pod) -> None:
        """Wait until a pod is replaced, at full strength."""
        self.wait(f"{pod.name} is back", lambda: self.at_full_strength() and self.pod(pod.name).uid != pod.uid, FULL_STRENGTH_SECONDS)

    def timelines(self) -> dict[str, int]:
        """The timeline on which each standby replays WAL, by pod: its startup process shows it in its process title."""
        found = {}
        for pod in self.standbys():
            titles = self.inside(pod.name, "bash", "-c", TITLES).split()
            found[pod.name] = int(titles[0], 16) if titles else 0
        return found

    # --- for failure messages ---

    def describe(self) -> str:
        """Describe the release in a few lines."""
        kubectl = self.namespace.try_kubectl
        parts = [kubectl("get", "pods", "--output", "wide", "--label-columns", ROLE).text]
        parts.append("Lease: " + kubectl("get", "lease", self.name, "--output", r"jsonpath={.metadata.annotations.ha-postgres/state}").text)
        for number in range(self.replicas):
            pod = f"{self.name}-{number}"
            parts.append(f"--- {pod}, failover")
            parts.append(kubectl("logs", pod, "--container", "failover", "--tail", LOG_LINES).text)
        return "\n".join(parts)
