"""A release looked at now, until a request can be made, and until what was asked for is done."""

from __future__ import annotations

import secrets
import sys
import time
from datetime import UTC, datetime

from hapg.errors import HapgError
from hapg.operate import plan, release
from hapg.operate.kubectl import Cluster
from hapg.operate.plan import Order
from hapg.operate.release import OperateError, Release

POLL_SECONDS = 1.0
MEMBER_SECONDS = 5.0


def look(cluster: Cluster, name: str) -> Release:
    """Return the release as it is now. Raise OperateError if there is none, KubectlError."""
    return release.read(cluster, name, datetime.now(UTC))


def switchover_order(cluster: Cluster, name: str, to: str | None, timeout: float) -> Order:
    """Return what to ask for, once there is a replica to switch over to.

    Right after a failover that takes a second or two.
    """
    end = time.monotonic() + min(MEMBER_SECONDS, timeout)
    while True:
        try:
            return plan.switchover(look(cluster, name), to, secrets.token_hex(4))
        except plan.NoEligibleReplicaYet:
            if time.monotonic() >= end:
                raise
        time.sleep(POLL_SECONDS)


def carry_out(cluster: Cluster, name: str, order: Order, timeout: float) -> str:
    """Put the annotation on the pod, wait until it is done, and return what came of it.

    Raises OperateError if it is refused, or if it isn't done in time and therefore withdrawn.
    """
    end = time.monotonic() + timeout
    cluster.annotate(order.pod.name, order.pod.uid, {order.annotation: order.value})
    said = f"asked {order.pod.name}"
    say(said)
    while True:
        time.sleep(POLL_SECONDS)
        try:
            reached = plan.progress(look(cluster, name), order)
        except OperateError:
            raise
        except HapgError as error:  # the API may be away for a moment
            reached = plan.Progress(str(error))
        if reached.done:
            return reached.text
        if reached.text != said:
            said = reached.text
            say(said)
        if time.monotonic() > end:
            cluster.annotate(order.pod.name, order.pod.uid, {order.annotation: None})
            raise OperateError(f"not done after {timeout:g} s, the request is withdrawn; at the end: {said}")


def say(*lines: str) -> None:
    """Tell the user how far it is, beside the command's output."""
    for line in lines:
        print(line, file=sys.stderr, flush=True)
