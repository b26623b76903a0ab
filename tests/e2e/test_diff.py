"""What `hapg diff --live` says of an edit is what the edit does to pods, servers and clients. The tests depend on each other, in order."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from hapg.upgrade.effects import Effect
from tests.cluster.fixtures import Cluster
from tests.robustness import programs
from tests.robustness.programs import HAPG
from tests.robustness.release import CHART, Release, identities
from tests.robustness.stock import installed

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.thorough, pytest.mark.timeout(540)]

EXIT_CODES = {effect.words: effect.exit_code for effect in Effect}
SETTLE_S = 120.0


@pytest.fixture(scope="module")
def release(cluster: Cluster) -> Iterator[Release]:
    """A release with hot standbys, whose servers can all be asked when they started."""
    with installed("e2e-diff", "--set", "standbyMode=hot") as release:
        yield release


@dataclass(frozen=True)
class Seen:
    """The pods, servers and Lease of a release. pods: identities; started, loaded: when each server was started and last read its
    configuration, by pod; loaded has the agents' files too.
    """

    pods: dict[str, tuple[str, int]]
    started: dict[str, str]
    loaded: dict[str, tuple[str, str]]
    primary: str
    term: int


def look(release: Release) -> Seen:
    pods, settings = release.pods(), release.projected("failover.json")
    times = "SELECT pg_postmaster_start_time(), pg_conf_load_time()"
    found = {pod.name: release.ask_inside(times, pod=pod.name).split("|") for pod in pods}
    return Seen(
        identities(pods),
        {pod: started for pod, (started, _) in found.items()},
        {pod: (loaded, settings[pod]) for pod, (_, loaded) in found.items()},
        release.primary().name,
        release.lease()["term"],
    )


def effect(before: Seen, after: Seen) -> str:
    """Name what happened to the servers that were there before, as `hapg diff` would."""
    restarted = {pod for pod, started in before.started.items() if after.started.get(pod) != started}
    replaced = {pod for pod, identity in before.pods.items() if after.pods.get(pod) != identity}
    if replaced or before.primary in restarted or (before.primary, before.term) != (after.primary, after.term):
        return "switchover"
    if restarted:
        return "restart of standbys"
    return "nothing" if all(after.loaded[pod] == loaded for pod, loaded in before.loaded.items()) else "reload"


def diff(release: Release, tmp_path: Path, edit: Sequence[str]) -> str:
    """Return the worst effect that `hapg diff --live` names for an upgrade with the release's values and an edit."""
    values = tmp_path / "values.yaml"
    values.write_text(release.namespace.helm("get", "values", release.name, "--output", "yaml"))
    sides = ("--live", release.name, str(CHART), "--namespace", release.namespace.name)
    done = programs.attempt(str(HAPG), "diff", *sides, "--values", str(values), "--helm", "helm3", "--output", "json", *edit)
    found = json.loads(done.out)
    assert done.code == found["exitCode"] == EXIT_CODES[found["worst"]], done.text
    return str(found["worst"])


def test_diff_of_the_release_as_it_is(release: Release, tmp_path: Path) -> None:
    assert diff(release, tmp_path, ()) == "nothing"


@pytest.mark.parametrize(
    ("verdict", "edit", "shown"),
    [
        ("nothing", "service.annotations.team=data", None),
        ("nothing", "service.type=NodePort", None),
        ("nothing", "commonLabels.team=data", None),
        ("nothing", "podDisruptionBudget.maxUnavailable=2", None),
        ("reload", "postgresql.parameters.work_mem=7MB", ("SHOW work_mem", "7MB")),
        ("reload", "failover.ttlSeconds=9,failover.leaseSeconds=7", None),
        ("restart of standbys", "replication.mode=synchronous", None),
        ("switchover", "postgresql.parameters.max_connections=130", ("SHOW max_connections", "130")),
        ("switchover", "podAnnotations.team=data", None),
        ("switchover", "resources.requests.cpu=60m", None),
        ("reload", "replication.mode=asynchronous", None),
    ],
)
def test_diff_says_what_an_edit_does(
    release: Release, tmp_path: Path, measured: list[str], verdict: str, edit: str, shown: tuple[str, str] | None
) -> None:
    before = look(release)
    assert diff(release, tmp_path, ("--set", edit)) == verdict
    release.upgrade("--set", edit)
    release.wait(f"{verdict} is what {edit} does", lambda: effect(before, look(release)) == verdict, SETTLE_S)
    if shown is not None:
        statement, answer = shown
        release.wait(
            f"{statement}: {answer}", lambda: {release.ask_inside(statement, pod=pod.name) for pod in release.pods()} == {answer}, SETTLE_S
        )
    release.wait(
        "no pod is old", lambda: release.namespace.get("statefulset", release.name)["status"].get("updatedReplicas") == 3, SETTLE_S
    )
    release.wait_full_strength()
    assert effect(before, look(release)) == verdict
    measured.append(f"{edit}: {verdict}")


