"""How old the unfinished WAL segment may be, from postgresql.conf."""

from __future__ import annotations

import pytest

from hapg_backup.core.archive_timeout import archive_timeout


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("", None),
        ("archive_mode = always\n", None),
        ("archive_timeout = '60s'\n", 60.0),
        ("archive_timeout = '60s'\n# postgresql.parameters\narchive_timeout = '10min'\n", 600.0),
        ("archive_timeout = 30\nother = 5", 30.0),
        ("archive_timeout 2h # comment", 7200.0),
        ("archive_timeout = '1 d'", 86400.0),
        ("ARCHIVE_TIMEOUT='500ms'", 0.5),
        ("archive_timeout = '60s'\narchive_timeout = 0\n", None),
        ("# archive_timeout = 5", None),
    ],
)
def test_the_last_archive_timeout_counts(text: str, seconds: float | None) -> None:
    assert archive_timeout(text) == seconds
