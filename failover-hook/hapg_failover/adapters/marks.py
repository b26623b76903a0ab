"""The small files at the top level of a volume."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from contextlib import AbstractContextManager, suppress
from pathlib import Path

from . import beneath
from .beneath import Irregular

NUMBER = re.compile(r"[0-9]{1,19}\n?")
_LONGEST = 4096


class Files:
    """The small files at the top level of one volume. Every write is on disk when the call returns."""

    def __init__(self, base: Path) -> None:
        """base: the mount point of the volume."""
        self.base = base
        self._path = str(base)

    def directory(self, *names: str) -> AbstractContextManager[int]:
        """Hold a descriptor of a directory. Raise FileNotFoundError, Irregular, OSError."""
        return beneath.directory(self._path, *names)

    def mode(self, name: str) -> int | None:
        """Return the type and mode of an entry, of the link itself if it is a link; None if it is missing. Raise OSError."""
        with self.directory() as parent:
            return beneath.mode_of(parent, name)

    def has(self, name: str) -> bool:
        """True if there is an entry of that name."""
        return self.mode(name) is not None

    def text(self, *names: str) -> str | None:
        """Return the text of a small file, None if it is missing. Raise ValueError if it isn't a small ASCII file, OSError."""
        try:
            found = beneath.read(self._path, *names, most=_LONGEST)
        except Irregular as error:
            raise ValueError(str(error)) from None
        if found is not None and not found.isascii():
            raise ValueError(f"{'/'.join(names)}: not ASCII")
        return None if found is None else found.decode("ascii")

    def number(self, name: str) -> int:
        """Return the number in a file; 0 if there is none."""
        try:
            text = self.text(name) or ""
        except ValueError:
            return 0
        return int(text) if NUMBER.fullmatch(text) else 0

    def room(self) -> int:
        """Return the free space available to us, in bytes. Raise OSError."""
        found = os.statvfs(self.base)
        return found.f_bavail * found.f_frsize

    def room_taken(self, names: Iterable[str]) -> int:
        """Return the bytes used by the files below these directories. Raise OSError."""
        with self.directory() as parent:
            return sum(beneath.room_below(parent, name) for name in names)

    def write_in_place(self, name: str, number: int) -> None:
        """Overwrite a number in place. Raise OSError."""
        with self.directory() as parent:
            file = beneath.open_or_create(parent, name, os.O_WRONLY, f"{self._path}/{name}")
        try:
            os.pwrite(file, b"%019d\n" % number, 0)
            os.fsync(file)
        finally:
            os.close(file)

    def write(self, name: str, text: str) -> None:
        """Replace a file atomically. Raise OSError."""
        with self.directory() as parent:
            beneath.write(parent, name, (text + "\n").encode("ascii"), 0o644)
            os.fsync(parent)

    def allocate(self, name: str, size: int) -> None:
        """Create a file of `size` bytes with its space allocated. Raise OSError; then no file is left."""
        with self.directory() as parent:
            file = beneath.create(parent, beneath.temporary(name))
            try:
                os.posix_fallocate(file, 0, size)
            except OSError:
                os.unlink(beneath.temporary(name), dir_fd=parent)
                raise
            finally:
                os.close(file)
            beneath.replace(parent, name)
            os.fsync(parent)

    def remove(self, name: str) -> None:
        """Remove a file if it exists. Raise OSError."""
        with self.directory() as parent:
            with suppress(FileNotFoundError):
                os.unlink(name, dir_fd=parent)
            os.fsync(parent)
