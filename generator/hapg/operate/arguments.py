"""The arguments that all commands for a release share, and the cluster that they select."""

from __future__ import annotations

import argparse

from hapg.operate import naming
from hapg.operate.kubectl import Cluster, Kubectl

RELEASE = "the release's full name, the same as of its StatefulSet and Lease, or the name under which Helm installed it"


def add_release(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments that select the release."""
    parser.add_argument("release", metavar="RELEASE", help=RELEASE)
    add_namespace(parser)


def add_namespace(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments that select the namespace."""
    parser.add_argument("-n", "--namespace", help="its namespace (default: the context's)")
    parser.add_argument("--context", help="the context in the kubeconfig (default: the current one)")
    parser.add_argument("--kubeconfig", metavar="FILE", help="the kubeconfig (default: kubectl's)")


def add_timeout(parser: argparse.ArgumentParser, default: float = 180.0, what: str = "how long to wait") -> None:
    """Declare the time limit in seconds."""
    parser.add_argument("--timeout", type=_seconds, default=default, metavar="SECONDS", help=f"{what} (default: {default:g})")


def cluster(options: argparse.Namespace) -> Kubectl:
    """Return the cluster that the arguments of `add_release` or `add_namespace` select."""
    return Kubectl(options.namespace, options.context, options.kubeconfig)


def named(cluster: Cluster, options: argparse.Namespace) -> str:
    """Return the full name of the release that the user has named. Raise OperateError, KubectlError."""
    return naming.full_name(cluster, options.release)


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds above 0")
    return value
