"""A release whose user the platform has chosen, as OpenShift does: no entry in /etc/passwd, and group
0. The tests depend on each other, in order.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster.fixtures import Cluster, NodeFaults
from tests.e2e import diverging, give_user
from tests.robustness.release import Release
from tests.robustness.stock import installed

pytestmark = [pytest.mark.cluster, pytest.mark.thorough, pytest.mark.timeout(500)]


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """The options with which Helm gives every pod but those of hooks the platform's user."""
    program = tmp_path_factory.mktemp("renderer") / "give-user"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{Path(give_user.__file__)}"\n')
    program.chmod(0o755)
    return "--post-renderer", str(program)


@pytest.fixture(scope="module")
def foreign(cluster: Cluster, rendered: tuple[str, str]) -> Iterator[Release]:
    """A release at full strength with hot standbys and a WAL volume, whose pods all have the platform's user."""
    options = ("--set", "securityContext.uid=null,standbyMode=hot,walVolume.enabled=true,walVolume.size=1Gi")
    with installed("e2e-platform-uid", *options, *rendered) as release:
        yield release


def hooks(release: Release) -> list[dict[str, Any]]:
    """The objects of the release's hooks."""
    return [each for each in yaml.safe_load_all(release.namespace.helm("get", "hooks", release.name)) if each]


def give_user_and_make(release: Release, documents: list[dict[str, Any]]) -> None:
    """Make the objects, whose pods get the platform's user."""
    for document in documents:
        give_user.give(document)
        release.namespace.apply(document)


def test_every_container_runs_as_a_user_of_the_platform_without_a_name(foreign: Release) -> None:
    for pod in foreign.pods():
        for container in ("postgres", "failover"):
            script = "read -r _ uid _ < <(grep ^Uid /proc/self/status); read -r _ gid _ < <(grep ^Gid /proc/self/status); echo $uid $gid"
            shell = ("bash", "-c", script)
            assert foreign.inside(pod.name, *shell, container=container).split() == [str(give_user.USER), "0"]
        assert foreign.try_inside(pod.name, "getent", "passwd", str(give_user.USER)).code != 0


def test_a_release_of_a_platforms_user_fails_over(foreign: Release) -> None:
    foreign.client.sql("CREATE TABLE kept AS SELECT 1 AS number")
    foreign.fail_over("--grace-period=0", "--force")
    assert foreign.client.sql("SELECT number FROM kept") == [["1"]]


def test_a_release_of_a_platforms_user_clones_a_lost_volume(foreign: Release) -> None:
    lost = foreign.standbys()[-1]
    foreign.lose(lost, "data", "wal")
    foreign.wait_replaced(lost)
    assert "a clone of the standby at " in foreign.agent_log(lost.name)


def test_a_release_of_a_platforms_user_rewinds_a_former_primary(foreign: Release, node_faults: NodeFaults) -> None:
    foreign.client.sql("CREATE TABLE diverged (word text)")
    former, elsewhere = diverging.rejoined(foreign, node_faults)
    assert "rewound to" in foreign.agent_log(former.name)
    assert elsewhere.sql("SELECT number FROM kept") == [["1"]]


def test_helm_test_and_the_wipe_run_as_a_user_of_the_platform(foreign: Release, rendered: tuple[str, str]) -> None:
    """Helm 3 does not post-render hooks, so they are run by hand here."""
    namespace = foreign.namespace
    give_user_and_make(foreign, hooks(foreign))
    namespace.kubectl("wait", "pod/ha-postgres-test-primary", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=60s")

    foreign.upgrade("--set", "wipeOut=true", *rendered)
    wipe = [each for each in hooks(foreign) if each["metadata"]["name"] == "ha-postgres-wipe"]
    namespace.helm("uninstall", foreign.name, "--no-hooks")
    give_user_and_make(foreign, wipe)
    namespace.kubectl("wait", "job/ha-postgres-wipe", "--for=condition=complete", "--timeout=170s")
    left = ("pvc,secrets,leases", "--selector", foreign.selector)
    foreign.wait("nothing is left", lambda: not namespace.get(*left), 60)
