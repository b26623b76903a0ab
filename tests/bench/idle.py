"""The cost of an idle system: API requests, memory and CPU of its agents; and how quickly an agent
starts.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.bench.systems import System
from tests.cluster import nodes, process
from tests.cluster.process import Process
from tests.robustness.client import Client
from tests.robustness.consumption import METRICS, Memory, per_second, sent, served_now
from tests.robustness.release import Pod

SETTLE_SECONDS = 20.0
START_SECONDS = 60.0
READY = r"""
exec 2>/dev/null
while :; do
  if exec {c}<>"/dev/tcp/$1/8008"; then
    printf 'GET /readyz HTTP/1.0\r\n\r\n' >&"$c"
    if read -r -t 1 -u "$c" _ code _ && [[ $code == 200 ]]; then echo "$EPOCHREALTIME"; exit; fi
    exec {c}>&-
  fi
  read -r -t 0.01 <> <(:)
done"""
"""Prints when the agent of a pod says that it is ready; asks a hundred times a second."""


@dataclass(frozen=True)
class Usage:
    """The usage of all processes of an agent: resident memory and proportional set size (bytes),
    CPU time (seconds).
    """

    resident: int
    proportional: int
    processor_s: float


def requests(seconds: float) -> dict[str, float]:
    """Return the requests per second that the API server handles now, by kind and verb."""
    before = served_now()
    time.sleep(seconds)
    return per_second(before, served_now(), seconds)


def agents(system: System, pod: Pod) -> list[Process]:
    """Return the processes of a pod's agent, the oldest first."""
    found = nodes.processes(system.namespace.name, pod.name, system.agent, pod.node)
    return [each for each in found if system.agent_command in process.command_line(each.pid)]


def usage(system: System, pod: Pod) -> Usage:
    """Return the usage of a pod's agent: current memory, and CPU time since its start."""
    chosen = agents(system, pod)
    memory = Memory.of(each.pid for each in chosen)
    ticks = [_ticks(Path(f"/proc/{each.pid}/stat").read_text(encoding="utf-8")) for each in chosen]
    return Usage(memory.resident, memory.proportional, sum(ticks) / os.sysconf("SC_CLK_TCK"))


def _ticks(stat: str) -> int:
    fields = stat.rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def measure(system: System, seconds: float, before: Mapping[str, float]) -> dict[str, object]:
    """Return the metrics of an idle system. before: the API server's requests per second before it
    was installed.
    """
    time.sleep(SETTLE_SECONDS)
    pods, client = system.pods(), system.client
    first, counted, served_first = [usage(system, pod) for pod in pods], _sent(system, client, pods), served_now()
    begun = time.monotonic()
    time.sleep(seconds / 2)
    half = [usage(system, pod) for pod in pods]
    time.sleep(seconds / 2)
    took = time.monotonic() - begun
    with_it = per_second(served_first, served_now(), took)
    last, counted_last = [usage(system, pod) for pod in pods], _sent(system, client, pods)
    found: dict[str, object] = {
        "seconds": round(took),
        "api_per_s": round((counted_last - counted) / took, 2) if system.tells_phases else None,
        "api_per_s_served": round(sum(with_it.values()) - sum(before.values()), 2),
        "rss_mib": _mib(each.resident for each in last),
        "pss_mib": _mib(each.proportional for each in last),
        "growth_kib": _growth_kib(first, last),
        "growth_later_kib": _growth_kib(half, last),
        "millicores": round(1000 * max(after.processor_s - now.processor_s for now, after in zip(first, last, strict=True)) / took, 1),
    }
    if system.tells_phases:
        found["start_s"] = round(start_up(system), 2)
    return found


def _mib(values: Iterable[int]) -> float:
    return round(max(values) / 2**20, 1)


def _growth_kib(before: Iterable[Usage], after: Iterable[Usage]) -> int:
    return max(last.resident - first.resident for first, last in zip(before, after, strict=True)) // 1024


def _sent(system: System, client: Client, pods: Iterable[Pod]) -> int:
    if not system.tells_phases:
        return 0
    return sum(sent(client.namespace.kubectl(*client.command("bash", "-c", METRICS, "metrics", pod.ip))) for pod in pods)


def start_up(system: System) -> float:
    """Kill the agent's container of a standby; return the seconds from the start of its successor's
    first process to its first 'ready'.
    """
    pod = system.standbys()[0]
    killed = agents(system, pod)[0]
    nodes.kill_container(system.namespace.name, pod.name, system.agent, node=pod.node)
    client = system.client_apart_from(pod.node)
    ready = float(client.namespace.kubectl(*client.command("timeout", f"{START_SECONDS:.0f}", "bash", "-c", READY, "ready", pod.ip)))
    started = agents(system, pod)[0]
    assert started != killed
    age = time.clock_gettime(time.CLOCK_BOOTTIME) - started.start / os.sysconf("SC_CLK_TCK")
    began = time.time() - age
    system.wait_full_strength()
    return ready - began
