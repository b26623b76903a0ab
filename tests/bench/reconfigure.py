"""Measures how long changed values need until every server has them in effect. Each pod asks its own server ten times a second."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from tests.bench import plan
from tests.bench.changes import Change, State, Times
from tests.bench.systems import HaPostgres
from tests.robustness.programs import ProgramError
from tests.robustness.release import Pod, identities

LIMIT_S = 150.0
"""Longer than kubelet's own sync takes."""
AWAITS = r"""end=$((SECONDS + $3))
until [[ $(psql -h /run/hapg/socket -U postgres -qAtXc "$1" 2>&1) == *"$2"* ]]; do
  ((SECONDS < end)) || exit 1
  sleep 0.1
done
echo "$EPOCHREALTIME" """
"""Prints when the server of this pod answers $1 with $2; ends with code 1 after $3 seconds."""
KILLED = 137
"""Exit code of a command that the supervisor has killed: it leaves no other process in its container when it restarts the server."""


class Changing(HaPostgres):
    """Ours, in the first state of each change."""

    def values(self) -> dict[str, str]:
        """See HaPostgres."""
        return super().values() | {"standbyMode": "hot", "postgresql.parameters.work_mem": "5MB"}


def measure(system: Changing, change: Change, times: int, allowed_s: float) -> Iterator[Times]:
    """Change values there and back; yield what is known after each. Raise AssertionError if a container has restarted.

    times: how many changes at most; allowed_s: for all of them; the first ones are made whatever time they need.
    """
    system.wait_full_strength()
    before, found, used_s = identities(system.pods()), Times(), 0.0
    while plan.goes_on(len(found.from_start), times, used_s, allowed_s):
        begun = time.monotonic()
        _change(system, change, change.states[1 - len(found.from_start) % 2], found)
        system.wait_full_strength()
        assert identities(system.pods()) == before, "a container has restarted"
        used_s += time.monotonic() - begun
        yield found
    if len(found.from_start) % 2:
        _change(system, change, change.states[0], Times())
        system.wait_full_strength()


def _change(system: Changing, change: Change, to: State, found: Times) -> None:
    pods = system.standbys() if change.standbys_only else system.pods()

    def in_effect(pod: Pod) -> float:
        command = ("bash", "-c", AWAITS, "awaits", change.statement, to.shows, f"{LIMIT_S:.0f}")
        end = time.monotonic() + LIMIT_S
        while (done := system.try_inside(pod.name, *command)).code == KILLED and time.monotonic() < end:
            pass
        if done.code:
            raise ProgramError(f"{pod.name} has not {change.statement}: {to.shows}, exit code {done.code}: {done.text}")
        return float(done.out)

    with ThreadPoolExecutor(len(pods)) as threads:
        waiting = [threads.submit(in_effect, pod) for pod in pods]
        begun = time.time()
        name, _, value = to.option.partition("=")
        kind = "--set-json" if value.startswith("[") else "--set-string"
        system.upgrade(kind, f"{name}={value}")
        ended = time.time()
        found.add(begun, ended, [each.result() for each in waiting])
