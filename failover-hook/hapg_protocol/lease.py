"""The Lease as JSON: the annotation holds the whole state, and the spec repeats the parts that Kubernetes has fields for.

Agents read only the annotation; the spec is for people and tools. A Lease with an unreadable annotation is an error, not an empty state: an
empty list of eligible replicas would mean 'no fence'. Top-level fields that this agent doesn't know are written back unchanged; unknown
fields nested inside a known one are lost when that field is rewritten.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from .json_fields import Fields, dump, position_json
from .lsn import format_lsn, parse_lsn
from .model import EligibleReplica, Holder, LeaseObject, LeaseState, Release, ReleaseCause, SyncRecord
from .recovery import Progress

ANNOTATION = "ha-postgres/state"
MAJOR = "ha-postgres/major"
"""The label with PostgreSQL's major version."""


def encode(state: LeaseState) -> str:
    """Return the annotation's value for `state`."""
    release = state.release
    return dump(
        {name: json.loads(text) for name, text in state.unknown}
        | {
            "protocol": state.protocol,
            "holder": {"pod": state.holder.pod, "uid": state.holder.uid},
            "term": state.term,
            "serial": state.serial,
            "ttlSeconds": state.ttl_s,
            "systemIdentifier": state.system_identifier,
            "volume": state.volume,
            "address": state.address,
            "timeline": state.timeline,
            "eligibleReplicas": [{"pod": member.pod, "volume": member.volume, "streaming": member.streaming} for member in state.eligible],
            "release": None if release is None else _release_json(release),
            "position": position_json(state.position),
            "successor": state.successor,
            "sync": None if state.sync is None else {"k": state.sync.k, "volumes": list(state.sync.volumes)},
            "recovery": None if state.recovery is None else _recovery_json(state.recovery),
            "hangs": state.hangs,
        }
    )


def _release_json(release: Release) -> dict[str, object]:
    return {
        "reason": release.reason,
        "cause": release.cause.value,
        "clean": release.clean,
        "position": position_json(release.position),
        "successor": release.successor,
        "holdSeconds": release.hold_s,
    }


def _recovery_json(recovery: Progress) -> dict[str, object]:
    return {
        "begun": format_lsn(recovery.begun),
        "replayed": format_lsn(recovery.replayed),
        "target": format_lsn(recovery.target),
        "bytesPerSecond": recovery.rate,
    }


def decode(text: str) -> LeaseState:
    """Return the state in the annotation's value. Raise ValueError, naming the field, if it is unreadable."""
    fields = Fields.parse(text, ANNOTATION)
    holder = fields.object("holder")
    if holder is None:
        raise ValueError(f"{ANNOTATION}.holder: missing")
    release = fields.object("release")
    sync, recovery = fields.object("sync"), fields.object("recovery")
    return LeaseState(
        holder=Holder(holder.text("pod"), holder.text("uid")),
        term=fields.integer("term"),
        ttl_s=fields.seconds("ttlSeconds"),
        system_identifier=fields.optional_text("systemIdentifier"),
        volume=fields.optional_text("volume"),
        address=fields.optional_text("address"),
        timeline=fields.integer("timeline", 0),
        eligible=tuple(
            EligibleReplica(item.text("pod"), item.text("volume"), item.flag("streaming", True))
            for item in fields.objects("eligibleReplicas")
        ),
        release=None if release is None else _decode_release(release),
        position=fields.position("position"),
        successor=fields.optional_text("successor"),
        sync=None if sync is None else _decode_sync(sync),
        recovery=None if recovery is None else _decode_recovery(recovery),
        hangs=fields.integer("hangs", 0),
        protocol=fields.integer("protocol"),
        serial=fields.integer("serial", 0),
        unknown=fields.left(),
    )


def _decode_release(fields: Fields) -> Release:
    return Release(
        reason=fields.text("reason"),
        clean=fields.flag("clean"),
        position=fields.position("position"),
        successor=fields.optional_text("successor"),
        hold_s=fields.seconds("holdSeconds", 0.0),
        cause=_decode_cause(fields.optional_text("cause"), fields.flag("clean")),
    )


def _decode_cause(text: str | None, clean: bool) -> ReleaseCause:
    """Return the cause; an unknown cause is read as DELETION if the shutdown was clean, else as DEATH."""
    known = {cause.value: cause for cause in ReleaseCause}
    return known.get(text or "", ReleaseCause.DELETION if clean else ReleaseCause.DEATH)


def _decode_sync(fields: Fields) -> SyncRecord:
    record = SyncRecord(fields.integer("k"), fields.texts("volumes"))
    if not 1 <= record.k <= len(record.volumes):
        raise ValueError(f"{ANNOTATION}.sync: {len(record.volumes)} volumes can't hold {record.k} copies")
    return record


def _decode_recovery(fields: Fields) -> Progress:
    begun, replayed, target = (parse_lsn(fields.text(name)) for name in ("begun", "replayed", "target"))
    return Progress(begun, replayed, target, fields.integer("bytesPerSecond"))


def from_object(lease: Mapping[str, Any]) -> LeaseObject:
    """Return the version and state of a Lease read from the API. Raise ValueError if its annotation is missing or unreadable."""
    metadata = lease.get("metadata") or {}
    text = (metadata.get("annotations") or {}).get(ANNOTATION)
    if not isinstance(text, str):
        raise ValueError(f"Lease {metadata.get('name')} has no annotation {ANNOTATION}")
    return LeaseObject(str(metadata.get("resourceVersion", "")), decode(text), str(metadata.get("uid", "")))


def renewed_at(lease: Mapping[str, Any]) -> datetime:
    """Return when a Lease read from the API was last renewed, by its holder's clock.

    Raise ValueError, naming the field, if it isn't a time.
    """
    text = Fields(lease.get("spec") or {}, "spec").text("renewTime")
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except ValueError as error:
        raise ValueError(f"spec.renewTime: {error}") from error


def to_object(state: LeaseState, name: str, labels: Mapping[str, str], now: datetime, previous: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the Lease to write.

    labels: the labels to set; now: becomes renewTime, and acquireTime if the term is new; previous: the Lease as last read, whose other
    labels and annotations are kept.
    """
    old = previous or {}
    metadata = {key: value for key, value in (old.get("metadata") or {}).items() if key != "managedFields"}
    spec = dict(old.get("spec") or {})
    time = _micro_time(now)
    if spec.get("leaseTransitions") != state.term or "acquireTime" not in spec:
        spec["acquireTime"] = time
    spec |= {
        "holderIdentity": state.holder.identity,
        "leaseDurationSeconds": max(1, math.ceil(state.ttl_s)),
        "leaseTransitions": state.term,
        "renewTime": time,
    }
    metadata |= {
        "name": name,
        "labels": (metadata.get("labels") or {}) | dict(labels),
        "annotations": (metadata.get("annotations") or {}) | {ANNOTATION: encode(state)},
    }
    return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}


def _micro_time(now: datetime) -> str:
    return now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
