"""Reading a release now, and waiting until a request is possible and until it is done."""

from __future__ import annotations

import secrets
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime

from hapg.errors import HapgError
from hapg.operate import plan, release
from hapg.operate.kubectl import Cluster
from hapg.operate.plan import Order
from hapg.operate.release import OperateError, Release
from hapg_protocol import requests

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

    Raises OperateError if the request is refused, or if it is not done within `timeout` seconds and therefore withdrawn. Interrupted, or if
    nobody can be told any more, it withdraws the request too.
    """
    try:
        return _carried_out(cluster, name, order, timeout)
    except (KeyboardInterrupt, OSError):
        with suppress(OSError):
            say(_withdraw(cluster, name, order))
        raise


def _carried_out(cluster: Cluster, name: str, order: Order, timeout: float) -> str:
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
            raise OperateError(f"not done after {timeout:g} s; {_withdraw(cluster, name, order)}; last state: {said}")


def _withdraw(cluster: Cluster, name: str, order: Order) -> str:
    """Withdraw the request, and return what became of it."""
    pod, key = order.pod.name, order.annotation
    try:
        cluster.annotate(pod, order.pod.uid, {key: None})
        answer = look(cluster, name).answers.get(pod)
    except HapgError as error:
        return f"the request may still stand: {error}; `kubectl annotate pod {pod} {key}-` withdraws it"
    if answer is not None and answer.id == order.id and answer.outcome == requests.TAKEN:
        return f"{pod} had taken the request already and carries it out; see `hapg status {name}`"
    return "the request was withdrawn"


def say(*lines: str) -> None:
    """Print progress to standard error."""
    for line in lines:
        print(line, file=sys.stderr, flush=True)
