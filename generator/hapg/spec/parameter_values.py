"""Judges the values of postgresql.parameters as PostgreSQL's own parser of settings would.

The chart's templates do the same (`_parameters.tpl`), with the same sentences.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterator, Mapping, Sequence

from hapg.spec.error_messages import shown
from hapg.spec.parameters import PRESET, SESSION, Parameter, of_major
from hapg.spec.restrictions import RESERVED, RESERVED_PREFIX

PATH = "postgresql.parameters"
BOOLEANS = "t|tr|tru|true|f|fa|fal|fals|false|y|ye|yes|n|no|on|of|off|1|0"
"""Spellings of a switch, in any case."""

NAME = "[a-z_][a-z0-9_]*([.][a-z_][a-z0-9_]*)?"
MEMORY: Mapping[str, float] = {"B": 1, "kB": 1024, "MB": 1024**2, "GB": 1024**3, "TB": 1024**4}
TIME: Mapping[str, float] = {"us": 0.001, "ms": 1, "s": 1000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}
FORMER = "9.6"
"""The major whose parser knows no fractions of integers, no B and us, and no units of fractions."""

_SPACE = r"\s*"
_HEX = "0[xX][0-9A-Fa-f]+"
_WHOLE = "0[0-7]*|[1-9][0-9]*"
_TAIL = "(?:[.][0-9]*)?(?:[eE][-+]?[0-9]+)?|[.][0-9]+(?:[eE][-+]?[0-9]+)?"


def problems(major: str, given: Mapping[str, object]) -> Iterator[str]:
    """Yield a sentence for each parameter that servers of a major do not know or whose value they refuse.

    given: valid for the schema, which refuses what failover does not allow.
    """
    known = of_major(major)
    for name, value in given.items():
        if "." in name:
            continue
        if name not in known:
            yield f"{PATH}.{name}: unknown parameter of PostgreSQL {major}{_hint(name, known)}"
        elif known[name].context == PRESET:
            yield f"{PATH}.{name}: can't be set in a file; it is read-only"
        elif not accepts(known[name], name, written(value), major):
            yield f"{PATH}.{name}: {shown(written(value))} is not allowed; {allowed(known[name], major)}"


def database_problems(major: str, path: str, settings: Mapping[str, object]) -> Iterator[str]:
    """Yield a sentence for each setting that ALTER DATABASE would refuse. path: of the settings in the values."""
    known = of_major(major)
    for name, value in settings.items():
        about = known.get(name.lower())
        if value is None or "." in name:
            continue
        if about is None:
            yield f"{path}.{name}: unknown parameter of PostgreSQL {major}{_hint(name.lower(), known)}"
        elif about.context not in SESSION:
            yield f"{path}.{name}: can't be set for one database; the whole server has one value"
        elif not accepts(about, name.lower(), written(value), major):
            yield f"{path}.{name}: {shown(written(value))} is not allowed; {allowed(about, major)}"


def written(value: object) -> str:
    """Return a value as postgresql.conf has it, without quotes."""
    if isinstance(value, bool):
        return "on" if value else "off"
    return str(int(value)) if isinstance(value, float) and value.is_integer() and abs(value) < 1e15 else str(value)


def accepts(parameter: Parameter, name: str, text: str, major: str) -> bool:
    """Return whether a server of a major takes this text for a parameter."""
    if parameter.kind == "bool":
        return re.fullmatch(BOOLEANS, text.lower()) is not None
    if parameter.kind == "enum":
        return text.lower() in [each.lower() for each in (*parameter.choices, *parameter.aliases(name))]
    if parameter.kind == "string":
        return True
    value = number(parameter, text, major)
    return value is not None and float(parameter.least) <= value <= float(parameter.most)


def number(parameter: Parameter, text: str, major: str) -> float | None:
    """Return a text as a number in the parameter's unit, rounded as a server of a major would; None if it is no number."""
    integer = parameter.kind == "integer"
    found = re.fullmatch(form(parameter.kind, units(parameter.kind, parameter.unit, major), major), text)
    if found is None:
        return None
    sign, digits, unit = found.groups()
    value = _value(digits, octal=integer) * (-1 if sign == "-" else 1)
    if unit:
        value *= _factor(unit) / _factor(parameter.unit)
    if not integer:
        return value
    return math.trunc(value) if major == FORMER else round(value) if math.isfinite(value) else value


def amount(name: str, value: object, major: str) -> int:
    """Return the value of an integer parameter that a server of the major takes; of memory in bytes, of time in ms."""
    parameter = of_major(major)[name]
    found = number(parameter, written(value), major)
    assert found is not None, "problems() names it"
    return int(found * (_factor(parameter.unit) if parameter.unit else 1))


def form(kind: str, named: Sequence[str], major: str) -> str:
    """Return a regular expression for a number with or without one of the `named` units; its groups are sign, digits and unit.

    In an integer a 0 at the beginning makes it octal.
    """
    integers = f"{_HEX}|{_WHOLE}" if major == FORMER else f"{_HEX}|(?:{_WHOLE}){_TAIL}"
    digits = integers if kind == "integer" else f"{_HEX}|[0-9]+{_TAIL}"
    return f"{_SPACE}([-+]?)({digits}){_SPACE}({'|'.join(['', *named])}){_SPACE}"


def units(kind: str, unit: str, major: str) -> tuple[str, ...]:
    """Return the units that a value may have if its bare number has `unit`, which may be ""."""
    if not unit or (major == FORMER and kind == "real"):
        return ()
    among = MEMORY if unit.endswith("B") else TIME
    return tuple(each for each in among if major != FORMER or each not in ("B", "us"))


def allowed(parameter: Parameter, major: str) -> str:
    """Return in words what a server takes."""
    if parameter.kind == "bool":
        return "on or off"
    if parameter.kind == "enum":
        return _list([each or '""' for each in parameter.choices])
    words = "a whole number" if parameter.kind == "integer" else "a number"
    words += f" from {parameter.least} to {parameter.most}"
    named = units(parameter.kind, parameter.unit, major)
    if parameter.unit:
        words += f" in {parameter.unit if parameter.unit[0].isalpha() else 'units of ' + parameter.unit}"
    return words + (f", or one with {_list(named)}" if named else "")


def _list(words: tuple[str, ...] | list[str]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}" if len(words) > 1 else words[0]


def _factor(unit: str) -> float:
    """Return how many bytes or milliseconds a unit has, such as 8kB."""
    found = re.fullmatch("([0-9]*)([A-Za-z]+)", unit)
    assert found is not None, unit
    return float(found[1] or 1) * {**MEMORY, **TIME}[found[2]]


def _value(digits: str, *, octal: bool) -> float:
    if re.fullmatch("0[xX].*", digits):
        return float(int(digits, 16))
    if octal and re.fullmatch("0[0-7]+", digits):
        return float(int(digits, 8))
    return float(digits)


def _hint(name: str, known: Mapping[str, Parameter]) -> str:
    settable = [
        each
        for each, parameter in known.items()
        if parameter.context != PRESET and each not in RESERVED and not each.startswith(RESERVED_PREFIX)
    ]
    nearest = difflib.get_close_matches(name, settable, n=1, cutoff=0.7)
    return f"; did you mean {nearest[0]}?" if nearest else "; the parameter of an extension has a dot in its name"
