"""The measured systems: ours, and others that the bench installs and breaks in the same way."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from hapg_failover.core.timing import PROMPT_S
from tests.bench.modes import QUIET, Mode
from tests.cluster.paths import REPOSITORY
from tests.robustness.programs import run
from tests.robustness.release import CHART, TTL, VALUES, Pod, Release
from tests.robustness.waiting import wait_for

FORGOTTEN_SECONDS = PROMPT_S + 240.0


def seconds(time: str) -> float:
    """Return a time, as Kubernetes or Python writes it, in seconds since the epoch."""
    return datetime.fromisoformat(time).timestamp()


@dataclass
class System(Release):
    """A release of any of them.

    system: its name in the lines and tables; ttl_s: after how long a silent primary may be replaced; renew_s: how often the primary
    renews its right; containers: those of a pod that run the server and decide about it; agent: the one that decides,
    agent_command: what the command lines of its processes contain; hang_counts_s: how long a volume that hung makes it more patient
    with the next one; tells_phases: the agent logs what phases.py looks for, and
    counts its requests; mode: in what state it is measured.
    """

    system: ClassVar[str]
    ttl_s: ClassVar[float]
    renew_s: ClassVar[float]
    containers: ClassVar[tuple[str, ...]]
    agent: ClassVar[str]
    agent_command: ClassVar[str]
    hang_counts_s: ClassVar[float] = 0.0
    tells_phases: ClassVar[bool] = False

    storage_class: str = "standard"
    mode: Mode = QUIET

    def prepare(self) -> None:
        """See to it that the nodes have its images."""

    def deploy(self) -> None:
        """Install it; doesn't wait for the pods."""
        raise NotImplementedError

    def switch_over(self, primary: Pod) -> None:
        """Ask for another primary, by the means that its users have."""
        raise NotImplementedError

    def renewed_at(self) -> float:
        """When the primary has renewed its right last, in seconds since the epoch."""
        raise NotImplementedError

    def wait_hang_forgotten(self) -> None:
        """Wait until the next volume that hangs counts as the first."""

    def version(self) -> str:
        """What is measured, with its version."""
        raise NotImplementedError


class HaPostgres(System):
    """This project, with the default values and the tutorial's storage."""

    system = "ha-postgres"
    ttl_s = TTL
    renew_s = 2.0
    containers = ("postgres", "failover")
    agent = "failover"
    agent_command = "hapg_failover"
    hang_counts_s = PROMPT_S
    tells_phases = True

    def values(self) -> dict[str, str]:
        """Its values, by dotted path."""
        storage = {"storageClassName": self.storage_class, "resources.requests.storage": self.mode.storage}
        values = {f"storage.{name}": value for name, value in storage.items()}
        return values | {f"postgresql.parameters.{name}": value for name, value in self.mode.parameters.items()}

    def deploy(self) -> None:
        """See System."""
        options = [word for name, value in self.values().items() for word in ("--set-string", f"{name}={value}")]
        self.install(CHART, "--values", str(VALUES), *options)

    def switch_over(self, primary: Pod) -> None:
        """See System."""
        self.hapg("switchover")

    def renewed_at(self) -> float:
        """See System."""
        return seconds(self.namespace.get("lease", self.name)["spec"]["renewTime"])

    def wait_hang_forgotten(self) -> None:
        """See System: the Lease counts the primaries in a row that a hung volume has cost it, until writes were prompt for PROMPT_S."""
        wait_for("no hung volume counts", lambda: self.lease()["hangs"] == 0, FORGOTTEN_SECONDS, self.describe, pause=1.0)

    def version(self) -> str:
        """See System."""
        return f"ha-postgres {run('git', '-C', str(REPOSITORY), 'describe', '--always', '--dirty').strip()}"
