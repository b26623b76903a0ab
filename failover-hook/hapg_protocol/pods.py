"""Pods as the API shows them, and changes to their metadata as merge patches."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from . import position_report, requests, start_settings
from .model import Pod, PodPatch, PositionReport
from .requests import Answer

REFUSED = "ha-postgres/refused"
NOT_FOLLOWING = "ha-postgres/not-following"
UNCREATED = "ha-postgres/not-created"
NOT_UPGRADED = "ha-postgres/not-upgraded"
NOT_APPLIED = "ha-postgres/not-applied"
STANDBY_MODE = "ha-postgres/standby-mode"
HOT_STANDBY = "ha-postgres/hot-standby"
"""The label of pods to which the Service for reads leads, with the value 'true'."""
START_SETTINGS = "ha-postgres/start-settings"


def from_object(pod: Mapping[str, Any], name: str, role_label: str) -> Pod | None:
    """Return a pod read from the API, or None if it doesn't belong to the StatefulSet `name`.

    name: the StatefulSet's name; role_label: the key of the role label. An unreadable position report counts as none.
    """
    metadata = pod.get("metadata") or {}
    annotations = metadata.get("annotations") or {}
    match = re.fullmatch(re.escape(name) + r"-([0-9]+)", str(metadata.get("name")))
    if match is None:
        return None
    status, labels = pod.get("status") or {}, metadata.get("labels") or {}
    return Pod(
        name=match[0],
        uid=str(metadata.get("uid", "")),
        version=str(metadata.get("resourceVersion", "")),
        ordinal=int(match[1]),
        ip=status.get("podIP") or None,
        node=(pod.get("spec") or {}).get("nodeName") or None,
        role=labels.get(role_label),
        reads=labels.get(HOT_STANDBY) == "true",
        deleting=metadata.get("deletionTimestamp") is not None,
        ready=any(condition.get("type") == "Ready" and condition.get("status") == "True" for condition in status.get("conditions") or ()),
        report=_report(annotations.get(position_report.ANNOTATION)),
        grace=metadata.get("deletionGracePeriodSeconds"),
        switchover=annotations.get(requests.SWITCHOVER),
        force=annotations.get(requests.FORCE),
        refused=annotations.get(REFUSED),
        not_following=annotations.get(NOT_FOLLOWING),
        uncreated=annotations.get(UNCREATED),
        not_upgraded=annotations.get(NOT_UPGRADED),
        not_applied=annotations.get(NOT_APPLIED),
        standby_mode=annotations.get(STANDBY_MODE),
        start_settings=start_settings.decode(annotations.get(START_SETTINGS)),
    )


def _report(text: str | None) -> PositionReport | None:
    if text is None:
        return None
    try:
        return position_report.decode(text)
    except ValueError:
        return None


def answer(pod: Mapping[str, Any]) -> Answer | None:
    """Return the answer to the last request that a pod read from the API shows. An unreadable answer counts as none."""
    text = ((pod.get("metadata") or {}).get("annotations") or {}).get(requests.ANSWER)
    if text is None:
        return None
    try:
        return requests.read_answer(text)
    except ValueError:
        return None


def merge_patch(patch: PodPatch) -> dict[str, Any]:
    """Return `patch` as a JSON merge patch. Its UID and version act as preconditions for the API server."""
    metadata: dict[str, Any] = {"uid": patch.uid}
    if patch.version is not None:
        metadata["resourceVersion"] = patch.version
    if patch.labels:
        metadata["labels"] = patch.labels
    if patch.annotations:
        metadata["annotations"] = patch.annotations
    return {"metadata": metadata}
