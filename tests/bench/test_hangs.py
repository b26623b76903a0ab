"""Each hang of a volume is measured as the first: the bench waits until the Lease counts no hung volume."""

from __future__ import annotations

from typing import Any

import pytest

from hapg_failover.core.timing import PROMPT_S
from tests.bench import trial
from tests.bench.faults import FAULTS
from tests.bench.patroni import Patroni
from tests.bench.systems import HaPostgres
from tests.robustness.programs import Namespace
from tests.robustness.release import Pod


class Injected(Exception):
    """Ends a trial where it would ask for the primary, which it does right before the fault."""


class Release(HaPostgres):
    """A release whose Lease counts these hung volumes, one after the other."""

    def __init__(self, *counts: int) -> None:
        super().__init__(Namespace("somewhere"))
        self.left = list(counts)

    def wait_full_strength(self, seconds: float = 0.0, asker: object = None) -> float:
        return 0.0

    def lease(self) -> dict[str, Any]:
        return {"hangs": self.left.pop(0)}

    def primary(self) -> Pod:
        raise Injected


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.robustness.waiting.time.sleep", lambda _: None)


def test_a_volume_hangs_again_once_the_lease_counts_no_hung_volume() -> None:
    release = Release(1, 1, 0, 0)
    with pytest.raises(Injected):
        trial.run(release, FAULTS["storage"], "storage-2", 0.0)
    assert release.left == [0]


def test_other_faults_do_not_wait_for_that() -> None:
    release = Release(1)
    with pytest.raises(Injected):
        trial.run(release, FAULTS["node"], "node-2", 0.0)
    assert release.left == [1]


def test_the_plan_knows_of_the_wait() -> None:
    hang, node = FAULTS["storage"], FAULTS["node"]
    assert hang.seconds(HaPostgres) == hang.base_s + PROMPT_S + hang.ttls * HaPostgres.ttl_s + HaPostgres.renew_s / 2
    assert node.seconds(HaPostgres) == node.base_s + node.ttls * HaPostgres.ttl_s + HaPostgres.renew_s / 2
    assert hang.seconds(Patroni) == hang.base_s + hang.ttls * Patroni.ttl_s + Patroni.renew_s / 2
