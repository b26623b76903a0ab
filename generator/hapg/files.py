"""Reading files that the user names, with a size limit."""

from __future__ import annotations

import sys
from pathlib import Path

from hapg.errors import InputError

STDIN = Path("-")


def read(path: Path, largest: int) -> bytes:
    """Return the content of the file `path`; "-" is standard input.

    Raises InputError if it can't be read or has more than `largest` bytes.
    """
    try:
        if path == STDIN:
            data = sys.stdin.buffer.read(largest + 1)
        else:
            with path.open("rb") as file:
                data = file.read(largest + 1)
    except OSError as error:
        raise InputError([f"{path}: can't be read: {error.strerror}"]) from error
    if len(data) > largest:
        raise InputError([f"{path}: too large; at most {largest // 1024} KiB are allowed"])
    return data
