"""A switchover of real agents and servers while the backup containers of both are frozen or gone: it waits for none of them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hapg_protocol import requests
from hapg_protocol.model import PodPatch
from tests.fakes.kube import LEASE_UID

from .backups import TABLE, Backup, Beside, ready, rows, settled, switch
from .conftest import Make
from .harness import wait_for
from .pods import Pod, Release
from .test_restore import link_of

SWITCHED_S = 45.0
"""Less than a push waits for an answer, 60 s."""


def request(release: Release, pod: Pod) -> None:
    """Ask for a switchover from this pod, as `hapg switchover` does."""
    wanted = requests.Switchover("once", release.lease.term)
    release.cluster.patch_pod(PodPatch(pod.container.name, pod.uid, annotations={requests.SWITCHOVER: wanted.encode()}))


def delete(release: Release, pod: Pod) -> None:
    """Delete the pod, as a drain does."""
    pod.terminate()


@pytest.mark.thorough
@pytest.mark.parametrize("begin", [request, delete])
@pytest.mark.parametrize("trouble", [Backup.freeze, Backup.kill])
def test_a_switchover_waits_for_no_backup_container_and_leaves_no_hole_in_the_archive(
    make: Make, beside: Beside, trouble: Callable[[Backup], None], begin: Callable[[Release, Pod], None]
) -> None:
    release = Release(make, replicas=2)
    backups = [beside(pod.container) for pod in release.pods]
    links = []
    for pod in release.pods:
        pod.start()
        links.append(link_of(release, pod))
    try:
        release.wait(release.is_whole, "empty volumes become a release", 120)
        former = release.primary
        assert former is not None
        successor = release.pods[1 - former.ordinal]
        release.wait(lambda: [each.streaming for each in release.lease.eligible] == [True], "the other pod is an eligible replica")
        stanza = f"db-{LEASE_UID[:8]}"
        former.container.sql(TABLE)
        first = switch(former.container, "archived")
        wait_for(lambda: first in backups[former.ordinal].archived(stanza), f"{first} is archived", 90, backups[former.ordinal].said)
        for backup in backups:
            trouble(backup)
        last = switch(former.container, "unarchived", 3)
        wait_for(lambda: last in ready(former.container), f"{last} waits")
        begin(release, former)
        release.wait(lambda: successor.writes, "the other pod's server is the primary", SWITCHED_S)
        assert "ServerDied" not in {each[1] for each in release.cluster.events}
        assert rows(successor.container) == {"archived": 1, "unarchived": 3}
        switch(successor.container, "new")
        for backup in backups:
            backup.kill()
            backup.start()
        settled(successor.container, timeout=120)
        backup = backups[successor.ordinal]
        assert {first, last} <= backup.archived(stanza)
        backup.backup()
        assert backup.info()["continuity"]["holes"] == []
    finally:
        for link in links:
            link.set()
        release.stop()
