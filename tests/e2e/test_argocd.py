"""A release that Argo CD syncs from Git, with self-heal and prune and nothing in ignoreDifferences. The tests depend on each other, in
order.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest
import yaml

from tests.cluster import argocd, chosen, growable
from tests.cluster.argocd import NAMESPACE, ArgoCd
from tests.cluster.fixtures import Cluster
from tests.cluster.paths import REPOSITORY
from tests.e2e import printed
from tests.robustness import programs
from tests.robustness.failpoint import acts
from tests.robustness.programs import Namespace
from tests.robustness.release import CHART, NAME, VALUES, Release, identities
from tests.robustness.traffic.writers import TABLE, Writer
from tests.robustness.validate.rows import present_ids
from tests.robustness.validate.writes import late, lost

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.thorough, pytest.mark.timeout(900)]

ROWS = 100
BEFORE, AFTER = "1Gi", "1536Mi"
SYNC_SECONDS = 240.0
STOP_SECONDS = 240.0
APPLICATION = f"applications.argoproj.io/{NAME}"
FINALIZER = "resources-finalizer.argocd.argoproj.io"
SECTION = "### With Argo CD"
REFRESH = "argocd.argoproj.io/refresh"
APPROVED = "argocd.argoproj.io/deletion-approved"
KEPT = ("pvc/data-ha-postgres-0", "pvc/data-ha-postgres-1", "pvc/data-ha-postgres-2", "secret/ha-postgres-auth", "lease/ha-postgres")
SHOWN = "{.status.sync.status} {.status.operationState.syncResult.revision} {.status.health.status}{'\\n'}"
IDLE_SECONDS = 300
POD_SPEC = "      enableServiceLinks: false\n"
EXAMPLES = REPOSITORY / "values-examples" / "argocd"


@dataclass
class Application:
    """The Application, its repository, and the release that it leads to."""

    argo: ArgoCd
    release: Release
    values: dict[str, Any]
    own: Namespace = field(default_factory=lambda: Namespace(NAMESPACE))
    options: tuple[str, ...] = ()

    def create(self) -> None:
        spec = {
            "project": "default",
            "source": {
                "repoURL": self.argo.repository.url,
                "path": "chart",
                "targetRevision": "main",
                "helm": {"valueFiles": ["../values.yaml"]},
            },
            "destination": {"server": argocd.SERVER, "namespace": self.release.namespace.name},
            "syncPolicy": {"automated": {"prune": True, "selfHeal": True}, "syncOptions": list(self.options)},
        }
        metadata = {"name": NAME, "finalizers": [FINALIZER]}
        self.own.apply({"apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": metadata, "spec": spec})

    def commit(self, **values: Any) -> str:
        """Commit changed values, have Argo CD look, and return the revision."""
        self.values |= values
        (self.argo.repository.folder / "values.yaml").write_text(yaml.safe_dump(self.values))
        return self.look(self.argo.repository.commit(f"values: {', '.join(values) or 'the first'}"))

    def look(self, revision: str = "") -> str:
        """Have Argo CD read the repository at once; on its own it does so every few minutes."""
        self.own.kubectl("annotate", APPLICATION, "--overwrite", f"{REFRESH}=hard")
        return revision

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = self.own.get(APPLICATION).get("status", {})
        return found

    def agrees(self, revision: str) -> bool:
        """Whether nothing differs from this revision and all objects are healthy."""
        sync, health = (self.status().get(part, {}) for part in ("sync", "health"))
        return (sync.get("status"), sync.get("revision"), health.get("status")) == ("Synced", revision, "Healthy")

    def is_syncing(self) -> bool:
        return bool(self.status().get("operationState", {}).get("phase") == "Running")

    def is_synced(self, revision: str) -> bool:
        """Whether the last sync succeeded and nothing differs from this revision."""
        return self.agrees(revision) and bool(self.status().get("operationState", {}).get("phase") == "Succeeded")

    def wait_synced(self, revision: str) -> None:
        self.wait(f"{revision} is synced", lambda: self.is_synced(revision))

    def confirm(self) -> None:
        """Confirm the deletion that has begun, as a person does in Argo CD: with the time, which has to be after its begin."""
        self.own.kubectl("annotate", APPLICATION, "--overwrite", f"{APPROVED}={datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}")

    def wait_gone(self) -> None:
        self.wait("the Application is gone", lambda: self.own.try_kubectl("get", APPLICATION).code != 0, STOP_SECONDS)

    def wait(self, what: str, condition: Any, seconds: float = SYNC_SECONDS) -> None:
        try:
            self.release.wait(what, condition, seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{json.dumps(self.status(), indent=1)[-4000:]}\n{self.argo.log()[-4000:]}") from error


class Watch:
    """Every sync status that the Application has had, while the context lasts."""

    def __init__(self, application: Application) -> None:
        self._own = application.own
        self.seen: list[str] = []

    def __enter__(self) -> Watch:
        words = ("get", APPLICATION, "--watch", "--output", f"jsonpath={SHOWN}")
        self._program = self._own.begin_kubectl(*words, errors=subprocess.DEVNULL)
        self._thread = threading.Thread(target=self._read)
        self._thread.start()
        return self

    def check_synced(self) -> None:
        """Raise AssertionError if it was ever anything else, or of another revision."""
        assert len(self.seen) > 1
        assert {line.split()[0] for line in self.seen} == {"Synced"}, self.seen
        assert len({line.split()[1] for line in self.seen}) == 1, self.seen

    def _read(self) -> None:
        assert self._program.stdout is not None
        self.seen.extend(line.strip() for line in self._program.stdout)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._program.kill()
        self._thread.join()
        self._program.communicate()


@pytest.fixture(scope="module")
def argo(cluster: Cluster) -> Iterator[ArgoCd]:
    """Argo CD, and a repository with the chart."""
    if not chosen.is_local():
        pytest.skip("Argo CD is run beside the local cluster only")
    with argocd.running() as found:
        shutil.copytree(CHART, found.repository.folder / "chart")
        yield found


def storage(storage_class: str, size: str) -> dict[str, Any]:
    return {"storageClassName": storage_class, "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}}


@pytest.fixture(scope="module", params=[(), ("ServerSideApply=true",)], ids=["client-side", "server-side"])
def application(argo: ArgoCd, request: pytest.FixtureRequest) -> Iterator[Application]:
    """A release of three servers, synced, with the writers' table, whose volumes can grow."""
    with growable.classes() as classes, programs.namespace("e2e-argocd") as namespace:
        values = yaml.safe_load(VALUES.read_text()) | {"global": {"imageRegistry": "localhost"}, "storage": storage(classes.online, BEFORE)}
        application = Application(argo, Release(namespace), values, options=request.param)
        (argo.repository.folder / "values.yaml").write_text(yaml.safe_dump(values))
        revision = argo.repository.commit(f"values of {namespace.name}")
        application.create()
        application.wait_synced(revision)
        application.release.settle()
        application.release.client.sql(TABLE)
        yield application
        if application.own.try_kubectl("get", APPLICATION).code == 0:
            application.own.kubectl("delete", APPLICATION, "--wait=false")
            application.confirm()
            application.wait_gone()


