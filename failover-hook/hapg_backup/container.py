"""Wires the container together."""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime

from hapg_protocol import hand_over

from .adapters.client import PORT
from .adapters.hand_over import Client, HandOver
from .adapters.pod import Pod
from .adapters.program import PgBackRest
from .adapters.server import HttpServer
from .archive import Unavailable
from .archiver import Archiver
from .assurance import Assurance
from .core.errors import Misconfigured
from .core.signing import key_of
from .core.state import render
from .core.wal_names import NAME
from .fetcher import Fetcher
from .inspector import Inspector
from .knowledge import Knowledge
from .monitor import Monitor
from .opening import NotReady, Opening
from .requests import Requests
from .restorer import DESTINATIONS, Restorer

PROGRAM = "/opt/pgbackrest/pgbackrest"
_MAJOR = 20
_SOFTWARE = 70


class Service:
    """All parts of the container for one pod."""

    def __init__(self, pod: Pod, program: str, port: int) -> None:
        """program: the path of pgBackRest; port: of HTTP, 0 for any. Raise OSError."""
        pod.make_folders()
        pgbackrest, knowledge = PgBackRest(program, pod.work), Knowledge()
        opening, inspector = Opening(pod, pgbackrest, log), Inspector(pod, knowledge)
        self._archiver = Archiver(pod, opening, knowledge, log)
        self._restorer = Restorer(pod, pgbackrest, log)
        self._fetcher = Fetcher(pod, opening)
        self._assurance = Assurance(pod, opening, self._archiver)
        self._monitor = Monitor(pod, opening, inspector, knowledge, log)
        requests = Requests(pod, opening, inspector, knowledge, log)
        self._hand_over = HandOver(pod.folder, self.answer)
        self.http = HttpServer(port, lambda: key_of(pod.key()), requests.paths, requests.carry_out, lambda: render(knowledge.state))

    def run(self) -> None:
        """Serve for ever. Raise OSError."""
        self._hand_over.start()
        threading.Thread(target=self.http.serve_forever, name="http", daemon=True).start()
        self._monitor.run()

    def answer(self, words: list[str], client: Client) -> str:
        """Answer a request of the hand-over."""
        try:
            if wanted := hand_over.fetch(words):
                return self._fetcher.fetch(wanted, client)
            if asked := hand_over.ask_verified(words):
                return self._assurance.verified(asked, client)
            match words:
                case ["push", name] if NAME.fullmatch(name):
                    return self._archiver.push(name, client.is_gone)
                case ["get", name, destination] if NAME.fullmatch(name) and destination in DESTINATIONS:
                    return self._restorer.get(name, destination, client.is_gone)
                case ["restore", major] if len(major) < _MAJOR:
                    return self._restorer.restore(major, client)
                case ["ended"]:
                    return self._restorer.ended()
        except (Misconfigured, NotReady, Unavailable, OSError, ValueError) as error:
            return f"error {error}"
        return "error malformed"


def log(text: str) -> None:
    """Write a line to the container's log."""
    print(f"{datetime.now(UTC).isoformat(' ', 'milliseconds')} {text}", flush=True)


def run(pod: Pod, environment: Mapping[str, str]) -> int:
    """Run the container until SIGTERM or a crash."""
    os.umask(0o077)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))  # what was not finished is asked for again

    def end_with_any_thread(arguments: threading.ExceptHookArgs) -> None:
        traceback.print_exception(arguments.exc_value)
        os._exit(_SOFTWARE)

    threading.excepthook = end_with_any_thread
    try:
        service = Service(pod, environment.get("HAPG_PGBACKREST", PROGRAM), PORT)
        log(f"the backup container of {environment.get('POD_NAME', 'this pod')} starts")
        service.run()
    except OSError as error:
        print(f"hapg_backup: {error}", file=sys.stderr)
    return _SOFTWARE
