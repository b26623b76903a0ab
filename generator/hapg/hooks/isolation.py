"""Keeps from hooks what is hapg's alone: standard output, standard input, and the end of the process."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Callable, Iterator
from typing import NoReturn, TextIO


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


@contextlib.contextmanager
def lasting_process() -> Iterator[None]:
    """Let nothing in the block end or replace the process at once: that raises SystemExit, as `sys.exit` does. Its children may do so."""
    real = {name: getattr(os, name) for name in _ENDS}
    for name, function in real.items():
        setattr(os, name, _in_children(name, function))
    try:
        yield
    finally:
        for name, function in real.items():
            setattr(os, name, function)


_ENDS = ("_exit", "execv", "execve")
"""The functions of `os` to which all that end or replace a process lead."""


def _in_children(name: str, function: Callable[..., NoReturn]) -> Callable[..., NoReturn]:
    """Return a function that calls `function` in a child of this process, and raises SystemExit in this process itself."""
    mine = os.getpid()

    def end(*given: object) -> NoReturn:
        if os.getpid() == mine:
            raise SystemExit(f"os.{name}")
        function(*given)

    return end


def _is_the_process_own(stream: TextIO) -> bool:
    try:
        return stream.fileno() == 1
    except (AttributeError, io.UnsupportedOperation):
        return False
