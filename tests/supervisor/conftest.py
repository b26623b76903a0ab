from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.cluster import embedded, pgbackrest

from .backups import Backup, Beside, primary_with_backup
from .harness import BIN, DEFAULT, Container, server_user
from .upgrades import IN_IMAGES, Upgraded, unpack

Make = Callable[..., Container]


@pytest.fixture(scope="session", autouse=True)
def prerequisites() -> None:
    if not (BIN / "postgres").exists():
        pytest.fail(f"PostgreSQL 15 is not in {BIN}: run make postgres", pytrace=False)
    for major in embedded.MAJORS:
        if not embedded.directory(major).exists():
            pytest.fail(f"PostgreSQL {major} is not in {embedded.directory(major)}: run make postgres", pytrace=False)
    if not pgbackrest.directory().exists():
        pytest.fail(f"pgBackRest is not in {pgbackrest.directory()}: run make postgres", pytrace=False)
    if os.geteuid() != 0:
        pytest.fail("these tests make PID namespaces and run servers under another user: they need root", pytrace=False)


def _directory() -> Path:
    """Return a new directory in memory, like the pods' shared volume; its path is short enough for a Unix socket."""
    root = Path(tempfile.mkdtemp(prefix="hapg-", dir="/dev/shm"))
    root.chmod(0o755)
    return root


@pytest.fixture(scope="session")
def of_major(images: Callable[[str], Path]) -> Make:
    """Create a container, which runs in its major's image if this machine has no server of that major."""

    def of_major(root: Path, name: str, volume: Path | None = None, major: str = DEFAULT, apart: bool = False, **more: str) -> Container:
        if major not in IN_IMAGES:
            return Container(root, name, volume, major, apart, **more)
        container = Upgraded(root, name, volume, major, apart, **more)
        container.image = images(major)
        return container

    return of_major


@pytest.fixture(scope="session")
def templates(prerequisites: None, of_major: Make) -> Iterator[Callable[[str], Path]]:
    """An initialised data directory of a major, whose server has never run; created once."""
    root = _directory()

    @cache
    def template(major: str) -> Path:
        container = of_major(root, f"template-{major}", major=major)
        try:
            container.start()
            container.ok("initdb")
            container.end()
        finally:
            container.close()
        return container.pgdata

    yield template
    shutil.rmtree(root)


@pytest.fixture(scope="session")
def images() -> Iterator[Callable[[str], Path]]:
    """Return the root file system of a major's image, unpacked once."""
    root = Path(tempfile.mkdtemp(prefix="hapg-images-"))
    root.chmod(0o755)

    @cache
    def image(major: str) -> Path:
        unpack(major, root / major)
        uid, gid = server_user()
        with (root / major / "etc/passwd").open("a") as passwd:
            passwd.write(f"server:x:{uid}:{gid}::/:/bin/false\n")
        return root / major

    yield image
    shutil.rmtree(root)


@pytest.fixture
def template(templates: Callable[[str], Path]) -> Path:
    """The one for the tutorial's major."""
    return templates(DEFAULT)


@pytest.fixture
def make(of_major: Make) -> Iterator[Make]:
    """Create containers, and clean up after them."""
    root = _directory()
    os.chown(root, *server_user())
    made: list[Container] = []

    def make(name: str, volume: Path | None = None, major: str = DEFAULT, apart: bool = False, **environment: str) -> Container:
        made.append(of_major(root, name, volume, major, apart, **environment))
        return made[-1]

    yield make
    for container in made:
        container.close()
    shutil.rmtree(root)


@pytest.fixture
def standby(make: Make, template: Path) -> Container:
    """A hot standby that was started with its WAL receiver stopped."""
    container = make("pod-0")
    container.take_data_of(template)
    container.start()
    container.ok("start", "hot")
    return container


@pytest.fixture
def primary(standby: Container) -> Container:
    """A primary of term 1 on timeline 2, without a fence."""
    standby.promote(2, 1)
    return standby


@pytest.fixture
def clone(make: Make, primary: Container) -> Callable[[str, str], Container]:
    """Create a replica that follows the primary."""

    def clone(name: str, mode: str) -> Container:
        replica = make(name)
        replica.start()
        replica.ok("clone", *primary.address())
        replica.ok("start", mode)
        replica.ok("follow", *primary.address())
        return replica

    return clone


@pytest.fixture
def beside(make: Make) -> Iterator[Beside]:
    """Start a backup container beside a server's container; all of a test's share one repository."""
    made: list[Backup] = []

    def beside(container: Container, **settings: Any) -> Backup:
        backup = Backup(container, container.run.parent.parent, **settings)
        made.append(backup)
        return backup.start()

    yield beside
    for backup in made:
        backup.kill()


@pytest.fixture
def archived(make: Make, template: Path, beside: Beside) -> Backup:
    """The backup container of a release's first primary."""
    return primary_with_backup(make, template, beside, "db-0")
