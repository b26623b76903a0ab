"""Dormant, protected, wiped: a release sleeps and wakes up, can't be uninstalled by mistake, and goes for good only if that is said.
The tests depend on each other, in order.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster import chosen
from tests.cluster.fixtures import Cluster
from tests.cluster.paths import REPOSITORY
from tests.e2e import printed
from tests.robustness import programs
from tests.robustness.failpoint import acts
from tests.robustness.programs import HAPG, Done, Namespace
from tests.robustness.release import CHART, VALUES, Release, identities
from tests.robustness.stock import installed
from tests.robustness.traffic.writers import TABLE, Writer
from tests.robustness.validate.rows import present_ids
from tests.robustness.validate.writes import late, lost

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(900)]

ROWS = 100
STOP_SECONDS = 180.0
"""How long pods may take to stop: their grace period is 120 s."""
BLOCKED_SECONDS = 120.0
"""How long it may take until an Event says that nobody may start: a cold start waits for 30 s, and 10 s pass until it is told."""
CRASH_SECONDS = 120.0
WIPE_SECONDS = 240.0
PAUSED = "nobody can write: the release is paused, and its data is kept; set the value pause to false to start it"
HOLD = "tests.example.com/hold"
REFUSED = "doNotPause is true, so nothing is deleted. To allow it, first run: helm upgrade ha-postgres CHART"
GUARDED = (
    "statefulset/ha-postgres",
    "pvc/data-ha-postgres-0",
    "lease/ha-postgres",
    "secret/ha-postgres-auth",
    "configmap/ha-postgres-config",
)
POLICY = REPOSITORY / "docs" / "deletion-policy.yaml"
BOTH = pytest.mark.parametrize("program", ["helm3", "helm4"])
BESIDE = "ha-postgres-2"
"""A release beside the other one, whose name has the other's as its prefix, and is that of one of the other's pods."""


@pytest.fixture(scope="module")
def release(cluster: Cluster) -> Iterator[Release]:
    """Three servers, at full strength, with the writers' table."""
    with installed("e2e-dormant") as release:
        release.client.sql(TABLE)
        yield release


def gone(release: Release) -> bool:
    return not release.pods()


def claims(namespace: Namespace) -> dict[str, str]:
    """The volume of each claim."""
    return {claim["metadata"]["name"]: claim["spec"]["volumeName"] for claim in namespace.get("persistentvolumeclaims")}


def dormant(namespace: Namespace) -> dict[str, dict[str, Any]]:
    """What `hapg dormant list` shows, by release."""
    found = json.loads(programs.run(str(HAPG), "dormant", "list", "--namespace", namespace.name, "--output", "json"))
    return {each["release"]: each for each in found}


def told(release: Release, words: str) -> bool:
    """Whether an Event of the first pod says that nobody may become the primary, in these words."""
    found = release.events("reason=NoEligibleCandidate")
    return any(event.about == "ha-postgres-0" and words in event.message for event in found)


def shown_as_paused(release: Release) -> bool:
    code, found = release.try_status()
    return code == 1 and found.get("warnings") == [PAUSED]


def settings_of(release: Release, pod: str) -> str:
    return release.inside(pod, "cat", "/etc/hapg/config/failover.json", container="failover").strip()


def wait_paused(release: Release) -> None:
    release.wait("the pods are gone", lambda: gone(release), STOP_SECONDS)
    release.wait("hapg status calls it paused", lambda: shown_as_paused(release), 30)


def wake(release: Release) -> None:
    release.upgrade("--set", "pause=false")
    release.wait_serving()
    release.wait_full_strength()


def move_primary(release: Release, pod: str) -> None:
    if release.primary().name != pod:
        release.hapg("switchover", "--to", pod)
    release.wait_full_strength()


def test_resize_is_refused_where_the_class_does_not_allow_it_and_changes_nothing(release: Release) -> None:
    """It belongs to test_resize, whose volumes are not of the standard class."""
    before = [each["metadata"]["resourceVersion"] for each in release.namespace.get("persistentvolumeclaims")]
    done = release.try_hapg("resize", "--size", "100Mi")
    assert done.code == 1
    assert "claim data-ha-postgres-0 cannot grow: StorageClass standard does not allow it (allowVolumeExpansion)" in done.err
    assert [each["metadata"]["resourceVersion"] for each in release.namespace.get("persistentvolumeclaims")] == before
    assert release.namespace.try_kubectl("get", "configmap", "ha-postgres-resize").code != 0


