"""Recording during a fault: the agents' logs, and the addresses behind the Service."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import ExitStack

from tests.bench.systems import System
from tests.robustness import agents
from tests.robustness.agents import Line
from tests.robustness.following import Follower
from tests.robustness.release import Pod

SLICES = r"""jsonpath={.endpoints[*].addresses[0]}|{.endpoints[*].conditions.ready}{"\n"}"""
"""Prints a slice in a line: its addresses, and whether each is ready. (kubectl's `range` prints nothing more after an empty one.)"""


class Watch:
    """All recordings, for the duration of a `with` block."""

    def __init__(self, system: System, pods: Sequence[Pod]) -> None:
        """pods: those whose agents are listened to; a pod that takes another's place later is not."""
        namespace = system.namespace
        names = [pod.name for pod in pods] if system.tells_phases else []
        self._logs = {name: Follower(namespace, "logs", "--follow", "--since=1s", name, "--container", system.agent) for name in names}
        selector = f"kubernetes.io/service-name={system.name}"
        self._slices = Follower(namespace, "get", "endpointslices", "--selector", selector, "--watch", "--output", SLICES)
        self._stack = ExitStack()

    def __enter__(self) -> Watch:
        for follower in (*self._logs.values(), self._slices):
            self._stack.enter_context(follower)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def log(self) -> list[Line]:
        """Return the agents' log lines, ordered by their own timestamps."""
        found = [line for name, follower in self._logs.items() for _, text in follower.lines if (line := agents.parse(name, text))]
        return sorted(found, key=lambda line: line.at)

    def leads_to(self, address: str, since: float) -> float | None:
        """When the Service was first seen to lead to an address, since then; None if it wasn't."""
        return leads_to(self._slices.lines, address, since)


def leads_to(slices: Iterable[tuple[float, str]], address: str, since: float) -> float | None:
    """When an address was first ready in a slice, since then; None if it wasn't."""
    for at, text in slices:
        addresses, _, ready = text.partition("|")
        if at >= since and (address, "true") in zip(addresses.split(), ready.split(), strict=False):
            return at
    return None
