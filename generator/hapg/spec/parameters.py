"""The parameters of postgresql.conf of each major, as pg_settings describes them.

parameters.tsv has a line for each description of a parameter, with tabs between the fields: name,
context, vartype, unit, min_val, max_val, enumvals (separated by |), majors. It is written by
`python -m tests.supervisor.parameter_table`, from servers of 9.6.24, 12.22, 13.23, 14.20, 15.18,
16.10, 17.6, 18.0 and 19rc1. tests/supervisor/test_parameters.py compares it with those that are
installed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

RESTART = "postmaster"
"""The context of parameters that the server reads only when it starts."""
PRESET = "internal"
"""The context of parameters that no file can set."""
SESSION = ("user", "superuser")
"""The contexts of parameters that each session may have its own value of."""

_SWITCH = ("true", "false", "yes", "no", "1", "0")
_ALIASES: Mapping[str, tuple[str, ...]] = {"client_min_messages": ("info",), "wal_level": ("archive", "hot_standby")}


@dataclass(frozen=True)
class Parameter:
    """What a server says of a parameter.

    context: when it is read; kind: bool, integer, real, enum or string; unit: the unit of a bare number, or ""; least, most: of a number,
    in this unit, or ""; choices: of an enum.
    """

    context: str
    kind: str
    unit: str = ""
    least: str = ""
    most: str = ""
    choices: tuple[str, ...] = ()

    def aliases(self, name: str) -> tuple[str, ...]:
        """Return the choices that the server takes too but does not list."""
        switch = _SWITCH if "on" in self.choices else ()
        debug = ("debug",) if "debug2" in self.choices else ()
        return (*switch, *debug, *_ALIASES.get(name, ())) if self.kind == "enum" else ()


@cache
def of_major(major: str) -> Mapping[str, Parameter]:
    """Return the parameters of a major by lower-case name."""
    return {name: parameter for name, parameter, majors in read(_table().splitlines()) if major in majors}


def contexts(major: str) -> Mapping[str, str]:
    """Return the context of each parameter of a major, by lower-case name."""
    return {name: parameter.context for name, parameter in of_major(major).items()}


def read(lines: Iterable[str]) -> list[tuple[str, Parameter, tuple[str, ...]]]:
    """Return name, parameter and majors of each line of the table."""
    found = []
    for line in lines:
        name, context, kind, unit, least, most, choices, majors = line.split("\t")
        among = tuple(choices.split("|")) if kind == "enum" else ()
        found.append((name, Parameter(context, kind, unit, least, most, among), tuple(majors.split(","))))
    return found


def for_templates(major: str) -> dict[str, dict[str, Any]]:
    """Return what the chart's templates need of the parameters of a major, by name."""
    return {name: _for_templates(name, parameter) for name, parameter in of_major(major).items()}


def _for_templates(name: str, parameter: Parameter) -> dict[str, Any]:
    found: dict[str, Any] = {"context": parameter.context, "type": parameter.kind}
    if parameter.unit:
        found["unit"] = parameter.unit
    if parameter.least:
        found |= {"least": parameter.least, "most": parameter.most}
    if parameter.choices:
        found |= {"values": [*parameter.choices], "also": [*parameter.aliases(name)]}
    return found


@cache
def _table() -> str:
    return resources.files("hapg.spec").joinpath("parameters.tsv").read_text(encoding="utf-8")