# --- dormant ---


def test_pause_to_zero_and_back_under_writes_loses_nothing(release: Release) -> None:
    volumes, timeline = claims(release.namespace), release.lease()["timeline"]
    with Writer(release.client, "sleepless") as writer:
        release.wait("rows are acknowledged", lambda: writer.rows > ROWS, 60)
        release.upgrade("--set", "pause=true")
        wait_paused(release)
        [asleep] = dormant(release.namespace).values()
        wake(release)
        release.wait("writes go on", lambda: writer.rows_after(timeline) > ROWS, 60)
        log = writer.stop()
    assert (asleep["state"], asleep["cleanShutdown"], asleep["postgresMajor"], asleep["replicas"]) == ("paused", True, "15", 3)
    assert {claim["name"] for claim in asleep["claims"]} == volumes.keys()
    assert lost(log, present_ids(release, "sleepless")) == []
    assert late([log]) == []
    assert claims(release.namespace) == volumes


@pytest.mark.thorough
def test_pause_from_a_crash_loop_and_back_loses_nothing(release: Release) -> None:
    """The pods can't start, and their leader has ended without a word."""
    config = f"configmap/{release.name}-config"
    release.client.sql("CREATE TABLE crashed AS SELECT number FROM generate_series(1, 1000) AS number")
    settings = release.namespace.get(config)["data"]["failover.json"]
    patch = ("patch", config, "--type=merge", "--patch")
    release.namespace.kubectl(*patch, json.dumps({"data": {"failover.json": "{"}}))
    release.look_again()
    release.wait("all nodes show the damaged settings", lambda: all(settings_of(release, pod.name) == "{" for pod in release.pods()), 120)
    acts.delete(release, *release.pods(), grace=0)

    def looping() -> bool:
        pods = release.pods()
        return len(pods) == release.replicas and all(pod.restarts > 0 and not pod.ready for pod in pods)

    release.wait("all pods crash again and again", looping, CRASH_SECONDS)
    release.upgrade("--set", "pause=true")
    wait_paused(release)
    release.namespace.kubectl(*patch, json.dumps({"data": {"failover.json": settings}}))
    wake(release)
    assert release.client.sql("SELECT count(*), sum(number) FROM crashed") == [["1000", "500500"]]


@pytest.mark.thorough
def test_a_dormant_release_resumes_with_fewer_replicas_where_its_first_volume_has_everything(release: Release) -> None:
    move_primary(release, "ha-postgres-2")
    release.client.sql("CREATE TABLE last AS SELECT number FROM generate_series(1, 1000) AS number")
    release.uninstall()
    [asleep] = dormant(release.namespace).values()
    assert (asleep["state"], asleep["mayStart"][0], asleep["replicas"]) == ("uninstalled", "ha-postgres-2", 3)
    assert {each["metadata"]["name"] for each in release.namespace.get("secrets")} >= {"ha-postgres-auth", "ha-postgres-replication"}

    release.replicas = 1
    release.install(CHART, "--values", str(VALUES), "--set", "replicas=1")
    release.wait_serving()
    assert release.client.sql("SELECT count(*), sum(number) FROM last") == [["1000", "500500"]]
    release.replicas = 3
    release.upgrade("--set", "replicas=3")
    release.wait_full_strength()


