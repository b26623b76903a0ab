"""Azurite, a server of Azure's Blob Storage, from the npm package of that name with the packages that it needs."""

import shutil
from pathlib import Path

from tests.cluster import debian, files
from tests.cluster.commands import run
from tests.cluster.output import step
from tests.cluster.paths import CACHE, NPM_PACKAGES

_SOURCES = tuple(NPM_PACKAGES / "azurite" / name for name in ("package.json", "package-lock.json"))
_FOLDER = CACHE / "azurite"
_PROGRAM = "node_modules/azurite/dist/src/blob/main.js"


def ensure() -> Path:
    """Fetches the packages if needed; returns the program, which node runs. Raises ClusterError."""
    debian.ensure_program("npm", "npm")
    target = _FOLDER / files.digest(_SOURCES)
    with files.lock(CACHE / "azurite.lock"):
        if not target.exists():
            with files.workspace(_FOLDER) as folder, step("fetching Azurite"):
                found = folder / "azurite"
                found.mkdir()
                for source in _SOURCES:
                    shutil.copy(source, found)
                run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=found, timeout=600)
                found.rename(target)
    return target / _PROGRAM
