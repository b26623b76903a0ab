"""The checks themselves find the violations they are meant to find."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.robustness import lease
from tests.robustness.lease import Reign
from tests.robustness.traffic import writers
from tests.robustness.traffic.writers import Append, Log
from tests.robustness.validate import terms, writes


def log(*appends: tuple[int, float, int], refused: tuple[int, ...] = ()) -> Log:
    """A log of (id, time, timeline); each timeline has its own server name."""
    acknowledged = [Append(id, moment, moment, f"server-{timeline}", timeline) for id, moment, timeline in appends]
    return Log("w", acknowledged=acknowledged, refused=list(refused))


def test_lines_of_the_writer_are_understood() -> None:
    found = Log("w")
    for line in ("ok 1 10.0 10.5 10.0.0.1 0000000A", "no 2 11.0 11.1 25006", "maybe 3 12.0 13.0", "down 13.0 13.1"):
        found.note(line)
    for line in ("maybe 4 13.0 13.5 warned", "end"):
        found.note(line)
    assert found.acknowledged == [Append(1, 10.0, 10.5, "10.0.0.1", 10)]
    assert (found.refused, found.uncertain, found.no_session, found.warned, found.complete) == ([2], [3, 4], 1, 1, True)
    with pytest.raises(ValueError, match="not a line"):
        found.note("command terminated with exit code 137")


SAYS = """#!/bin/bash
while read -r line; do
    case $line in
        *connected) echo connected ;;
        '\\echo answer :SQLSTATE'*) printf '%b' "$SAID" ;;
    esac
done
"""


WARNED = r"maybe 1 \S+ \S+ warned"


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("answer 00000 10.0.0.1 00000002\\n", r"ok 1 \S+ \S+ 10\.0\.0\.1 00000002"),
        ("ERROR:  cannot execute INSERT in a read-only transaction\\nanswer 25006 : \\n", r"no 1 \S+ \S+ 25006"),
        (
            "WARNING:  canceling wait for synchronous replication due to user request\\nDETAIL:  x\\nanswer 00000 10.0.0.1 00000002\\n",
            WARNED,
        ),
        ("", r"maybe 1 \S+ \S+"),
    ],
)
def test_an_answer_with_a_warning_is_none(said: str, expected: str, tmp_path: Path) -> None:
    """A commit on the primary alone, because the wait for standbys was cancelled, may be lost."""
    psql = tmp_path / "psql"
    psql.write_text(SAYS)
    psql.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "SAID": said}
    name = f"checker-{tmp_path.name}-{os.getpid()}"
    command = ["bash", "-c", writers.SCRIPT, "writer", name, "100", "50", "1", "1"]
    stop = Path(f"/tmp/stop-{name}")
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as writer:
        try:
            assert writer.stdout is not None
            line = writer.stdout.readline()
        finally:
            stop.touch()
            writer.communicate(timeout=30)
            stop.unlink()
    assert re.fullmatch(expected, line.rstrip()), line


def test_gap_is_the_longest_time_between_two_acknowledgements() -> None:
    assert log((1, 0.0, 1), (2, 0.5, 1), (3, 4.0, 2), (4, 4.5, 2)).gap == 3.5
    assert log().gap == 0


def test_lost_rows_are_told_in_their_order() -> None:
    assert writes.lost(log((1, 0.0, 1), (2, 1.0, 1), (3, 2.0, 1)), [1]) == [2, 3]


@pytest.mark.parametrize(("missing", "one_tail"), [([], True), ([2, 3], True), ([3], True), ([2], False), ([4], False), ([3, 4], False)])
def test_a_loss_is_a_tail_if_nothing_after_it_was_kept(missing: list[int], one_tail: bool) -> None:
    found = log((1, 0.0, 1), (2, 1.0, 1), (3, 2.0, 1), (4, 9.0, 2))
    assert writes.is_one_tail(found, missing, 1) is one_tail


def test_rows_that_were_refused_or_are_there_twice_are_found() -> None:
    assert writes.unexpected(log((1, 0.0, 1), refused=(2,)), [1, 2, 1]) == [2, 1]
    assert writes.unexpected(log((1, 0.0, 1)), [1, 7]) == []


def test_an_acknowledgement_by_the_old_server_after_the_new_ones_first_is_found() -> None:
    service, pinned = log((1, 0.0, 1), (2, 5.0, 2)), log((1, 4.0, 1), (2, 5.5, 1))
    [found] = writes.late([service, pinned])
    assert found.append.id == 2
    assert str(found).startswith("server-1 acknowledged on timeline 1 0.500 s after server-2")
    assert writes.late([service, log((1, 4.0, 1))]) == []


def test_of_two_servers_on_a_timeline_the_one_that_began_first_is_the_old_one() -> None:
    another = Log("v", acknowledged=[Append(1, 1.0, 1.0, "another", 1), Append(2, 3.0, 3.0, "another", 1)])
    [found] = writes.late([log((1, 0.0, 1), (2, 2.0, 1)), another])
    assert (found.append.id, found.append.server, found.first.server) == (2, "server-1", "another")


def test_two_servers_on_a_timeline_are_found() -> None:
    two = Log("v", acknowledged=[Append(1, 0.0, 0.0, "another", 1)])
    assert writes.servers([log((1, 0.0, 1)), two]) == {1: {"server-1", "another"}}


@pytest.mark.parametrize(
    ("second", "wrong"),
    [
        (Reign(2, "b", "y", 2), None),
        (Reign(1, "a", "x", 1), None),
        (Reign(1, "a", "x", 2), None),
        (Reign(0, "b", "y", 2), "term 0 after 1"),
        (Reign(1, "b", "y", 1), "two holders"),
        (Reign(1, "a", "y", 1), "two holders"),
        (Reign(2, "b", "y", 1), "isn't above"),
        (Reign(1, "a", "x", 0), "timeline 0 after 1"),
    ],
)
def test_terms_and_timelines_only_grow(second: Reign, wrong: str | None) -> None:
    found = terms.violations([Reign(1, "a", "x", 1), second])
    assert [wrong in text for text in found] == [True] if wrong else found == []


def test_a_number_that_was_not_begun_may_be_given_back_and_reserved_again() -> None:
    first, claimed = Reign(1, "a", "x", 1), Reign(2, "b", "y", 3)
    given_back, again = Reign(2, "b", "y", 1), Reign(3, "c", "z", 2)
    assert terms.violations([first, claimed, given_back, again]) == []
    assert terms.violations([first, claimed, Reign(2, "b", "y", 2)]) == ["timeline 2 after 3 in term 2"]


def test_repetitions_of_the_lease_are_one_reign() -> None:
    first, second = Reign(1, "a", "x", 1), Reign(2, "b", "y", 2)
    versions = [(1.0, first), (2.0, first), (3.0, second), (4.0, second), (5.0, first)]
    assert lease.reigns(versions) == [(1.0, first), (3.0, second), (5.0, first)]
