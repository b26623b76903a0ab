"""The daemon that starts the cluster's programs, restarts those that die, and holds the nodes' namespaces.

Run as ``python -m tests.cluster.supervise``; it listens on a Unix socket and takes one JSON object per connection:

- ``{"verb": "start", "components": [...]}``
- ``{"verb": "stop", "resume" or "remove", "names": [...]}``
- ``{"verb": "node-up" or "node-down", "node": "node1"}``
- ``{"verb": "status"}``

The answer is ``{"ok": …}`` or ``{"error": "…"}``.

A node's namespaces live as long as this daemon holds them open or a process is in them. So they need neither
mounts nor names on the host, and nothing of them is left when every process is dead.
"""

import json
import os
import socket
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

from tests.cluster import cgroups, files, network, process
from tests.cluster.errors import ClusterError
from tests.cluster.paths import CLUSTER, LOGS, SEARCH_PATH, SOCKET, SUPERVISOR, node_directory
from tests.cluster.topology import node as topology_node

_LOOP_SECONDS = 0.1
_FIRST_BACKOFF_SECONDS = 0.5
_LONGEST_BACKOFF_SECONDS = 10.0
_STABLE_SECONDS = 30.0
_QUESTION_SECONDS = 2.0
_ANSWER_SECONDS = 60.0
_STOP_SECONDS = 5.0
_ENVIRONMENT = {
    "PATH": SEARCH_PATH,
    "HOME": "/root",
    process.MARK: str(CLUSTER),
}
_NODE_MARK = "HA_POSTGRES_NODE"

_NODE_SCRIPT = """set -e
mount --make-rshared /
mount -t tmpfs -o mode=755 tmpfs /run
mount --bind "$1/kubelet" /var/lib/kubelet
mount --bind "$1/cni-results" /var/lib/cni
mount --bind "$1/log" /var/log
echo 1 > /proc/sys/net/ipv4/ip_forward
echo ready
read -r _ || true
"""
MOUNT_POINTS = (Path("/var/lib/kubelet"), Path("/var/lib/cni"))
"""Folders of the host that a node's own folders are mounted on, in the node's mount namespace only."""
HIDDEN = (*MOUNT_POINTS, Path("/run"), Path("/var/run"), Path("/var/log"))
"""What a node does not see of the host's files."""


@dataclass(frozen=True)
class Component:
    """A program to keep running.

    `node` is the node in whose namespaces it runs, or None for the host. `after` is (component, text): the program is started only after
    the text has appeared in that component's log since the component's own start.
    """

    name: str
    argv: tuple[str, ...]
    node: str | None = None
    after: tuple[str, str] | None = None


@dataclass
class _Slot:
    component: Component
    wanted: bool = True
    popen: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    next_start: float = 0.0
    backoff: float = _FIRST_BACKOFF_SECONDS
    restarts: int = 0
    last_exit: int | None = None


@dataclass
class _Namespaces:
    net: int
    mount: int


