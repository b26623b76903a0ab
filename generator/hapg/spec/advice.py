"""Advice: warnings about a spec that is valid but probably not what the user meant. Each has an id, so it can be silenced."""

from __future__ import annotations

import datetime as dt
import difflib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hapg.errors import InputError
from hapg.spec import quantity
from hapg.spec import storage as storages
from hapg.spec.version_profiles import SEGMENT_MEGABYTES, SEGMENTS_KEPT, ChartProfile

IDS = (
    "ephemeral",
    "small-volume",
    "synchronous-pair",
    "no-resources",
    "end-of-life",
    "snapshot",
    "backup-storage",
    "ignored",
    "exported",
    "password",
)
"""All ids, in the order of docs/spec.md."""

_KEPT_BYTES = SEGMENTS_KEPT * SEGMENT_MEGABYTES * 1024**2


@dataclass(frozen=True)
class Advice:
    """One warning. id: one of IDS; place: path in the spec, or the place of a document; text: the sentence after it."""

    id: str
    place: str
    text: str

    def __str__(self) -> str:
        return f"{self.place}: {self.text} [{self.id}]"


def check_ids(ids: Collection[str]) -> None:
    """Raise InputError for an unknown id."""
    wrong = [name for name in ids if name not in IDS]
    if wrong:
        nearest = difflib.get_close_matches(wrong[0], IDS, n=1)
        hint = f"did you mean {nearest[0]}?" if nearest else f"known are {', '.join(IDS)}"
        raise InputError([f"--silence {wrong[0]}: unknown id; {hint}"])


def on_spec(content: Mapping[str, Any], prefix: str, profile: ChartProfile, today: dt.date) -> Iterator[Advice]:
    """Yield advice on a valid spec. content: the content of `spec`; prefix: "spec." or "", for paths."""
    values = content.get("values", {})
    storage = content.get("storage")
    if storage is None and not isinstance(values.get("storage"), dict):
        yield Advice("ephemeral", f"{prefix}storage", "not set, so data is kept in an emptyDir and lost with its pod")
    elif storage is not None:
        size = storage["resources"]["requests"]["storage"]
        if quantity.value(size) < _KEPT_BYTES:
            yield Advice(
                "small-volume",
                f"{prefix}storage.resources.requests.storage",
                f"{size} is less than the {SEGMENTS_KEPT * SEGMENT_MEGABYTES} MB of past WAL that are kept for replicas; "
                f"the volume fills up if its size is enforced",
            )
    if str(content.get("streamingMode")).lower() == "synchronous" and content.get("replicas") == 2:
        yield Advice(
            "synchronous-pair",
            f"{prefix}replicas",
            "2 in synchronous mode: writes wait while the only standby is down; use 3, or set the value "
            "replication.synchronousPolicy=preferred",
        )
    if not content.get("resources") and not values.get("resources"):
        yield Advice(
            "no-resources",
            f"{prefix}resources",
            "not set, so the chart's small requests apply; set the CPU and memory that the servers need",
        )
    if profile.end_of_life <= today:
        text = f"PostgreSQL {profile.major} has had no fixes since {profile.end_of_life}; plan the move to a newer major"
        yield Advice("end-of-life", f"{prefix}version", text)
    if "snapshotSource" in content.get("init", {}):
        yield Advice(
            "snapshot",
            f"{prefix}init.snapshotSource",
            "does not say where the backup is, and KubeDB's own Snapshots can't be read; set the values restore.source, restore.stanza and "
            "restore.target.value at installation, as `hapg restore` writes them",
        )
    if storages.differing(content):
        yield Advice(
            "backup-storage",
            f"{prefix}backupSchedule",
            "its storage is not that of archiver; backups go to the archiver's, because a backup is useless without the WAL beside it",
        )
