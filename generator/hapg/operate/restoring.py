"""The values with which a new release is restored from the archive of another. Pure; a refusal is an OperateError."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import yaml

from hapg import yamlio
from hapg.errors import InputError
from hapg.operate.backups import Archive, shown_time
from hapg.operate.kubectl import Object
from hapg.operate.release import OperateError
from hapg.spec.restrictions import TARGETS
from hapg_protocol import lease as lease_codec

_NAME = re.compile("[a-z]([-a-z0-9]{0,50}[a-z0-9])?")


@dataclass(frozen=True)
class Target:
    """Up to where WAL is replayed. type: `latest`, or a key of restrictions.TARGETS; value: in its form, "" for latest."""

    type: str = "latest"
    value: str = ""

    def __str__(self) -> str:
        return "the end of its archive" if self.type == "latest" else f"{self.type} {self.value}"


def check_name(source: str, new: str) -> None:
    """Raise InputError unless `new` can be the name of a release that is made from `source`."""
    if new == source:
        raise InputError([f"--as {new}: is the release itself; a restore makes a new release, never in place, so choose another name"])
    if not _NAME.fullmatch(new):
        raise InputError([f"--as {new}: not a release's name; lower case letters, digits and hyphens, a letter first, at most 52"])


def check_is_new(new: str, namespace: str, lease: Object | None) -> None:
    """Raise OperateError if the Lease of the name `new` belongs to a release with data, which a restore would leave as it is."""
    if lease is None or lease_codec.ANNOTATION not in (lease["metadata"].get("annotations") or {}):
        return
    try:
        system = lease_codec.from_object(lease).state.system_identifier
    except ValueError as error:
        raise OperateError(f"--as {new}: Lease {new} in namespace {namespace} can't be read: {error}; choose another name") from error
    if system is not None:
        raise OperateError(
            f"--as {new}: there is a release of that name in namespace {namespace}, installed or dormant, and nothing is restored where "
            f"there is data; choose another name, or uninstall it and delete its data first (`hapg wipe {new}`)"
        )


def check_form(target: Target) -> None:
    """Raise InputError unless the target's value has the form of its type."""
    if target.type != "latest" and not re.search(TARGETS[target.type].pattern, target.value):
        raise InputError([f"--{target.type} {target.value!r}: not {TARGETS[target.type].words}"])


def check_target(target: Target, archive: Archive) -> None:
    """Raise OperateError if the source's archive shows that the target can't be reached."""
    if archive.backups is None:
        raise OperateError(f"{archive.stanza}: {archive.problem or 'the repository cannot be read'}, so nothing can be restored from it")
    if not archive.restorable:
        raise OperateError(f"{archive.stanza}: there is no backup, so nothing can be restored; `hapg backup now` takes one")
    if target.type not in ("backup", "time") and not archive.sound:
        of_major = f"{archive.stanza}: there is no backup of PostgreSQL {archive.major} yet"
        raise OperateError(f"{of_major}; take one (`hapg backup now`), or name one of an earlier major with --backup")
    if target.type == "backup" and target.value not in [backup.label for backup in archive.restorable]:
        known = ", ".join(backup.label for backup in archive.restorable)
        raise OperateError(f"--backup {target.value}: not found in {archive.stanza}, which has {known}")
    first = min(backup.ended for backup in archive.restorable)
    moment = _moment(target)
    if moment is not None and moment < first:
        raise OperateError(f"--time {target.value}: before the end of the first backup, {shown_time(first)}, so it can't be restored")


def former_major(target: Target, archive: Archive) -> str:
    """Return the earlier major whose backup the target needs, "" if it needs one of the release's own major."""
    moment = _moment(target)
    if target.type == "backup":
        found = [backup for backup in archive.restorable if backup.label == target.value]
    elif moment is not None:
        found = [backup for backup in archive.restorable if backup.ended < moment]
    else:
        return ""
    return found[-1].major if found and found[-1].major != archive.major else ""


def _moment(target: Target) -> float | None:
    """Return a target time in seconds since the epoch; None if the target is none, or no day of the calendar."""
    if target.type != "time":
        return None
    try:
        return datetime.fromisoformat(target.value).timestamp()
    except ValueError:
        return None


def values(new: str, stanza: str, repository: Mapping[str, Any], stateful_set: Object, target: Target) -> dict[str, Any]:
    """Return the values of the new release: from where, into volumes of the source's size, and its own archive in the same repository."""
    restore: dict[str, Any] = {"enabled": True, "stanza": stanza, "source": dict(repository), "target": {"type": target.type}}
    if target.value:
        restore["target"]["value"] = target.value
    found: dict[str, Any] = {"fullnameOverride": new, "restore": restore, "archiver": dict(repository)}
    claims = {each["metadata"]["name"]: each["spec"] for each in stateful_set["spec"].get("volumeClaimTemplates") or []}
    if "data" in claims:
        found["storage"] = _class(claims["data"]) | {"resources": {"requests": claims["data"]["resources"]["requests"]}}
    if "wal" in claims:
        size = claims["wal"]["resources"]["requests"]["storage"]
        found["walVolume"] = {"enabled": True, "size": size} | _class(claims["wal"])
    return found


def _class(claim: Mapping[str, Any]) -> dict[str, Any]:
    return {"storageClassName": claim["storageClassName"]} if "storageClassName" in claim else {}


def text(source: str, new: str, found: Mapping[str, Any], target: Target, chart: str, former: str = "") -> str:
    """Return the values as a file. chart: name and version of the source's, which the new release needs in the same major, or in `former`,
    the major that it had before an upgrade.
    """
    needed = f"of PostgreSQL {former}, which that backup is of" if former else "of the same PostgreSQL major"
    head = f"""\
# Restores {found["restore"]["stanza"]} to {target}, into the new release {new}. Made by `hapg restore {source}`.
# The new release archives to the same repository, into a folder of its own, and never writes to its source's. The source had the
# chart {chart}; take one {needed}:
#   helm install {new} CHART --values THIS-FILE
# Add your other values, such as postgresql.parameters and resources. In another namespace, create the Secrets named here first.
"""
    return head + yaml.dump(dict(found), Dumper=yamlio.Dumper, sort_keys=False, allow_unicode=True)
