"""Faults with random victim, kind and length. NodeFaults undoes what stays broken."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from tests.cluster.fixtures import NodeFaults
from tests.robustness.failpoint import acts, processes
from tests.robustness.release import TTL, Release

Fault = Callable[[Release, NodeFaults, random.Random], None]


def _delete(release: Release, _: NodeFaults, chance: random.Random) -> None:
    acts.delete(release, chance.choice(release.pods()), grace=chance.choice([None, 0]))


def _kill_server(release: Release, _: NodeFaults, chance: random.Random) -> None:
    processes.kill_postmaster(release, chance.choice(release.pods()))


def _kill_container(release: Release, _: NodeFaults, chance: random.Random) -> None:
    processes.kill_container(release, chance.choice(release.pods()), chance.choice(["postgres", "failover"]))


def _freeze(release: Release, faults: NodeFaults, chance: random.Random) -> None:
    pod = chance.choice(release.pods())
    containers = chance.choice([["postgres"], ["failover"], ["postgres", "failover"]])
    for container in containers:
        faults.freeze(release.namespace.name, pod.name, container, pod.node)
    time.sleep(chance.uniform(0.5, 2 * TTL))


def _partition(release: Release, faults: NodeFaults, chance: random.Random) -> None:
    faults.partition(chance.choice(release.pods()).node)
    time.sleep(chance.uniform(0.5, 3 * TTL))


def _cut_api(release: Release, faults: NodeFaults, chance: random.Random) -> None:
    faults.cut(release.namespace.name, chance.choice(release.pods()).name, "api", chance.choice(["both", "to", "from"]))
    time.sleep(chance.uniform(0.5, 3 * TTL))


def _cut_peers(release: Release, faults: NodeFaults, chance: random.Random) -> None:
    one, other, _ = chance.sample(release.pods(), 3)
    faults.cut(release.namespace.name, one.name, f"pod/{other.name}", chance.choice(["both", "to", "from"]))
    time.sleep(chance.uniform(0.5, 3 * TTL))


FAULTS: dict[str, Fault] = {
    "delete": _delete,
    "kill-server": _kill_server,
    "kill-container": _kill_container,
    "freeze": _freeze,
    "partition": _partition,
    "cut-api": _cut_api,
    "cut-peers": _cut_peers,
}
