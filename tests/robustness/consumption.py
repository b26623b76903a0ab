"""What is consumed: API requests, counted by the API server and by agents, and the memory of processes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.robustness.programs import run

KINDS = ("pods", "leases", "events", "endpoints", "endpointslices", "configmaps", "secrets", "services")
"""What a release is made of. Endpoints that an agent writes by itself are copied to slices by a controller, each time."""
SERVED = re.compile(r'^apiserver_request_total\{.*?resource="(?P<kind>[a-z]+)".*?verb="(?P<verb>[A-Z]+)".*\} (?P<count>[0-9.e+]+)$')
SENT = re.compile(r'^ha_postgres_api_requests_total\{verb="(?P<verb>[A-Z]+)"\} (?P<count>[0-9]+)$')
METRICS = r"""exec {c}<>"/dev/tcp/$1/8008"; printf 'GET /metrics HTTP/1.0\r\n\r\n' >&"$c"; cat <&"$c" """
"""Prints the metrics of the agent at an address."""


def served(metrics: str) -> dict[str, float]:
    """Return the number of API requests for the release's kinds of objects, by kind and verb, from
    the API server's metrics. A watch counts when it ends.
    """
    found: dict[str, float] = {}
    for line in metrics.splitlines():
        match = SERVED.match(line)
        if match and match["kind"] in KINDS:
            name = f"{match['kind']} {match['verb']}"
            found[name] = found.get(name, 0.0) + float(match["count"])
    return found


def served_now() -> dict[str, float]:
    """Return what the API server has counted until now, like `served`."""
    return served(run("kubectl", "get", "--raw", "/metrics"))


def sent(metrics: str) -> int:
    """Return the number of requests that an agent has sent, from its metrics."""
    return sum(int(match["count"]) for line in metrics.splitlines() if (match := SENT.match(line)))


def per_second(before: Mapping[str, float], after: Mapping[str, float], seconds: float) -> dict[str, float]:
    """Return the rate of growth per second of each counter."""
    return {name: (count - before.get(name, 0.0)) / seconds for name, count in after.items() if count > before.get(name, 0.0)}


@dataclass(frozen=True)
class Memory:
    """Resident memory and proportional set size, in bytes. What processes share is counted for each, or once in all."""

    resident: int
    proportional: int

    @classmethod
    def of_text(cls, rollup: str) -> Memory:
        """Read a process's /proc/PID/smaps_rollup."""
        values = {words[0]: int(words[1]) * 1024 for line in rollup.splitlines()[1:] if len(words := line.split()) == 3}
        return cls(values["Rss:"], values["Pss:"])

    @classmethod
    def of(cls, pids: Iterable[int]) -> Memory:
        """Return the sum of some processes. One that ends meanwhile is left out."""
        found = []
        for pid in pids:
            try:
                found.append(cls.of_text(Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8")))
            except (FileNotFoundError, ProcessLookupError):
                continue
        return cls(sum(each.resident for each in found), sum(each.proportional for each in found))
