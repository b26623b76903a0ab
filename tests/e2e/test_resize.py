"""Volumes grow: while they are in use, when they are full, and where file systems grow only when a pod starts; in either order with an
upgrade, by both Helms. Servers are cloned onto smaller ones. The volumes are those of tests.cluster.growable.
"""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster import chosen, growable
from tests.cluster.fixtures import Cluster
from tests.cluster.growable import Classes
from tests.e2e import operators, printed
from tests.robustness import programs
from tests.robustness.programs import HAPG, Done, Namespace
from tests.robustness.release import CHART, DATA, NAME, VALUES, VOLUME, Release, identities
from tests.robustness.stock import installed
from tests.robustness.traffic.writers import TABLE, Writer
from tests.robustness.validate.rows import present_ids
from tests.robustness.validate.writes import late, lost

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(900)]

ROWS = 100
BEFORE, AFTER, FULL = "1Gi", "1536Mi", "2Gi"
GROWN, SHRUNK = "2560Mi", "1792Mi"
SIZE = "storage.resources.requests.storage"
ONLINE_SECONDS = 60.0
OFFLINE_SECONDS = 600.0
RESERVE_SECONDS = 60.0
WRITABLE_SECONDS = 60.0
WAL = "/var/lib/postgresql/wal"
FILL = r"""cd "$0" && free=$(($(df --output=avail --block-size=1M . | tail -1) - 32))
fallocate --length "${free}M" filler; cat /dev/zero >>filler 2>/dev/null; true"""
"""Takes all space of a volume, most of it without writing."""
MUCH = "CREATE TABLE much AS SELECT repeat('x', 1000) AS text FROM generate_series(1, 150000)"
IMMUTABLE = "updates to statefulset spec"


@pytest.fixture(scope="module")
def classes(cluster: Cluster) -> Iterator[Classes]:
    """StorageClasses whose volumes can grow."""
    if not chosen.is_local():
        pytest.skip("volumes that can grow need the local cluster")
    with growable.classes() as found:
        yield found


@pytest.fixture(scope="module")
def release(classes: Classes) -> Iterator[Release]:
    """Three servers at full strength, whose file systems grow while they are in use."""
    with installed("e2e-resize", "--set", f"storage.storageClassName={classes.online},{SIZE}={BEFORE}") as release:
        release.client.sql(TABLE)
        yield release


def mebibytes(release: Release, place: str = VOLUME) -> dict[str, int]:
    """The size of each pod's file system."""
    script = f"df --output=size --block-size=1M {place} | tail -1"
    return {pod.name: int(release.inside(pod.name, "bash", "-c", script)) for pod in release.pods()}


def capacities(release: Release) -> dict[str, str]:
    """The size of each claim, as Kubernetes shows it."""
    found = release.namespace.get("persistentvolumeclaims", "--selector", release.selector)
    return {each["metadata"]["name"]: each["status"]["capacity"]["storage"] for each in found}


def templates(namespace: Namespace) -> list[str]:
    """The sizes in the StatefulSet's claim templates."""
    spec = namespace.get("statefulset", "ha-postgres")["spec"]
    return [each["spec"]["resources"]["requests"]["storage"] for each in spec["volumeClaimTemplates"]]


def has_no_note(namespace: Namespace) -> bool:
    """Whether no ConfigMap of the command is left."""
    return namespace.try_kubectl("get", "configmap", "ha-postgres-resize").code != 0


def test_resize_by_clones_is_refused_where_the_data_would_not_fit(release: Release, tmp_path: Path) -> None:
    """With the rights that the documentation lists, and no more."""
    config = operators.kubeconfig(release, tmp_path / "kubeconfig", resize=True, reclone=True)
    before, claims = identities(release.pods()), claim_uids(release)
    done = release.try_hapg("resize", "--size", "40Mi", "--reclone", "--yes", NAME, "--kubeconfig", str(config))
    assert (done.code, done.out) == (1, "")
    assert "MiB of data and WAL, and a quarter of the volume has to stay free: it takes " in done.err
    assert (identities(release.pods()), claim_uids(release)) == (before, claims)
    assert (templates(release.namespace), has_no_note(release.namespace)) == ([BEFORE], True)


