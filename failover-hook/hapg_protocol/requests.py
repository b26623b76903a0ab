"""What an operator asks of a pod, and what the pod answers: annotations, each one JSON object (docs/contract.md)."""

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
    """Hand over to `to`, or to whom you like; valid under that term alone."""

    id: str
    term: int
    to: str | None = None

    def encode(self) -> str:
        """Return the annotation's value."""
        return json.dumps({"id": self.id, "term": self.term} | ({} if self.to is None else {"to": self.to}))


@dataclass(frozen=True)
class Force:
    """Be promoted; valid under that version of the Lease alone. term: the one it stood at."""

    id: str
    term: int
    version: str

    def encode(self) -> str:
        """Return the annotation's value."""
        return json.dumps({"id": self.id, "term": self.term, "leaseVersion": self.version})


@dataclass(frozen=True)
class Answer:
    """What the pod says to the request `id`. outcome: TAKEN, REFUSED, or what a newer version says; reason: in words, for people."""

    id: str
    outcome: str
    reason: str


def switchover(text: str) -> Switchover:
    """Return the request that the annotation's value holds. Raise ValueError, with the field's name, if it is unreadable."""
    fields = Fields.parse(text, SWITCHOVER)
    return Switchover(fields.text("id"), fields.integer("term"), fields.optional_text("to"))


def force(text: str) -> Force:
    """Return the request that the annotation's value holds. Raise ValueError, with the field's name, if it is unreadable."""
    fields = Fields.parse(text, FORCE)
    return Force(fields.text("id"), fields.integer("term"), fields.text("leaseVersion"))


def answer(request: str, outcome: str, reason: str) -> str:
    """Return the value of the annotation that answers `request`. outcome: TAKEN or REFUSED."""
    return dump({"id": request, "outcome": outcome, "reason": reason})


def read_answer(text: str) -> Answer:
    """Return the answer that the annotation's value holds. Raise ValueError, with the field's name, if it is unreadable."""
    fields = Fields.parse(text, ANSWER)
    return Answer(fields.text("id"), fields.text("outcome"), fields.text("reason"))
