"""Signed requests on port 8011: backups, and questions about them. Each is answered line by line, the last one with an exit code."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from typing import Any

from . import verifications
from .adapters.pod import Pod
from .adapters.program import GONE
from .archive import Unavailable
from .core import verification
from .core.errors import Misconfigured
from .core.state import KINDS
from .inspector import Inspector
from .knowledge import Knowledge
from .opening import NotReady, Opening

FOUND, AGAIN, WRONG = 1, 75, 78
"""Exit codes: a check has found something; to be tried again; the settings are wrong (sysexits.h)."""
_OTHER_TIMELINE = 58
"""pgBackRest's: the control file names another timeline than WAL, as it does until the first checkpoint after a promotion."""
_NICENESS = 10
_NAMED = 5
_ARCHIVED_S = 60

Tell = Callable[[str], None]
IsGone = Callable[[], bool]


class Requests:
    """Carries out one request at a time of those that change something."""

    def __init__(self, pod: Pod, opening: Opening, inspector: Inspector, knowledge: Knowledge, log: Callable[[str], None]) -> None:
        self._pod = pod
        self._opening = opening
        self._inspector = inspector
        self._knowledge = knowledge
        self._log = log
        self._busy = threading.Lock()
        self._records = threading.Lock()
        self._paths: Mapping[str, Callable[[Mapping[str, Any], Tell, IsGone], int]] = {
            "/backup": self._backup,
            "/info": self._info,
            "/check": self._check,
            "/verify": self._verify,
            "/verified": self._verified,
        }

    @property
    def paths(self) -> tuple[str, ...]:
        """The paths of all requests."""
        return tuple(self._paths)

    def carry_out(self, path: str, fields: Mapping[str, Any], tell: Tell, is_gone: IsGone) -> int:
        """Carry out a request; return its exit code. fields: of its body; tell: gets each line of the answer; is_gone: nobody waits."""
        try:
            return self._paths[path](fields, tell, is_gone)
        except Misconfigured as error:
            tell(f"error: {error}")
            return WRONG
        except NotReady as error:
            tell(f"error: {error}")
            return AGAIN
        except Unavailable as error:
            tell(f"error: {error}")
            return error.code if error.code > 0 else AGAIN
        except (OSError, ValueError) as error:
            tell(f"error: {error}")
            return FOUND

    def _alone(self, tell: Tell, work: Callable[[], int]) -> int:
        """Do the work of a request that only the primary's container carries out, one at a time; return its exit code."""
        role = self._pod.role()
        if role != "primary":
            tell(f"error: this pod's server is not the primary but {role}")
            return AGAIN
        if not self._busy.acquire(blocking=False):
            tell("error: another backup or check is running")
            return AGAIN
        try:
            return work()
        finally:
            self._busy.release()

    def _backup(self, fields: Mapping[str, Any], tell: Tell, is_gone: IsGone) -> int:
        kind = fields.get("type")
        if kind not in KINDS:
            raise Misconfigured(f"type: {kind!r} is not allowed; one of {', '.join(KINDS)}")
        return self._alone(tell, lambda: self._make(kind, tell, is_gone))

    def _make(self, kind: str, tell: Tell, is_gone: IsGone) -> int:
        """Make a backup. One with tablespaces is refused: a restore would write them outside its new directory, or could not."""
        if links := self._pod.tablespaces():
            self._knowledge.set(failed_backups=self._knowledge.state.failed_backups + 1)
            named = ", ".join(f"pg_tblspc/{oid}" for oid in links[:_NAMED])
            raise Misconfigured(
                f"the server has tablespaces, which are not supported ({named}): move everything in them to pg_default and drop them"
            )
        self._knowledge.set(running=kind)
        try:
            archive = self._opening.open()
            self._log(f"a {kind} backup begins")
            words = ("backup", f"--type={kind}", f"--archive-timeout={_ARCHIVED_S}")
            done = archive.run(*words, unwanted=lambda: is_gone() or self._pod.role() != "primary", tell=tell, niceness=_NICENESS)
            if done.code == GONE:
                tell("error: the backup was stopped: nobody waits for it, or the server is no longer the primary")
            self._log(f"the {kind} backup has ended with code {done.code}{'' if done.code == 0 else ': ' + done.words}")
            if done.code == _OTHER_TIMELINE:
                tell("error: the primary has made no checkpoint since its promotion")
            code = AGAIN if done.code < 0 or done.code == _OTHER_TIMELINE else done.code
            if code:
                self._knowledge.set(failed_backups=self._knowledge.state.failed_backups + 1)
            else:
                self._inspector.inspect(archive)
            return code
        finally:
            self._knowledge.set(running="")

    def _info(self, fields: Mapping[str, Any], tell: Tell, is_gone: IsGone) -> int:  # noqa: ARG002 all have the same form
        tell(json.dumps(self._inspector.document(self._opening.archive())))
        return 0

    def _check(self, fields: Mapping[str, Any], tell: Tell, is_gone: IsGone) -> int:  # noqa: ARG002
        return self._alone(tell, lambda: self._examine("check", (f"--archive-timeout={_ARCHIVED_S}",), tell, is_gone))

    def _verify(self, fields: Mapping[str, Any], tell: Tell, is_gone: IsGone) -> int:  # noqa: ARG002
        return self._alone(tell, lambda: self._examine("verify", ("--output=text", "--verbose"), tell, is_gone))

    def _verified(self, fields: Mapping[str, Any], tell: Tell, is_gone: IsGone) -> int:  # noqa: ARG002
        """Take the report of a restore that was to be verified."""
        if (role := self._pod.role()) != "primary":
            tell(f"error: this pod's server is not the primary but {role}")
            return AGAIN
        found, archive = verification.read(fields), self._opening.archive()
        if fields.get("stanza") != archive.stanza:
            raise Misconfigured(f"the report is about {str(fields.get('stanza'))[:80]!r}, this archive is {archive.stanza}")
        if found.major != archive.major:
            raise Misconfigured(f"the report is about PostgreSQL {found.major}, this archive goes on with PostgreSQL {archive.major}")
        with self._records:
            self._knowledge.set(record=verifications.keep(archive, found))
        self._log(f"the restore of {found.backup or archive.stanza} is {f'not verified: {found.failure}' if found.failure else 'verified'}")
        return 0

    def _examine(self, command: str, options: tuple[str, ...], tell: Tell, is_gone: IsGone) -> int:
        """Run pgBackRest's own check, and then ours."""
        archive = self._opening.open()
        done = archive.run(command, *options, unwanted=is_gone, tell=tell, niceness=_NICENESS)
        if done.code != 0:
            return AGAIN if done.code < 0 else done.code
        findings = self._inspector.inspect(archive)
        for words in findings.words:
            tell(f"error: missing in the archive: {words}; no restore gets past it: make a full backup")
        if not findings.backups:
            tell("error: there is no backup yet")
        if findings.holes or not findings.backups:
            return FOUND
        tell("the archive is whole from the oldest backup on")
        return 0
