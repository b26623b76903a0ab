"""The supervisor's scripts in the pod: those of the failover image, beside which no other agent runs (docs/contract.md)."""

from __future__ import annotations

import os
from pathlib import Path

import hapg_supervisor

FOLDER = Path(hapg_supervisor.__file__).parent
MAIN = "supervisor.sh"
"""The script that PID 1 runs. It reads the others, from the folder that it is in."""
_MODE = 0o444


def sources() -> list[Path]:
    """Return the scripts of this image. MAIN is the last one."""
    return sorted(FOLDER.glob("*.sh"), key=lambda path: (path.name == MAIN, path.name))


def install(folder: Path) -> None:
    """Put the scripts of this image into `folder`, each by a rename: bash reads a script while it runs it. Raise OSError."""
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