def test_resize_grows_volumes_in_use_within_a_minute_and_nobody_notices(release: Release, tmp_path: Path) -> None:
    """With the rights that the documentation lists, and no more."""
    config = operators.kubeconfig(release, tmp_path / "kubeconfig", resize=True)
    before, small, term = identities(release.pods()), mebibytes(release), release.lease()["term"]
    with Writer(release.client, "unaware") as writer:
        release.wait("rows are acknowledged", lambda: writer.rows > ROWS, 60)
        begun = time.monotonic()
        done = release.try_hapg("resize", "--size", AFTER, "--kubeconfig", str(config))
        seconds = time.monotonic() - begun
        assert done.code == 0, done.text
        rows = writer.rows
        release.wait("writes go on", lambda: writer.rows > rows + ROWS, 60)
        log = writer.stop()
    assert seconds < ONLINE_SECONDS
    assert done.out == f"ha-postgres has {AFTER} for data; the release's values have to say the same: helm upgrade … --set {SIZE}={AFTER}\n"
    assert set(capacities(release).values()) == {AFTER}
    assert all(size > small[pod] + 400 for pod, size in mebibytes(release).items()), "kubelet has grown the file systems"
    assert templates(release.namespace) == [AFTER]
    assert has_no_note(release.namespace)
    assert (lost(log, present_ids(release, "unaware")), late([log])) == ([], [])
    assert (identities(release.pods()), release.lease()["term"]) == (before, term)


def test_an_upgrade_after_a_resize_restarts_no_pod(release: Release) -> None:
    before = identities(release.pods())
    release.upgrade("--set", f"{SIZE}={AFTER}")
    wait_unchanged(release, before)
    status = release.namespace.get("statefulset", release.name)["status"]
    assert status["currentRevision"] == status["updateRevision"]


def wait_unchanged(release: Release, before: dict[str, tuple[str, int]]) -> None:
    """Wait until the StatefulSet controller has seen an upgrade, at full strength, and check that no pod was restarted.

    before: the pods' identities before the upgrade.
    """
    release.wait("the StatefulSet controller has seen it", lambda: is_observed(release), 60)
    release.wait_full_strength()
    assert identities(release.pods()) == before


def is_observed(release: Release) -> bool:
    """Whether the StatefulSet controller knows the StatefulSet as it is now."""
    found = release.namespace.get("statefulset", release.name)
    return bool(found["status"]["observedGeneration"] == found["metadata"]["generation"])


@pytest.mark.thorough
def test_resize_of_volumes_that_are_all_full_goes_on_after_interruptions(release: Release) -> None:
    """Nobody can write. The command is interrupted twice: after it has changed the claims, and when the StatefulSet goes."""
    before = identities(release.pods())
    for pod in release.pods():
        space = f"{VOLUME}/emergency-wal-space"
        release.wait(f"{pod.name} has its emergency WAL space", lambda: release.try_inside(pod.name, "test", "-e", space).code == 0, 60)  # noqa: B023
    for pod in release.pods():
        release.inside(pod.name, "bash", "-c", FILL, VOLUME)
    assert release.client.try_psql(MUCH).code != 0
    release.wait("an Event says so", lambda: release.latest("DiskFull"), WRITABLE_SECONDS)

    for words in ("waiting for", "deleting StatefulSet"):
        interrupt(release, words, "--size", FULL)
    done = release.try_hapg("resize", "--size", FULL, limit=OFFLINE_SECONDS)
    assert done.code == 0, done.text
    release.wait("somebody can write", lambda: release.client.try_psql(f"DROP TABLE IF EXISTS much; {MUCH}").code == 0, WRITABLE_SECONDS)
    assert set(capacities(release).values()) == {FULL}
    assert (templates(release.namespace), has_no_note(release.namespace)) == ([FULL], True)
    release.wait_full_strength()
    assert {name: uid for name, (uid, _) in identities(release.pods()).items()} == {name: uid for name, (uid, _) in before.items()}
    for pod in release.pods():
        release.inside(pod.name, "rm", f"{VOLUME}/filler")
    release.client.sql("DROP TABLE much")


