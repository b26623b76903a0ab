"""Carries requests for grants between the peers and the deciding thread."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from .adapters.clock import boottime
from .adapters.log import Log
from .adapters.peers import PeerAnswer, PeerClient, PeerError
from .core.actions import AskGrants
from .core.model import GrantAnswer, GrantRequest
from .world import Change, World

LIMIT_S = 0.6
AT_ONCE = 8


class Grants:
    """Both directions: what we ask the peers, and what they ask us."""

    def __init__(self, client: PeerClient, report: Callable[[Change], None], log: Log) -> None:
        """client: reaches the peers; report: has the deciding thread change the world, may be called from any thread."""
        self._client = client
        self._log = log
        self._report = report
        self._pool = ThreadPoolExecutor(AT_ONCE, "grant")
        self._lock = threading.Lock()
        self._under_way: set[str] = set()
        self._answers: dict[GrantRequest, PeerAnswer] = {}
        self._waiting: dict[GrantRequest, threading.Event] = {}

    def ask(self, action: AskGrants) -> None:
        """Ask each of the members; one that hasn't answered the last request yet isn't asked again."""
        for volume, address in action.targets:
            with self._lock:
                if volume in self._under_way:
                    continue
                self._under_way.add(volume)
            self._pool.submit(self._ask_one, action.request, volume, address)

    def _ask_one(self, request: GrantRequest, volume: str, address: str) -> None:
        sent_at = boottime()
        try:
            answer = self._client.ask(request, address, LIMIT_S)
        except PeerError as error:
            self._log("warning", "grant", f"no answer from {address}: {error}", term=request.term)
            return
        finally:
            with self._lock:
                self._under_way.discard(volume)
        granted = GrantAnswer(answer.volume, request.term, request.serial, answer.granted, answer.reason, sent_at)
        self._report(lambda w: w.granted.append(granted))

    def asked_by_peer(self, request: GrantRequest) -> PeerAnswer | None:
        """Have the deciding thread decide on a peer's request; None if it doesn't in time."""
        answered = threading.Event()
        with self._lock:
            self._waiting[request] = answered

        def change(w: World) -> None:
            w.asked.append(request)

        self._report(change)
        answered.wait(LIMIT_S)
        with self._lock:
            self._waiting.pop(request, None)
            return self._answers.pop(request, None)

    def answered(self, request: GrantRequest, granted: bool, reason: str, volume: str | None) -> None:
        """The deciding thread's answer to a peer's request."""
        with self._lock:
            waiting = self._waiting.get(request)
            if waiting is not None and volume is not None:
                self._answers[request] = PeerAnswer(volume, granted, reason)
                waiting.set()
