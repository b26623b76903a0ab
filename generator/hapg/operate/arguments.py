"""The arguments that the commands for a release have in common, and the cluster that they name."""

from __future__ import annotations

import argparse

from hapg.operate.kubectl import Cluster, Kubectl


def add_release(parser: argparse.ArgumentParser) -> None:
    """Declare which release is meant, and where it is."""
    parser.add_argument("release", metavar="RELEASE", help="the release's full name: that of its StatefulSet and its Lease")
    parser.add_argument("-n", "--namespace", help="its namespace (default: that of the context)")
    parser.add_argument("--context", help="the context of the kubeconfig (default: the current one)")
    parser.add_argument("--kubeconfig", metavar="FILE", help="the kubeconfig (default: kubectl's)")


def add_timeout(parser: argparse.ArgumentParser) -> None:
    """Declare how long the command waits."""
    parser.add_argument("--timeout", type=_seconds, default=180.0, metavar="SECONDS", help="how long to wait (default: 180)")


def cluster(options: argparse.Namespace) -> Cluster:
    """Return the cluster that the arguments of `add_release` name."""
    return Kubectl(options.namespace, options.context, options.kubeconfig)


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds above 0")
    return value
