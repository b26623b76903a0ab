"""The writers of a trial."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from tests.bench.faults import Fault
from tests.bench.systems import System
from tests.e2e.client import Client
from tests.e2e.release import Pod
from tests.e2e.writes import SCRIPT, Log, Writer

PINNED_PER_SECOND = 50
DIRECT_PER_SECOND = 50
END_SECONDS = 60.0


class NearWriter:
    """A writer on a node that nobody can reach for a while: its log stays there, and is fetched in the end."""

    def __init__(self, release: System, client: Client, name: str, host: str, answer_seconds: float) -> None:
        """See Writer."""
        self._release = release
        self._client = client
        self._name = name
        self._stop_file, self._log_file = f"/tmp/stop-{name}", f"/tmp/log-{name}"
        words = shlex.join(["bash", "-c", SCRIPT, "writer", name, "1", str(PINNED_PER_SECOND), "250", f"{answer_seconds:g}"])
        self._start = f"PGHOST={host} setsid {words} </dev/null >{self._log_file} 2>&1 &"

    def __enter__(self) -> NearWriter:
        self._run(self._start)
        return self

    def _run(self, script: str) -> str:
        return self._client.namespace.kubectl(*self._client.command("bash", "-c", script))

    @property
    def rows(self) -> int:
        """How many rows have been acknowledged so far; only while its node can be reached."""
        return int(self._run(f"grep -c ^ok {self._log_file} || true"))

    def stop(self) -> Log:
        """End it and return its complete log. Raise AssertionError if a part of the log is missing."""
        self._run(f"touch {self._stop_file}")
        self._release.wait(f"writer {self._name} ends", lambda: self._run(f"tail -n 1 {self._log_file}").strip() == "end", END_SECONDS)
        log = Log(self._name)
        for line in self._run(f"cat {self._log_file}").splitlines():
            log.note(line)
        return log

    def __exit__(self, *_: object) -> None:
        self._client.namespace.try_kubectl(*self._client.command("touch", self._stop_file), limit=10)


@dataclass(frozen=True)
class Writers:
    """Those of a trial: through the Service, to the pods' addresses, and one that keeps to the old primary's address."""

    service: Writer
    direct: Writer
    pinned: Writer | NearWriter


def make(system: System, fault: Fault, label: str, old: Pod, addresses: Sequence[str]) -> Writers:
    """Make the writers of a trial; each begins with its `with`."""
    far = system.client_apart_from(old.node)
    patience = fault.hold_ttls * system.ttl_s + END_SECONDS / 2 if fault.patient else 1.0
    pinned: Writer | NearWriter
    if fault.near:
        beside = next(client for client in system.clients if client.node == old.node)
        pinned = NearWriter(system, beside, f"{label}-pinned", old.ip, patience)
    else:
        pinned = Writer(far, f"{label}-pinned", host=old.ip, per_second=PINNED_PER_SECOND, pause_ms=250, answer_seconds=patience)
    return Writers(
        service=Writer(far, f"{label}-service"),
        direct=Writer(far, f"{label}-direct", hosts=addresses, per_second=DIRECT_PER_SECOND),
        pinned=pinned,
    )
