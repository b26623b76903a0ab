"""The supervisor's scripts in the pod: those of the failover image; an agent runs beside no others (docs/contract.md)."""

from __future__ import annotations

import os
from pathlib import Path

import hapg_supervisor

FOLDER = Path(hapg_supervisor.__file__).parent
MAIN = "supervisor.sh"
"""The script that PID 1 runs. It sources the others from its own directory."""
_MODE = 0o444


def sources() -> list[Path]:
    """Return the scripts of this image, MAIN last."""
    return sorted(FOLDER.glob("*.sh"), key=lambda path: (path.name == MAIN, path.name))


def install(folder: Path) -> None:
    """Install the scripts of this image in `folder`, each by rename, because bash reads a script while running it. Raise OSError."""
    for source in sources():
        new = folder / f"{source.name}.new"
        new.unlink(missing_ok=True)
        new.write_bytes(source.read_bytes())
        new.chmod(_MODE)
        os.replace(new, folder / source.name)


def trouble(folder: Path) -> str | None:
    """Return why an agent of this image must not run beside the scripts in `folder`, None if they are this image's."""
    for source in sources():
        path = folder / source.name
        try:
            found = path.read_bytes()
        except OSError as error:
            return f"{path}: {error.strerror}; the pod template must come from a chart of this version"
        if found != source.read_bytes():
            return f"{path}: does not match this failover image; use one image for the containers prepare and failover, and delete the pod"
    return None
