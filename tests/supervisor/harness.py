"""A container without Kubernetes: the supervisor as PID 1 of a PID namespace, with real PostgreSQL below it."""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path

from hapg.chart.fixed_settings import DURABILITY_SETTINGS, STREAMING_SETTINGS
from hapg.spec.version_profiles import PROFILES
from hapg_failover.adapters import script
from hapg_failover.adapters.clock import boottime
from hapg_failover.adapters.ports.supervisor import Heartbeat, Hello, SupervisorEvent
from hapg_failover.adapters.supervisor import SupervisorFiles
from hapg_failover.credentials import roles
from hapg_failover.credentials.secret_entries import Passwords
from tests.cluster import embedded
from tests.ports import free_port

DEFAULT = "15"
BIN = Path(PROFILES[DEFAULT].bin_directory)
SCRIPT = script.FOLDER / script.MAIN
PASSWORD = "it's secret"
PASSWORDS = Passwords(PASSWORD, "the members' own")
TIMEOUT = 30.0
_LIBC = ctypes.CDLL(None, use_errno=True)
_SYSTEM_CALLS = {"x86_64": {"uid": 117, "gid": 119}, "aarch64": {"uid": 147, "gid": 149}}
"""The numbers of setresuid and setresgid."""

POSTGRESQL_CONF = """
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = '{run}/socket'
logging_collector = off
dynamic_shared_memory_type = mmap
shared_buffers = 16MB
max_connections = 20
{chart}
include_if_exists = '{run}/conf/instance.conf'
"""

PG_HBA_CONF = """
local all all trust
host all all 0.0.0.0/0 {authentication}
host replication all 0.0.0.0/0 {authentication}
"""


def server_user() -> tuple[int, int]:
    """Return the uid and gid that the servers run under: PostgreSQL refuses to run as root."""
    try:
        entry = pwd.getpwnam("postgres")
    except KeyError:
        return 999, 999
    return entry.pw_uid, entry.pw_gid


def chown(directory: Path) -> None:
    subprocess.run(["chown", "-R", "{}:{}".format(*server_user()), directory], check=True)


def give_size(folder: Path, mebibytes: int) -> None:
    """Make a folder of the server's user a small file system of its own, or change its size. The caller unmounts it."""
    uid, gid = server_user()
    how = "remount," if folder.is_mount() else ""
    options = f"{how}size={mebibytes}m,uid={uid},gid={gid},mode=700"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], check=True)


def boot_time() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def wait_for(condition: Callable[[], object], what: str, timeout: float = TIMEOUT, said: Callable[[], object] = str) -> None:
    """Return as soon as `condition()` is true. said: returns what explains a failure, a log for example."""
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end, f"not within {timeout} s: {what}: {str(said())[-2000:]}"
        time.sleep(0.005)


@contextlib.contextmanager
def as_server_user() -> Iterator[None]:
    """Write files as the user that a pod's containers share; only in this thread, while others stay root."""
    uid, gid = server_user()
    _act("gid", gid)
    _act("uid", uid)
    try:
        yield
    finally:
        _act("uid", 0)
        _act("gid", 0)


def _act(kind: str, number: int) -> None:
    """Change the effective uid or gid of this thread. os.seteuid changes those of all threads."""
    if _LIBC.syscall(_SYSTEM_CALLS[os.uname().machine][kind], -1, number, -1) != 0:
        raise OSError(ctypes.get_errno(), f"setres{kind} {number}: {os.strerror(ctypes.get_errno())}")


@cache
def programs(major: str) -> Path:
    """Return the directory with the programs of a major. Cached ones are copied to where the server's user may read them."""
    if major not in embedded.MAJORS:
        return Path(PROFILES[major].bin_directory)
    target = Path(tempfile.mkdtemp(prefix="hapg-postgres-"))
    target.chmod(0o755)
    atexit.register(shutil.rmtree, target)
    shutil.copytree(embedded.directory(major), target / major, symlinks=True)
    return target / major / "bin"


