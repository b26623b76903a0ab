"""Reads JSON objects written by other programs: checks the type of every field and names the field in every error."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from .lsn import Position, format_lsn, parse_lsn


class Fields:
    """A JSON object whose fields are read one by one. Fields that are never asked for are kept: a newer version may have written them."""

    def __init__(self, value: object, where: str) -> None:
        """value: the parsed JSON; where: the name to use for it in errors. Raise ValueError if it isn't an object."""
        if not isinstance(value, Mapping):
            raise ValueError(f"{where}: expected an object, found {type(value).__name__}")
        self._value: Mapping[str, Any] = value
        self._where = where
        self._asked: set[str] = set()

    @classmethod
    def parse(cls, text: str, where: str) -> Fields:
        """Return the object in `text`. Raise ValueError if `text` isn't a JSON object."""
        try:
            return cls(json.loads(text), where)
        except json.JSONDecodeError as error:
            raise ValueError(f"{where}: {error}") from error

    def left(self) -> tuple[tuple[str, str], ...]:
        """Return the name and JSON text of each non-null field that has not been asked for, sorted by name."""
        names = sorted(self._value.keys() - self._asked)
        return tuple((name, json.dumps(self._value[name])) for name in names if self._value[name] is not None)

    def _get(self, key: str, default: object = None) -> Any:
        self._asked.add(key)
        return self._value.get(key, default)

    def text(self, key: str) -> str:
        """Return a required string."""
        value = self.optional_text(key)
        if value is None:
            raise ValueError(f"{self._where}.{key}: missing")
        return value

    def optional_text(self, key: str) -> str | None:
        """Return a string, or None."""
        value = self._get(key)
        if value is None or isinstance(value, str):
            return value
        raise ValueError(f"{self._where}.{key}: expected a string, found {value!r}")

    def integer(self, key: str, default: int | None = None) -> int:
        """Return a whole number, 0 or more; required unless there is a default."""
        value = self._get(key, default)
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise ValueError(f"{self._where}.{key}: expected a whole number from 0, found {value!r}")
        return value

    def seconds(self, key: str, default: float | None = None) -> float:
        """Return a number of seconds, 0 or more; required unless there is a default."""
        value = self._get(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
            raise ValueError(f"{self._where}.{key}: expected a number of seconds, found {value!r}")
        return float(value)

    def optional_seconds(self, key: str) -> float | None:
        """Return a number of seconds, 0 or more, or None."""
        return None if self._get(key) is None else self.seconds(key)

    def flag(self, key: str, default: bool = False) -> bool:
        """Return a boolean, or `default` if the field is missing."""
        value = self._get(key, default)
        if not isinstance(value, bool):
            raise ValueError(f"{self._where}.{key}: expected true or false, found {value!r}")
        return value

    def object(self, key: str) -> Fields | None:
        """Return an object, or None."""
        value = self._get(key)
        return None if value is None else Fields(value, f"{self._where}.{key}")

    def objects(self, key: str) -> tuple[Fields, ...]:
        """Return the objects in a list; an empty tuple if the field is missing."""
        value = self._get(key, [])
        if not isinstance(value, list):
            raise ValueError(f"{self._where}.{key}: expected a list, found {value!r}")
        return tuple(Fields(item, f"{self._where}.{key}[{index}]") for index, item in enumerate(value))

    def texts(self, key: str) -> tuple[str, ...]:
        """Return a required list of strings."""
        value = self._get(key)
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise ValueError(f"{self._where}.{key}: expected a list of strings, found {value!r}")
        return tuple(value)

    def position(self, key: str) -> Position | None:
        """Return a WAL position, or None."""
        inner = self.object(key)
        if inner is None:
            return None
        return Position(inner.integer("timeline"), parse_lsn(inner.text("lsn")))


def position_json(position: Position | None) -> dict[str, object] | None:
    """Return `position` in the form that `Fields.position` reads."""
    if position is None:
        return None
    return {"timeline": position.timeline, "lsn": format_lsn(position.lsn)}


def dump(value: Mapping[str, object]) -> str:
    """Return `value` as one line of JSON, omitting fields that are None."""
    return json.dumps({key: item for key, item in value.items() if item is not None}, separators=(",", ":"))
