"""Backup containers without Kubernetes: the real program and the real pgBackRest beside real servers, with a repository in a directory."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from hapg_backup.adapters.client import request
from hapg_backup.core.signing import key_of
from tests.cluster import pgbackrest
from tests.ports import free_port

from .harness import DEFAULT, TIMEOUT, Container, chown, server_user, wait_for

RUNNER = Path(__file__).with_name("backup_container.py")
KEY = b"the key of this release"
BIRTH = "1a2b3c4d-0000-4000-8000-000000000001"
STANZA = f"db-{BIRTH[:8]}"
ARCHIVING = """
archive_mode = always
archive_command = 'bash {scripts}/pgbackrest.sh push %f'
"""


def program(root: Path) -> Path:
    """Copy pgBackRest to where the servers' user may read it; return its path."""
    target = root / "pgbackrest"
    if not target.exists():
        shutil.copytree(pgbackrest.directory(), target)
    return target / "pgbackrest"


def wait_listening(process: subprocess.Popen[bytes], folder: Path, log: Path) -> None:
    """Wait until a backup container's process listens; fail at once if it ends. folder: of what it shares with the server."""
    wait_for(lambda: process.poll() is not None or (folder / "listener").exists(), "the container listens", said=log.read_text)
    assert process.poll() is None, f"the container ended: {log.read_text()}"