class Agent(SupervisorFiles):
    """The failover container's side, run here by root, and writing as the pod's user."""

    def __init__(self, run: Path) -> None:
        with as_server_user():
            super().__init__(run)

    def write_deadline(self, deadline: float | None, term: int, hello: Hello) -> None:
        with as_server_user():
            super().write_deadline(deadline, term, hello)


class Container:
    """A postgres container with the volumes of its pod; `start` may be called again after `end`."""

    def __init__(
        self, root: Path, name: str, volume: Path | None = None, major: str = DEFAULT, apart: bool = False, **environment: str
    ) -> None:
        """apart: WAL has its own volume."""
        self.name = name
        self.profile = PROFILES[major]
        self.bin = programs(major)
        self.run, self.config = root / name / "run", root / name / "config"
        self.volume = volume or root / name / "volume"
        self.pgdata = self.volume / "pgdata"
        self.wal_volume = root / name / "wal-volume" if apart else None
        self.host, self.port = "127.0.0.1", free_port()
        self.environment = environment
        self.log = root / name / "log"
        self.term = 1
        self.events: list[SupervisorEvent] = []
        self.pid1 = 0
        self._unshare: subprocess.Popen[bytes] | None = None
        self.shm = root / name / "shm"
        volumes = [self.volume] if self.wal_volume is None else [self.volume, self.wal_volume]
        for directory in (self.run, self.config, *volumes, self.shm):
            directory.mkdir(parents=True, exist_ok=True)
        settings = {
            **DURABILITY_SETTINGS,
            **STREAMING_SETTINGS,
            **self.profile.replication_settings,
            "max_wal_senders": "10",
            "max_replication_slots": "10",
            "password_encryption": self.profile.password_encryption,
        }
        lines = "\n".join(f"{name} = {value}" for name, value in settings.items())
        conf = POSTGRESQL_CONF.format(port=self.port, run=self.run, chart=lines)
        (self.config / "postgresql.conf").write_text(conf)
        (self.config / "pg_hba.conf").write_text(PG_HBA_CONF.format(authentication=self.profile.authentication))
        self.logins = roles.logins(PASSWORDS, self.profile.replication_role)
        pgpass = "".join(f"*:*:*:{login.user}:{login.password}\n" for login in self.logins)
        for file, text in (("pwfile", PASSWORD), ("pgpass", pgpass)):
            (self.run / file).write_text(text)
            (self.run / file).chmod(0o600)
        for path in (self.run, *volumes, self.shm, self.run / "pwfile", self.run / "pgpass"):
            os.chown(path, *server_user())
        self.agent = Agent(self.run)

    # ---- life ----

    def launch(self, *before: str) -> None:
        """Start PID 1 without waiting for its hello. before: a command, run as root in its namespaces, that executes the rest."""
        assert self._unshare is None
        uid, gid = server_user()
        environment = {
            "PATH": os.environ["PATH"],
            "POD_NAME": self.name,
            "HAPG_VERSION_PROFILE": self.profile.environment_words.replace(f"={self.profile.bin_directory} ", f"={self.bin} "),
            "HAPG_RUN": str(self.run),
            "HAPG_VOLUME": str(self.volume),
            "HAPG_WAL_VOLUME": str(self.wal_volume or ""),
            "HAPG_CONFIG": str(self.config),
            "HAPG_SHM": str(self.shm),
            "HAPG_INITDB_ARGS": "-N --wal-segsize=1" if self.profile.recovery_parameters else "-N",
            **self.environment,
        }
        command = [
            "setpriv", "--pdeathsig", "KILL",
            "unshare", "--pid", "--ipc", "--fork", "--mount-proc", "--kill-child", *before,
            "setpriv", "--pdeathsig", "KILL", "--reuid", str(uid), "--regid", str(gid), "--clear-groups", "--no-new-privs",
            "/bin/bash", str(self._readable_script()),
        ]  # fmt: skip
        with self.log.open("ab") as log:
            self._unshare = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/")
        wait_for(self._find_pid1, "PID 1 is there, or has ended already")

    def _readable_script(self) -> Path:
        """The script and its companions, in a place where the server's user may read them, unlike perhaps a checkout."""
        for part in SCRIPT.parent.glob("*.sh"):
            shutil.copy(part, self.config)
        return self.config / SCRIPT.name

    def _find_pid1(self) -> bool:
        assert self._unshare is not None
        if self._unshare.poll() is not None:
            return True
        children = Path(f"/proc/{self._unshare.pid}/task/{self._unshare.pid}/children").read_text().split()
        if children:
            self.pid1 = int(children[0])
        return bool(children)

    def start(self) -> Hello:
        """Start PID 1 and wait for its hello."""
        old = self.agent.hello()
        self.launch()
        wait_for(lambda: self.agent.hello() not in (old, None), f"{self.name} says hello", said=self.log.read_text)
        return self.hello

    def end(self) -> None:
        """Kill PID 1, and so its whole container, and wait for it."""
        if self._unshare is not None:
            if self._unshare.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self.pid1, signal.SIGKILL)
            self._unshare.wait(TIMEOUT)
            self._unshare = None

    def exit_code(self, timeout: float = TIMEOUT) -> int:
        """Wait for PID 1 to exit; return its exit code."""
        assert self._unshare is not None
        return self._unshare.wait(timeout)

    def close(self) -> None:
        self.end()
        self.agent.close()

    def pids(self) -> list[int]:
        """Return the pids, in this namespace, of the container's processes other than PID 1 and its bash children."""
        found = []
        try:
            namespace = os.readlink(f"/proc/{self.pid1}/ns/pid")
        except FileNotFoundError:
            return []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) != self.pid1:
                with contextlib.suppress(OSError):
                    same = os.readlink(entry / "ns/pid") == namespace
                    if same and (entry / "cmdline").read_bytes() and not self.is_bash(int(entry.name)):
                        found.append(int(entry.name))
        return found

    def titled(self, word: bytes) -> list[int]:
        """Return those whose command line contains a word."""
        return [pid for pid in self.pids() if word in Path(f"/proc/{pid}/cmdline").read_bytes()]

    @staticmethod
    def is_bash(pid: int) -> bool:
        return Path(f"/proc/{pid}/exe").resolve().name == "bash"

    def postmaster(self) -> int:
        """Return the postmaster's pid in this namespace."""
        return self.outside(self.heartbeat().pid)

    def outside(self, inside: int) -> int:
        """Return the pid in this namespace of a process whose pid in the container is `inside`."""
        for pid in self.pids():
            status = Path(f"/proc/{pid}/status").read_text()
            numbers = next(line for line in status.splitlines() if line.startswith("NSpid:")).split()
            if int(numbers[-1]) == inside:
                return pid
        raise AssertionError(f"{self.name} has no process {inside}")

    # ---- communication ----

    @property
    def hello(self) -> Hello:
        hello = self.agent.hello()
        assert hello is not None
        return hello

    def heartbeat(self) -> Heartbeat:
        beat = self.agent.heartbeat()
        assert beat is not None
        return beat

    @property
    def state(self) -> str:
        return self.heartbeat().state

    def event(self, wanted: Callable[[SupervisorEvent], bool], what: str, timeout: float = TIMEOUT) -> SupervisorEvent:
        """Return the first event, of all received so far, for which `wanted` is true."""
        end = time.monotonic() + timeout
        while True:
            for event in self.events:
                if wanted(event):
                    return event
            left = end - time.monotonic()
            assert left > 0, f"no event in {timeout} s: {what}; there were {self.events}; log: {self.log.read_text()[-2000:]}"
            self.events += self.agent.read_events(left)

    def unasked(self, result: str, timeout: float = TIMEOUT) -> SupervisorEvent:
        nonce = self.hello.nonce
        return self.event(lambda e: e.nonce == nonce and e.command_id is None and e.result == result, result, timeout)

    def answer(self, command_id: str, timeout: float = TIMEOUT) -> SupervisorEvent:
        return self.event(lambda e: e.command_id == command_id, f"answer to {command_id}", timeout)

    def tell(self, command: str, *args: str, term: int | None = None) -> str:
        return self.agent.send(self.hello.nonce, self.term if term is None else term, command, *args)

    def ask(self, command: str, *args: str, term: int | None = None) -> SupervisorEvent:
        return self.answer(self.tell(command, *args, term=term))

    def ok(self, command: str, *args: str, term: int | None = None) -> str:
        event = self.ask(command, *args, term=term)
        assert event.result == "ok", (command, event, self.log.read_text()[-3000:])
        return event.text

    def output(self, command: str, *args: str) -> str:
        """Run a job and return its output."""
        command_id = self.tell(command, *args)
        answer = self.answer(command_id)
        assert answer.result == "ok", answer
        return self.agent.output(command_id)

    def deadline(self, seconds: float | None, term: int | None = None) -> None:
        """Set the deadline `seconds` from now."""
        self.agent.write_deadline(None if seconds is None else boottime() + seconds, self.term if term is None else term, self.hello)

    def raw(self, line: bytes) -> None:
        """Write raw bytes to the command FIFO."""
        fifo = os.open(self.run / "commands", os.O_WRONLY | os.O_NONBLOCK)
        os.write(fifo, line)
        os.close(fifo)

    # ---- the server ----

    def psql(self, *commands: str) -> list[str]:
        """Return the command line of psql for this server; names of functions are written as its major has them."""
        words = [
            str(BIN / "psql"),
            "-qAtX",
            "-v",
            "ON_ERROR_STOP=1",
            "-h",
            str(self.run / "socket"),
            "-p",
            str(self.port),
            "-U",
            "postgres",
        ]
        for command in commands:
            words += ["-c", self._spelled(command)]
        return words

    def _spelled(self, command: str) -> str:
        names = self.profile.sql_names
        for new, old in ({**names, "pg_switch_wal": "pg_switch_xlog"} if names else {}).items():
            command = command.replace(new, old)
        return command

    def sql(self, *commands: str) -> str:
        done = subprocess.run(self.psql(*commands), capture_output=True, text=True, timeout=TIMEOUT, check=False)
        assert done.returncode == 0, (self.name, commands, done.stderr, self.log.read_text()[-2000:])
        return done.stdout.strip()

    def answers(self, command: str = "select 1") -> str | None:
        """Return the server's answer, or None if it doesn't answer."""
        done = subprocess.run(self.psql(command), capture_output=True, text=True, timeout=TIMEOUT, check=False)
        return done.stdout.strip() if done.returncode == 0 else None

    def promote(self, timeline: int, own: int, seconds: float | None = None) -> None:
        """Promote with a deadline and wait until the server accepts writes."""
        self.deadline(seconds)
        self.ok("promote", str(timeline), str(own))
        wait_for(lambda: self.answers("select pg_is_in_recovery()") == "f", f"{self.name} is writable")

    def kill_at(self, pauses: Iterable[float], command: str, *args: str) -> None:
        """Kill the container after each of these pauses, in seconds, in a job that creates the directory; then let the job succeed."""
        for pause in pauses:
            self.tell(command, *args)
            time.sleep(pause)
            if self.pgdata.exists():
                return
            self.end()
            assert not self.pgdata.exists()
            self.start()
        self.ok(command, *args)

    def address(self) -> tuple[str, str, str]:
        """Return host, port and user, in the form that commands take."""
        return self.host, str(self.port), "postgres"

    def listen_on_ipv6(self) -> None:
        """Have the server listen on ::1 instead, once it starts."""
        self.host = "::1"
        for name, old, new in (("postgresql.conf", "'127.0.0.1'", "'::1'"), ("pg_hba.conf", "0.0.0.0/0", "::/0")):
            path = self.config / name
            path.write_text(path.read_text().replace(old, new))

    def take_data_of(self, other: Path) -> None:
        """Copy a data directory to the volume."""
        shutil.copytree(other, self.pgdata, symlinks=True)
        chown(self.pgdata)
