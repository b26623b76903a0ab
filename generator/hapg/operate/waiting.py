"""Reading a release now, and waiting until a request is possible and until it is done."""

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
    """Return the current state of the release. Raise OperateError if it is not found, KubectlError."""
    return release.read(cluster, name, datetime.now(UTC))


def switchover_order(cluster: Cluster, name: str, to: str | None, timeout: float) -> Order:
    """Return the request for a switchover, once there is an eligible replica.

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
    """Put the annotation on the pod, wait until the request is done, and return the result in a sentence.

    Raises OperateError if the request is refused, or if it is not done within `timeout` seconds and therefore withdrawn.
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
        except HapgError as error:  # the API may be unreachable for a moment
            reached = plan.Progress(str(error))
        if reached.done:
            return reached.text
        if reached.text != said:
            said = reached.text
            say(said)
        if time.monotonic() > end:
            cluster.annotate(order.pod.name, order.pod.uid, {order.annotation: None})
            raise OperateError(f"not done after {timeout:g} s, so the request was withdrawn; last state: {said}")


def say(*lines: str) -> None:
    """Print progress to standard error."""
    for line in lines:
        print(line, file=sys.stderr, flush=True)
