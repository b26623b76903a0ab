"""Synchronous replication: what is acknowledged is never lost, writes wait for standbys or, if that is preferred, don't.

Two releases share a namespace: a strict one of three servers, and one of two that prefers to go on. The tests go on from each other.
"""

from __future__ import annotations

import json
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
from tests.robustness.validate import rows, terms

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(420)]

CHANGE_SECONDS = 60.0
PUBLICATION = "ha-postgres/publication"
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"


@pytest.fixture(scope="module")
def releases(cluster: Cluster) -> Iterator[tuple[Release, Release]]:
    """The strict release and the one that prefers to go on, both at full strength."""
    with programs.namespace("e2e-sync") as namespace:
        strict, preferred = Release(namespace), Release(namespace, "preferred", replicas=2)
        synchronous = ("--set", "replication.mode=synchronous")
        strict.install(CHART, "--values", str(VALUES), *synchronous)
        options = "replicas=2,replication.synchronousPolicy=preferred,fullnameOverride=preferred"
        secret = f"databaseSecret.secretName={strict.name}-auth"  # so that the clients have the password of both
        preferred.install(CHART, "--values", str(VALUES), *synchronous, "--set", f"{options},{secret}")
        for release in (strict, preferred):
            release.wait_serving()
        strict.add_clients()
        preferred.clients = strict.clients
        for release in (strict, preferred):
            release.wait("its standbys are the synchronous set", lambda release=release: sound(release), CHANGE_SECONDS)  # type: ignore[misc]
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


def ask(release: Release, statement: str) -> list[list[str]]:
    """Ask the primary, at its address."""
    return release.client.sql(statement, host=release.primary().ip)


def volumes(release: Release) -> dict[str, str]:
    """The volume that each pod shows."""
    found = release.namespace.get("pods", "--selector", release.selector)
    shown = {pod["metadata"]["name"]: pod["metadata"].get("annotations", {}).get(PUBLICATION) for pod in found}
    return {name: json.loads(text).get("volume") for name, text in shown.items() if text}


def named(release: Release) -> list[str]:
    """The pods that synchronous_standby_names lists."""
    [[text]] = ask(release, "SHOW synchronous_standby_names")
    return [word.strip(' "()') for word in text.partition("(")[2].split(",")] if text else []


def unrecorded(release: Release) -> list[str]:
    """The pods that may acknowledge though the Lease doesn't record their volumes; looked at while the setting stays the same."""
    while True:
        before, recorded, shown = named(release), release.lease().get("sync", {}).get("volumes", []), volumes(release)
        if named(release) == before:
            return [name for name in before if name != "-" and shown[name] not in recorded]


def sound(release: Release) -> bool:
    """Every standby streams and may acknowledge, the primary's setting says so, and the Lease records exactly their volumes."""
    assert unrecorded(release) == []
    standbys = sorted(pod.name for pod in release.standbys())
    rows = ask(release, "SELECT application_name, state, sync_state FROM pg_stat_replication WHERE state <> 'backup' ORDER BY 1")
    shown = volumes(release)
    recorded = release.lease().get("sync", {})
    return (
        len(standbys) == release.replicas - 1
        and rows == [[name, "streaming", "quorum"] for name in standbys]
        and named(release) == standbys
        and recorded == {"k": 1, "volumes": sorted(shown[name] for name in standbys)}
    )


def wait_sound(release: Release) -> None:
    release.wait("its standbys are the synchronous set", lambda: sound(release), CHANGE_SECONDS)


@contextmanager
def insert(release: Release, id: int) -> Iterator[subprocess.Popen[str]]:
    """A client that inserts a row at the primary and waits for the answer as long as it takes."""
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
    assert sound(strict)
    strict.client.sql("CREATE TABLE IF NOT EXISTS appends (writer text, id bigint)", host=strict.primary().ip)


@pytest.mark.parametrize("fault", [faults.CONTAINER, faults.FORCE, faults.GRACEFUL], ids=lambda fault: fault.name)
def test_a_failover_loses_nothing(strict: Release, fault: Fault, reigns: LeaseHistory, measured: list[str]) -> None:
    if not fault.possible:
        pytest.skip(f"{fault.name} needs the local cluster")
    found = trial.run(strict, fault, f"sync-{fault.name}")
    measured.append(f"synchronous, {found.summary}")
    assert found.violations() == []
    assert (found.lost, found.lost_pinned) == ([], [])
    wait_sound(strict)
    assert terms.violations(reigns.reigns) == []


def test_strict_writes_wait_for_a_standby(strict: Release) -> None:
    with acts.nobody_streams(strict) as thaw, insert(strict, 1) as client:
        strict.wait("the write waits", lambda: ask(strict, WAITING) == [["1"]], CHANGE_SECONDS)
        strict.wait("an Event says so", lambda: "WritesWait" in reasons(strict), CHANGE_SECONDS)
        assert client.poll() is None
        assert unrecorded(strict) == []
        assert rows.present_ids(strict, "one") == []
        thaw()
        assert client.wait(CHANGE_SECONDS) == 0
    wait_sound(strict)
    assert rows.present_ids(strict, "one") == [1]


def test_preferred_writes_go_on_without_a_standby(preferred: Release) -> None:
    preferred.client.sql("CREATE TABLE IF NOT EXISTS appends (writer text, id bigint)", host=preferred.primary().ip)
    with acts.nobody_streams(preferred) as thaw:
        with insert(preferred, 1) as client:
            assert client.wait(CHANGE_SECONDS) == 0
        preferred.wait("an Event says so", lambda: "Asynchronous" in reasons(preferred), CHANGE_SECONDS)
        preferred.wait("the set is given up", lambda: "sync" not in preferred.lease(), CHANGE_SECONDS)
        assert named(preferred) == []
        thaw()
    wait_sound(preferred)
