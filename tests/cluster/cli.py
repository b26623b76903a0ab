"""The command line: ``python -m tests.cluster``."""

import argparse
import os
import signal
import sys
from collections.abc import Callable, Iterable

from tests.cluster import argocd, azurite, builds, chosen, embedded, flux, images, local, nodes, pgbackrest, policies
from tests.cluster.errors import ClusterError

_EPILOG = """\
The environment variable CLUSTER chooses the cluster: local (the default), current (the cluster of the current kubeconfig, which
has to have the images), or kind (untested: needs Docker and kind). Faults exist for the local cluster only.
"""


def _status() -> int:
    if not chosen.is_local():
        print(chosen.kubectl("get", "nodes", "-o", "wide"), end="")
        return 0
    found = local.status()
    if not found.supervisor:
        print("the local cluster is down")
        return 1
    words = {True: "yes", False: "no", None: "unknown"}
    print(f"{'NODE':<10}{'POWERED':<10}{'CONNECTED':<12}READY")
    for name, node in found.nodes.items():
        print(f"{name:<10}{words[node.powered]:<10}{words[node.connected]:<12}{words[node.ready]}")
    print(f"\n{'COMPONENT':<28}{'STATE':<10}{'PID':<9}{'RESTARTS':<10}LAST EXIT")
    for name, component in found.components.items():
        pid, last = component["pid"] or "-", component["last_exit"]
        last_exit = "-" if last is None else last
        print(f"{name:<28}{component['state']:<10}{pid:<9}{component['restarts']:<10}{last_exit}")
    if not found.complete:
        print("\nthe start of this cluster was not finished; 'up' cleans up and starts anew")
    print()
    print(local.kubectl("get", "pods", "--all-namespaces", "-o", "wide"), end="")
    return 0 if found.healthy else 1


def _images(majors: Iterable[str]) -> None:
    archives = [*images.ensure_programs(), *images.ensure_debian(), *images.ensure_majors(majors)]
    images.report(archives)
    chosen.load(archives)


def _servers() -> None:
    for major in embedded.MAJORS:
        print(embedded.ensure(major))
    print(pgbackrest.ensure())


def _cloud_stores() -> None:
    print(*builds.ensure(builds.GCS_BUILDS).values(), azurite.ensure(), sep="\n")


def _signal(text: str) -> int:
    try:
        return int(text) if text.isdigit() else signal.Signals[f"SIG{text.upper().removeprefix('SIG')}"]
    except KeyError as error:
        raise argparse.ArgumentTypeError(f"{text}: no such signal") from error


def _container(arguments: argparse.Namespace) -> tuple[str, str, str]:
    return arguments.namespace, arguments.pod, arguments.container


def _kill(arguments: argparse.Namespace) -> None:
    where = _container(arguments)
    if arguments.process:
        print(*nodes.kill_process(*where, arguments.process, arguments.signal, arguments.node))
    else:
        nodes.kill_container(*where, arguments.signal, arguments.node)


Action = Callable[[argparse.Namespace], int | None]


def _on_node(function: Callable[[str], None]) -> Action:
    return lambda arguments: function(arguments.node)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.cluster",
        description="A three-node Kubernetes on this machine, its tools and images, and faults for tests.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")

    def add(name: str, text: str, action: Action) -> argparse.ArgumentParser:
        verb = verbs.add_parser(name, help=text, description=text)
        verb.set_defaults(action=action)
        return verb

    def add_pod(name: str, text: str, action: Action, container: bool) -> argparse.ArgumentParser:
        verb = add(name, text, action)
        verb.add_argument("pod", metavar="POD")
        if container:
            verb.add_argument("container", metavar="CONTAINER")
            verb.add_argument("--node", choices=nodes.names(), help="needed when two nodes run a pod of this name")
        verb.add_argument("-n", "--namespace", default="default")
        return verb

    add("up", "start the cluster, or find it running; prints the path of its kubeconfig", lambda _: print(chosen.up()))
    add("down", "stop the cluster and leave nothing of it", lambda _: chosen.down())
    add("status", "show nodes, components and pods; exit code 1 unless all is well", lambda _: _status())
    add("kubeconfig", "print the path of the cluster's kubeconfig", lambda _: print(chosen.kubeconfig()))
    add("tools", "build helm3, helm4, kubectl, ct, kubeconform, linearizable; prints their folder", lambda _: print(chosen.tools()))
    for name in ("images", "load"):
        verb = add(name, "build the images that changed and import them into a running cluster", lambda a: _images(a.majors))
        verb.add_argument("--majors", nargs="+", choices=images.MAJORS, default=[], metavar="MAJOR", help="of PostgreSQL, beside 15")
    add("servers", "fetch PostgreSQL 9.6, 12 and 13 for tests/supervisor; prints their folders", lambda _: _servers())
    add(
        "object-store",
        "build the S3 server that some tests use, and import its image into a running cluster",
        lambda _: chosen.load_object_store(),
    )
    add("cloud-stores", "build servers of Google's and Azure's object stores; prints their paths", lambda _: _cloud_stores())
    add("argocd", "build Argo CD; prints its path", lambda _: print(argocd.program()))
    add("flux", "build Flux's helm-controller; prints its path", lambda _: print(flux.program()))
    add("policies", "build what enforces network policies in tests; prints its path", lambda _: print(policies.program()))
    for name, text, function in (
        ("partition", "cut a node off from everything; it runs on", nodes.partition),
        ("heal", "end a node's partition", nodes.heal),
        ("power-off", "kill everything on a node; its disk stays", nodes.power_off),
        ("boot", "start a node that was powered off", nodes.boot),
    ):
        add(name, text, _on_node(function)).add_argument("node", metavar="NODE", choices=nodes.names())
    verb = add_pod(
        "cut",
        "drop a pod's packets to and from the API server, the other pods, or one of them",
        lambda arguments: nodes.cut(arguments.namespace, arguments.pod, arguments.peer, arguments.only),
        container=False,
    )
    verb.add_argument("--from", dest="peer", metavar="PEER", required=True, help="api, peers, or pod/NAME")
    verb.add_argument("--only", choices=("to", "from"), default="both", help="only packets to the peer, or from it")
    add_pod(
        "restore",
        "undo every cut of a pod",
        lambda arguments: nodes.restore(arguments.namespace, arguments.pod),
        container=False,
    )
    add_pod(
        "freeze",
        "stop all processes of a container",
        lambda arguments: nodes.freeze(*_container(arguments), node=arguments.node),
        container=True,
    )
    add_pod(
        "thaw",
        "let a frozen container run on",
        lambda arguments: nodes.thaw(*_container(arguments), node=arguments.node),
        container=True,
    )
    verb = add_pod("kill", "send a signal to all processes of a container", _kill, container=True)
    verb.add_argument("--process", metavar="PATTERN", help="only those whose command line matches this expression")
    verb.add_argument("--signal", type=_signal, default=signal.SIGKILL, help="name or number (default: KILL)")
    return parser


def main() -> int:
    """Runs one command; exit code 0, 1 for an error with a message on stderr, 2 for wrong arguments."""
    arguments = _parser().parse_args()
    try:
        return arguments.action(arguments) or 0
    except ClusterError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
