"""Two builds of the failover image in one release, as during an upgrade and a rollback (docs/protocol.md, rule 15).

The next build is the current one with an additional field in the Lease, a setting that the current one doesn't know, and another
supervisor.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.cluster import chosen
from tests.cluster.fixtures import Cluster
from tests.cluster.images import FAILOVER_IMAGE, Edit
from tests.robustness import programs
from tests.robustness.failpoint import faults
from tests.robustness.release import CHART, VALUES, Pod, Release
from tests.robustness.traffic.writers import Writer, wait_table
from tests.robustness.validate import rows, writes

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(420)]

TAG = "next"
PRESENT, NEXT = FAILOVER_IMAGE, f"{FAILOVER_IMAGE.rpartition(':')[0]}:{TAG}"
FIELD = {"kept": ["as", "it", "is", 1.5]}
SETTING = "settingOfTheNextVersion"
EDITS = (
    Edit(
        "hapg_protocol/lease.py",
        '            "protocol": state.protocol,\n',
        f'            "protocol": state.protocol,\n            "next": {FIELD},\n',
    ),
    Edit(
        "hapg_protocol/settings.py",
        '    root = _values(document, "", unknown.append)\n',
        f'    document.pop("{SETTING}", None)\n    root = _values(document, "", unknown.append)\n',
    ),
    Edit("hapg_supervisor/supervisor.sh", "#!/bin/bash\n", "#!/bin/bash\n# The next version.\n"),
    Edit("hapg_failover/container.py", 'f"the agent of {identity.pod} starts"', 'f"the next agent of {identity.pod} begins"'),
)
WARNING = f"failover.json.{SETTING}: unknown key"
BEGINS = "the next agent of"
STEP_ROWS = 50


@pytest.fixture(scope="module")
def release(cluster: Cluster) -> Iterator[Release]:
    """A release of three pods of the current build, whose pods change their template only when they are deleted."""
    if not chosen.takes_images():
        pytest.skip("images can't be loaded into this cluster")
    chosen.load_other_failover(TAG, EDITS)
    with programs.namespace("e2e-versions") as namespace:
        release = Release(namespace)
        release.install(CHART, "--values", str(VALUES))
        patch(release, {"updateStrategy": {"type": "OnDelete", "rollingUpdate": None}})
        release.settle()
        yield release


def patch(release: Release, spec: dict[str, object]) -> None:
    release.namespace.kubectl("patch", "statefulset", release.name, "--patch", json.dumps({"spec": spec}))


def give(release: Release, *, prepare: str, failover: str) -> None:
    """Make pods created from now on use these images."""
    containers = [{"name": "prepare", "image": prepare}, {"name": "failover", "image": failover}]
    patch(release, {"template": {"spec": {"initContainers": containers}}})


def set_unknown_setting(release: Release) -> None:
    name = f"{release.name}-config"
    document = json.loads(release.namespace.get("configmap", name)["data"]["failover.json"])
    data = {"failover.json": json.dumps({**document, SETTING: "any"})}
    release.namespace.kubectl("patch", "configmap", name, "--patch", json.dumps({"data": data}))
    release.look_again()


def replace_pod(release: Release, pod: Pod, image: str) -> None:
    """Delete a pod and wait for its replacement with this image."""
    release.namespace.kubectl("delete", "pod", pod.name)
    release.wait_replaced(pod)
    assert (BEGINS in release.agent_log(pod.name)) is (image == NEXT)


def switch_over(release: Release, to: str) -> None:
    release.hapg("switchover", "--to", to)
    release.wait_full_strength()
    assert release.primary().name == to


def wait_renewed(release: Release) -> None:
    """Wait until the leader has written the Lease again."""

    def renewed() -> str:
        return str(release.namespace.get("lease", release.name)["spec"]["renewTime"])

    before = renewed()
    release.wait("the Lease is renewed", lambda: renewed() != before, 20)


def kill_postmaster(release: Release) -> None:
    term = release.lease()["term"]
    faults.POSTMASTER.inject(release, release.primary())
    release.wait("a claim, and full strength", lambda: release.lease()["term"] > term and release.at_full_strength(), 60)


def upgrade_and_roll_back(release: Release, writer: Writer) -> None:
    def go_on() -> None:
        rows = writer.rows
        release.wait("rows are acknowledged", lambda: writer.rows > rows + STEP_ROWS, 60)

    first, upgraded = release.primary(), release.standbys()[-1]
    give(release, prepare=NEXT, failover=NEXT)
    replace_pod(release, upgraded, NEXT)
    go_on()
    # the current build switches over to the next one, and back again
    switch_over(release, upgraded.name)
    release.wait("the next build has added its field", lambda: release.lease().get("next") == FIELD, 20)
    go_on()
    switch_over(release, first.name)
    wait_renewed(release)
    assert (release.lease()["holder"]["pod"], release.lease().get("next")) == (first.name, FIELD)
    go_on()
    # failovers between both; the pod that comes back from the second one has the next build
    kill_postmaster(release)
    go_on()
    last = release.primary()
    replace_pod(release, last, NEXT)
    assert release.primary().name != last.name
    go_on()
    # the rollback: standbys first
    give(release, prepare=PRESENT, failover=PRESENT)
    for pod in sorted((release.pod(name) for name in {last.name, upgraded.name}), key=lambda pod: pod.role == "primary"):
        replace_pod(release, pod, PRESENT)
        go_on()
    assert release.lease().get("next") == FIELD


def test_an_upgrade_and_a_rollback_lose_nothing(release: Release, measured: list[str]) -> None:
    set_unknown_setting(release)
    for pod in release.pods():
        release.wait(f"{pod.name} passes over the setting", lambda name=pod.name: WARNING in release.agent_log(name), 120)  # type: ignore[misc]
    wait_table(release, release.client)
    with Writer(release.client, "versions-service") as writer:
        upgrade_and_roll_back(release, writer)
        told = writer.stop()
    present = rows.present_ids(release, told.writer)
    assert writes.lost(told, present) == []
    assert writes.unexpected(told, present) == []
    assert writes.late([told]) == []
    assert writes.shared_timelines([told]) == []
    measured.append(f"two versions side by side: {len(told.acknowledged)} rows, none lost, longest gap {told.gap:.2f} s")


def test_each_agent_says_once_what_it_does_not_know(release: Release) -> None:
    for pod in release.pods():
        assert release.agent_log(pod.name).count(WARNING) == 1


def test_an_agent_does_not_run_beside_another_versions_supervisor(release: Release) -> None:
    """As when a pod's template is edited for one container only: the pod stays unready, and the others serve."""
    standby = release.standbys()[-1]
    give(release, prepare=PRESENT, failover=NEXT)
    release.namespace.kubectl("delete", "pod", standby.name)
    sentence = "supervisor.sh: does not match this failover image"

    def refuses() -> bool:
        return sentence in release.namespace.try_kubectl("logs", standby.name, "--container", "failover").out

    release.wait(f"{standby.name} says why it doesn't run", refuses, 60)
    assert not release.pod(standby.name).ready
    assert release.client.sql("SELECT pg_is_in_recovery()") == [["f"]]
