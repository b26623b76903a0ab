"""The pod as the container sees it: mounted settings and credentials, the server's directory, the supervisor's and the agent's files."""

from __future__ import annotations

import os
import re
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ..core.archive_timeout import archive_timeout
from ..core.configuration import FILES, KEYS, Credentials, Paths
from ..core.control_file import segment_size, system_identifier
from ..core.errors import Misconfigured
from ..core.heartbeat import role_of
from ..core.lineage import Lineage, parse_history
from ..core.settings import FILE, Settings, read
from . import files

_LONGEST = 1 << 20
_LINE = 4096
_CONTROL = 8192
_HISTORY = ".history"
_READY = ".ready"
_MAJOR = re.compile(r"([0-9]{1,2}(?:\.[0-9])?)\n")


@dataclass(frozen=True)
class Pod:
    """The directories that the container has mounted; each may differ in tests."""

    volume: Path = Path("/var/lib/postgresql/data")
    run: Path = Path("/run/hapg")
    config: Path = Path("/etc/hapg/config")
    key_folder: Path = Path("/etc/hapg/backup-key")
    secret: Path = Path("/etc/hapg/repository")
    source_secret: Path = Path("/etc/hapg/source-repository")
    work: Path = Path("/tmp/pgbackrest")
    authorities: Path = Path("/opt/pgbackrest/ca-certificates.crt")
    restore_command: str = "bash /etc/hapg/supervisor/pgbackrest.sh get %f %p"
    port: int = 5432

    @property
    def folder(self) -> Path:
        """What passes between this container and the two others."""
        return self.run / "backup"

    @property
    def pgdata(self) -> Path:
        """The server's directory."""
        return self.volume / "pgdata"

    @property
    def new(self) -> Path:
        """The directory that a restore makes."""
        return self.volume / "pgdata.new"

    @property
    def restore_log(self) -> Path:
        """The log of the server that recovers."""
        return self.run / "restore" / "log"

    @property
    def paths(self) -> Paths:
        """What pgBackRest is told."""
        authorities = str(self.authorities) if self.authorities.exists() else None
        return Paths(str(self.pgdata), str(self.run / "socket"), str(self.work), authorities)

    def make_folders(self) -> None:
        """Create the container's own directories. Raise OSError."""
        for folder in (self.folder, self.work, self.work / "lock", self.work / "spool"):
            folder.mkdir(mode=0o700, exist_ok=True)

    def settings(self) -> Settings:
        """Return the settings as mounted now. Raise Misconfigured."""
        try:
            return read((self.config / FILE).read_text(encoding="utf-8"))
        except OSError as error:
            raise Misconfigured(f"{self.config / FILE}: {error.strerror}") from error

    def credentials(self, is_source: bool) -> Credentials:
        """Return the entries of the repository's Secret as mounted now. is_source: of a restore's own repository."""
        folder = self.source_secret if is_source else self.secret
        values = {}
        for key in KEYS:
            with suppress(OSError):
                values[key] = (folder / key).read_text(encoding="utf-8").rstrip("\r\n")
        return Credentials(values, {key: str(folder / key) for key in FILES if (folder / key).is_file()})

    def key(self) -> bytes:
        """Return the Secret's entry for signatures. Raise OSError."""
        return (self.key_folder / "BACKUP_KEY").read_bytes()

    def birth(self) -> str:
        """Return the UID of the release's Lease as the agent has written it, '' if it hasn't yet."""
        with suppress(OSError):
            return files.read(self.folder / "birth", _LINE).decode("ascii", "replace").strip()
        return ""

    def role(self) -> str:
        """Return what this pod's server is now: primary, standby or down."""
        try:
            line = files.read(self.run / "heartbeat", _LINE).decode("ascii", "replace")
        except OSError:
            return "down"
        return role_of(line, time.clock_gettime(time.CLOCK_BOOTTIME))

    def wal(self, directory: Path | None = None) -> Path:
        """Return the directory with the WAL of a server's directory, by default the current one's."""
        base = directory or self.pgdata
        return base / "pg_wal" if (base / "pg_wal").is_dir() else base / "pg_xlog"

    def segment_size(self, directory: Path | None = None) -> int:
        """Return the size of a WAL segment in bytes. Raise OSError, ValueError."""
        return segment_size(files.read((directory or self.pgdata) / "global" / "pg_control", _CONTROL))

    def system_identifier(self) -> int:
        """Return the identifier of the database. Raise OSError, ValueError."""
        return system_identifier(files.read(self.pgdata / "global" / "pg_control", _CONTROL))

    def major(self, directory: Path | None = None) -> str:
        """Return the major of PostgreSQL that a server's directory is of, '' if there is none."""
        with suppress(OSError):
            text = files.read((directory or self.pgdata) / "PG_VERSION", _LINE).decode("ascii", "replace")
            if found := _MAJOR.fullmatch(text):
                return found[1]
        return ""

    def lineage(self, directory: Path | None = None) -> Lineage | None:
        """Return the newest timeline that a server knows, from its history files; None if there are none. Raise OSError, ValueError.

        An empty file holds the place of a timeline that was skipped (docs/protocol.md, rule 6).
        """
        wal = self.wal(directory)
        for name in sorted((name for name in os.listdir(wal) if name.endswith(_HISTORY)), reverse=True):
            text = files.read(wal / name, _LONGEST).decode("utf-8", "replace")
            if text:
                return parse_history(int(name.removesuffix(_HISTORY), 16), text)
        return None

    def tablespaces(self) -> tuple[str, ...]:
        """Return the OIDs of the tablespaces that the server's directory links to. Raise OSError."""
        with os.scandir(self.pgdata / "pg_tblspc") as entries:
            return tuple(sorted((entry.name for entry in entries if entry.is_symlink()), key=lambda name: (len(name), name)))

    def waiting(self) -> dict[str, float]:
        """Return the WAL files that PostgreSQL wants archived, and since when (seconds since the epoch)."""
        found = {}
        with suppress(OSError), os.scandir(self.wal() / "archive_status") as entries:
            for entry in entries:
                if entry.name.endswith(_READY):
                    with suppress(OSError):
                        found[entry.name.removesuffix(_READY)] = entry.stat(follow_symlinks=False).st_mtime
        return found

    def archive_timeout(self) -> float | None:
        """Return how long a WAL segment stays unfinished at most, in seconds; None: without a limit."""
        with suppress(OSError):
            return archive_timeout((self.config / "postgresql.conf").read_text(encoding="utf-8", errors="replace"))
        return None

    def free(self) -> int:
        """Return the free bytes of the data volume. Raise OSError."""
        found = os.statvfs(self.volume)
        return found.f_bavail * found.f_frsize
