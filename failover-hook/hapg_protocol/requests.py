"""An operator's requests to a pod, and the pod's answers: annotations, each one JSON object (docs/contract.md)."""

from __future__ import annotations

import json
from dataclasses import dataclass

from .json_fields import Fields, dump

SWITCHOVER = "ha-postgres/switchover"
FORCE = "ha-postgres/force"
ANSWER = "ha-postgres/answer"
TAKEN, REFUSED = "taken", "refused"


@dataclass(frozen=True)
class Switchover:
    """A request to switch over to `to`, or to any eligible replica if None; valid only in that term."""

    id: str
    term: int
    to: str | None = None

    def encode(self) -> str:
        """Return the annotation's value."""
        return json.dumps({"id": self.id, "term": self.term} | ({} if self.to is None else {"to": self.to}))


@dataclass(frozen=True)
class Force:
    """A request to be promoted; valid only for that version of the Lease. term: the term at that version."""

    id: str
    term: int
    version: str

    def encode(self) -> str:
        """Return the annotation's value."""
        return json.dumps({"id": self.id, "term": self.term, "leaseVersion": self.version})


@dataclass(frozen=True)
class Answer:
    """A pod's answer to the request `id`. outcome: TAKEN, REFUSED, or a value that a newer version uses; reason: in words, for people."""

    id: str
    outcome: str
    reason: str


def switchover(text: str) -> Switchover:
    """Return the request in the annotation's value. Raise ValueError, naming the field, if it is unreadable."""
    fields = Fields.parse(text, SWITCHOVER)
    return Switchover(fields.text("id"), fields.integer("term"), fields.optional_text("to"))


def force(text: str) -> Force:
    """Return the request in the annotation's value. Raise ValueError, naming the field, if it is unreadable."""
    fields = Fields.parse(text, FORCE)
    return Force(fields.text("id"), fields.integer("term"), fields.text("leaseVersion"))


def answer(request: str, outcome: str, reason: str) -> str:
    """Return the annotation value that answers `request`. outcome: TAKEN or REFUSED; reason: in words, for people."""
    return dump({"id": request, "outcome": outcome, "reason": reason})


def read_answer(text: str) -> Answer:
    """Return the answer in the annotation's value. Raise ValueError, naming the field, if it is unreadable."""
    fields = Fields.parse(text, ANSWER)
    return Answer(fields.text("id"), fields.text("outcome"), fields.text("reason"))
