"""A verified restore, in a pod of its own: gives the script verify.sh the files and WAL, and tells the primary's container the outcome.

The pod has a scratch volume where a server's pod has its data, and no server of a release runs in it.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from hapg_protocol.lsn import format_lsn

from .adapters import files
from .adapters.client import Failed, request
from .adapters.hand_over import Client, HandOver
from .adapters.pod import Pod
from .adapters.program import PgBackRest
from .archive import Unavailable
from .container import PROGRAM, log
from .core import verification
from .core.errors import Misconfigured
from .core.settings import Restore, Settings
from .core.signing import key_of
from .core.verification import CHECKS, LONGEST_REASON, Verification
from .core.wal_names import NAME
from .requests import WRONG
from .restorer import DESTINATIONS, Restorer

SCRIPTS = (Path(__file__).with_name("verify.sh"), Path(__file__).parent.parent / "hapg_supervisor" / "pgbackrest.sh")
OUTCOME = "outcome"
"""What verify.sh writes beside the server's log: in the first line why the restore is not verified, if so, then each check it has made."""
PATIENCE_S = 600.0
"""How long the primary may be away. A failover takes seconds, a new release's first start longer."""
_AGAIN_S = 2.0
_MAJOR = 20
_LONGEST = 1 << 16


class Primary:
    """The container beside the primary, through the Service. Its methods raise Failed once the patience is over."""

    def __init__(self, url: str, key: Callable[[], bytes], patience_s: float) -> None:
        self._url = url
        self._key = key
        self._patience_s = patience_s

    def stanza(self, client: Client) -> str:
        """Return the name of the release's archive."""
        line = self._ask("/info", {}, client)[-1]
        found = json.loads(line)
        if found["problem"] or not found["stanza"]:
            raise Failed(found["problem"] or "the release has no archive yet")
        return str(found["stanza"])

    def tell(self, stanza: str, found: Verification, client: Client) -> None:
        """Report an outcome."""
        self._ask("/verified", {"stanza": stanza, **verification.fields(found)}, client)

    def _ask(self, path: str, fields: Mapping[str, object], client: Client) -> list[str]:
        end = time.monotonic() + self._patience_s
        while True:
            try:
                return self._try(path, fields)
            except Failed as error:
                if error.is_final or time.monotonic() > end or client.is_gone():
                    raise
            client.wait()
            time.sleep(_AGAIN_S)

    def _try(self, path: str, fields: Mapping[str, object]) -> list[str]:
        lines: list[str] = []
        try:
            code = request(self._url, key_of(self._key()), path, fields, lines.append)
        except (OSError, ValueError) as error:
            raise Failed(f"the key of the requests: {error}") from error
        if code != 0:
            why = lines[-1].removeprefix("error: ") if lines else f"exit code {code}"
            raise Failed(f"the primary's container answers: {why}", is_final=code == WRONG)
        return lines


@dataclass
class Progress:
    """One verification. stanza: of the release; major: to restore.

    begun, restored, replayed: CLOCK_MONOTONIC in seconds, 0 if it did not come so far.
    """

    stanza: str
    major: str
    begun: float
    restored: float = 0.0
    replayed: float = 0.0


class Verifier:
    """Answers what verify.sh asks: `restore MAJOR`, `get NAME DESTINATION`, `ended` and `report`."""

    def __init__(self, pod: Pod, program: PgBackRest, primary: Primary) -> None:
        self._pod = pod
        self._primary = primary
        self._restorer = Restorer(pod, program, log, self._settings)
        self._progress: Progress | None = None

    def answer(self, words: list[str], client: Client) -> str:
        """Answer a request of the hand-over."""
        try:
            match words:
                case ["restore", major] if len(major) < _MAJOR:
                    return self._restore(major, client)
                case ["get", name, destination] if NAME.fullmatch(name) and destination in DESTINATIONS:
                    return self._restorer.get(name, destination, client.is_gone)
                case ["ended"]:
                    return self._ended()
                case ["report"]:
                    return self._report(client)
        except (Failed, Misconfigured, Unavailable, OSError, ValueError) as error:
            return f"error {error}"
        return "error malformed"

    def _settings(self) -> Settings:
        if self._progress is None:
            raise Misconfigured("the container was restarted in the middle of the restore")
        return replace(self._pod.settings(), restore=Restore(self._progress.stanza))

    def _restore(self, major: str, client: Client) -> str:
        client.wait("asking the primary for its archive")
        self._progress = progress = Progress(self._primary.stanza(client), major, time.monotonic())
        answer = self._restorer.restore(major, client)
        progress.restored = time.monotonic()
        return answer

    def _ended(self) -> str:
        answer = self._restorer.ended()
        if self._progress is not None:
            self._progress.replayed = time.monotonic()
        return answer

    def _report(self, client: Client) -> str:
        progress = self._progress
        if progress is None:
            return "error the primary is not known, so it was not told"
        outcome = files.read(self._pod.restore_log.with_name(OUTCOME), _LONGEST).decode("utf-8", "replace")
        found = self._outcome(progress, outcome)
        self._primary.tell(progress.stanza, found, client)
        if found.failure:
            return "ok the primary was told"
        return f"ok verified: restored in {found.rto_s:.1f} s ({found.rate / 1e6:.1f} MB/s), checked in {found.check_s:.1f} s"

    def _outcome(self, progress: Progress, outcome: str) -> Verification:
        failure, *checks = outcome.split("\n")
        chosen, reached = self._restorer.chosen, self._restorer.reached
        ends = (progress.begun, progress.restored, progress.replayed, time.monotonic() if progress.replayed else 0.0)
        restore_s, replay_s, check_s = (max(0.0, after - before) for before, after in pairwise(ends))
        return Verification(
            ended=time.time(),
            major=progress.major,
            failure=" ".join(failure.split())[:LONGEST_REASON],
            backup="" if chosen is None else chosen.label,
            timeline=0 if reached is None else reached[0],
            lsn="" if reached is None else format_lsn(reached[1]),
            size=0 if chosen is None else chosen.size,
            restore_s=restore_s,
            replay_s=replay_s,
            check_s=check_s,
            checks=tuple(name for name in CHECKS if name in checks),
        )


def run(pod: Pod, environment: Mapping[str, str], scripts: Path = Path("/etc/hapg/supervisor")) -> int:
    """Run the container until SIGTERM. scripts: where the other container finds verify.sh."""
    os.umask(0o077)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    try:
        pod.make_folders()
        for script in SCRIPTS:
            shutil.copyfile(script, scripts / script.name)
        patience_s = float(environment.get("HAPG_BACKUP_WAIT", PATIENCE_S))
        primary = Primary(environment["HAPG_BACKUP_URL"], pod.key, patience_s)
        verifier = Verifier(pod, PgBackRest(environment.get("HAPG_PGBACKREST", PROGRAM), pod.work), primary)
        HandOver(pod.folder, verifier.answer).start()
    except (OSError, KeyError) as error:
        print(f"hapg_backup: {error!r}", file=sys.stderr)
        return 70
    log("waiting for verify.sh")
    threading.Event().wait()
    return 0