def interrupt(release: Release, words: str, *options: str) -> None:
    """Run the command until it says these words, and interrupt it, as Ctrl-C does."""
    command = ("env", "--default-signal=INT", str(HAPG), "resize", release.name, "--namespace", release.namespace.name, *options)
    with programs.begin(*command, errors=subprocess.PIPE) as process:
        assert process.stderr is not None
        said = []
        for line in process.stderr:
            said.append(line)
            if line.startswith(words):
                process.send_signal(signal.SIGINT)
                break
        said += process.stderr.readlines()
        assert process.wait() == 130, "".join(said)
    assert said[-2:] == ["run the same command again to go on\n", "error: interrupted\n"]


@pytest.mark.pages
@pytest.mark.thorough
def test_the_commands_of_the_page_grow_the_volumes(release: Release) -> None:
    resize, upgrade = printed.commands("## Grow")
    names, before = printed.names(release) | {"16Gi": GROWN}, identities(release.pods())
    printed.run(resize, names, OFFLINE_SECONDS)
    assert set(capacities(release).values()) == {GROWN}
    printed.run(upgrade, names)
    wait_unchanged(release, before)
    assert templates(release.namespace) == [GROWN]


@pytest.mark.pages
@pytest.mark.thorough
def test_the_commands_of_the_page_shrink_the_volumes(release: Release) -> None:
    resize, upgrade = printed.commands("## Shrink")
    names, old = printed.names(release) | {"4Gi": SHRUNK}, claim_uids(release)
    refused = printed.follow(resize, names)
    assert (refused.code, f"use --yes {release.name}; nothing was changed" in refused.err) == (2, True), refused.text
    printed.run(f"{resize} --yes NAME", names, OFFLINE_SECONDS)
    assert set(capacities(release).values()) == {SHRUNK}
    assert not old & claim_uids(release)
    release.wait_full_strength()
    before = identities(release.pods())
    printed.run(upgrade, names)
    wait_unchanged(release, before)
    assert templates(release.namespace) == [SHRUNK]


@pytest.mark.pages
@pytest.mark.thorough
def test_the_commands_of_the_page_add_wal_volumes_with_the_values_that_it_prints(release: Release, classes: Classes) -> None:
    resize, upgrade = printed.commands("## A volume for WAL")
    names = printed.names(release) | {"8Gi": "2Gi", "fast": classes.online}
    printed.run(f"{resize} --yes NAME", names, OFFLINE_SECONDS)
    release.wait_full_strength()
    assert places_of_wal(release) == {WAL}
    before = identities(release.pods())
    printed.run(upgrade, names)
    wait_unchanged(release, before)
    given = json.loads(release.namespace.helm("get", "values", release.name, "--output", "json"))
    assert given["walVolume"] == printed.values("## A volume for WAL", names)["walVolume"]


@pytest.mark.thorough
def test_resize_restarts_one_pod_after_the_other_where_file_systems_grow_only_then(classes: Classes) -> None:
    """Both volumes of each pod. Replicas come first; the primary switches over."""
    given = f"storage.storageClassName={classes.offline},{SIZE}={BEFORE}"
    given += f",walVolume.enabled=true,walVolume.size={BEFORE},walVolume.storageClassName={classes.offline}"
    with installed("e2e-resize-offline", "--set", given) as release:
        release.client.sql(TABLE)
        before, primary, term = identities(release.pods()), release.primary().name, release.lease()["term"]
        with Writer(release.client, "moved") as writer:
            release.wait("rows are acknowledged", lambda: writer.rows > ROWS, 60)
            done = release.try_hapg("resize", "--size", AFTER, "--wal-size", AFTER, limit=OFFLINE_SECONDS)
            assert done.code == 0, done.text
            rows = writer.rows
            release.wait("writes go on", lambda: writer.rows > rows + ROWS, 60)
            log = writer.stop()
        restarts = [line.split()[1].rstrip(",") for line in done.err.splitlines() if line.startswith("restarting ")]
        assert (sorted(restarts[:-1]), restarts[-1]) == (sorted(before.keys() - {primary}), primary)
        assert set(capacities(release).values()) == {AFTER}
        assert all(size > 1400 for place in (VOLUME, WAL) for size in mebibytes(release, place).values())
        assert templates(release.namespace) == [AFTER, AFTER]
        release.wait_full_strength()
        assert (lost(log, present_ids(release, "moved")), late([log])) == ([], [])
        assert (release.primary().name != primary, release.lease()["term"]) == (True, term + 1)


