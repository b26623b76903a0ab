"""Files of the pod. No link is followed where a superuser in SQL could have put one, and nothing is read but regular files."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_CHUNK = 1 << 20
_CAUTIOUS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY


def write(path: Path, data: bytes) -> None:
    """Write a private file and rename it over `path`. Raise OSError."""
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)
    os.replace(new, path)


@contextmanager
def opened(path: Path) -> Iterator[int]:
    """Hold a descriptor of a regular file. Raise OSError if it is missing or something else."""
    descriptor = os.open(path, _CAUTIOUS)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(f"{path} is not a regular file")
        yield descriptor
    finally:
        os.close(descriptor)


def read(path: Path, most: int) -> bytes:
    """Return the content of a regular file, at most its first `most` bytes. Raise OSError."""
    with opened(path) as descriptor:
        return os.read(descriptor, most)


def size(path: Path) -> int:
    """Return the size of a regular file in bytes. Raise OSError."""
    with opened(path) as descriptor:
        return os.fstat(descriptor).st_size


def sha1(path: Path) -> str:
    """Return the SHA-1 of a regular file, in hex: pgBackRest has it in the names of archived segments. Raise OSError."""
    digest = hashlib.sha1(usedforsecurity=False)
    with opened(path) as descriptor:
        while part := os.read(descriptor, _CHUNK):
            digest.update(part)
    return digest.hexdigest()
