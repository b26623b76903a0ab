"""Keeps standard output and standard input from hooks: whatever prints or reads, only hapg writes the one and has read the other."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from typing import TextIO


@contextlib.contextmanager
def standard_output() -> Iterator[TextIO]:
    """Give the block standard output. Everything else that writes there, in whatever way, writes to standard error.

    That lasts until the process ends, because threads and functions at exit outlive the block; so does an empty standard input, which a
    hook's subprocess can't take anything from.
    """
    mine = sys.stdout
    if not _is_the_process_own(mine):
        with contextlib.redirect_stdout(sys.stderr):
            yield mine
        return
    mine.flush()
    with open(os.dup(1), "w", encoding="utf-8", errors="backslashreplace", newline="") as out:
        os.dup2(2, 1)
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        os.close(null)
        yield out


def _is_the_process_own(stream: TextIO) -> bool:
    try:
        return stream.fileno() == 1
    except (AttributeError, io.UnsupportedOperation):
        return False