@pytest.mark.thorough
def test_resize_to_less_clones_one_server_after_the_other_under_writes(classes: Classes, tmp_path: Path) -> None:
    """With the rights that the documentation lists, and no more, and interrupted at the first clone. The former primary comes last."""
    with installed("e2e-resize-less", "--set", f"storage.storageClassName={classes.online},{SIZE}={AFTER}") as release:
        config = operators.kubeconfig(release, tmp_path / "kubeconfig", resize=True, reclone=True)
        less = ("--size", BEFORE, "--reclone", "--yes", release.name)
        release.client.sql(TABLE)
        large, old, primary, term = mebibytes(release), claim_uids(release), release.primary().name, release.lease()["term"]
        with Writer(release.client, "cloned") as writer:
            release.wait("rows are acknowledged", lambda: writer.rows > ROWS, 60)
            interrupt(release, "cloning", *less)
            rows = writer.rows
            release.wait("writes go on", lambda: writer.rows > rows + ROWS, 60)
            done = release.try_hapg("resize", *less, "--kubeconfig", str(config), limit=OFFLINE_SECONDS)
            assert done.code == 0, done.text
            rows = writer.rows
            release.wait("writes go on", lambda: writer.rows > rows + ROWS, 60)
            log = writer.stop()
        told = f"ha-postgres has {BEFORE} for data; the release's values have to say the same: helm upgrade … --set {SIZE}={BEFORE}\n"
        assert done.out == told
        assert [line.split()[1] for line in done.err.splitlines() if line.startswith("cloning ")][-1] == primary
        assert set(capacities(release).values()) == {BEFORE}
        assert all(size < large[pod] - 400 for pod, size in mebibytes(release).items()), "they are other file systems"
        assert not old & claim_uids(release)
        assert (templates(release.namespace), has_no_note(release.namespace)) == ([BEFORE], True)
        release.wait_full_strength()
        assert (lost(log, present_ids(release, "cloned")), late([log])) == ([], [])
        assert (release.primary().name != primary, release.lease()["term"]) == (True, term + 1)
        before = identities(release.pods())
        release.upgrade("--set", f"{SIZE}={BEFORE}")
        wait_unchanged(release, before)


