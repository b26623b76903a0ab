"""Files that are written completely or not at all, hashes of their contents, and locks between programs."""

import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.cluster import process
from tests.cluster.output import say

_WORKSPACE = ".work-"


def write(path: Path, text: str, mode: int = 0o644) -> None:
    """Writes a file under a temporary name and renames it; creates the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(handle, "w") as file:
        file.write(text)
    os.chmod(name, mode)
    os.replace(name, path)


def write_json(path: Path, value: Any) -> None:
    """Writes a value as JSON, like `write`."""
    write(path, json.dumps(value, indent=1) + "\n")


def read_json(path: Path) -> Any:
    """The value in a JSON file, or None if the file doesn't exist or is not JSON."""
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return None


def link(target: Path, name: Path) -> None:
    """Makes `name` a symbolic link to `target`, atomically even if `name` exists."""
    if name.is_symlink() and os.readlink(name) == str(target):
        return
    name.parent.mkdir(parents=True, exist_ok=True)
    temporary = name.with_name(f".{name.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(target)
    os.replace(temporary, name)


def digest(paths: Iterable[Path], *texts: str) -> str:
    """16 hexadecimal digits: a hash of the contents and names of files and of further texts."""
    total = hashlib.sha256()
    for path in sorted(paths):
        total.update(f"{path.name}\0{path.stat().st_size}\0".encode())
        total.update(path.read_bytes())
    for text in texts:
        total.update(f"\0{text}".encode())
    return total.hexdigest()[:16]


@contextmanager
def workspace(folder: Path) -> Iterator[Path]:
    """A temporary folder inside `folder` (so that results can be renamed into place), removed at the end.

    Those left by killed programs are removed first.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for left in folder.glob(f"{_WORKSPACE}*"):
        pid, start = left.name.removeprefix(_WORKSPACE).split("-")[:2]
        if not process.alive(process.Process(int(pid), int(start))):
            shutil.rmtree(left, ignore_errors=True)
    own = process.own()
    path = Path(tempfile.mkdtemp(dir=folder, prefix=f"{_WORKSPACE}{own.pid}-{own.start}-"))
    path.chmod(0o755)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextmanager
def lock(path: Path) -> Iterator[None]:
    """Holds an exclusive flock on a file; prints a message if it has to wait for another program."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for another program that holds {path}")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
