"""Processes identified by pid and start time, so that a reused pid is never killed."""

import os
import signal
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.errors import ClusterError

MARK = "HA_POSTGRES_CLUSTER"
"""Environment variable of every process of a cluster; its value is the cluster's state folder."""

_POLL_SECONDS = 0.02


@dataclass(frozen=True)
class Process:
    """A process: its pid and field 22 of /proc/PID/stat (clock ticks since boot)."""

    pid: int
    start: int


def find(pid: int) -> Process | None:
    """The process that has this pid now, or None if there is none or only a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (OSError, ValueError):
        return None
    return None if fields[0] in "ZX" else Process(pid, int(fields[19]))


def own() -> Process:
    """This process."""
    found = find(os.getpid())
    assert found is not None
    return found


def state(pid: int) -> str:
    """The state letter of the process in /proc/PID/stat (`T` is stopped); `X` if it doesn't exist."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "X"


def alive(process: Process) -> bool:
    """True if exactly this process is running, not a later one with its pid."""
    return find(process.pid) == process


def send(process: Process, number: int) -> bool:
    """Sends a signal to exactly this process; False if it doesn't exist."""
    try:
        handle = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return False
    try:
        if not alive(process):
            return False
        signal.pidfd_send_signal(handle, number)
    except ProcessLookupError:
        return False
    finally:
        os.close(handle)
    return True


def command_line(pid: int) -> str:
    """The command line of a process with blanks between the words; empty if it doesn't exist."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""


def pids() -> list[int]:
    """All pids of the machine."""
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def marked(*words: str) -> list[Process]:
    """All processes whose environment contains each of the words (NAME=VALUE), except this one."""
    wanted = {word.encode() for word in words}
    found = []
    for pid in pids():
        try:
            environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        except OSError:
            continue
        process = find(pid)
        if process and pid != os.getpid() and wanted <= set(environment):
            found.append(process)
    return found


def wait_for_end(processes: Iterable[Process], seconds: float) -> list[Process]:
    """Waits until the processes have exited, at most for the given time, and returns those that haven't."""
    limit = time.monotonic() + seconds
    left = [process for process in processes if alive(process)]
    while left and time.monotonic() < limit:
        time.sleep(_POLL_SECONDS)
        left = [process for process in left if alive(process)]
    return left


def kill(processes: Iterable[Process], *, grace: float = 0.0, seconds: float = 10.0) -> None:
    """Stops processes: if grace is above 0, SIGTERM and `grace` seconds; then SIGKILL.

    Raises ClusterError if one is still running `seconds` after SIGKILL.
    """
    left = list(processes)
    if grace > 0:
        left = [process for process in left if send(process, signal.SIGTERM)]
        left = wait_for_end(left, grace)
    left = [process for process in left if send(process, signal.SIGKILL)]
    left = wait_for_end(left, seconds)
    if left:
        listing = ", ".join(f"{process.pid} ({command_line(process.pid)[:80]})" for process in left)
        raise ClusterError(f"not gone {seconds:.0f} s after SIGKILL: {listing}")