@pytest.mark.thorough
def test_a_dormant_release_never_starts_from_a_stale_volume(release: Release) -> None:
    """The first server no longer receives when the last rows are written, and then it is to start alone."""
    move_primary(release, "ha-postgres-2")
    release.wait("both others are members", lambda: len(release.members()) == 2, 60)
    release.inside("ha-postgres-0", "bash", "-c", acts.SIGNAL_RECEIVERS % "STOP")
    release.client.sql("CREATE TABLE ahead AS SELECT number FROM generate_series(1, 1000) AS number")
    release.uninstall()

    release.replicas = 1
    release.install(CHART, "--values", str(VALUES), "--set", "replicas=1")
    release.wait("an Event says how many replicas are needed", lambda: told(release, "set replicas to at least 3"), BLOCKED_SECONDS)
    code, found = release.try_status()
    assert (code, found["primary"], found["writable"]) == (1, None, False)
    assert "replicas 1 leaves out the volume of ha-postgres-1, ha-postgres-2: set replicas to at least 3" in found["warnings"]

    release.replicas = 3
    release.upgrade("--set", "replicas=3")
    release.wait_serving()
    release.wait_full_strength()
    assert release.client.sql("SELECT count(*), sum(number) FROM ahead") == [["1000", "500500"]]


@pytest.mark.thorough
def test_a_dormant_release_refuses_another_major(release: Release) -> None:
    if not chosen.takes_images():
        pytest.skip("images can't be loaded into this cluster")
    chosen.load_majors(["17"])
    release.uninstall()
    release.install(REPOSITORY / "charts" / "ha-postgres-17", "--values", str(VALUES))
    release.wait("each pod refuses its data", lambda: len(release.latest("OtherMajor")) == 3, BLOCKED_SECONDS)
    assert [pod.name for pod in release.pods() if pod.role == "primary"] == []
    assert release.try_status()[0] == 1
    release.uninstall()
    assert dormant(release.namespace)["ha-postgres"]["postgresMajor"] == "15"
    release.install(CHART, "--values", str(VALUES))
    release.wait_serving()
    release.wait_full_strength()
    assert release.client.sql("SELECT count(*), sum(number) FROM ahead") == [["1000", "500500"]]


# --- protected ---


def deployed(release: Release) -> bool:
    found = json.loads(release.namespace.helm("list", "--all", "--output", "json"))
    return [(each["name"], each["status"]) for each in found] == [(release.name, "deployed")]


@BOTH
def test_a_protected_release_is_not_uninstalled(release: Release, program: str, tmp_path: Path) -> None:
    (tmp_path / "values.yaml").write_text(yaml.safe_dump(printed.values("### Protect")), encoding="utf-8")
    release.upgrade("--values", str(tmp_path / "values.yaml"))
    release.wait_full_strength()
    before = identities(release.pods())
    refused = release.namespace.try_helm("uninstall", release.name, program=program)
    assert refused.code != 0
    assert REFUSED in refused.text
    release.wait_full_strength()
    assert identities(release.pods()) == before
    assert deployed(release), "the refusal says to upgrade, and Helm upgrades only a release that is deployed"
    release.upgrade("--set", "doNotPause=false")


@pytest.mark.pages
@pytest.mark.thorough
def test_an_administrators_policy_protects_from_kubectl_too(release: Release) -> None:
    """By the commands of the page. The policy is the cluster's, so it is removed at once; it concerns namespaces with its label alone."""
    apply, label = printed.commands("### Protect")
    if not chosen.takes_images():
        pytest.skip("the policy is the cluster's, which is somebody else's")
    release.wait_full_strength()
    before = identities(release.pods())

    def delete(name: str, *options: str) -> Done:
        return release.namespace.try_kubectl("delete", name, "--wait=false", *options)

    def denied(name: str) -> bool:
        return "has the label ha-postgres/protected, so nothing of release ha-postgres is deleted" in delete(name, "--dry-run=server").text

    def allowed(name: str) -> bool:
        return delete(name, "--dry-run=server").code == 0

    printed.run(apply, printed.names(release))
    try:
        assert allowed("lease/ha-postgres"), "the namespace has no label"
        printed.run(label, printed.names(release))
        for name in GUARDED:
            release.wait(f"the deletion of {name} is refused", lambda name=name: denied(name), 60)  # type: ignore[misc]
            assert delete(name).code != 0
        assert "StatefulSet ha-postgres cannot be replaced" in release.try_hapg("resize", "--size", "100Mi").err
        release.namespace.kubectl("label", "namespace", release.namespace.name, "ha-postgres/protected-")
        release.wait("it may be deleted again", lambda: allowed("lease/ha-postgres"), 60)
    finally:
        release.namespace.kubectl("delete", "--filename", str(POLICY))
    release.wait_full_strength()
    assert identities(release.pods()) == before


