"""A pod's position report as JSON, the value of an annotation on that pod."""

from __future__ import annotations

from .json_fields import Fields, dump, position_json
from .lsn import format_lsn, parse_lsn
from .model import PositionReport, VolumeState

ANNOTATION = "ha-postgres/position-report"


def encode(report: PositionReport) -> str:
    """Return the annotation's value for `report`."""
    return dump(
        {
            "leaseVersion": report.lease_version,
            "nonce": report.nonce,
            "state": report.state.value,
            "volume": report.volume,
            "systemIdentifier": report.system_identifier,
            "position": position_json(report.position),
            "running": report.running,
            "maxTerm": report.max_term,
            "failed": report.failed,
            "suspect": report.suspect,
            "replayed": None if report.replayed is None else format_lsn(report.replayed),
            "protocol": report.protocol,
            "foreign": report.foreign,
        }
    )


def decode(text: str) -> PositionReport:
    """Return the report in the annotation's value. Raise ValueError, naming the field, if it is unreadable."""
    fields = Fields.parse(text, ANNOTATION)
    replayed = fields.optional_text("replayed")
    return PositionReport(
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
