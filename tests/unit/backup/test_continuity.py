"""Holes of an archive, which pgBackRest's own verification does not see."""

from __future__ import annotations

from hapg_backup.core.continuity import Hole, follows, holes
from hapg_backup.core.lineage import Lineage
from hapg_backup.core.listing import Listing, Part, parse_listing, parse_parts
from hapg_backup.core.wal_names import Segment

SIZE = 1 << 20
LINEAGE = Lineage(5, ((1, 4 * SIZE + 1),))
WHOLE = {1: {1, 2, 3}, 5: {4, 5, 6}}
START = Segment(1, 1)


def test_a_whole_archive_has_none() -> None:
    assert holes(LINEAGE, START, WHOLE, SIZE) == []
    assert holes(LINEAGE, Segment(5, 5), WHOLE, SIZE) == []


def test_what_is_missing_is_named_as_ranges() -> None:
    found = holes(LINEAGE, START, {1: {1}, 5: {4, 6}}, SIZE)
    assert found == [Hole(Segment(1, 2), Segment(1, 3)), Hole(Segment(5, 5), Segment(5, 5))]
    assert [hole.words(SIZE) for hole in found] == ["000000010000000000000002 to 000000010000000000000003", "000000050000000000000005"]
    assert sum(hole.segments for hole in found) == 3


def test_the_end_of_a_former_timeline_is_needed_even_if_nothing_of_the_next_is_there() -> None:
    assert holes(LINEAGE, START, {1: {1, 2}}, SIZE) == [Hole(Segment(1, 3), Segment(1, 3))]


def test_dead_ends_and_copies_of_the_fork_fill_no_hole() -> None:
    assert holes(LINEAGE, START, {1: {1, 2, 3, 4, 5}, 5: {6}, 2: {4, 5}}, SIZE) == [Hole(Segment(5, 4), Segment(5, 5))]


def test_what_is_about_to_be_archived_is_no_hole() -> None:
    assert holes(LINEAGE, START, {1: {1, 2}, 5: {4}}, SIZE, [Segment(1, 3)]) == []


def test_a_backup_on_a_dead_end_is_one() -> None:
    assert holes(LINEAGE, Segment(1, 4), WHOLE, SIZE) == [Hole(Segment(1, 4), Segment(1, 4))]
    assert holes(LINEAGE, Segment(2, 1), WHOLE, SIZE) == [Hole(Segment(2, 1), Segment(2, 1))]


def test_a_later_segment_of_the_history_shows_that_the_archive_does_not_end() -> None:
    assert follows(Segment(1, 2), LINEAGE, {1: {1}, 5: {4, 5}}, SIZE) == Segment(5, 4)
    assert follows(Segment(5, 6), LINEAGE, {1: {1, 7}, 2: {9}, 5: {4, 5}}, SIZE) is None


def test_a_listing_of_pgbackrest() -> None:
    name, digest = "000000010000000000000001", "ab" * 20
    lines = [
        "0000000100000000",
        f"0000000100000000/{name}-{digest}.zst",
        f"{name}.partial-{digest}.zst",
        "00000005.history",
        "archive.info",
    ]
    found = parse_listing(lines)
    assert found == Listing({name: digest}, frozenset({5}))
    assert (found.timeline, Listing().timeline) == (5, 1)
    assert found.segments(SIZE) == {1: {1}}
    assert found.last(1, SIZE) == Segment(1, 1)
    assert found.last(5, SIZE) is None


def test_the_parts_of_an_archive_one_for_each_major_that_the_database_had() -> None:
    head = '[backrest]\nbackrest-format=5\n\n[db]\ndb-id=2\ndb-system-id=7\ndb-version="17"\n\n'
    text = head + '[db:history]\n1={"db-id":7,"db-version":"15"}\n2={"db-id":7,"db-version":"17"}\n\n[backrest]\nbackrest-checksum="0"\n'
    found = parse_parts(text)
    assert found == (Part(1, "15", 7), Part(2, "17", 7))
    assert [part.directory for part in found] == ["15-1", "17-2"]
