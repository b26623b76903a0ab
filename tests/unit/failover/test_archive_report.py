"""What the primary's pod says of its archive, as an annotation."""

from __future__ import annotations

import pytest

from hapg_protocol.archive_report import ArchiveReport, Verified, decode, encode

FULL = ArchiveReport(
    "A",
    1.0,
    2.0,
    60.0,
    "no",
    ("B to C",),
    3.0,
    {"full": 4.0, "diff": 0.0, "incr": 5.0},
    Verified(6.0, "", "D", 7.5, 8.0),
    Verified(9.0, "w"),
)


@pytest.mark.parametrize("report", [ArchiveReport(backups={"full": 0.0, "diff": 0.0, "incr": 0.0}), FULL])
def test_a_report_on_an_archive_is_read_as_it_was_written(report: ArchiveReport) -> None:
    assert decode(encode(report)) == report


@pytest.mark.parametrize("text", ["", "[]", "{}", encode(FULL).replace('"at":6', '"at":"soon"')])
def test_an_unreadable_report_on_an_archive_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        decode(text)
