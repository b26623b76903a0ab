"""Checks whether hot replicas have the same rows as the primary."""

from __future__ import annotations

from tests.robustness.client import Client
from tests.robustness.release import Pod, Release

ROWS = "SELECT writer, count(*), md5(string_agg(id::text, ',' ORDER BY id)) FROM appends GROUP BY writer"

Rows = dict[str, tuple[int, str]]
"""By writer: how many rows, and a checksum of their ids in order."""


def differences(pod: str, here: Rows, primary: Rows) -> list[str]:
    """Rows that a replica lacks, has in addition, or has with other values."""
    wrong = []
    for writer in sorted(here.keys() | primary.keys()):
        (count, checksum), (expected, right) = here.get(writer, (0, "")), primary.get(writer, (0, ""))
        if count != expected:
            wrong.append(f"{pod} has {count} rows of {writer}, and the primary has {expected}")
        elif checksum != right:
            wrong.append(f"{pod} has other rows of {writer} than the primary, {count} as well")
    return wrong


def _rows(asker: Client, pod: Pod) -> Rows:
    return {writer: (int(count), checksum) for writer, count, checksum in asker.sql(ROWS, host=pod.ip)}


def violations(release: Release, asker: Client, seconds: float) -> list[str]:
    """Compare each replica with the primary as soon as it has replayed all WAL that the primary has flushed. Nobody may write meanwhile."""
    primary = release.primary()
    expected = _rows(asker, primary)
    [[flushed]] = asker.sql("SELECT pg_current_wal_flush_lsn()", host=primary.ip)
    replayed = f"SELECT pg_last_wal_replay_lsn() >= '{flushed}'"
    wrong = []
    for pod in release.standbys():
        release.wait(f"{pod.name} replays {flushed}", lambda pod=pod: asker.sql(replayed, host=pod.ip) == [["t"]], seconds)  # type: ignore[misc]
        wrong += differences(pod.name, _rows(asker, pod), expected)
    return wrong
