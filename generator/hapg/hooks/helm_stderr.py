"""Writes to helm's own standard error, because helm 4 drops what a plugin that fails has written to its own."""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import stat
from collections.abc import Callable

_PIDFD_GETFD = 438
"""The system call's number, the same on all architectures. Python and older C libraries have no function for it."""


def tell(text: str, helm: int, duplicate: Callable[[int], int] | None = None) -> None:
    """Write `text` to the standard error of the process `helm`, or else to the terminal. No error if neither is possible.

    duplicate: returns a duplicate of that process's standard error, OSError if the system forbids it. A file that is opened a second
    time would be written at its beginning, over and under helm's own words; then the text is added once helm has ended.
    """
    try:
        _write((duplicate or _duplicate)(helm), text)
        return
    except OSError:
        out = _opened(f"/proc/{helm}/fd/2") or _opened("/dev/tty")
    if out is None:
        return
    if stat.S_ISREG(os.fstat(out).st_mode):
        _write_after_the_end_of(helm, out, text)
    else:
        _write(out, text)


def _duplicate(process: int) -> int:
    descriptor = os.pidfd_open(process)
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        found = libc.syscall(_PIDFD_GETFD, descriptor, 2, 0)
        if found < 0:
            raise OSError(ctypes.get_errno(), "can't be duplicated")
        return int(found)
    finally:
        os.close(descriptor)


def _opened(path: str) -> int | None:
    try:
        return os.open(path, os.O_WRONLY | os.O_APPEND)
    except OSError:
        return None


def _write(out: int, text: str) -> None:
    try:
        os.write(out, text.encode(errors="backslashreplace"))
    except OSError:
        pass  # nobody is left to be told
    finally:
        os.close(out)


def _write_after_the_end_of(process: int, out: int, text: str) -> None:
    """Let a child do it, which holds none of the pipes that `process` waits for."""
    descriptor = os.pidfd_open(process)
    if os.fork():
        os.close(descriptor)
        os.close(out)
        return
    try:
        kept = {descriptor, out}
        for number in range(max(kept)):
            if number not in kept:
                with contextlib.suppress(OSError):
                    os.close(number)
        os.closerange(max(kept) + 1, os.sysconf("SC_OPEN_MAX"))
        waiting = select.poll()
        waiting.register(descriptor, select.POLLIN)
        waiting.poll()
        _write(out, text)
    finally:
        os._exit(0)
