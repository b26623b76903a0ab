"""Carries lease extension requests between the peers and the deciding thread."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from .adapters.ports.peers import PeerAnswer, PeerError, Peers
from .adapters.ports.runtime import Logger, Runtime
from .core.state.actions import AskExtensions
from .core.state.extensions import ExtensionAnswer, ExtensionRequest
from .core.timing import PEER_ANSWER_S
from .events import Event, PeerAnswered, PeerAsked


class LeaseExtensions:
    """Both directions: our requests to the peers, and theirs to us."""

    def __init__(self, runtime: Runtime, peers: Peers, report: Callable[[Event], None], log: Logger) -> None:
        """report: hands an event to the deciding thread; must be callable from any thread."""
        self._runtime = runtime
        self._peers = peers
        self._log = log
        self._report = report
        self._changed = runtime.condition()
        self._under_way: set[str] = set()
        self._waiting: set[ExtensionRequest] = set()
        self._answers: dict[ExtensionRequest, PeerAnswer] = {}

    def ask(self, action: AskExtensions) -> None:
        """Ask every eligible replica, except those with a request still in flight."""
        for volume, address in action.targets:
            with self._changed:
                if volume in self._under_way:
                    continue
                self._under_way.add(volume)
            self._runtime.spawn("extension", partial(self._ask_one, action.request, volume, address))

    def _ask_one(self, request: ExtensionRequest, volume: str, address: str) -> None:
        sent_at = self._runtime.now()
        try:
            answer = self._peers.ask(request, address, PEER_ANSWER_S)
        except PeerError as error:
            self._log("warning", "extension", f"no answer from {address}: {error}", term=request.term)
            return
        finally:
            with self._changed:
                self._under_way.discard(volume)
        granted = ExtensionAnswer(answer.volume, request.term, request.serial, answer.granted, answer.reason, sent_at)
        self._report(PeerAnswered(granted))

    def asked_by_peer(self, request: ExtensionRequest) -> PeerAnswer | None:
        """Have the deciding thread decide on a peer's request; None if it doesn't answer in time."""
        end = self._runtime.now() + PEER_ANSWER_S
        with self._changed:
            self._waiting.add(request)
        self._report(PeerAsked(request))
        with self._changed:
            while request not in self._answers and (left := end - self._runtime.now()) > 0:
                self._changed.wait(left)
            self._waiting.discard(request)
            return self._answers.pop(request, None)

    def answered(self, request: ExtensionRequest, granted: bool, reason: str, volume: str | None) -> None:
        """Deliver the deciding thread's answer to a peer's request."""
        with self._changed:
            if request in self._waiting and volume is not None:
                self._answers[request] = PeerAnswer(volume, granted, reason)
                self._changed.notify_all()