# --- wiped ---


@pytest.fixture(scope="module")
def pair(cluster: Cluster) -> Iterator[tuple[Release, Release]]:
    """Two releases of one server each in one namespace."""
    with programs.namespace("e2e-wipe") as namespace:
        both = Release(namespace, replicas=1), Release(namespace, BESIDE, replicas=1)
        for release in both:
            install(release)
        for release in both:
            release.wait_serving()
            inside(release, "CREATE TABLE kept AS SELECT number FROM generate_series(1, 1000) AS number")
        yield both


def install(release: Release) -> None:
    release.install(CHART, "--values", str(VALUES), "--set", f"replicas=1,fullnameOverride={release.name}")


def inside(release: Release, statement: str) -> str:
    """Ask the only server in its pod, where no password is needed."""
    return release.ask_inside(statement, pod=f"{release.name}-0")


def kept(release: Release) -> dict[str, str]:
    """The UIDs of the claims, Secrets and Lease of a release, by kind and name."""
    found = release.namespace.get("pvc,secrets,leases", "--selector", release.selector)
    return {f"{each['kind']}/{each['metadata']['name']}": each["metadata"]["uid"] for each in found}


def all_of(name: str) -> set[str]:
    return {f"PersistentVolumeClaim/data-{name}-0", f"Secret/{name}-auth", f"Secret/{name}-replication", f"Lease/{name}"}


def wipe(release: Release, *options: str, name: str | None = None, namespace: str | None = None) -> Done:
    where = namespace or release.namespace.name
    return programs.attempt(str(HAPG), "wipe", name or release.name, "--namespace", where, *options, limit=WIPE_SECONDS)


def refused(done: Done, code: int, words: str) -> None:
    assert (done.code, words in done.text) == (code, True), done.text


@pytest.mark.parametrize("program", ["helm3", pytest.param("helm4", marks=pytest.mark.thorough)])
def test_wipe_out_removes_all_of_a_release_and_nothing_beside_it(pair: tuple[Release, Release], program: str) -> None:
    release, beside = pair
    before = kept(beside)
    assert (set(kept(release)), set(before)) == (all_of("ha-postgres"), all_of(BESIDE))
    system = release.lease()["systemIdentifier"]
    release.upgrade("--set", "wipeOut=true")
    release.namespace.helm("uninstall", release.name, program=program)
    assert kept(release) == {}
    assert gone(release)
    left = release.namespace.get("jobs,serviceaccounts,roles,rolebindings", "--selector", "app.kubernetes.io/component=wipe")
    assert [each["metadata"]["name"] for each in left if "deletionTimestamp" not in each["metadata"]] == []
    assert kept(beside) == before
    assert inside(beside, "SELECT count(*), sum(number) FROM kept") == "1000|500500"

    install(release)
    release.wait_serving()
    assert release.lease()["systemIdentifier"] != system
    inside(release, "CREATE TABLE kept AS SELECT number FROM generate_series(1, 1000) AS number")


@pytest.mark.thorough
def test_a_wipe_out_that_is_interrupted_and_rolled_back_deletes_nothing(pair: tuple[Release, Release]) -> None:
    """Helm is killed while the Job waits for a pod, which a finalizer holds."""
    release, _ = pair
    namespace, job, pod = release.namespace, f"{release.name}-wipe", f"pod/{release.name}-0"
    before = kept(release)
    release.upgrade("--set", "wipeOut=true")
    revision = json.loads(namespace.helm("history", release.name, "--output", "json"))[-1]["revision"]
    namespace.kubectl("patch", pod, "--type=merge", "--patch", json.dumps({"metadata": {"finalizers": [HOLD]}}))
    waits = f"waiting until these are gone: pod {release.name}-0\n"
    uninstall = programs.begin("helm3", "--namespace", namespace.name, "uninstall", release.name)
    try:
        release.wait("the Job waits for the pod", lambda: waits in namespace.try_kubectl("logs", f"job/{job}").out, STOP_SECONDS)
        uninstall.kill()
        namespace.helm("rollback", release.name, str(revision))
        release.wait("the Job has failed", lambda: namespace.get("job", job)["status"].get("failed"), STOP_SECONDS)
    finally:
        uninstall.kill()
        uninstall.communicate()
        namespace.kubectl("patch", pod, "--type=merge", "--patch", json.dumps({"metadata": {"finalizers": None}}))
    release.wait_serving()
    assert kept(release) == before
    assert inside(release, "SELECT count(*), sum(number) FROM kept") == "1000|500500"
    namespace.kubectl("delete", "jobs,serviceaccounts,roles,rolebindings", "--selector", "app.kubernetes.io/component=wipe")
    release.upgrade("--set", "wipeOut=false")


