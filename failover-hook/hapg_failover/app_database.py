"""Keeps the value `app` true: the primary's agent creates database and owner, and keeps the Secret's entries."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path

from .adapters import beneath
from .adapters.log import Log
from .adapters.ports.kubernetes import ApiError, KubeApi
from .adapters.ports.runtime import Runtime
from .adapters.ports.sql import Sql, SqlError
from .adapters.secret import ProjectedPasswords, keep, projected
from .credentials import app as application
from .credentials import scram, secret_entries
from .credentials.app import PASSWORD_KEY, App
from .passwords import API_S, RANDOM_BYTES, SQL_S, Complaints
from .settings import Settings
from .workers import Due, every

LOOK_S = 1.0
AGAIN_S = 10.0
CREATE_S = 60.0
"""The limit of CREATE DATABASE, which before PostgreSQL 15 waits for two checkpoints."""
FILE = "APP_PASSWORD"
_COPY = "app"
_SCRIPT = "app.sql"


def prepare_secret(kube: KubeApi, app: App, hot: bool, directory: Path, run: Path) -> None:
    """Create the application's Secret if the pods do so and it is missing, and leave its password in `run` for the agent.

    hot: the standbys answer queries; directory: where kubelet projects the Secret. Raise ApiError, OSError, and ValueError for a password
    that can't be used.
    """

    def make_entries() -> dict[str, str]:
        password = secrets.token_urlsafe(RANDOM_BYTES)
        more = {key: value for key, value in application.entries(app, password, hot).items() if value is not None}
        return {PASSWORD_KEY: password, **more}

    raw = projected(directory, FILE)
    if not raw and app.makes_secret:
        raw = kube.ensure_secret(app.secret, PASSWORD_KEY, make_entries, API_S)
    keep(run, _COPY, {FILE: secret_entries.read(raw, _where(app)).password})


class AppKeeper:
    """Looks once a second, in a thread of its own, whether something is to be done.

    That is so when this pod becomes the primary, and when the password or the values change.
    """

    def __init__(
        self,
        app: App,
        directory: Path,
        run: Path,
        sql: Sql,
        kube: KubeApi,
        runtime: Runtime,
        settings: Callable[[], Settings],
        leads: Callable[[], int | None],
        announce: Callable[[str, str, str], None],
        log: Log,
    ) -> None:
        """app: the value when the agent starts, whose Secret this pod shows in `directory`; run: the memory volume; settings: returns the
        current ones; leads: returns the term while this pod is the primary; announce: records an Event.

        Raise OSError, and ValueError without a usable password.
        """
        self._passwords = ProjectedPasswords(directory, run, {FILE: _where(app)}, _COPY)
        self._secret = app.secret
        self._run = run
        self._sql = sql
        self._kube = kube
        self._settings = settings
        self._leads = leads
        self._announce = announce
        self._log = log
        self._scripted: tuple[App, str] | None = None
        self._applied: tuple[int, App, str] | None = None
        self._written: tuple[int, App, str, bool] | None = None
        self._asks = Due(runtime, AGAIN_S)
        self._complaints = Complaints("app", announce, log)
        self._trouble: dict[str, str] = {}
        self._drift = ""
        self._write_script(app)

    def begin(self, runtime: Runtime) -> None:
        """Start the thread."""
        every(runtime, lambda: LOOK_S, "app", self.look)

    def look(self) -> None:
        """Read the Secret, and do what is to be done if this pod is the primary."""
        settings = self._settings()
        app = settings.app
        if app is None or app.secret != self._secret:  # then another pod takes the place of this one, with another Secret
            return
        try:
            if self._passwords.look():
                self._log("info", "app", "the password of the application has changed")
            self._write_script(app)
        except OSError as error:
            self._say("script", f"the password of the application can't be stored: {error}")
            return
        self._complaints.tell(self._passwords.complaints)
        term, password = self._leads(), self._passwords.found[FILE]
        if term is None:
            self._applied = self._written = None
            self._drift = ""
            return
        if self._applied != (term, app, password) and self._apply(app, password):
            self._applied = (term, app, password)
        entries = (term, app, password, settings.standby_mode == "hot")
        if app.makes_secret and self._written != entries and self._asks.is_due() and self._write_entries(*entries[1:]):
            self._written = entries

    def _apply(self, app: App, password: str) -> bool:
        """Create and change what the values ask for; True if all of it is so."""
        method = self._settings().profile.authentication
        try:
            role = next(iter(self._sql.roles((app.owner,), SQL_S)), None)
            owner = self._sql.database_owner(app.database, SQL_S)
            for change in application.plan(app, role, owner, password, method, secrets.token_bytes(scram.SALT_BYTES)):
                self._sql.change_roles(change.statements, CREATE_S)
                self._log("info", "app", change.reason)
                self._announce("Normal", "AppChanged", change.reason)
        except SqlError as error:
            self._say("server", f"database {app.database} and role {app.owner} can't be made as the value app says: {error}")
            return False
        self._trouble.pop("server", None)
        drift = application.drift(app, role, owner)
        if drift and drift != self._drift:
            self._log("warning", "app", drift)
            self._announce("Warning", "AppDiffers", drift)
        self._drift = drift
        return True

    def _write_entries(self, app: App, password: str, hot: bool) -> bool:
        """Give the Secret its entries; True if it has them."""
        self._asks.done()
        try:
            self._kube.change_secret(app.secret, application.entries(app, password, hot), API_S)
        except ApiError as error:
            self._say("secret", f"the entries of Secret {app.secret} can't be written: {error}")
            return False
        self._trouble.pop("secret", None)
        return True

    def _write_script(self, app: App) -> None:
        """Write what the first server runs before it counts: no client meets it without database and role."""
        password = self._passwords.found[FILE]
        if self._scripted == (app, password):
            return
        self._log.hide((password,))
        statements = application.first(app, password, self._settings().profile.authentication, secrets.token_bytes(scram.SALT_BYTES))
        with beneath.directory(str(self._run)) as run:
            beneath.write(run, _SCRIPT, "".join(f"{statement};\n" for statement in statements).encode())
        self._scripted = (app, password)

    def _say(self, subject: str, trouble: str) -> None:
        if trouble != self._trouble.get(subject):
            self._trouble[subject] = trouble
            self._log("warning", "app", trouble)
            self._announce("Warning", "AppNotApplied", trouble)


def _where(app: App) -> str:
    return f"Secret {app.secret}, key {PASSWORD_KEY}"
