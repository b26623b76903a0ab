"""`hapg status`, `hapg switchover`, `hapg failover`: arguments, waiting and printing."""

from __future__ import annotations

import argparse
import json
import secrets
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime

from hapg.errors import HapgError
from hapg.exits import DONE, FAILED, REFUSED
from hapg.operate import plan, release, status
from hapg.operate.kubectl import Cluster, Kubectl
from hapg.operate.plan import Order
from hapg.operate.release import OperateError, Release

POLL_SECONDS = 1.0
MEMBER_SECONDS = 5.0


def status_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `hapg status` takes."""
    _add_release(parser, _status)
    parser.add_argument("-o", "--output", choices=("table", "json"), default="table", help="how it is printed (default: table)")


def switchover_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `hapg switchover` takes."""
    _add_release(parser, _switchover)
    parser.add_argument("--to", metavar="POD", help="the pod that is to become the primary (default: the primary chooses)")
    _add_timeout(parser)


def failover_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `hapg failover` takes."""
    _add_release(parser, _failover)
    parser.add_argument("--force", action="store_true", help="required: rows may be lost")
    parser.add_argument("--to", metavar="POD", help="the pod to promote (default: the one whose WAL reaches furthest)")
    parser.add_argument("--yes", action="store_true", help="don't ask; required where there is no terminal")
    _add_timeout(parser)


def _add_release(command: argparse.ArgumentParser, run: Callable[[argparse.Namespace], int]) -> None:
    command.add_argument("release", metavar="RELEASE", help="the release's full name: that of its StatefulSet and its Lease")
    command.add_argument("-n", "--namespace", help="its namespace (default: that of the context)")
    command.add_argument("--context", help="the context of the kubeconfig (default: the current one)")
    command.add_argument("--kubeconfig", metavar="FILE", help="the kubeconfig (default: kubectl's)")
    command.set_defaults(run=run)


def _add_timeout(command: argparse.ArgumentParser) -> None:
    command.add_argument("--timeout", type=_seconds, default=180.0, metavar="SECONDS", help="how long to wait (default: 180)")


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds above 0")
    return value


def _cluster(options: argparse.Namespace) -> Cluster:
    return Kubectl(options.namespace, options.context, options.kubeconfig)


def _read(cluster: Cluster, options: argparse.Namespace) -> Release:
    return release.read(cluster, options.release, datetime.now(UTC))


def _status(options: argparse.Namespace) -> int:
    seen = _read(_cluster(options), options)
    print(json.dumps(status.document(seen), indent=2) if options.output == "json" else status.table(seen))
    return DONE if status.nobody_writes(seen) is None else FAILED


def _switchover(options: argparse.Namespace) -> int:
    cluster = _cluster(options)
    return _carry_out(cluster, options, _switchover_order(cluster, options))


def _switchover_order(cluster: Cluster, options: argparse.Namespace) -> Order:
    """Return what to ask for, once there is a member to hand over to: right after a failover that takes a second or two."""
    end = time.monotonic() + min(MEMBER_SECONDS, options.timeout)
    while True:
        try:
            return plan.switchover(_read(cluster, options), options.to, secrets.token_hex(4))
        except plan.NoMemberYet:
            if time.monotonic() >= end:
                raise
        time.sleep(POLL_SECONDS)


def _failover(options: argparse.Namespace) -> int:
    if not options.force:
        print(
            "error: failover promotes a replica that may lack acknowledged rows: say --force if that is what you want; "
            f"for a planned change use `hapg switchover {options.release}`",
            file=sys.stderr,
        )
        return REFUSED
    cluster = _cluster(options)
    seen = _read(cluster, options)
    order = plan.force(seen, options.to, secrets.token_hex(4))
    _say(*plan.losses(seen, order))
    if not options.yes and not _confirmed(order):
        return REFUSED
    return _carry_out(cluster, options, order)


def _confirmed(order: Order) -> bool:
    if not sys.stdin.isatty():
        print("error: there is no terminal to ask on; --yes does it without asking", file=sys.stderr)
        return False
    print(f"Type the pod's name to promote it: {order.pod.name}? ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip() == order.pod.name:
        return True
    print("error: nothing was done", file=sys.stderr)
    return False


def _carry_out(cluster: Cluster, options: argparse.Namespace, order: Order) -> int:
    """Put the annotation on the pod and wait for what comes of it."""
    end = time.monotonic() + options.timeout
    cluster.annotate(order.pod.name, order.pod.uid, {order.annotation: order.value})
    said = f"asked {order.pod.name}"
    _say(said)
    while True:
        time.sleep(POLL_SECONDS)
        try:
            reached = plan.progress(_read(cluster, options), order)
        except OperateError:
            raise
        except HapgError as error:  # the API may be away for a moment
            reached = plan.Progress(str(error))
        if reached.done:
            print(reached.text)
            return DONE
        if reached.text != said:
            said = reached.text
            _say(said)
        if time.monotonic() > end:
            cluster.annotate(order.pod.name, order.pod.uid, {order.annotation: None})
            raise OperateError(f"not done after {options.timeout:g} s, the request is withdrawn; at the end: {said}")


def _say(*lines: str) -> None:
    for line in lines:
        print(line, file=sys.stderr, flush=True)
