"""Programs that run on this machine beside the local cluster's nodes, as long as a test needs them."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.cluster.errors import ClusterError

_READY_SECONDS = 60.0
_POLL_SECONDS = 0.1


@contextmanager
def started(command: list[str], environment: dict[str, str], folder: Path, log: Path) -> Iterator[None]:
    """A program while the context lasts. folder: its working directory; environment: besides this program's; log: of all that it says."""
    with log.open("w") as output:
        program = subprocess.Popen(
            command,
            env={**os.environ, **environment},
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield
    finally:
        os.killpg(program.pid, signal.SIGKILL)  # git starts its daemon as a program of its own
        program.wait()


def listens(port: int) -> bool:
    """True if a program of this machine listens on a TCP port."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def wait_for(what: str, ready: Callable[[], bool]) -> None:
    """Returns once something is ready. Raises ClusterError after a minute."""
    limit = time.monotonic() + _READY_SECONDS
    while not ready():
        if time.monotonic() > limit:
            raise ClusterError(f"{what} not ready after {_READY_SECONDS:.0f} s")
        time.sleep(_POLL_SECONDS)