@pytest.mark.thorough
def test_resize_gives_wal_volumes_to_a_release_that_is_there_under_writes(cluster: Cluster) -> None:
    """The primary is ordinal 0, so it moves first. A pod that restarts meanwhile with its old data is refused, and is then cloned."""
    values, add = ("--set", "walVolume.enabled=true,walVolume.size=1Gi"), ("--wal-size", "1Gi", "--reclone", "--yes", NAME)
    with installed("e2e-resize-wal") as release:
        release.client.sql(TABLE)
        with pytest.raises(programs.ProgramError, match=IMMUTABLE):
            release.upgrade(*values)
        release.namespace.helm("rollback", release.name)
        release.wait_full_strength()
        if release.primary().name != f"{NAME}-0":
            release.hapg("switchover", "--to", f"{NAME}-0")
            release.wait_full_strength()
        with Writer(release.client, "apart") as writer:
            release.wait("rows are acknowledged", lambda: writer.rows > ROWS, 60)
            interrupt(release, "giving the fields", *add)
            assert release.primary().name == f"{NAME}-2"
            release.namespace.kubectl("delete", "pod", f"{NAME}-0")
            message = release.wait(
                "a pod with its old data is refused", lambda: release.latest("VolumesMismatched").get(f"{NAME}-0", ""), 120
            )
            assert "the data directory holds its WAL itself, as it was made without walVolume: nothing is touched" in message
            done = release.try_hapg("resize", *add, limit=OFFLINE_SECONDS)
            assert done.code == 0, done.text
            rows = writer.rows
            release.wait("writes go on", lambda: writer.rows > rows + ROWS, 60)
            log = writer.stop()
        told = "the release's values have to say the same: helm upgrade … --set walVolume.size=1Gi --set walVolume.enabled=true\n"
        assert done.out == f"{NAME} has 1Gi for WAL; {told}"
        assert [line.split()[1] for line in done.err.splitlines() if line.startswith("cloning ")] == [f"{NAME}-{n}" for n in range(3)]
        release.wait_full_strength()
        assert places_of_wal(release) == {WAL}
        assert (lost(log, present_ids(release, "apart")), late([log])) == ([], [])
        before = identities(release.pods())
        release.upgrade(*values)
        wait_unchanged(release, before)


def places_of_wal(release: Release) -> set[str]:
    """Where the volumes that hold the pods' WAL are mounted."""
    script = f"df --output=target {DATA}/pg_wal/. | tail -1"
    return {release.inside(pod.name, "bash", "-c", script).strip() for pod in release.pods()}


def claim_uids(release: Release) -> set[str]:
    """The identities of its claims."""
    return {each["metadata"]["uid"] for each in release.namespace.get("persistentvolumeclaims", "--selector", release.selector)}


# --- in either order with an upgrade; no pod is needed for that ---


@contextlib.contextmanager
def paused(program: str) -> Iterator[Release]:
    """A release of a class without volumes, which never ran."""
    with programs.namespace("e2e-resize-paused") as namespace:
        release = Release(namespace, replicas=0)
        options = ("--values", str(VALUES), "--set", "pause=true,walVolume.enabled=true,walVolume.size=1Gi")
        release.install(CHART, *options, program=program)
        yield release


def has_drifted(release: Release, program: str) -> bool:
    """Whether the live StatefulSet differs from what was rendered, by the API server's own comparison."""
    rendered = release.namespace.helm("get", "manifest", release.name, program=program)
    options = ("--server-side", "--force-conflicts", "--field-manager", "somebody", "--filename", "-")
    done = release.namespace.try_kubectl("diff", *options, stdin=rendered)
    assert done.code in (0, 1), done.text
    return done.code == 1


def upgrade(release: Release, program: str, size: str, wal: str) -> Done:
    """Upgrade it with other sizes; return the result."""
    given = f"{SIZE}={size},walVolume.size={wal}"
    return release.namespace.try_helm("upgrade", release.name, str(CHART), "--reuse-values", "--set", given, program=program)


@pytest.mark.thorough
@pytest.mark.parametrize("program", ["helm3", "helm4"])
def test_resize_and_upgrade_fit_in_either_order(cluster: Cluster, program: str) -> None:
    with paused(program) as release:
        too_early = upgrade(release, program, "100Mi", "2Gi")
        assert too_early.code != 0
        assert IMMUTABLE in too_early.text
        release.hapg("resize", "--size", "100Mi", "--wal-size", "2Gi")
        for sizes in (("100Mi", "2Gi"), ("1Gi", "3Gi")):
            release.hapg("resize", "--size", sizes[0], "--wal-size", sizes[1])
            assert templates(release.namespace) == list(sizes)
            done = upgrade(release, program, *sizes)
            assert done.code == 0, done.text
            assert not has_drifted(release, program)
        found = json.loads(release.namespace.kubectl("get", "statefulset", release.name, "--show-managed-fields", "--output", "json"))
        assert "hapg-resize" not in [each["manager"] for each in found["metadata"]["managedFields"]]
        assert has_no_note(release.namespace)