def test_wipe_refuses_a_release_that_runs_or_is_paused(pair: tuple[Release, Release]) -> None:
    release, _ = pair
    before = kept(release)
    refused(wipe(release, "--yes", release.name), 1, "ha-postgres is running: `helm uninstall ha-postgres` first; nothing was deleted")
    release.upgrade("--set", "pause=true")
    wait_paused(release)
    refused(wipe(release, "--yes", release.name), 1, "ha-postgres is paused, and still installed: `helm uninstall ha-postgres` first")
    assert kept(release) == before
    wake_one(release)


def wake_one(release: Release) -> None:
    release.upgrade("--set", "pause=false")
    release.wait_serving()
    assert inside(release, "SELECT count(*), sum(number) FROM kept") == "1000|500500"


@pytest.mark.thorough
def test_wipe_refuses_the_mistakes_of_a_new_user(pair: tuple[Release, Release]) -> None:
    release, beside = pair
    release.uninstall()
    mine, others = kept(release), kept(beside)
    assert set(mine) == all_of("ha-postgres")
    refused(wipe(release), 2, "no terminal to ask for confirmation; use --yes ha-postgres; nothing was deleted")
    refused(wipe(release, "--yes", "yes"), 2, "'yes' is not the release's name, ha-postgres; nothing was deleted")
    refused(wipe(release, "--yes", BESIDE), 2, f"'{BESIDE}' is not the release's name, ha-postgres; nothing was deleted")
    refused(wipe(release, "--yes", "ha-postgre", name="ha-postgre"), 1, "nothing to wipe: no release ha-postgre in namespace")
    refused(wipe(release, "--yes", release.name, namespace="default"), 1, "nothing to wipe: no release ha-postgres in namespace default")
    refused(wipe(release, "--yes", BESIDE, name=BESIDE), 1, f"{BESIDE} is running: `helm uninstall {BESIDE}` first; nothing was deleted")
    assert (kept(release), kept(beside)) == (mine, others)


@pytest.mark.thorough
def test_an_interrupted_wipe_is_finished_by_the_next_and_a_third_finds_nothing(pair: tuple[Release, Release]) -> None:
    release, beside = pair
    others = kept(beside)
    claim = ("patch", "pvc/data-ha-postgres-0", "--type=json", "--patch")
    hold: list[dict[str, str]] = [{"op": "add", "path": "/metadata/finalizers/-", "value": HOLD}]
    release.namespace.kubectl(*claim, json.dumps(hold))
    refused(wipe(release, "--yes", release.name, "--timeout", "5"), 1, "the Lease is kept until then: run `hapg wipe ha-postgres` again")
    assert set(kept(release)) == all_of("ha-postgres")
    assert "data-ha-postgres-0" in [each["name"] for each in dormant(release.namespace)["ha-postgres"]["claims"]]

    release.namespace.kubectl(*claim, json.dumps([{"op": "remove", "path": "/metadata/finalizers"}]))
    release.wait("the claim is gone", lambda: "PersistentVolumeClaim/data-ha-postgres-0" not in kept(release), 60)
    refused(wipe(release, "--yes", release.name), 0, "ha-postgres is wiped: 0 claims, 2 Secrets and the Lease are deleted")
    assert kept(release) == {}
    refused(wipe(release, "--yes", release.name), 1, "nothing to wipe: no release ha-postgres in namespace")
    assert kept(beside) == others
    assert inside(beside, "SELECT count(*), sum(number) FROM kept") == "1000|500500"