@dataclass
class Supervisor:
    """The daemon's state; `run` never returns."""

    slots: dict[str, _Slot] = field(default_factory=dict)
    nodes: dict[str, _Namespaces] = field(default_factory=dict)

    def run(self, server: socket.socket) -> None:
        """Serves requests and looks after the components, forever."""
        server.settimeout(_LOOP_SECONDS)
        while True:
            try:
                connection, _ = server.accept()
            except TimeoutError:
                pass
            else:
                with connection:
                    self._answer(connection)
            for slot in self.slots.values():
                self._look_after(slot)

    def _answer(self, connection: socket.socket) -> None:
        connection.settimeout(_QUESTION_SECONDS)
        try:
            with connection.makefile("rw") as stream:
                stream.write(json.dumps(self._reply(json.loads(stream.readline()))) + "\n")
        except Exception as error:  # the client gets no answer, but the cluster needs its supervisor
            _log(f"a request failed: {type(error).__name__}: {error}")

    def _reply(self, request: dict[str, Any]) -> dict[str, Any]:
        try:
            match request["verb"]:
                case "start":
                    for values in request["components"]:
                        self._start(_component(values))
                case "stop":
                    self._stop(request["names"])
                case "resume":
                    self._resume(request["names"])
                case "remove":
                    self._remove(request["names"])
                case "node-up":
                    self._node_up(request["node"])
                case "node-down":
                    self._node_down(request["node"])
                case "status":
                    return {"ok": self._status()}
                case verb:
                    return {"error": f"no verb {verb!r}"}
        except ClusterError as error:
            return {"error": str(error)}
        except (OSError, LookupError, ValueError, subprocess.SubprocessError) as error:
            return {"error": f"{type(error).__name__}: {error}"}
        return {"ok": True}

    def _start(self, component: Component) -> None:
        slot = self.slots.get(component.name)
        if slot is None or slot.component != component:
            self._stop([component.name])
            slot = self.slots[component.name] = _Slot(component)
        slot.wanted, slot.next_start, slot.backoff = True, 0.0, _FIRST_BACKOFF_SECONDS
        self._look_after(slot)

    def _resume(self, names: list[str]) -> None:
        for name in names:
            self._start(self.slots[name].component)

    def _stop(self, names: list[str]) -> None:
        slots = [self.slots[name] for name in names if name in self.slots]
        for slot in slots:
            slot.wanted = False
            if slot.popen:
                slot.popen.kill()
        for slot in slots:
            if slot.popen:
                slot.popen.wait(_STOP_SECONDS)
                slot.popen = None

    def _remove(self, names: list[str]) -> None:
        self._stop(names)
        for name in names:
            self.slots.pop(name, None)

    def _look_after(self, slot: _Slot) -> None:
        if slot.popen and slot.popen.poll() is not None:
            self._note_exit(slot, slot.popen)
        if not slot.wanted or slot.popen or time.monotonic() < slot.next_start:
            return
        try:
            if self._may_start(slot):
                slot.started = time.monotonic()
                slot.popen = self._spawn(slot.component)
        except OSError as error:
            self._try_later(slot, f"can't be started: {error}")

    def _note_exit(self, slot: _Slot, popen: subprocess.Popen[bytes]) -> None:
        if time.monotonic() - slot.started >= _STABLE_SECONDS:
            slot.backoff = _FIRST_BACKOFF_SECONDS
        slot.popen, slot.last_exit = None, popen.returncode
        self._try_later(slot, f"ended with {popen.returncode}")

    def _try_later(self, slot: _Slot, what: str) -> None:
        slot.restarts += 1
        slot.next_start = time.monotonic() + slot.backoff
        _log(f"{slot.component.name} {what}; again in {slot.backoff} s")
        slot.backoff = min(slot.backoff * 2, _LONGEST_BACKOFF_SECONDS)

    def _may_start(self, slot: _Slot) -> bool:
        component = slot.component
        if component.node and component.node not in self.nodes:
            return False
        if component.after is None:
            return True
        other, text = component.after
        before = self.slots.get(other)
        return bool(before and before.popen) and text in log(other).read_text(encoding="utf-8", errors="replace")

    def _spawn(self, component: Component) -> subprocess.Popen[bytes]:
        argv, environment = list(component.argv), dict(_ENVIRONMENT)
        if component.node:
            argv = self._inside(component.node) + argv
            environment[_NODE_MARK] = component.node
        path = log(component.name)
        if path.exists():
            path.replace(path.with_suffix(".previous.log"))
        with path.open("wb") as output:
            return _popen(argv, environment, output)

    def _inside(self, node: str) -> list[str]:
        return enter(os.getpid(), self.nodes[node].net, self.nodes[node].mount)

    def _node_up(self, name: str) -> None:
        if name in self.nodes:
            return
        node = topology_node(name)
        cgroups.make(node.cgroup)
        argv = ["unshare", "--net", "--mount", "--propagation", "slave"]
        argv += ["sh", "-c", _NODE_SCRIPT, "node", str(node_directory(name))]
        with subprocess.Popen(argv, env=_ENVIRONMENT | {_NODE_MARK: name}, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
            assert holder.stdout is not None
            if holder.stdout.readline() != b"ready\n":
                raise ClusterError(f"{name}: its namespaces could not be made; see {log('supervisor')}")
            network.make_node(node, holder.pid)
            self.nodes[name] = _Namespaces(
                net=os.open(f"/proc/{holder.pid}/ns/net", os.O_RDONLY),
                mount=os.open(f"/proc/{holder.pid}/ns/mnt", os.O_RDONLY),
            )

    def _node_down(self, name: str) -> None:
        node = topology_node(name)
        network.remove_node(node)
        self._stop([slot.component.name for slot in self.slots.values() if slot.component.node == name])
        process.kill(process.marked(f"{process.MARK}={CLUSTER}", f"{_NODE_MARK}={name}"))
        cgroups.remove(node.cgroup)
        namespaces = self.nodes.pop(name, None)
        if namespaces:
            os.close(namespaces.net)
            os.close(namespaces.mount)

    def _status(self) -> dict[str, Any]:
        for slot in self.slots.values():
            self._look_after(slot)
        return {
            "components": {name: _slot_status(slot) for name, slot in self.slots.items()},
            "nodes": {name: asdict(namespaces) for name, namespaces in self.nodes.items()},
        }


def enter(supervisor: int, net: int, mount: int) -> list[str]:
    """The command prefix that runs a command in a node's namespaces, which process `supervisor` holds open."""
    return ["nsenter", f"--net=/proc/{supervisor}/fd/{net}", f"--mount=/proc/{supervisor}/fd/{mount}"]


def log(component: str) -> Path:
    """The log file of a component, or of the `supervisor` itself."""
    return LOGS / f"{component}.log"


def _slot_status(slot: _Slot) -> dict[str, Any]:
    state = "running" if slot.popen else "waiting" if slot.wanted else "stopped"
    pid = slot.popen.pid if slot.popen else None
    return {"state": state, "pid": pid, "restarts": slot.restarts, "last_exit": slot.last_exit}


def _component(values: dict[str, Any]) -> Component:
    after = values["after"]
    return Component(values["name"], tuple(values["argv"]), values["node"], tuple(after) if after else None)


def _popen(argv: list[str], environment: dict[str, str], output: IO[bytes]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        argv,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        cwd="/",
    )


def _log(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


def launch() -> None:
    """Starts the daemon, detached from this program; returns when it answers.

    Raises ClusterError if it doesn't within 10 s.
    """
    LOGS.mkdir(parents=True, exist_ok=True)
    environment = _ENVIRONMENT | {"PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    for name in ("XDG_STATE_HOME", "XDG_CACHE_HOME", "HOME", "FAMILY"):
        if name in os.environ:
            environment[name] = os.environ[name]
    with log("supervisor").open("ab") as output:
        # setsid makes it a child of init: this program neither waits for it nor stops it
        argv = ["setsid", "--fork", sys.executable, "-m", "tests.cluster.supervise"]
        subprocess.run(argv, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd="/", check=True)
    limit = time.monotonic() + 10
    while time.monotonic() < limit:
        if running():
            return
        time.sleep(0.05)
    raise ClusterError(f"the supervisor does not answer; see {log('supervisor')}")


def recorded() -> process.Process | None:
    """The recorded daemon process, if that very process is alive."""
    record = files.read_json(SUPERVISOR)
    try:
        found = process.Process(record["pid"], record["start"])
    except (TypeError, KeyError):
        return None
    return found if process.alive(found) else None


def running() -> bool:
    """True if the daemon is alive and answers."""
    if recorded() is None:
        return False
    try:
        status()
    except ClusterError:
        return False
    return True


def request(verb: str, **values: Any) -> Any:
    """Sends one request to the daemon and returns the answer.

    Raises ClusterError if the daemon is not running or refuses.
    """
    try:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(_ANSWER_SECONDS)
            client.connect(str(SOCKET))
            with client.makefile("rw") as stream:
                stream.write(json.dumps({"verb": verb, **values}) + "\n")
                stream.flush()
                answer = json.loads(stream.readline())
    except (OSError, ValueError) as error:
        raise ClusterError(f"the local cluster's supervisor does not answer ({error}); is the cluster up?") from error
    if "error" in answer:
        raise ClusterError(str(answer["error"]))
    return answer["ok"]


def start(components: list[Component]) -> None:
    """Starts components and keeps them running."""
    request("start", components=[asdict(component) for component in components])


def status() -> dict[str, Any]:
    """``{"components": {NAME: {"state": running|waiting|stopped, "pid", "restarts", "last_exit"}}, "nodes": {…}}``."""
    answer: dict[str, Any] = request("status")
    return answer


def inside(node: str) -> list[str]:
    """The command prefix that runs a command in a node's network and mount namespaces; ClusterError if it is off."""
    holder = recorded()
    namespaces = status()["nodes"].get(node)
    if holder is None or namespaces is None:
        raise ClusterError(f"{node} is powered off")
    return enter(holder.pid, namespaces["net"], namespaces["mount"])


def main() -> None:
    """The daemon."""
    SOCKET.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(SOCKET))
        server.listen()
        files.write_json(SUPERVISOR, asdict(process.own()))
        Supervisor().run(server)


if __name__ == "__main__":
    main()
