"""What is said about a run of pgBackRest that failed."""

from __future__ import annotations

import pytest

from hapg_backup.adapters.program import SLOW, Done

BEGIN = "P00   INFO: archive-get command begin 2.55.1: --config=own.conf\n"
WARNING = """P00   WARN: repo1: [FileMissingError] unable to load info file 'archive.info' or 'archive.info.copy':
            FileMissingError: unable to open missing file 'archive.info' for read
            HINT: is archive_command configured correctly in postgresql.conf?
            HINT: has a stanza-create been performed?
"""
REASON = (
    "P00   WARN: repo1: [FileMissingError] unable to load info file 'archive.info' or 'archive.info.copy': "
    "FileMissingError: unable to open missing file 'archive.info' for read "
    "HINT: is archive_command configured correctly in postgresql.conf?"
)


@pytest.mark.parametrize(
    ("code", "output", "words"),
    [
        (SLOW, BEGIN, "no answer from the repository in time"),
        (1, "", "exit code 1"),
        (1, "nice: no such program\nsee nice(1)\n", "see nice(1)"),
        (
            103,
            f"{BEGIN}{WARNING}P00  ERROR: [103]: unable to find a valid repository\nP00   INFO: aborted with exception [103]\n",
            REASON,
        ),
        (75, f"{WARNING}P00  ERROR: [075]: no backup set found to restore\n", REASON),
        (103, "P00  ERROR: [103]: unable to find a valid repository\n", "P00  ERROR: [103]: unable to find a valid repository"),
        (
            39,
            f"{WARNING}P00  ERROR: [039]: HTTP request failed with 403 (Forbidden):\n            *** Path ***:\nP00   INFO: aborted\n",
            "P00  ERROR: [039]: HTTP request failed with 403 (Forbidden): *** Path ***:",
        ),
        (55, "ERROR: [055]: unable to open 'a' for read\n       HINT: b?\n", "ERROR: [055]: unable to open 'a' for read HINT: b?"),
    ],
)
def test_the_words_about_a_failure_name_its_cause(code: int, output: str, words: str) -> None:
    assert Done(code, output).words == words
