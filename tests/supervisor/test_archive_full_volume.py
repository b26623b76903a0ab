"""Volumes that fill because nothing is archived: real agents and servers, each volume a small file system of its own."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator

import pytest

from .backups import TABLE, Backup, Beside, rows, settled, switch
from .conftest import Make
from .harness import give_size
from .pods import Release
from .test_restore import link_of

LONG_S = 150.0
MOST = 120
"""More segments than a volume has room for."""


def events(release: Release) -> set[str]:
    """Return the reasons of all Events so far."""
    return {each[1] for each in release.cluster.events}


@pytest.fixture
def small(make: Make) -> Iterator[Release]:
    """A release of two pods whose volumes have 90 MiB; a segment has 1 MiB."""
    release = Release(make, replicas=2)
    for pod in release.pods:
        give_size(pod.container.volume, 90)
    yield release
    release.stop()
    for pod in release.pods:
        pod.container.end()
        subprocess.run(["umount", str(pod.container.volume)], check=True)


@pytest.mark.thorough
@pytest.mark.timeout(600)
def test_volumes_that_are_full_of_wal_that_was_not_archived_lose_nothing_and_go_on_once_they_are_larger(
    small: Release, beside: Beside
) -> None:
    backups: list[Backup] = [beside(pod.container) for pod in small.pods]
    links = []
    for pod in small.pods:
        pod.start()
        links.append(link_of(small, pod))
    try:
        small.wait(small.is_whole, "empty volumes become a release", LONG_S)
        primary = small.primary
        assert primary is not None
        primary.container.sql(TABLE)
        settled(*(pod.container for pod in small.pods))
        repository = backups[0].repository
        repository.chmod(0)
        switch(primary.container, "written")
        small.wait(lambda: "ArchivingFailed" in events(small), "an Event names the archive before a volume is full", LONG_S)
        assert "DiskFull" not in events(small)
        written = 1
        with contextlib.suppress(AssertionError):
            while written < MOST:
                switch(primary.container, "written")
                written += 1
        assert written < MOST
        small.wait(lambda: "DiskFull" in events(small), "an Event names the full volume", LONG_S)
        repository.chmod(0o700)
        for pod in small.pods:
            give_size(pod.container.volume, 300)
        small.wait(small.is_whole, "it goes on", LONG_S)
        primary = small.primary
        assert primary is not None
        assert rows(primary.container)["written"] >= written
        settled(*(pod.container for pod in small.pods), timeout=LONG_S)
        backup = backups[primary.ordinal]
        backup.backup()
        assert backup.info()["continuity"]["holes"] == []
    finally:
        for link in links:
            link.set()
