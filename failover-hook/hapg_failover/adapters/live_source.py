"""The live server that the first server of a new release is a clone of: its login, its certificate, and whether it can be cloned."""

from __future__ import annotations

import re
from pathlib import Path

from ..core.seeding import problem
from ..credentials import secret_entries
from ..credentials.secret_entries import escape_pgpass
from ..settings import Source
from . import beneath
from .ports.sql import SourceError, SourceFacts, SqlError
from .sql import source_state

DIRECTORY = Path("/etc/hapg/source")
LOOK_S = 15.0
_USER = re.compile(r"[A-Za-z0-9_.@+-]{1,63}")
"""What the supervisor accepts as a user's name: its commands are words."""
_LONGEST = 1 << 20


class LiveSource:
    """Reads the source's Secret afresh each time, so that a corrected one counts at the next attempt."""

    def __init__(self, directory: Path, run: Path, major: str) -> None:
        """directory: where kubelet projects the Secret; run: the memory volume; major: the PostgreSQL major of this release."""
        self._directory = directory
        self._run = run
        self._major = major

    def __call__(self, source: Source) -> SourceFacts:
        """Look at the source, and leave its password and CA for the supervisor. Raise SourceError, with one sentence; OSError."""
        user = source.user or self._entry("username")
        if not _USER.fullmatch(user):
            raise SourceError(f"clone.from: the user {user!r} has characters other than letters, digits and _.@+-; create another role")
        password = self._entry("password")
        parameters: dict[str, str | int] = {
            "host": source.host,
            "port": source.port,
            "user": user,
            "password": password,
            "sslmode": source.ssl_mode,
        }
        with beneath.directory(str(self._run)) as run:
            if source.ssl_mode.startswith("verify-"):
                beneath.write(run, "source.crt", f"{self._entry('ca.crt', lines=True)}\n".encode())
                parameters["sslrootcert"] = str(self._run / "source.crt")
            beneath.write(run, "source.pgpass", f"*:*:*:{escape_pgpass(user)}:{escape_pgpass(password)}\n".encode())
        try:
            state = source_state(parameters, self._major, LOOK_S)
        except SqlError as error:
            raise SourceError(f"the source {source} can't be queried as {user}: {error}") from error
        if why := problem(state, self._major, user):
            raise SourceError(f"the source {source} {why}")
        return SourceFacts((source.host, str(source.port), user, source.ssl_mode), state.size)

    def _entry(self, key: str, lines: bool = False) -> str:
        try:
            raw = (self._directory / key).read_bytes()[:_LONGEST]
        except OSError:
            raise SourceError(f"clone.from: the source's Secret, or its entry {key}, does not exist (yet): create it") from None
        if lines:
            return raw.decode(errors="replace")
        try:
            return secret_entries.read(raw, f"clone.from: the source's Secret, key {key}").password
        except ValueError as error:
            raise SourceError(str(error)) from None
