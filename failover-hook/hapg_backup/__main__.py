"""Runs the container (`run`, or `verify` in the pod of a verified restore), or sends a request to the one beside the primary."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from . import verifier
from .adapters.client import Failed, request
from .adapters.pod import Pod
from .container import run
from .core.signing import key_of
from .core.state import KINDS
from .requests import AGAIN, WRONG

USAGE = f"usage: hapg-backup run | verify | request {'|'.join((*KINDS, 'info', 'check', 'verify'))}"
_AGAIN_S = 2.0
_USAGE = 64


def main(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """Carry out a command line; return the exit code."""
    match list(arguments):
        case ["run"]:
            return run(Pod(), environment)
        case ["verify"]:
            return verifier.run(Pod(), environment)
        case ["request", word] if word in KINDS:
            return ask("/backup", {"type": word}, environment)
        case ["request", ("info" | "check" | "verify") as word]:
            return ask(f"/{word}", {}, environment)
    print(USAGE, file=sys.stderr)
    return _USAGE


def ask(path: str, fields: Mapping[str, str], environment: Mapping[str, str]) -> int:
    """Send a request until it is accepted or the patience of HAPG_BACKUP_WAIT seconds is over."""
    file = Path(environment.get("HAPG_BACKUP_KEY_FILE", "/etc/hapg/backup-key/BACKUP_KEY"))
    url = environment.get("HAPG_BACKUP_URL", "http://127.0.0.1:8011")
    end = time.monotonic() + float(environment.get("HAPG_BACKUP_WAIT", "60"))
    while True:
        code = _try(url, file, path, fields)
        if code != AGAIN or time.monotonic() > end:
            return code
        time.sleep(_AGAIN_S)


def _try(url: str, file: Path, path: str, fields: Mapping[str, str]) -> int:
    try:
        return request(url, key_of(file.read_bytes()), path, fields, lambda line: print(line, flush=True))
    except Failed as error:
        print(f"hapg-backup: {error}", file=sys.stderr, flush=True)
        return WRONG if error.is_final else AGAIN
    except (OSError, ValueError) as error:
        print(f"hapg-backup: {file}: {error}", file=sys.stderr, flush=True)
        return AGAIN


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
