"""The rows that exist at the end."""

from __future__ import annotations

from tests.robustness.release import Release


def present_ids(release: Release, writer: str) -> list[int]:
    """The ids of a writer in the primary's table, with repetitions."""
    return [int(row[0]) for row in release.ask(f"SELECT id FROM appends WHERE writer = '{writer}'")]


def missing_rows(release: Release) -> dict[str, list[int]]:
    """Rows of all trials of this release that existed after their trial and are now missing, by writer."""
    missing = {writer: sorted(ids - set(present_ids(release, writer))) for writer, ids in release.acknowledged.items()}
    return {writer: ids for writer, ids in missing.items() if ids}
