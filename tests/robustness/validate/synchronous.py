"""Synchronous replication: the standbys that the primary waits for, and whether the Lease records them."""

from __future__ import annotations

import json
import re
import threading

from tests.robustness.client import Client
from tests.robustness.programs import ProgramError
from tests.robustness.release import Release

SET_SECONDS = 60.0
POSITION_REPORT = "ha-postgres/position-report"
SETTING = "SHOW synchronous_standby_names"


def setting(release: Release) -> str:
    """The value of synchronous_standby_names on the primary."""
    return release.ask(SETTING)[0][0]


def named(release: Release) -> list[str]:
    """The pods that the primary's setting lists."""
    text = setting(release)
    return [word.strip(' "()') for word in text.partition("(")[2].split(",")] if text else []


def wait_set(release: Release, size: int) -> None:
    """Wait until this many replicas are in the set of which one must have each commit."""

    def complete() -> bool:
        names = setting(release)
        quorum = [each for each in release.replication(host=release.primary().ip) if each.sync_state == "quorum"]
        return names.startswith("ANY 1 (") and names.count(",") == size - 1 and len(quorum) == size

    release.wait(f"{size} replicas are in the synchronous set", complete, SET_SECONDS)


def _volumes(release: Release) -> dict[str, str]:
    """The volume that each pod reports."""
    found = release.namespace.get("pods", "--selector", release.selector)
    shown = {pod["metadata"]["name"]: pod["metadata"].get("annotations", {}).get(POSITION_REPORT) for pod in found}
    return {name: json.loads(text).get("volume") for name, text in shown.items() if text}


def unrecorded(release: Release) -> list[str]:
    """The pods that may acknowledge though the Lease doesn't record their volumes; read while the setting stays the same."""
    while True:
        before, recorded, shown = named(release), release.lease().get("sync", {}).get("volumes", []), _volumes(release)
        if named(release) == before:
            return [name for name in before if name != "-" and shown[name] not in recorded]


def is_whole(release: Release) -> bool:
    """True if every standby streams and is listed in the primary's setting, and the Lease records exactly their volumes."""
    assert unrecorded(release) == []
    standbys = sorted(pod.name for pod in release.standbys())
    streams = [(each.name, each.state, each.sync_state) for each in release.replication(host=release.primary().ip)]
    shown = _volumes(release)
    recorded = release.lease().get("sync", {})
    return (
        len(standbys) == release.replicas - 1
        and streams == [(name, "streaming", "quorum") for name in standbys]
        and named(release) == standbys
        and recorded == {"k": 1, "volumes": sorted(shown[name] for name in standbys)}
    )


def wait_whole(release: Release) -> None:
    """Wait until all standbys are synchronous."""
    release.wait("its standbys are the synchronous set", lambda: is_whole(release), SET_SECONDS)


class Watch:
    """Compares the setting with the Lease repeatedly for the duration of the `with`."""

    def __init__(self, release: Release, asker: Client) -> None:
        self.seen: set[str] = set()
        self.wrong: list[str] = []
        self._release = release
        self._asker = asker
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="synchronous", daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def _run(self) -> None:
        volumes: dict[str, str] = {}
        ended = False
        while not ended:
            ended = self._ended.wait(0.1)  # and once more after the end
            try:
                before = self._asker.sql(SETTING)
                state = self._release.lease()
                after = self._asker.sql(SETTING)
            except ProgramError:
                continue
            volumes |= {member["pod"]: member["volume"] for member in state["eligibleReplicas"]}
            names = re.findall(r'"(.+?)"', before[0][0])
            if before != after or names in ([], ["-"]):
                continue
            self.seen.add(before[0][0])
            recorded = (state.get("sync") or {}).get("volumes", [])
            self.wrong += [f"{name} is waited for, and isn't in {state}" for name in names if volumes.get(name) not in recorded]

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join(10)
