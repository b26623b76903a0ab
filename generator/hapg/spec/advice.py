"""Advice: warnings about a spec that is valid but probably not what the user meant. Each has an id, so it can be silenced."""

from __future__ import annotations

import datetime as dt
import difflib
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hapg.errors import InputError
from hapg.spec import parameter_values, quantity
from hapg.spec import storage as storages
from hapg.spec.version_profiles import SEGMENT_MEGABYTES, SEGMENTS_KEPT, ChartProfile

OF_DOCUMENTS = ("snapshot", "backup-storage", "ignored", "exported", "password")
"""The ids of advice on what a spec's file holds that is no value."""

IDS = ("ephemeral", "small-volume", "synchronous-pair", "no-resources", "end-of-life", "shared-buffers", "work-mem", *OF_DOCUMENTS)
"""All ids, in the order of docs/spec.md."""

_USUAL_SHARE = 0.4
"""The largest share of a server's memory that shared_buffers usually gets."""
_WORK_MEM = "4MB"
"""PostgreSQL's default."""

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


def warn(found: Iterable[Advice], silenced: Collection[str]) -> None:
    """Print advice to standard error, without that whose id is `silenced`."""
    for piece in found:
        if piece.id not in silenced:
            print(f"warning: {piece}", file=sys.stderr)


def on_spec(content: Mapping[str, Any], prefix: str, profile: ChartProfile, today: dt.date) -> Iterator[Advice]:
    """Yield advice on a valid spec. content: the content of `spec`; prefix: "spec." or "", for paths."""
    values = content.get("values", {})
    if "storage" in content or not isinstance(values.get("storage"), dict):
        yield from _on_storage(content.get("storage"), prefix)
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
    yield from _on_version(profile, prefix, today)
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


def on_values(values: Mapping[str, Any], usual: Mapping[str, Any], profile: ChartProfile, today: dt.date) -> Iterator[Advice]:
    """Yield advice on a chart's valid values. values: with the defaults for what is not set; usual: the defaults alone."""
    yield from _on_storage(values["storage"], "")
    replication = values["replication"]
    if (replication["mode"], replication["synchronousPolicy"], values["replicas"]) == ("synchronous", "strict", 2):
        text = "2 in synchronous mode: writes wait while the only standby is down; use 3, or set replication.synchronousPolicy=preferred"
        yield Advice("synchronous-pair", "replicas", text)
    if values["resources"] == usual["resources"]:
        text = "not set, so the chart's small requests apply; set the CPU and memory that the servers need"
        yield Advice("no-resources", "resources", text)
    yield from _on_version(profile, "", today)
    yield from on_memory(values, profile)


def on_memory(values: Mapping[str, Any], profile: ChartProfile) -> Iterator[Advice]:
    """Yield advice on parameters that may need more memory than the container of PostgreSQL gets. values: as for `on_values`."""
    limit = values["resources"].get("limits", {}).get("memory")
    if limit is None:
        return
    parameters = {"work_mem": _WORK_MEM, "max_connections": 100, "shared_buffers": "128MB"} | values["postgresql"]["parameters"]
    room = int(quantity.value(limit))
    names = ("shared_buffers", "work_mem", "max_connections")
    shared, each, connections = (parameter_values.amount(name, parameters[name], profile.major) for name in names)
    if shared > _USUAL_SHARE * room:
        yield Advice(
            "shared-buffers",
            "postgresql.parameters.shared_buffers",
            f"{parameters['shared_buffers']} is more than {_USUAL_SHARE:.0%} of the memory limit ({limit}), which connections and the "
            "page cache need too; a quarter is usual",
        )
    elif shared + connections * each > room:
        yield Advice(
            "work-mem",
            "postgresql.parameters.work_mem",
            f"{parameters['work_mem']} for each of {connections} connections, with shared_buffers, can need more than the memory limit "
            f"({limit}); lower work_mem or max_connections, or raise the limit",
        )


def _on_storage(storage: Mapping[str, Any] | None, prefix: str) -> Iterator[Advice]:
    if storage is None:
        yield Advice("ephemeral", f"{prefix}storage", "not set, so data is kept in an emptyDir and lost with its pod")
        return
    size = storage["resources"]["requests"]["storage"]
    if quantity.value(size) < _KEPT_BYTES:
        yield Advice(
            "small-volume",
            f"{prefix}storage.resources.requests.storage",
            f"{size} is less than the {SEGMENTS_KEPT * SEGMENT_MEGABYTES} MB of past WAL that are kept for replicas; "
            f"the volume fills up if its size is enforced",
        )


def _on_version(profile: ChartProfile, prefix: str, today: dt.date) -> Iterator[Advice]:
    if profile.end_of_life <= today:
        text = f"PostgreSQL {profile.major} has had no fixes since {profile.end_of_life}; plan the move to a newer major"
        yield Advice("end-of-life", f"{prefix}version", text)
