"""A member's publication as JSON, the value of an annotation of its pod."""

from __future__ import annotations

from .json_fields import Fields, dump, position_json
from .lsn import format_lsn, parse_lsn
from .model import Publication, VolumeState

ANNOTATION = "ha-postgres/publication"


def encode(publication: Publication) -> str:
    """Return the annotation's value."""
    return dump(
        {
            "leaseVersion": publication.lease_version,
            "nonce": publication.nonce,
            "state": publication.state.value,
            "volume": publication.volume,
            "systemIdentifier": publication.system_identifier,
            "position": position_json(publication.position),
            "running": publication.running,
            "maxTerm": publication.max_term,
            "failed": publication.failed,
            "suspect": publication.suspect,
            "replayed": None if publication.replayed is None else format_lsn(publication.replayed),
            "protocol": publication.protocol,
            "foreign": publication.foreign,
        }
    )


def decode(text: str) -> Publication:
    """Return what the annotation's value says. Raise ValueError, with the field's name, if it is unreadable."""
    fields = Fields.parse(text, ANNOTATION)
    replayed = fields.optional_text("replayed")
    return Publication(
        lease_version=fields.text("leaseVersion"),
        nonce=fields.text("nonce"),
        state=VolumeState(fields.text("state")),
        volume=fields.optional_text("volume"),
        system_identifier=fields.optional_text("systemIdentifier"),
        position=fields.position("position"),
        running=fields.flag("running"),
        max_term=fields.integer("maxTerm", 0),
        failed=fields.flag("failed"),
        suspect=fields.flag("suspect"),
        replayed=None if replayed is None else parse_lsn(replayed),
        protocol=fields.integer("protocol", 1),
        foreign=fields.flag("foreign"),
    )
