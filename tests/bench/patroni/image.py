"""The image of Patroni and PostgreSQL."""

from __future__ import annotations

from pathlib import Path

from tests.cluster import files, images
from tests.cluster.images import Archive
from tests.cluster.paths import CACHE

IMAGE = "localhost/patroni:4.1.5"
FOLDER = Path(__file__).parent
LARGEST = 400_000_000


def ensure() -> Archive:
    """Build it unless it is in the cache. Raise ClusterError."""
    postgres = next(each for each in images.ensure_debian() if each.reference == images.POSTGRES_IMAGE)
    with files.lock(CACHE / "images.lock"):
        python, build = images.python_roots()
        arguments = {"BUILD_IMAGE": build, "PYTHON_IMAGE": python, "POSTGRES_IMAGE": postgres}
        return images.of_containerfile(IMAGE, FOLDER, [FOLDER / "requirements.lock"], arguments, LARGEST)