def test_the_readme_is_followed(argo: ArgoCd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it is printed, with the reader's own repository, namespace and images."""
    monkeypatch.chdir(REPOSITORY)
    served, clone = argo.repository.folder, tmp_path / "clone"
    programs.run("git", "-C", str(served), "config", "receive.denyCurrentBranch", "updateInstead")
    programs.run("git", "clone", "--quiet", str(served), str(clone))
    for key, value in (("user.name", "reader"), ("user.email", "reader@example.com")):
        programs.run("git", "-C", str(clone), "config", key, value)
    with programs.namespace("e2e-argocd-readme") as namespace:
        release = Release(namespace)
        copies, copy, *rest = printed.commands(SECTION, printed.README)
        edited = shutil.copytree(EXAMPLES, tmp_path / "argocd")
        for path in edited.glob("*.yaml"):
            text = path.read_text().replace("https://git.example.com/databases.git", argo.repository.url)
            path.write_text(text.replace("namespace: demo", f"namespace: {namespace.name}"))
        names = {"MY-REPOSITORY": str(clone), "values-examples/argocd": str(edited)}
        application = Application(argo, release, {})
        try:
            for line in (copies, copy):
                printed.run(line, names)
            values = yaml.safe_load((clone / "ha-postgres.yaml").read_text()) | {"global": {"imageRegistry": "localhost"}}
            del values["databaseSecret"]
            (clone / "ha-postgres.yaml").write_text(yaml.safe_dump(values))
            push, apply, wait, change, push_change = rest
            for line in (push, apply, wait):
                printed.run(line, names, SYNC_SECONDS)
            release.settle()
            before = identities(release.pods())
            for line in (change, push_change):
                printed.run(line, names)
            application.look()
            asked = "SELECT pg_is_in_recovery()"
            release.wait("hot standbys", lambda: all(release.client.sql(asked, host=pod.ip) == [["t"]] for pod in release.standbys()), 120)
            assert identities(release.pods()) == before
            assert application.status()["sync"]["status"] == "Synced"
        finally:
            application.own.kubectl("delete", "--ignore-not-found", APPLICATION)


def kept(release: Release) -> dict[str, str]:
    found = release.namespace.get(*KEPT)
    return {each["metadata"]["name"]: each["metadata"]["uid"] for each in found}


def test_it_stays_synced_through_failovers_and_a_switchover(application: Application) -> None:
    release = application.release
    with Watch(application) as watch:
        release.fail_over()
        acts.kill_postmaster_by_exec(release, release.primary())
        release.wait_full_strength()
        release.fail_over("--force", "--grace-period=0")
        release.hapg("switchover")
        release.wait_full_strength()
        application.look()
        application.wait("it was read again", lambda: REFRESH not in application.own.get(APPLICATION)["metadata"].get("annotations", {}))
    watch.check_synced()
    assert {line.split()[2] for line in watch.seen} == {"Healthy", "Progressing"}, watch.seen


def test_it_stays_synced_while_nothing_is_done(application: Application) -> None:
    release = application.release

    def renewed() -> datetime:
        return datetime.fromisoformat(release.namespace.get(f"lease/{NAME}")["spec"]["renewTime"])

    until = renewed() + timedelta(seconds=IDLE_SECONDS)
    with Watch(application) as watch:
        release.wait(f"{IDLE_SECONDS} s of renewals", lambda: renewed() > until, 2 * IDLE_SECONDS)
    assert {tuple(line.split()[::2]) for line in watch.seen} == {("Synced", "Healthy")}, watch.seen


def test_fewer_and_more_servers_by_commits(application: Application) -> None:
    release = application.release
    before = identities(release.pods())
    for replicas in (2, 3):
        application.wait_synced(application.commit(replicas=replicas))
        release.wait(f"{replicas} servers", lambda replicas=replicas: len(release.pods()) == replicas, STOP_SECONDS)  # type: ignore[misc]
    release.wait_full_strength()
    after = identities(release.pods())
    assert [after[name] == before[name] for name in sorted(before)] == [True, True, False]


def test_a_chart_release_by_a_commit_and_its_revert_loses_nothing(application: Application) -> None:
    """The new release of the chart has other pods."""
    release, repository = application.release, application.argo.repository
    chart, template = repository.folder / "chart" / "Chart.yaml", repository.folder / "chart" / "templates" / "statefulset.yaml"
    before = identities(release.pods())
    about = yaml.safe_load(chart.read_text())
    chart.write_text(yaml.safe_dump(about | {"version": f"{about['version']}-next"}))
    text = template.read_text()
    assert text.count(POD_SPEC) == 1
    template.write_text(text.replace(POD_SPEC, f"{POD_SPEC}      hostAliases:\n        - {{ip: 192.0.2.1, hostnames: [next]}}\n"))
    with Writer(release.client, "released") as writer:
        release.wait("rows are acknowledged", lambda: writer.rows > ROWS, 60)
        application.wait_synced(application.look(repository.commit("the next release of the chart")))
        release.wait_full_strength()
        next_ones = identities(release.pods())
        application.wait_synced(application.look(repository.revert()))
        release.wait_full_strength()
        rows = writer.rows
        release.wait("writes go on", lambda: writer.rows > rows + ROWS, 60)
        log = writer.stop()
    assert not set(next_ones.values()) & set(before.values())
    assert not set(next_ones.values()) & set(identities(release.pods()).values())
    assert (lost(log, present_ids(release, "released")), late([log])) == ([], [])


def test_an_application_deleted_without_its_finalizer_leaves_the_release_running(application: Application) -> None:
    release = application.release
    before = identities(release.pods())
    revision = application.status()["sync"]["revision"]
    application.own.kubectl("patch", APPLICATION, "--type=merge", "--patch", json.dumps({"metadata": {"finalizers": None}}))
    application.own.kubectl("delete", APPLICATION)
    application.create()
    application.wait("nothing differs", lambda: application.agrees(revision))
    assert identities(release.pods()) == before


def test_standby_mode_hot_by_a_commit_replaces_no_pod(application: Application) -> None:
    release = application.release
    before = identities(release.pods())
    revision = application.commit(standbyMode="hot")
    application.wait_synced(revision)

    def answers() -> bool:
        return all(release.client.sql("SELECT pg_is_in_recovery()", host=pod.ip) == [["t"]] for pod in release.standbys())

    release.wait("both standbys answer", answers, 120)
    release.wait_full_strength()
    assert identities(release.pods()) == before


def test_a_values_error_in_git_leaves_the_release_as_it_is(application: Application) -> None:
    release = application.release
    before = identities(release.pods())
    application.commit(standbyMode="lukewarm")

    def told() -> bool:
        conditions = application.status().get("conditions", [])
        return any(each["type"] == "ComparisonError" and "standbyMode" in each["message"] for each in conditions)

    application.wait("the Application shows the error", told)
    assert identities(release.pods()) == before
    application.values["standbyMode"] = "hot"
    application.wait_synced(application.look(application.argo.repository.revert()))
    assert identities(release.pods()) == before


def test_resize_after_the_commit_of_the_new_size(application: Application) -> None:
    """Argo CD tries to sync all the time, and would bring a StatefulSet back that is gone for a moment."""
    release = application.release
    before = identities(release.pods())
    revision = application.commit(storage=storage(application.values["storage"]["storageClassName"], AFTER))

    def refused() -> bool:
        state = application.status().get("operationState", {})
        return state.get("syncResult", {}).get("revision") == revision and "updates to statefulset spec" in json.dumps(state)

    application.wait("the sync is refused", refused)
    with Writer(release.client, "grown") as writer:
        release.wait("rows are acknowledged", lambda: writer.rows > ROWS, 60)
        done = release.try_hapg("resize", "--size", AFTER)
        assert done.code == 0, done.text
        application.look()
        application.wait("nothing differs any more", lambda: application.agrees(revision))
        rows = writer.rows
        release.wait("writes go on", lambda: writer.rows > rows + ROWS, 60)
        log = writer.stop()
    claims = release.namespace.get("persistentvolumeclaims", "--selector", release.selector)
    assert {claim["status"]["capacity"]["storage"] for claim in claims} == {AFTER}
    assert identities(release.pods()) == before
    assert (lost(log, present_ids(release, "grown")), late([log])) == ([], [])


def test_pause_by_a_commit_and_back_loses_nothing(application: Application) -> None:
    release = application.release
    timeline = release.lease()["timeline"]
    with Writer(release.client, "sleepless") as writer:
        release.wait("rows are acknowledged", lambda: writer.rows > ROWS, 60)
        application.wait_synced(application.commit(pause=True))
        application.wait("the pods are gone", lambda: not release.pods(), STOP_SECONDS)
        application.wait_synced(application.commit(pause=False))
        release.wait_serving()
        release.wait_full_strength()
        release.wait("writes go on", lambda: writer.rows_after(timeline) > ROWS, 60)
        log = writer.stop()
    assert lost(log, present_ids(release, "sleepless")) == []
    assert late([log]) == []


def test_a_protected_release_is_neither_pruned_nor_deleted_without_a_confirmation(application: Application) -> None:
    release, repository = application.release, application.argo.repository
    application.wait_synced(application.commit(doNotPause=True))
    release.wait_full_strength()
    before = identities(release.pods())

    (repository.folder / "chart" / "templates" / "statefulset.yaml").unlink()
    application.look(repository.commit("the StatefulSet is gone"))

    def waits() -> bool:
        message = application.status().get("operationState", {}).get("message", "")
        return "pruning confirmation of apps/v1/StatefulSet/ha-postgres" in message

    application.wait("the sync waits for a confirmation", waits)
    assert identities(release.pods()) == before
    revision = repository.revert()
    application.own.kubectl(
        "patch", APPLICATION, "--type=merge", "--patch", json.dumps({"status": {"operationState": {"phase": "Terminating"}}})
    )
    application.look(revision)
    application.wait("nothing differs any more", lambda: application.agrees(revision) and not application.is_syncing())

    application.own.kubectl("delete", APPLICATION, "--wait=false")
    application.wait("the deletion waits for a confirmation", lambda: "requires manual confirmation to delete" in application.argo.log())
    release.wait_full_strength()
    assert identities(release.pods()) == before
    assert "deletionTimestamp" in application.own.get(APPLICATION)["metadata"]


def test_a_deleted_application_is_dormant_and_created_again_it_resumes(application: Application) -> None:
    """The Application is the one whose deletion waits for a confirmation."""
    release = application.release
    release.client.sql("CREATE TABLE asleep AS SELECT number FROM generate_series(1, 1000) AS number")
    before = kept(release)
    application.confirm()
    application.wait_gone()
    release.wait("the pods are gone", lambda: not release.pods(), STOP_SECONDS)
    assert kept(release) == before
    application.values |= {"doNotPause": False}
    (application.argo.repository.folder / "values.yaml").write_text(yaml.safe_dump(application.values))
    revision = application.argo.repository.commit("values: doNotPause")
    application.create()
    application.wait_synced(revision)
    release.wait_full_strength()
    assert kept(release) == before
    assert release.client.sql("SELECT count(*), sum(number) FROM asleep") == [["1000", "500500"]]


def test_wipe_out_by_a_commit_and_the_deletion_of_the_application(application: Application) -> None:
    release = application.release
    application.wait_synced(application.commit(wipeOut=True))
    application.own.kubectl("delete", APPLICATION, "--wait=false")
    application.wait_gone()
    assert [each["metadata"]["name"] for each in release.namespace.get("pvc,secrets,leases", "--selector", release.selector)] == []
