"""Synchronous replication: no acknowledged commit is lost, and without standbys writes wait or,
with `preferred`, continue. Two releases share a namespace: a strict one of three servers, and a
preferred one of two. The tests depend on each other, in order.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.cluster.fixtures import Cluster
from tests.robustness import programs, trial
from tests.robustness.failpoint import acts, faults
from tests.robustness.failpoint.faults import Fault
from tests.robustness.lease import LeaseHistory
from tests.robustness.release import CHART, VALUES, Release
from tests.robustness.traffic.writers import TABLE
from tests.robustness.validate import rows, synchronous, terms

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(420)]

CHANGE_SECONDS = 60.0
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"


@pytest.fixture(scope="module")
def releases(cluster: Cluster) -> Iterator[tuple[Release, Release]]:
    """The strict and the preferred release, both at full strength."""
    with programs.namespace("e2e-sync") as namespace:
        strict, preferred = Release(namespace), Release(namespace, "preferred", replicas=2)
        options = ("--set", "replication.mode=synchronous")
        strict.install(CHART, "--values", str(VALUES), *options)
        values = "replicas=2,replication.synchronousPolicy=preferred,fullnameOverride=preferred"
        secret = f"databaseSecret.secretName={strict.name}-auth"  # so that the clients have the password of both
        preferred.install(CHART, "--values", str(VALUES), *options, "--set", f"{values},{secret}")
        for release in (strict, preferred):
            release.wait_serving()
        strict.add_clients()
        preferred.clients = strict.clients
        for release in (strict, preferred):
            synchronous.wait_whole(release)
        yield strict, preferred


@pytest.fixture
def strict(releases: tuple[Release, Release]) -> Release:
    return releases[0]


@pytest.fixture
def preferred(releases: tuple[Release, Release]) -> Release:
    return releases[1]


@pytest.fixture(scope="module")
def reigns(releases: tuple[Release, Release]) -> Iterator[LeaseHistory]:
    with LeaseHistory(releases[0]) as watched:
        yield watched


@contextmanager
def insert(release: Release, id: int) -> Iterator[subprocess.Popen[str]]:
    """A client that inserts a row at the primary and waits for the answer indefinitely."""
    client = release.client
    statement = f"psql -qAtX -v ON_ERROR_STOP=1 -h {release.primary().ip} -c \"INSERT INTO appends VALUES ('one', {id})\""
    with release.namespace.begin_kubectl(*client.command("bash", "-c", statement), errors=subprocess.STDOUT) as process:
        try:
            yield process
        finally:
            process.kill()


def reasons(release: Release) -> list[str]:
    """The reasons of the Events about its pods."""
    names = {pod.name for pod in release.pods()}
    return [event.reason for event in release.events() if event.about in names]


def test_both_standbys_may_acknowledge(strict: Release, reigns: LeaseHistory) -> None:
    assert synchronous.is_whole(strict)
    strict.ask(TABLE)


@pytest.mark.parametrize("fault", [faults.CONTAINER, faults.FORCE, faults.GRACEFUL], ids=lambda fault: fault.name)
def test_a_failover_loses_nothing(strict: Release, fault: Fault, reigns: LeaseHistory, measured: list[str]) -> None:
    if not fault.possible:
        pytest.skip(f"{fault.name} needs the local cluster")
    found = trial.run(strict, fault, f"sync-{fault.name}")
    measured.append(f"synchronous, {found.summary}")
    assert found.violations() == []
    assert (found.lost, found.lost_pinned) == ([], [])
    synchronous.wait_whole(strict)
    assert terms.violations(reigns.reigns) == []


def test_strict_writes_wait_for_a_standby(strict: Release) -> None:
    with acts.nobody_streams(strict) as thaw, insert(strict, 1) as client:
        strict.wait("the write waits", lambda: strict.ask(WAITING) == [["1"]], CHANGE_SECONDS)
        strict.wait("an Event says so", lambda: "WaitingForSyncStandbys" in reasons(strict), CHANGE_SECONDS)
        assert client.poll() is None
        assert synchronous.unrecorded(strict) == []
        assert rows.present_ids(strict, "one") == []
        thaw()
        assert client.wait(CHANGE_SECONDS) == 0
    synchronous.wait_whole(strict)
    assert rows.present_ids(strict, "one") == [1]


def test_preferred_writes_go_on_without_a_standby(preferred: Release) -> None:
    preferred.ask(TABLE)
    with acts.nobody_streams(preferred) as thaw:
        with insert(preferred, 1) as client:
            assert client.wait(CHANGE_SECONDS) == 0
        preferred.wait("an Event says so", lambda: "Asynchronous" in reasons(preferred), CHANGE_SECONDS)
        preferred.wait("the set is given up", lambda: "sync" not in preferred.lease(), CHANGE_SECONDS)
        assert synchronous.named(preferred) == []
        thaw()
    synchronous.wait_whole(preferred)
