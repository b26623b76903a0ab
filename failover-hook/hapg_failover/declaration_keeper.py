"""Makes the declared roles and databases true on the primary, in a thread of its own that nothing waits for."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from secrets import token_bytes

from hapg_protocol.pods import NOT_APPLIED

from .adapters.declared_files import Wanted
from .adapters.ports.runtime import Logger, Runtime
from .adapters.ports.sql import DatabaseObjects, SqlError
from .credentials import scram
from .declared import databases, roles
from .declared.desired import Database, Declaration
from .declared.found import Contents
from .declared.plan import Change, Plan, Problem
from .declared.statements import CreateDatabase, CreateExtension, DropDatabase, Remember, UpdateExtension
from .workers import every

LOOK_S = 1.0
CHECK_S = 300.0
"""How often the server is compared with the declaration while neither has changed."""
FIRST_RETRY_S = 5.0
SQL_S = 10.0
LONG_S = 600.0
PASSES = 3
LONGEST_EVENT = 900
LONGEST_ANNOTATION = 4000
_LONG = (CreateDatabase, DropDatabase, CreateExtension, UpdateExtension)


class NoLongerPrimary(Exception):
    """This pod has stopped being the primary, or leads under another term."""


class DeclarationKeeper:
    """Looks at once when this pod becomes the primary and when the files change, after a failure with growing pauses, and every CHECK_S."""

    def __init__(
        self,
        runtime: Runtime,
        look: Callable[[], Wanted],
        objects: DatabaseObjects,
        method: str,
        leads: Callable[[], int | None],
        announce: Callable[[str, str, str], None],
        annotate: Callable[[Mapping[str, str | None]], None],
        shown: Callable[[], str | None],
        hide: Callable[[Iterable[str]], None],
        log: Logger,
    ) -> None:
        """look: returns what is declared; method: of pg_hba.conf; leads: the term while this pod is the primary; shown: what this pod's
        annotation says; hide: keeps strings out of the log.
        """
        self._runtime = runtime
        self._look = look
        self._objects = objects
        self._method = method
        self._leads = leads
        self._announce = announce
        self._annotate = annotate
        self._shown = shown
        self._hide = hide
        self._log = log
        self._term: int | None = None
        self._wanted: Wanted | None = None
        self._told: frozenset[Problem] = frozenset()
        self._due_at = 0.0
        self._retry_s = FIRST_RETRY_S
        self._cleared_at = float("-inf")

    def begin(self) -> None:
        """Start the thread."""
        every(self._runtime, lambda: LOOK_S, "roles", self.look)

    def look(self) -> None:
        """Look once. Whatever goes wrong here is logged: it must not end the agent."""
        try:
            self._look_once()
        except NoLongerPrimary:
            self._term = None
        except Exception as error:
            self._log("error", "roles", f"{type(error).__name__}: {error}")
            self._due_at = self._runtime.now() + CHECK_S

    def _look_once(self) -> None:
        term, now = self._leads(), self._runtime.now()
        if term is None:
            self._term = None
            if self._shown() is not None and now - self._cleared_at > CHECK_S:
                self._cleared_at = now
                self._annotate({NOT_APPLIED: None})
            return
        wanted = self._look()
        if term != self._term:
            self._told = frozenset()
        if wanted is not self._wanted:
            self._hide(wanted.passwords.values())
        if term != self._term or wanted is not self._wanted:
            self._term, self._wanted = term, wanted
            self._due_at, self._retry_s = now, FIRST_RETRY_S
        if now >= self._due_at:
            self._due_at = now + CHECK_S
            self._tell(self._check(wanted))

    def _check(self, wanted: Wanted) -> tuple[Problem, ...]:
        """Make true what can be; return what is not as declared."""
        complaints = [Problem(text) for text in wanted.complaints]
        done: list[str] = []
        problems: list[Problem] = []
        for _ in range(PASSES):
            check = _Check(self._objects, lambda: self._leads() == self._term, self._method)
            try:
                check.run(wanted)
            except SqlError as error:
                check.problems.append(Problem(f"the server can't be asked: {error}"))
            finally:
                done += check.done
            problems = check.problems
            if not check.done:
                break
        if done:
            for reason in done:
                self._log("info", "roles", reason)
            self._announce("Normal", "DatabaseObjectsApplied", _cut("; ".join(done), LONGEST_EVENT))
        return tuple(dict.fromkeys((*complaints, *problems)))

    def _tell(self, problems: tuple[Problem, ...]) -> None:
        new = [problem for problem in problems if problem not in self._told]
        self._told = frozenset(problems)
        for problem in new:
            self._log("warning", "roles", problem.text)
        if drifts := [problem.text for problem in new if problem.is_drift]:
            self._announce("Warning", "DatabaseObjectsDrifted", _cut("; ".join(drifts), LONGEST_EVENT))
        if failures := [problem.text for problem in new if not problem.is_drift]:
            self._announce("Warning", "DatabaseObjectsNotApplied", _cut("; ".join(failures), LONGEST_EVENT))
        if any(not problem.is_drift for problem in problems):
            self._due_at = self._runtime.now() + self._retry_s
            self._retry_s = min(CHECK_S, 2 * self._retry_s)
        else:
            self._retry_s = FIRST_RETRY_S
        text = _cut("; ".join(problem.text for problem in problems), LONGEST_ANNOTATION) or None
        if text != self._shown():
            self._annotate({NOT_APPLIED: text})


class _Check:
    """One comparison of the server with the declaration. done: the reasons of changes that were made; problems: what is not as declared."""

    def __init__(self, objects: DatabaseObjects, may_go_on: Callable[[], bool], method: str) -> None:
        """may_go_on: asked before each statement."""
        self._objects = objects
        self._may_go_on = may_go_on
        self._method = method
        self.done: list[str] = []
        self.problems: list[Problem] = []

    def run(self, wanted: Wanted) -> None:
        """Roles first, since databases belong to them; removals of databases before those of roles. Raise SqlError, NoLongerPrimary."""
        declaration = wanted.declaration
        if not (declaration.roles or declaration.databases):
            return
        self._hold()
        found = self._objects.roles(declaration.names_of_roles, SQL_S)
        salt = token_bytes(scram.SALT_BYTES)
        for plan in roles.plan(declaration.roles, found, wanted.passwords, method=self._method, salt=salt):
            self._carry_out(plan)
        known = found.keys() | {role.name for role in declaration.roles if role.present}
        self._databases(declaration, known)
        if any(not role.present and role.name in found for role in declaration.roles):
            self._hold()
            found = self._objects.roles(declaration.names_of_roles, SQL_S)
            for plan in roles.removals(declaration.roles, found):
                self._carry_out(plan)

    def _databases(self, declaration: Declaration, known: set[str]) -> None:
        if not declaration.databases:
            return
        names = [database.name for database in declaration.databases]
        self._hold()
        found = self._objects.databases(names, SQL_S)
        plans = databases.existence(declaration.databases, found, known)
        for plan in plans:
            self._carry_out(plan)
        if plans:
            found = self._objects.databases(names, SQL_S)
        for database in declaration.databases:
            if database.present and database.name in found:
                try:
                    contents = self._contents(database) if found[database.name].allows_connections else None
                except SqlError as error:
                    self.problems.append(Problem(f"database {database.name}: can't be looked at: {error}"))
                    continue
                self._carry_out(databases.plan(database, found[database.name], contents, known))

    def _contents(self, database: Database) -> Contents:
        self._hold()
        if not (database.schemas or database.extensions):
            return Contents()
        schemas = [schema.name for schema in database.schemas]
        schemas += [extension.schema for extension in database.extensions if extension.schema is not None]
        return self._objects.contents(database.name, schemas, [extension.name for extension in database.extensions], SQL_S)

    def _carry_out(self, plan: Plan) -> None:
        self.problems += plan.problems
        digests = set(plan.kept)
        for change in plan.changes:
            if self._change(change):
                self.done.append(change.reason)
                digests |= change.digests
        if plan.kind is not None and digests != plan.remembered:
            memory = Remember(plan.kind, plan.name, " ".join(sorted(digests)))
            self._change(Change((memory,), f"{plan.kind.value.lower()} {plan.name}: what was made true is remembered"))

    def _change(self, change: Change) -> bool:
        """Run the statements of a change; True if they succeeded."""
        self._hold()
        limit = LONG_S if any(isinstance(statement, _LONG) for statement in change.statements) else SQL_S
        try:
            self._objects.run(change.database, change.statements, limit)
        except SqlError as error:
            self.problems.append(Problem(f"{change.reason}: {_without_statement(str(error))}"))
            return False
        return True

    def _hold(self) -> None:
        if not self._may_go_on():
            raise NoLongerPrimary


def _without_statement(message: str) -> str:
    """Return a server's message without the part of the statement that it may quote."""
    return re.split(r"\s*\bLINE \d+:", message)[0]


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 2] + " …"
