"""The container's HTTP server: /livez and /readyz for kubelet, /metrics for Prometheus, /configz for `helm test`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus

from .requests import Request, Response
from .serving import HttpServer

_TEXT = {"Content-Type": "text/plain; charset=utf-8"}
_METRICS = {"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}


@dataclass(frozen=True)
class Answers:
    """The answers; none of them blocks.

    live: whether the agent's loop is running; ready: whether the pod is ready, and its phase, which is public; metrics: in the Prometheus
    text format; refused: why PostgreSQL rejects the release's configuration, '' if it accepts it.
    """

    live: Callable[[], bool]
    ready: Callable[[], tuple[bool, str]]
    metrics: Callable[[], str]
    refused: Callable[[], str]


class Probes:
    """Serves the probes to any client."""

    def __init__(self, port: int, answers: Answers) -> None:
        """port: 0 for any. Raise OSError if it is taken."""
        self._answers = answers
        self._server = HttpServer(port, "probes", self._answer)

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return self._server.port

    def start(self) -> None:
        """Start serving, until the process ends."""
        self._server.start()

    def _answer(self, request: Request) -> Response:
        if request.method != "GET":
            return _text(HTTPStatus.NOT_IMPLEMENTED, "only GET")
        match request.path:
            case "/livez":
                live = self._answers.live()
                return _probe(live, "the main loop runs" if live else "the main loop is stuck")
            case "/readyz":
                return _probe(*self._answers.ready())
            case "/metrics":
                return Response(HTTPStatus.OK, self._answers.metrics().encode(), _METRICS)
            case "/configz":
                refused = self._answers.refused()
                return _probe(not refused, refused or "the configuration is accepted")
        return _text(HTTPStatus.NOT_FOUND, "/livez, /readyz, /metrics or /configz")


def _probe(good: bool, word: str) -> Response:
    return _text(HTTPStatus.OK if good else HTTPStatus.SERVICE_UNAVAILABLE, word)


def _text(status: HTTPStatus, line: str) -> Response:
    return Response(status, f"{line}\n".encode(), _TEXT)
