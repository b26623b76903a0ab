"""The parameters of postgresql.conf of each major, and whether a change needs a restart.

parameter_contexts.txt has a line `NAME CONTEXT MAJOR,MAJOR…` for each, from
`SELECT name, context FROM pg_settings` on servers of 9.6.24, 12.22, 13.23, 14.20, 15.20, 16.10,
17.6 and 18.0. tests/supervisor/test_parameters.py compares it with the servers that are installed.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources

RESTART = "postmaster"
"""The context of parameters that the server reads only when it starts."""
PRESET = "internal"
"""The context of parameters that no file can set."""


def contexts(major: str) -> Mapping[str, str]:
    """Return the context of each parameter of a major, by lower-case name."""
    table = resources.files("hapg.spec").joinpath("parameter_contexts.txt").read_text(encoding="utf-8")
    rows = (line.split() for line in table.splitlines())
    return {name: context for name, context, majors in rows if major in majors.split(",")}
