"""The log: one line of JSON per event, on stdout, written through Python's logging."""

from __future__ import annotations

import json
import logging
import os
import queue
import threading
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from logging.handlers import QueueHandler, QueueListener

_STDOUT = 1
_PENDING_LINES = 1000
_REPEAT_SECONDS = 10.0
_LEVELS = logging.getLevelNamesMapping()
_LIBRARY = "library"


class Log:
    """The agent's log. It never blocks: a container runtime that stops draining the pipe must not stop the agent.

    If the queue is full, lines are dropped and counted; the next line that gets through carries the count. A warning that repeats within
    ten seconds is only counted too: while the API is unavailable, the same call fails twice a second.
    """

    def __init__(self, pod: str, secrets: Iterable[str] = (), descriptor: int = _STDOUT) -> None:
        """pod: named in every line; secrets: strings that must never be logged; descriptor: file descriptor to write to."""
        self._lines: queue.Queue[logging.LogRecord] = queue.Queue(_PENDING_LINES)
        self._formatter = JsonFormatter(pod, secrets)
        self._handler = _BoundedQueue(self._lines)
        self._handler.setFormatter(self._formatter)
        self._logger = logging.Logger("hapg_failover")  # outside the logger tree: no library's configuration affects it
        self._logger.addHandler(self._handler)
        QueueListener(self._lines, _Descriptor(descriptor)).start()

    def hide(self, secrets: Iterable[str]) -> None:
        """Never log these strings either."""
        self._formatter.hide(secrets)

    def take_over(self) -> None:
        """Log warnings and errors of the libraries too, from their loggers or the warnings module."""
        root = logging.getLogger()
        root.setLevel(logging.WARNING)  # below this level the API client logs response bodies, including Secrets
        root.addHandler(self._handler)
        logging.captureWarnings(True)

    def __call__(self, level: str, event: str, reason: str = "", **fields: object) -> None:
        """Log `event`. level: debug, info, warning or error; reason: why, in words; fields: additional fields of the line."""
        self._logger.log(_LEVELS[level.upper()], reason, extra={"event": event, "fields": fields})

    def flush(self, timeout: float) -> None:
        """Wait at most `timeout` seconds until everything is written; for use before the process ends."""
        waiter = threading.Thread(target=self._lines.join, daemon=True)
        waiter.start()
        waiter.join(timeout)


class JsonFormatter(logging.Formatter):
    """Formats a record as one line of JSON, without secrets.

    A record of the agent has its event and fields as attributes. A library's record has neither: its event is `library`, and the logger's
    name is a field.
    """

    def __init__(self, pod: str, secrets: Iterable[str] = ()) -> None:
        """As for Log."""
        super().__init__()
        self._pod = pod
        self._secrets: tuple[str, ...] = ()
        self.hide(secrets)

    def hide(self, secrets: Iterable[str]) -> None:
        """Never log these strings either."""
        self._secrets = tuple(dict.fromkeys((*self._secrets, *(json.dumps(secret)[1:-1] for secret in secrets if secret))))

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without a newline."""
        entry: dict[str, object] = {
            "ts": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "pod": self._pod,
            "event": getattr(record, "event", _LIBRARY),
        }
        attributes = {"reason": record.getMessage(), "repeated": getattr(record, "repeated", 0), "dropped": getattr(record, "dropped", 0)}
        entry |= {name: value for name, value in attributes.items() if value}
        entry |= getattr(record, "fields", {"logger": record.name})
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        line = json.dumps(entry, default=str)
        for secret in self._secrets:
            line = line.replace(secret, "***")
        return line


class _Repeats:
    """Remembers warnings: the latest one per event or library logger, when it was logged, and how often it repeated since."""

    def __init__(self) -> None:
        self._warned: dict[str, tuple[str, float, int]] = {}

    def counted(self, record: logging.LogRecord) -> int | None:
        """Return how many warnings were suppressed before this one; None if this one is to be suppressed."""
        if record.levelno != logging.WARNING:
            return 0
        about, text, now = getattr(record, "event", f"{_LIBRARY} {record.name}"), record.getMessage(), time.monotonic()
        before, said_at, repeated = self._warned.get(about, ("", 0.0, 0))
        if text == before and now - said_at < _REPEAT_SECONDS:
            self._warned[about] = (text, said_at, repeated + 1)
            return None
        self._warned[about] = (text, now, 0)
        return repeated


class _BoundedQueue(QueueHandler):
    """Puts lines into a queue unless it is full. logging calls `emit` from one thread at a time."""

    def __init__(self, lines: queue.Queue[logging.LogRecord]) -> None:
        super().__init__(lines)
        self._repeats = _Repeats()
        self._dropped = 0

    def emit(self, record: logging.LogRecord) -> None:
        try:
            repeated = self._repeats.counted(record)
            if repeated is not None:
                record.__dict__.update(repeated=repeated, dropped=self._dropped)
                self.queue.put_nowait(self.prepare(record))
                self._dropped = 0
        except Exception:  # the queue is full, or a library's arguments don't fit its message: reporting on stderr might block
            self._dropped += 1


class _Descriptor(logging.Handler):
    """Writes lines to a file descriptor, in the listener's thread."""

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._descriptor = descriptor

    def emit(self, record: logging.LogRecord) -> None:
        data = record.getMessage().encode() + b"\n"
        try:
            while data:
                data = data[os.write(self._descriptor, data) :]
        except OSError:
            pass  # nobody reads the log any more, so there is nowhere to report it