class Backup:
    """The backup container beside a server's container; `start` may be called again after `kill`.

    around: what runs the container's program, for example in a namespace; it ends by exec.
    """

    def __init__(self, container: Container, root: Path, **settings: Any) -> None:
        """root: for the repository, which several containers share. settings: of backup.json."""
        self.container = container
        self.root = root
        self.repository = root / "repository"
        self.key_folder = container.run.parent / "key"
        self.secret = container.run.parent / "repository-secret"
        self.work = container.run.parent / "work"
        self.folder = container.run / "backup"
        self.log = container.run.parent / "backup-log"
        self.http = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        self.program = program(root)
        self.around: tuple[str, ...] = ()
        for folder in (self.repository, self.key_folder, self.secret, self.folder):
            folder.mkdir(exist_ok=True, mode=0o700)
        (self.key_folder / "BACKUP_KEY").write_bytes(KEY)
        self.birth(BIRTH)
        self.settings: dict[str, Any] = {"name": "db", "repository": {"type": "local", "path": str(self.repository)}} | settings
        self.configure()
        conf = container.config / "postgresql.conf"
        if self.settings["repository"] is not None and "archive_mode" not in conf.read_text():
            conf.write_text(conf.read_text() + ARCHIVING.format(scripts=container.config))
        container.environment["HAPG_BACKUP_SCRIPTS"] = str(container.config)
        for folder in (self.repository, self.key_folder, self.secret, self.folder):
            chown(folder)

    def configure(self, **settings: Any) -> None:
        """Change settings of backup.json, at once, as kubelet does."""
        self.settings |= settings
        new = self.container.config / "backup.json.new"
        new.write_text(json.dumps(self.settings))
        new.replace(self.container.config / "backup.json")

    def birth(self, uid: str) -> None:
        """Write what the agent writes."""
        (self.folder / "birth").write_text(uid)
        os.chown(self.folder / "birth", *server_user())

    def start(self) -> Backup:
        """Start the container and wait until it listens."""
        (self.folder / "listener").unlink(missing_ok=True)
        container = self.container
        pod = {
            "volume": container.volume,
            "run": container.run,
            "config": container.config,
            "key_folder": self.key_folder,
            "secret": self.secret,
            "work": self.work,
            "authorities": self.program.parent / "ca-certificates.crt",
            "restore_command": f"bash {container.config}/pgbackrest.sh get %f %p",
            "port": container.port,
        }
        self.work.mkdir(exist_ok=True)
        chown(self.work)
        words = [json.dumps(pod, default=str), str(self.program), str(self.http), *map(str, server_user())]
        with self.log.open("ab") as log:
            argv = ["setpriv", "--pdeathsig", "KILL", *self.around, sys.executable, str(RUNNER), *words]
            environment = {"PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path)), "PATH": os.environ["PATH"]}
            self.process = subprocess.Popen(argv, stdout=log, stderr=log, env=environment)
        wait_listening(self.process, self.folder, self.log)
        return self

    def freeze(self) -> None:
        """Stop the container without killing it."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """Kill the container."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(TIMEOUT)
            self.process = None

    def said(self) -> str:
        """Return its log."""
        return self.log.read_text() if self.log.exists() else ""

    def ask(self, path: str, **fields: Any) -> tuple[int, list[str]]:
        """Send a signed request; return the exit code and the lines."""
        lines: list[str] = []
        code = request(f"http://127.0.0.1:{self.http}", key_of(KEY), path, fields, lines.append)
        return code, lines

    def backup(self, kind: str = "full") -> None:
        """Make a backup, as soon as the server can."""
        end = time.monotonic() + TIMEOUT
        while True:
            code, lines = self.ask("/backup", type=kind)
            if code != 75 or time.monotonic() > end:
                break
            time.sleep(0.5)
        assert code == 0, "\n".join([*lines, self.said()[-2000:]])

    def info(self) -> dict[str, Any]:
        """Return the document about archive and backups."""
        code, lines = self.ask("/info")
        assert code == 0, (lines, self.said()[-2000:])
        found: dict[str, Any] = json.loads(lines[-1])
        return found

    def state(self) -> dict[str, Any]:
        """Return what it has written for the agent."""
        with contextlib.suppress(OSError, ValueError):
            found: dict[str, Any] = json.loads((self.folder / "state.json").read_text())
            return found
        return {}

    def archived(self, stanza: str = STANZA) -> set[str]:
        """Return the names of all archived files."""
        found = (self.repository / "archive" / stanza).rglob("*")
        return {path.name.split("-")[0] for path in found if path.is_file() and not path.name.startswith("archive.info")}


def ready(container: Container) -> list[str]:
    """Return the files that a server wants archived."""
    status = container.pgdata / container.profile.wal_directory / "archive_status"
    return sorted(path.name.removesuffix(".ready") for path in status.glob("*.ready"))


def settled(*containers: Container, timeout: float = 60.0) -> None:
    """Wait until nothing is to be archived."""
    for container in containers:
        left = partial(ready, container)
        wait_for(lambda left=left: not left(), f"{container.name} has archived all", timeout, left)  # type: ignore[misc]


def switch(container: Container, label: str, segments: int = 1) -> str:
    """Write a row with this label into each of some segments; return the last segment's name."""
    name = ""
    for _ in range(segments):
        container.sql(f"insert into kept (what) values ('{label}')", f"select pg_logical_emit_message(true, 'x', repeat('{label}', 20000))")
        name = container.sql("select pg_walfile_name(pg_switch_wal())")
    return name


def rows(container: Container) -> dict[str, int]:
    """Return how many rows there are with each label."""
    lines = container.sql("select what, count(*) from kept group by 1 order by min(n)").splitlines()
    return {what: int(count) for what, count in (line.split("|") for line in lines)}


TABLE = "create table kept (n serial, what text, at timestamptz default clock_timestamp())"

Beside = Callable[..., Backup]
"""Starts a backup container beside a server's; keywords are settings of backup.json."""


def primary_with_backup(make: Callable[..., Container], template: Path, beside: Beside, name: str, major: str = DEFAULT) -> Backup:
    """The backup container beside a primary of term 1 on timeline 2, with a table and a full backup."""
    container = make(name, major=major)
    container.take_data_of(template)
    backup = beside(container)
    container.start()
    container.ok("start", "hot")
    container.promote(2, 1)
    container.sql(TABLE)
    backup.backup()
    return backup


def encrypted_primary(make: Callable[..., Container], template: Path, beside: Beside) -> Backup:
    """The same, with an encrypted repository."""

    def encrypted(container: Container) -> Backup:
        backup = beside(container)
        (backup.secret / "CIPHER_PASS").write_text("a long pass")
        backup.configure(repository={"type": "local", "path": str(backup.repository), "encryption": True})
        return backup

    return primary_with_backup(make, template, encrypted, "db-0")


def follower(make: Callable[..., Container], beside: Beside, name: str, primary: Container) -> Backup:
    """The backup container beside a hot replica of the primary."""
    container = make(name, major=primary.profile.major)
    backup = beside(container)
    container.start()
    container.ok("clone", *primary.address())
    container.ok("start", "hot")
    container.ok("follow", *primary.address())
    return backup
