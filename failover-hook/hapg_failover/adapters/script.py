"""The supervisor's script in the pod: that of the failover image, beside which no other agent runs (docs/contract.md)."""

from __future__ import annotations

import os
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "supervisor.sh"
_MODE = 0o444


def install(path: Path) -> None:
    """Put the script of this image at `path`, by a rename: bash reads a script while it runs it. Raise OSError."""
    new = path.with_name(path.name + ".new")
    new.unlink(missing_ok=True)
    new.write_bytes(SOURCE.read_bytes())
    new.chmod(_MODE)
    os.replace(new, path)


def trouble(path: Path) -> str | None:
    """Return why an agent of this image must not run beside the script at `path`, None if it is this image's."""
    try:
        found = path.read_bytes()
    except OSError as error:
        return f"{path}: {error.strerror}; the pod's template must be that of a chart of this version"
    if found != SOURCE.read_bytes():
        return f"{path}: is not of this failover image; give the containers prepare and failover one image, and delete the pod"
    return None