def test_diff_counts_added_servers_as_nothing_and_removed_ones_as_a_switchover(release: Release, tmp_path: Path) -> None:
    before = look(release)
    assert diff(release, tmp_path, ("--set", "replicas=4")) == "nothing"
    release.upgrade("--set", "replicas=4")
    release.replicas = 4
    release.wait_full_strength()
    assert effect(before, look(release)) in ("nothing", "reload")
    [added] = {pod.name for pod in release.pods()} - set(before.pods)
    done = release.try_hapg("switchover", "--to", added)
    assert done.code == 0, done.text
    release.wait_full_strength()
    before = look(release)
    assert diff(release, tmp_path, ("--set", "replicas=3")) == "switchover"
    release.upgrade("--set", "replicas=3")
    release.replicas = 3
    release.wait_full_strength()
    assert effect(before, look(release)) == "switchover"


def test_diff_says_that_clients_are_cut_off_by_another_port(release: Release, tmp_path: Path) -> None:
    before, host = look(release), release.name
    assert release.client.sql("SELECT 1", host=host) == [["1"]]
    assert diff(release, tmp_path, ("--set", "service.port=5433")) == "clients cut off"
    release.upgrade("--set", "service.port=5433")

    def is_cut_off() -> bool:
        try:
            release.client.sql("SELECT 1", host=host)
        except programs.ProgramError:
            return True
        return False

    release.wait("the old port refuses clients", is_cut_off, SETTLE_S)
    assert effect(before, look(release)) == "nothing"
    release.upgrade("--set", "service.port=5432")
    release.wait("clients connect again", lambda: not is_cut_off(), SETTLE_S)


def test_diff_says_what_kubernetes_refuses(release: Release, tmp_path: Path) -> None:
    before = look(release)
    edit = ("--set", "storage.resources.requests.storage=60Mi")
    assert diff(release, tmp_path, edit) == "immutable"
    done = release.namespace.try_helm("upgrade", release.name, str(CHART), "--reuse-values", *edit)
    assert done.code != 0
    assert "Forbidden: updates to statefulset spec" in done.text
    after = look(release)
    assert (after.pods, after.started, after.term) == (before.pods, before.started, before.term)
    assert diff(release, tmp_path, ()) == "nothing"


@pytest.mark.parametrize("edit", ["securityContext.uid=1000", "persistentVolumeClaimRetentionPolicy.whenScaled=Delete"])
def test_diff_warns_of_what_would_put_the_data_at_risk(release: Release, tmp_path: Path, edit: str) -> None:
    assert diff(release, tmp_path, ("--set", edit)) == "data at risk"


def test_diff_of_a_scale_down_that_deletes_volumes(release: Release, tmp_path: Path) -> None:
    release.upgrade("--set", "persistentVolumeClaimRetentionPolicy.whenScaled=Delete")
    claims = {claim["metadata"]["name"] for claim in release.namespace.get("persistentvolumeclaims")}
    assert diff(release, tmp_path, ("--set", "replicas=2")) == "data at risk"
    release.upgrade("--set", "replicas=2")
    release.replicas = 2
    release.wait_full_strength()

    def gone() -> set[str]:
        return claims - {claim["metadata"]["name"] for claim in release.namespace.get("persistentvolumeclaims")}

    release.wait("the removed server's claim is gone", lambda: any(name.endswith("-2") for name in gone()), SETTLE_S)
