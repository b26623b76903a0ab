"""Access to files in directories that others can write to: no link is followed, and only regular files are opened.

An SQL superuser can put anything on a pod's volumes, for example a link to a file that only the failover container can read, or a FIFO that
blocks its reader. So each component of a path is opened relative to its parent's descriptor, with O_NOFOLLOW (open(2)); paths have at most
three components. The type is checked before a file is opened and again on its descriptor. O_NONBLOCK keeps the open from blocking if the
file is replaced in between.
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
    """A name refers to something unexpected: a link, FIFO, device or directory, or a file that is too large."""


def _named(error: OSError, path: str) -> OSError:
    """Return `error` with the full path, which calls relative to a descriptor leave out."""
    kind = Irregular if isinstance(error, Irregular) or error.errno in _NOT_A_DIRECTORY else OSError
    return kind(error.errno, error.strerror, path)


def open_directory(base: str, *names: str) -> int:
    """Return a descriptor of the directory `names` below `base`; the path of `base` is trusted. Raise Irregular, OSError."""
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


@contextmanager
def below(parent: int, name: str) -> Iterator[int]:
    """Hold a descriptor of a directory in a directory. Raise Irregular, OSError."""
    try:
        descriptor = os.open(name, _DIRECTORY, dir_fd=parent)
    except OSError as error:
        raise _named(error, name) from None
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def open_file(parent: int, name: str, flags: int, path: str, is_expected: Callable[[int], bool] = stat.S_ISREG) -> int:
    """Return a descriptor of a file in a directory, if it has the expected type, by default a regular file.

    flags: as for open(2); path: its name in errors; is_expected: checks a mode. Raise FileNotFoundError, Irregular, OSError.
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
    """Return a descriptor of a regular file in a directory, created empty with mode 0600 if it is missing. Raise as `open_file`."""
    for _ in range(_CREATE_TRIES):
        with suppress(FileNotFoundError):
            return open_file(parent, name, flags, path)
        with suppress(FileExistsError):
            return os.open(name, flags | os.O_CREAT | os.O_EXCL, _PRIVATE, dir_fd=parent)
    raise FileExistsError(errno.EEXIST, "created and removed by another process meanwhile", path)


def read(base: str, *names: str, most: int) -> bytes | None:
    """Return the content of a file below `base`, None if it is missing. most: size limit in bytes. Raise Irregular, OSError."""
    try:
        parent = open_directory(base, *names[:-1])
    except FileNotFoundError:
        return None
    try:
        return read_in(parent, names[-1], most, "/".join((base, *names)))
    finally:
        os.close(parent)


def read_in(parent: int, name: str, most: int, path: str) -> bytes | None:
    """Return the content of a file in a directory. path: its name in errors; otherwise as `read`."""
    try:
        file = open_file(parent, name, os.O_RDONLY, path)
    except FileNotFoundError:
        return None
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
    """Return a descriptor, for writing, of a new file that replaces any entry of that name. Raise OSError."""
    with suppress(FileNotFoundError):
        os.unlink(name, dir_fd=parent)
    return os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode, dir_fd=parent)


def write(parent: int, name: str, data: bytes, mode: int = _PRIVATE) -> None:
    """Write a file and rename it over any entry of that name; its content is on disk before the rename. Raise OSError."""
    with os.fdopen(create(parent, temporary(name), mode), "wb", buffering=0) as file:
        file.write(data)
        os.fsync(file.fileno())
    replace(parent, name)


def replace(parent: int, name: str) -> None:
    """Rename the file written as `temporary(name)` to its final name. Raise OSError."""
    os.replace(temporary(name), name, src_dir_fd=parent, dst_dir_fd=parent)


def temporary(name: str) -> str:
    """Return the name of a file while it is being written."""
    return f".{name}.new"


def mode_of(parent: int, name: str) -> int | None:
    """Return the type and mode of a directory entry, of the link itself if it is a link; None if it is missing."""
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
    """Return the bytes used by the files below a directory; 0 if it isn't a directory. Files that vanish meanwhile are not counted."""
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
