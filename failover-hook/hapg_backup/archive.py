"""One stanza in one repository, as pgBackRest shows it, and in it the part of one major of PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

from .adapters.pod import Pod
from .adapters.program import Done, PgBackRest
from .core.backups import Backup, parse_info
from .core.configuration import CIPHER, Configuration, configure
from .core.errors import Misconfigured
from .core.lineage import Lineage, parse_history
from .core.listing import Listing, Part, parse_listing, parse_parts
from .core.settings import Repository, Settings
from .core.wal_names import history_name

QUICK_S = 40.0
LIST_S = 600.0


class Unavailable(Exception):
    """The repository doesn't answer, or not with what was expected. code: pgBackRest's exit code."""

    def __init__(self, text: str, code: int) -> None:
        super().__init__(text)
        self.code = code


class Archive:
    """Archive and backups of one stanza. Its methods raise Unavailable unless stated otherwise.

    A database keeps its stanza over a major upgrade. WAL, history files and verified restores are those of `major`.
    """

    def __init__(self, program: PgBackRest, configuration: Configuration, stanza: str, name: str, major: str) -> None:
        """name: of the configuration file; major: of PostgreSQL, '' while there is no server's directory that says it."""
        self._program = program
        self._configuration = configuration
        self._name = name
        self._id = ""
        self.stanza = stanza
        self.major = major

    def is_same(self, other: Archive | None) -> bool:
        """True if nothing in the settings, the credentials or the birth has changed between the two."""
        return other is not None and self._identity == other._identity

    @property
    def _identity(self) -> tuple[str, str, Configuration]:
        return self.stanza, self.major, self._configuration

    def run(
        self,
        *words: str,
        seconds: float | None = None,
        unwanted: Callable[[], bool] = lambda: False,
        tell: Callable[[str], None] | None = None,
        niceness: int = 0,
    ) -> Done:
        """Run a command of pgBackRest for this stanza, as PgBackRest.run does."""
        return self._program.run(
            self._configuration, self.stanza, *words, seconds=seconds, unwanted=unwanted, tell=tell, niceness=niceness, name=self._name
        )

    def _get(self, path: str, configuration: Configuration | None = None) -> str | None:
        """Return a file of the repository, None if it is missing."""
        words = ("repo-get", "--ignore-missing", "--log-level-console=off", path)
        done = self._program.run(configuration or self._configuration, "", *words, seconds=QUICK_S, name=self._name)
        if done.code == 1:  # documented for --ignore-missing
            return None
        if done.code != 0:
            raise Unavailable(f"reading {path}: {done.words}", done.code)
        return done.output

    def note(self, name: str) -> str | None:
        """Return a file that `keep` has written, None if there is none."""
        return self._get(f"archive/{self.stanza}/{name}", self._own())

    def keep(self, name: str, text: str) -> None:
        """Keep a file of our own beside the archive's directory, encrypted if the repository is."""
        path = f"archive/{self.stanza}/{name}"
        done = self._program.run(self._own(), "", "repo-put", path, seconds=QUICK_S, given=text.encode(), name=self._name)
        if done.code != 0:
            raise Unavailable(f"writing {path}: {done.words}", done.code)

    def _own(self) -> Configuration:
        """Return the configuration for files of our own: `repo-put` encrypts with the repository's pass, not with the archive's."""
        environment = self._configuration.environment
        secret = {"PGBACKREST_CIPHER_PASS": environment[CIPHER]} if CIPHER in environment else {}
        return replace(self._configuration, environment={**environment, **secret})

    def archived_at(self, segment: str) -> float:
        """Return when a segment was archived, in seconds since the epoch; 0 if it is missing."""
        lines = self._list(f"{self._path()}/{segment[:16]}", "--output=json", seconds=QUICK_S)
        try:
            found = json.loads("\n".join(lines))
            return float(max((each["time"] for name, each in found.items() if name.startswith(f"{segment}-")), default=0.0))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise Unavailable(f"pgbackrest repo-ls printed something else: {error!r}", 1) from error

    def _list(self, path: str, *options: str, seconds: float = LIST_S) -> list[str]:
        lines: list[str] = []
        words = ("repo-ls", *options, "--log-level-console=off", "--log-level-stderr=error", path)
        done = self._program.run(self._configuration, "", *words, seconds=seconds, tell=lines.append, name=self._name)
        if done.code != 0:
            raise Unavailable(f"listing {path}: {done.words}", done.code)
        return lines

    def stanzas(self) -> list[str]:
        """Return all stanzas in the repository."""
        return self._list("archive")

    def exists(self) -> bool:
        """True if the archive was created for this major."""
        return self._find_id() != ""

    def parts(self) -> tuple[Part, ...]:
        """Return the parts of the stanza, the one that is written to last; none if there is no archive."""
        text = self._get(f"archive/{self.stanza}/archive.info")
        try:
            return () if text is None else parse_parts(text)
        except ValueError as error:
            raise Unavailable(str(error), 1) from error

    def _find_id(self) -> str:
        if not self._id:
            found = [each.directory for each in self.parts() if each.major == self.major]
            self._id = found[-1] if found else ""
        return self._id

    def _path(self) -> str:
        found = self._find_id()
        if not found:
            raise Unavailable(f"the repository has no archive {self.stanza} of PostgreSQL {self.major or '?'}", 1)
        return f"archive/{self.stanza}/{found}"

    def listing(self) -> Listing:
        """Return everything in the archive."""
        return parse_listing(self._list(self._path(), "--recurse"))

    def sums(self, segment: str) -> dict[str, str]:
        """Return the SHA-1 of the archived segments whose names begin with the same 16 digits."""
        return dict(parse_listing(self._list(f"{self._path()}/{segment[:16]}")).sums)

    def histories(self) -> frozenset[int]:
        """Return the timelines with a history file."""
        return parse_listing(self._list(self._path())).histories

    def lineage(self, timeline: int) -> Lineage:
        """Return the history of a timeline. Raise Misconfigured if the archive doesn't have it."""
        if timeline == 1:
            return Lineage(1)
        text = self._get(f"{self._path()}/{history_name(timeline)}")
        if text is None:
            raise Misconfigured(f"the archive {self.stanza} has no timeline {timeline}")
        try:
            return parse_history(timeline, text)
        except ValueError as error:
            raise Unavailable(str(error), 1) from error

    def backups(self) -> tuple[Backup, ...]:
        """Return the backups of all majors, oldest first."""
        done = self.run("info", "--output=json", "--log-level-console=off", seconds=QUICK_S)
        try:
            if done.code == 0:
                return parse_info(done.output, self.stanza)
        except ValueError as error:
            raise Unavailable(str(error), 1) from error
        raise Unavailable(f"info: {done.words}", done.code)


def own(pod: Pod, program: PgBackRest, settings: Settings, stanza: str, major: str) -> Archive:
    """Return the release's own archive. major: of the server's directory.

    Raise Misconfigured if there is no repository, or a credential is missing.
    """
    if settings.repository is None:
        raise Misconfigured("no repository is set: nothing is archived")
    configuration = configure(settings, settings.repository, stanza, pod.port, pod.paths, pod.credentials(is_source=False))
    return Archive(program, configuration, stanza, "own", major)


def source(pod: Pod, program: PgBackRest, settings: Settings, stanza: str, major: str) -> Archive:
    """Return the archive to restore from. stanza: '' for one that shows which there are; major: to restore. Raise Misconfigured."""
    assert settings.restore is not None
    repository: Repository | None = settings.restore.repository or settings.repository
    assert repository is not None
    credentials = pod.credentials(is_source=settings.restore.repository is not None)
    configuration = configure(settings, repository, stanza or "none", pod.port, pod.paths, credentials)
    return Archive(program, configuration, stanza, "source", major)
