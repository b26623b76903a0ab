"""Files below a directory into which others write, too: no link is followed, and nothing but regular files is opened.

Whoever is a superuser in SQL can put anything on a pod's volumes, among it links to files that only the failover container sees, and
FIFOs at which a reader waits for ever. So each part of a path is opened by itself, relative to the descriptor of the directory before it,
with O_NOFOLLOW (open(2)); the paths used here have three parts at most. A file is looked at before it is opened, and again when it is
open; meanwhile O_NONBLOCK keeps whatever may have taken its place from holding us up.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
_CAUTIOUS = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY
_NOT_A_DIRECTORY = (errno.ELOOP, errno.ENOTDIR)
_CHUNK = 1 << 16
_CREATE_TRIES = 3
_PRIVATE = 0o600
_DEEPEST = 16
_BLOCK = 512  # the unit of st_blocks (stat(2))


class Irregular(OSError):
    """Something isn't what should have that name: a link, FIFO, device or directory in its place, or a file larger than it may be."""


def _named(error: OSError, path: str) -> OSError:
    """Return `error` with the whole path, which a call relative to a descriptor doesn't know."""
    kind = Irregular if isinstance(error, Irregular) or error.errno in _NOT_A_DIRECTORY else OSError
    return kind(error.errno, error.strerror, path)


def open_directory(base: str, *names: str) -> int:
    """Return a descriptor of the directory `names` below `base`, whose own path is trusted. Raise Irregular, OSError."""
    descriptor = os.open(base, os.O_RDONLY | os.O_DIRECTORY)
    for name in names:
        try:
            below = os.open(name, _DIRECTORY, dir_fd=descriptor)
        except OSError as error:
            raise _named(error, "/".join((base, *names))) from None
        finally:
            os.close(descriptor)
        descriptor = below
    return descriptor


@contextmanager
def directory(base: str, *names: str) -> Iterator[int]:
    """Hold a descriptor of the directory `names` below `base`. Raise as `open_directory`."""
    descriptor = open_directory(base, *names)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def open_file(parent: int, name: str, flags: int, path: str, is_expected: Callable[[int], bool] = stat.S_ISREG) -> int:
    """Open what has that name in a directory, if it is of the type that is expected, as a rule a regular file.

    flags: of open(2); path: its name in errors; is_expected: of a mode. Raise FileNotFoundError, Irregular, OSError.
    """
    try:
        _expect(is_expected, os.stat(name, dir_fd=parent, follow_symlinks=False), path)
        file = os.open(name, flags | _CAUTIOUS, dir_fd=parent)
    except OSError as error:
        raise _named(error, path) from None
    try:
        _expect(is_expected, os.fstat(file), path)
    except Irregular:
        os.close(file)
        raise
    return file


def _expect(is_expected: Callable[[int], bool], found: os.stat_result, path: str) -> None:
    if not is_expected(found.st_mode):
        raise Irregular(errno.EINVAL, f"not a {'FIFO' if is_expected is stat.S_ISFIFO else 'regular file'}", path)


def open_or_create(parent: int, name: str, flags: int, path: str) -> int:
    """Open a regular file of a directory; where there is none, make an empty one for its owner alone. Raise as `open_file`."""
    for _ in range(_CREATE_TRIES):
        with suppress(FileNotFoundError):
            return open_file(parent, name, flags, path)
        with suppress(FileExistsError):
            return os.open(name, flags | os.O_CREAT | os.O_EXCL, _PRIVATE, dir_fd=parent)
    raise FileExistsError(errno.EEXIST, "made and removed again and again by somebody else", path)


def read(base: str, *names: str, most: int) -> bytes | None:
    """Return what a file below `base` holds, None if it isn't there. most: bytes it may have. Raise Irregular, OSError."""
    path = "/".join((base, *names))
    try:
        parent = open_directory(base, *names[:-1])
    except FileNotFoundError:
        return None
    try:
        file = open_file(parent, names[-1], os.O_RDONLY, path)
    except FileNotFoundError:
        return None
    finally:
        os.close(parent)
    try:
        found = b""
        while part := os.read(file, min(_CHUNK, most + 1)):
            found += part
            if len(found) > most:
                raise Irregular(errno.EFBIG, f"longer than {most} bytes", path)
            if len(part) < _CHUNK:
                break
        return found
    finally:
        os.close(file)


def create(parent: int, name: str, mode: int = _PRIVATE) -> int:
    """Return a descriptor, for writing, of a new file in the place of whatever has that name. Raise OSError."""
    with suppress(FileNotFoundError):
        os.unlink(name, dir_fd=parent)
    return os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode, dir_fd=parent)


def write(parent: int, name: str, data: bytes, mode: int = _PRIVATE) -> None:
    """Put a file in the place of whatever has that name. Its content is on disk before that. Raise OSError."""
    with os.fdopen(create(parent, temporary(name), mode), "wb", buffering=0) as file:
        file.write(data)
        os.fsync(file.fileno())
    replace(parent, name)


def replace(parent: int, name: str) -> None:
    """Give the file that was written as `temporary(name)` its name. Raise OSError."""
    os.replace(temporary(name), name, src_dir_fd=parent, dst_dir_fd=parent)


def temporary(name: str) -> str:
    """Return the name under which a file is written before it takes the place of another."""
    return f".{name}.new"


def mode_of(parent: int, name: str) -> int | None:
    """Return the type and mode of what has that name in a directory, the link's own if it is one; None if there is nothing."""
    try:
        return os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode
    except FileNotFoundError:
        return None


def sizes(parent: int) -> dict[str, int]:
    """Return the sizes of the regular files in a directory, in bytes, by name. Raise OSError."""
    found = {}
    with os.scandir(parent) as entries:
        for entry in entries:
            if entry.is_file(follow_symlinks=False):
                with suppress(FileNotFoundError):
                    found[entry.name] = entry.stat(follow_symlinks=False).st_size
    return found


def room_below(parent: int, name: str, deepest: int = _DEEPEST) -> int:
    """Return how many bytes the files below a directory take; 0 if it isn't one. What vanishes meanwhile counts as nothing."""
    try:
        inside = os.open(name, _DIRECTORY, dir_fd=parent)
    except (FileNotFoundError, NotADirectoryError):
        return 0
    total = 0
    try:
        with os.scandir(inside) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    total += room_below(inside, entry.name, deepest - 1) if deepest else 0
                else:
                    with suppress(FileNotFoundError):
                        total += entry.stat(follow_symlinks=False).st_blocks * _BLOCK
    finally:
        os.close(inside)
    return total
