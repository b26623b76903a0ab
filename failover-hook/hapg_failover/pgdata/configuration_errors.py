"""Explains why PostgreSQL rejects a configuration, in PostgreSQL's own words, and names the chart value that each error is about."""

from __future__ import annotations

import re
from itertools import pairwise

HBA_MARK = "pg_hba.conf:"
VALUES_BEGIN, VALUES_END = "# postgresql.pgHba", "# the chart's own"
LONGEST = 700
MOST = 3

_LINE = re.compile(r"(?:\S+: )?(LOG|ERROR|FATAL|PANIC|CONTEXT|DETAIL|HINT): +(.*)")
_HBA_LINE = re.compile(r'line (\d+) of configuration file "[^"]*/pg_hba\.conf"')
_FILE = re.compile(r'(?: in| of)?(?: configuration)? file "[^"]*/(postgresql(?:\.auto)?\.conf|pg_hba\.conf)"')
_FILE_LINE = re.compile(_FILE.pattern + r" line \d+")
_PARAMETER = re.compile(r'parameter "([A-Za-z0-9_.]+)"')
_NOISE = re.compile(r"skipping missing|starting PostgreSQL|listening on|could not open usermap|could not load .*pg_ident")
_DATA = re.compile(r"control file|pg_control|PG_CONTROL_VERSION|database files are incompatible|could not find the database system")
_SUBJECTS = (
    (re.compile(r"certificate|private key|SSL|root store"), "tls"),
    (
        re.compile(r"could not (access file|load library)|incompatible library|undefined symbol"),
        "postgresql.parameters.shared_preload_libraries",
    ),
    (re.compile(r"shared memory|semaphores"), "postgresql.parameters (shared_buffers, max_connections, huge_pages)"),
)


def explain(said: str) -> str | None:
    """Return one sentence on why a server did not start, or None if its data is the cause.

    said: the server's output, followed by a line HBA_MARK and the pg_hba.conf that the server was given.
    """
    words, _, hba = said.partition(f"\n{HBA_MARK}\n")
    found = [(match[1], match[2]) for match in map(_LINE.fullmatch, words.splitlines()) if match]
    if _DATA.search(words):
        return None
    fatal = next((i for i, (level, _) in enumerate(found) if level in ("FATAL", "PANIC")), len(found))
    text = found[fatal][1] if fatal < len(found) else ""
    if "pg_hba.conf" in text:
        complaints = _access_rules(found[:fatal], hba)
    elif "contains errors" in text:
        who = "ALTER SYSTEM" if "postgresql.auto.conf" in text else "postgresql.parameters"
        complaints = [_setting(said, who) for said in _said(found[:fatal])]
    else:
        complaints = [_start(text, found[fatal + 1 :])] if text else []
    if not complaints:
        complaints = [text or words.strip().splitlines()[-1] if words.strip() else "no error message"]
    return _together(complaints)


def _access_rules(found: list[tuple[str, str]], hba: str) -> list[str]:
    """Return the errors in pg_hba.conf, each with the chart value that its line comes from."""
    complaints = []
    for (level, said), (_, context) in pairwise([*found, ("", "")]):
        place = _HBA_LINE.search(context)
        if level == "LOG" and place:
            complaints.append(f"{_value_of(int(place[1]), hba.splitlines())}: {said}")
    return complaints or _said(found)


def _value_of(number: int, lines: list[str]) -> str:
    """Return the name of the chart value behind line `number` (counted from 1) of pg_hba.conf."""
    if VALUES_BEGIN in lines:
        index = number - lines.index(VALUES_BEGIN) - 2
        if index >= 0 and VALUES_END not in lines[:number]:
            return f"postgresql.pgHba[{index}]"
    return f"pg_hba.conf line {number}"


def _said(found: list[tuple[str, str]]) -> list[str]:
    return [said for level, said in found if level == "LOG" and not _NOISE.search(said)]


def _setting(said: str, who: str) -> str:
    name = _PARAMETER.search(said)
    text = (_FILE_LINE if name else _FILE).sub("", said)
    return f"{who}.{name[1]}: {text}" if name and who != "ALTER SYSTEM" else f"{who}: {text}"


def _start(text: str, more: list[tuple[str, str]]) -> str:
    subject = next((subject for words, subject in _SUBJECTS if words.search(text)), None)
    detail = next((said for level, said in more if level == "DETAIL"), None)
    size = next((match for level, said in more if level == "HINT" and (match := re.search(r"currently (\d+) bytes", said))), None)
    if size:
        detail = f"{int(size[1]) / 2**20:.0f} MiB are needed"
    return (f"{subject}: " if subject else "") + text + (f" ({detail})" if detail else "")


def _together(complaints: list[str]) -> str:
    shown = "; ".join(complaints[:MOST])
    if len(complaints) > MOST:
        shown += f"; and {len(complaints) - MOST} more"
    return shown if len(shown) <= LONGEST else shown[: LONGEST - 1] + "…"
