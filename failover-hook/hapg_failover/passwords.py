"""Applies the passwords in the Secrets to the server: when a pod becomes the primary, and when a Secret changes."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from functools import partial
from pathlib import Path

from .adapters import beneath
from .adapters.log import Log
from .adapters.ports.kubernetes import KubeApi, NotFound
from .adapters.ports.runtime import Runtime
from .adapters.ports.sql import Sql, SqlError
from .adapters.secret import KEYS, SecretFiles, projected
from .credentials import roles, scram, secret_entries
from .credentials.secret_entries import Passwords, escape_pgpass
from .settings import Settings
from .workers import every

LOOK_S = 1.0
API_S = 5.0
SQL_S = 10.0
RANDOM_BYTES = 24


def first_passwords(kube: KubeApi, settings: Settings, directory: Path, log: Log) -> Passwords:
    """Return the passwords in the Secrets. A Secret that is not projected into `directory` is created with a random password if missing.

    Raise ApiError, and ValueError for a password that can't be used. A password that ends with a line break is rejected for a new release;
    an existing release only logs a warning.
    """
    found = []
    for key, name in zip(KEYS, (settings.secret, settings.replication_secret), strict=True):
        raw = projected(directory, key) or kube.ensure_secret(name, key, partial(random_entry, key), API_S)
        read = secret_entries.read(raw, f"Secret {name}, key {key}")
        if read.complaint:
            try:
                kube.get_lease(API_S)
            except NotFound:
                raise ValueError(read.complaint) from None
            log("warning", "secret", read.complaint)
        found.append(read.password)
    return Passwords(*found)


def random_entry(key: str) -> dict[str, str]:
    """Return the entries of a Secret that has a random password under `key`, and nothing else."""
    return {key: secrets.token_urlsafe(RANDOM_BYTES)}


class Complaints:
    """Tells in the log and by an Event of each entry of a Secret that is not as it should be: once for as long as that is so."""

    def __init__(self, subject: str, announce: Callable[[str, str, str], None], log: Log) -> None:
        """subject: in the log; announce: records an Event."""
        self._subject = subject
        self._announce = announce
        self._log = log
        self._told: tuple[str, ...] = ()

    def tell(self, complaints: tuple[str, ...]) -> None:
        """Tell of those that are new."""
        for complaint in complaints:
            if complaint not in self._told:
                self._log("warning", self._subject, complaint)
                self._announce("Warning", "InvalidSecret", complaint)
        self._told = complaints


class PasswordKeeper:
    """Checks the Secrets' files once a second, in a thread of its own."""

    def __init__(
        self,
        secret: SecretFiles,
        run: Path,
        sql: Sql,
        settings: Settings,
        leads: Callable[[], int | None],
        announce: Callable[[str, str, str], None],
        log: Log,
    ) -> None:
        """run: directory for the password files of libpq and initdb; leads: returns the term while this pod is the primary; announce:
        records an Event.
        """
        self._secret = secret
        self._run = run
        self._sql = sql
        self._settings = settings
        self._leads = leads
        self._announce = announce
        self._log = log
        self._done: tuple[int, Passwords] | None = None
        self._complaints = Complaints("secret", announce, log)
        self._trouble = ""
        self._report()

    def begin(self, runtime: Runtime) -> None:
        """Start the thread."""
        every(runtime, lambda: LOOK_S, "passwords", self.look)

    def look(self) -> None:
        """Read the current Secrets, and apply them to the server if it is the primary."""
        try:
            if self._secret.look():
                self._report()
                self._log("info", "secret", "a password has changed")
        except OSError as error:
            self._say(f"the passwords can't be stored: {error}")
            return
        self._complaints.tell(self._secret.complaints)
        term = self._leads()
        wanted = None if term is None else (term, self._secret.passwords)
        if wanted is not None and wanted != self._done:
            try:
                self._apply(wanted[1])
            except SqlError as error:
                self._say(f"the passwords of the server can't be changed: {error}")
                return
            self._trouble = ""
        self._done = wanted

    def _apply(self, passwords: Passwords) -> None:
        settings = self._settings
        own_role = settings.profile.replication_role
        found = self._sql.roles(roles.names(own_role), SQL_S)
        salt = secrets.token_bytes(scram.SALT_BYTES)
        for change in roles.plan(found, passwords, own_role=own_role, method=settings.profile.authentication, salt=salt):
            self._sql.change_roles(change.statements, SQL_S)
            self._log("info", "secret", change.reason)
            self._announce("Normal", "RoleChanged", change.reason)

    def _report(self) -> None:
        """Write the files that libpq and initdb read."""
        passwords = self._secret.passwords
        self._log.hide((passwords.superuser, passwords.replication))
        logins = roles.logins(passwords, self._settings.profile.replication_role)
        with beneath.directory(str(self._run)) as run:
            beneath.write(run, "pgpass", "".join(f"*:*:*:{login.user}:{escape_pgpass(login.password)}\n" for login in logins).encode())
            beneath.write(run, "pwfile", f"{passwords.superuser}\n".encode())

    def _say(self, trouble: str) -> None:
        if trouble != self._trouble:
            self._trouble = trouble
            self._log("warning", "secret", trouble)
            self._announce("Warning", "PasswordNotApplied", trouble)
