"""The standard streams, made usable whatever the caller did to them: closed, in an encoding without umlauts, or full."""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress


def repair() -> None:
    """Open closed streams, and set UTF-8 for standard output whatever the locale.

    Without that, the next file that is opened would become standard output. Reading or writing a stream that was closed is an OSError.
    """
    for number, name, mode, flags in ((0, "stdin", "r", os.O_WRONLY), (1, "stdout", "w", os.O_RDONLY), (2, "stderr", "w", os.O_WRONLY)):
        if getattr(sys, name) is None:
            _occupy(number, flags)
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115 - open until the end
    for stream, encoding, errors in (
        (sys.stdin, None, "replace"),
        (sys.stdout, "utf-8", "backslashreplace"),
        (sys.stderr, None, "backslashreplace"),
    ):
        if isinstance(stream, io.TextIOWrapper):
            with suppress(io.UnsupportedOperation):  # somebody has read from it already
                stream.reconfigure(encoding=encoding, errors=errors)


def give_up() -> None:
    """Drop what could not be written: the interpreter would fail once more when it flushes at exit."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            with suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _occupy(number: int, flags: int) -> None:
    opened = os.open(os.devnull, flags)
    if opened != number:
        os.dup2(opened, number)
        os.close(opened)
