"""YAML, read strictly, with limits, and with the types that Kubernetes sees. Every error is one line with its position.

Scalars have the same types as in kubectl and helm: 1e3 and 1_000 are numbers, 12:30 and 2020-01-01 are strings, yes, no and y are
booleans.
"""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from hapg.errors import InputError

MOST_VALUES = 20_000
"""The default limit for the number of values in a file."""

_DEEPEST = 64
_FASTEST: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's parser, which is ten times as fast as PyYAML's own."""
_SLOWLY = 256 * 1024
"""Up to this size, in bytes, what libyaml refuses is read once more by PyYAML's parser, whose messages are better."""
_LONGEST_WHOLE = 80
_SURROGATE = re.compile("[\ud800-\udfff]")


_Event = Any
"""One of PyYAML's, or of libyaml's, whose types differ only in their marks."""


@dataclass(frozen=True)
class Document:
    """One document of a stream. place: SOURCE:LINE of its first line; value: mappings, lists, strings, numbers, booleans and null."""

    place: str
    value: object


def load(data: bytes, source: str, most: int = MOST_VALUES) -> list[Document]:
    """Return the documents in `data`, without empty ones.

    source: the file's name in messages; most: how many values are allowed, with aliases expanded. Raises InputError,
    "SOURCE:LINE:COLUMN: what is wrong", for too many values, bytes that aren't UTF-8, malformed YAML, keys that aren't strings,
    duplicate keys, nesting deeper than 64 levels, and values that JSON doesn't have.
    """
    text = _decoded(data, source)
    try:
        return _documents(_FASTEST(text), source, most)
    except yaml.YAMLError as error:
        if isinstance(error, _Refused) or len(data) > _SLOWLY:
            raise _told(error, text, source) from error
    try:
        return _documents(yaml.SafeLoader(text), source, most)  # it knows better what is wrong
    except yaml.YAMLError as error:
        raise _told(error, text, source) from error


def _documents(parser: Any, source: str, most: int) -> list[Document]:
    reader = _Reader(parser.get_event, most)
    try:
        return [Document(f"{source}:{line}", value) for line, value in reader.documents() if value is not None]
    finally:
        parser.dispose()


def _told(error: yaml.YAMLError, text: str, source: str) -> InputError:
    """Return the error as one line with its position."""
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        return _problem(source, mark.line if mark else 0, mark.column if mark else 0, _words(error))
    if isinstance(error, yaml.reader.ReaderError) and error.encoding == "unicode":
        before = text[: error.position]
        message = f"the character U+{ord(text[error.position]):04X} is not allowed in YAML"
        return _problem(source, before.count("\n"), len(before) - before.rfind("\n") - 1, message)
    return _problem(source, 0, 0, f"not YAML: {error}")


def _decoded(data: bytes, source: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        column = error.start - before.rfind(b"\n") - 1
        raise _problem(source, before.count(b"\n"), column, f"the byte 0x{data[error.start]:02X} is not UTF-8") from error


def _problem(source: str, line: int, column: int, message: str) -> InputError:
    return InputError([f"{source}:{line + 1}:{column + 1}: {' '.join(message.split())}"])


class _Refused(yaml.MarkedYAMLError):
    """Well-formed YAML that is not accepted."""


def _refused(message: str, event: _Event) -> _Refused:
    return _Refused(None, None, message, event.start_mark)


def _words(error: yaml.MarkedYAMLError) -> str:
    problem = " ".join((error.problem or "not YAML").split())
    if "'\\t'" in problem:
        return "a tab can't indent YAML; use spaces"
    return f"{problem} ({error.context})" if error.context else problem


def _tag(name: str) -> str:
    return f"tag:yaml.org,2002:{name}"


_RESOLVERS = (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE|yes|Yes|YES|no|No|NO|on|On|ON|off|Off|OFF|[yYnN]", list("tTfFyYnNoO")),
    ("int", r"[-+]?(0b[01]+|0o[0-7]+|0x[0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)", list("-+0123456789")),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", list("-+.0123456789")),
    ("merge", r"<<", ["<"]),
)
_KINDS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON", "y", "Y"), True),
    **dict.fromkeys(("false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF", "n", "N"), False),
}
_NUMBER = re.compile(r"[-+.0-9]")
_WHOLE = re.compile(r"([-+]?)(?:0[xX]([0-9a-fA-F]+)|0[bB]([01]+)|0[oO]?([0-7]+)|(0|[1-9][0-9]*))")
_DECIMAL = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NO_NUMBER = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


def plain(text: str) -> object:
    """Return the value of a scalar without quotes as helm and kubectl read it: by sigs.k8s.io/yaml, that is go-yaml 2.

    ValueError: it is infinite or not a number, which JSON doesn't have.
    """
    if text in _KINDS:
        return _KINDS[text]
    if not _NUMBER.match(text):
        return text
    if _NO_NUMBER.fullmatch(text):
        raise ValueError(text)
    digits = text if text.startswith(".") else text.replace("_", "")
    whole = _WHOLE.fullmatch(digits)
    if whole is not None and len(digits) < _LONGEST_WHOLE:
        sign, *bases = whole.groups()
        value = next(int(found, base) for found, base in zip(bases, (16, 2, 8, 10), strict=True) if found is not None)
        if -(2**63) <= (-value if sign == "-" else value) < (2**64 if sign == "" else 2**63):
            return -value if sign == "-" else value
    if _DECIMAL.fullmatch(digits) and math.isfinite(number := float(digits)):
        return number
    return text


class Dumper(yaml.SafeDumper):
    """Writes YAML that every reader understands alike: strings that some reader would take for another type are quoted.

    Lists are indented below their key. There are no anchors.
    """

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002
        """Indent lists too."""
        super().increase_indent(flow, False)

    def ignore_aliases(self, _data: object) -> bool:
        """Write repeated values in full, without anchors."""
        return True


for _name, _pattern, _firsts in _RESOLVERS:
    Dumper.add_implicit_resolver(_tag(_name), re.compile(rf"(?:{_pattern})\Z"), _firsts)


@dataclass(frozen=True)
class _Anchored:
    """A value with an anchor. size: how many values it has; key: what it is as a key, None if it can't be one."""

    value: object
    size: int
    key: str | None


class _Reader:
    """Turns the events of a stream into values and limits their number. Aliases are expanded to copies."""

    def __init__(self, next_event: Callable[[], _Event], most: int) -> None:
        self._next = next_event
        self._most = most
        self._room = most
        self._depth = 0
        self._anchors: dict[str, _Anchored | None] = {}
        self._plain: dict[str, object] = {}

    def documents(self) -> Iterator[tuple[int, object]]:
        """Yield the line of each document's first value, counted from 1, and the value."""
        while not isinstance(event := self._next(), yaml.StreamEndEvent):
            if isinstance(event, yaml.DocumentStartEvent):
                self._anchors.clear()
                self._room = self._most
                first = self._next()
                yield first.start_mark.line + 1, self._value(first)

    def _value(self, event: _Event) -> object:
        self._take(1, event)
        if type(event) is yaml.ScalarEvent and event.anchor is None:
            return self._scalar(event)
        if type(event) is yaml.AliasEvent:
            found = self._aliased(event)
            self._take(found.size - 1, event)
            return copy.deepcopy(found.value)
        if event.anchor is None:
            return self._collection(event)
        self._anchors[event.anchor] = None
        before = self._room
        value = self._scalar(event) if type(event) is yaml.ScalarEvent else self._collection(event)
        key = self._text_of_key(event, value) if type(event) is yaml.ScalarEvent and not isinstance(value, float) else None
        self._anchors[event.anchor] = _Anchored(value, before - self._room + 1, key)
        return value

    def _take(self, count: int, event: _Event) -> None:
        self._room -= count
        if self._room < 0:
            raise _refused(f"more than {self._most} values, with aliases expanded", event)

    def _aliased(self, event: _Event) -> _Anchored:
        if event.anchor not in self._anchors:
            raise _refused(f"found undefined alias {event.anchor!r}", event)
        found = self._anchors[event.anchor]
        if found is None:
            raise _refused("an alias must not refer to a node that contains it", event)
        return found

    def _collection(self, event: _Event) -> object:
        if self._depth == _DEEPEST:
            raise _refused(f"nested deeper than {_DEEPEST} levels", event)
        self._depth += 1
        found = self._mapping(event) if type(event) is yaml.MappingStartEvent else self._list(event)
        self._depth -= 1
        return found

    def _list(self, start: _Event) -> list[object]:
        _refuse_other_tag(start, "seq")
        found = []
        while type(event := self._next()) is not yaml.SequenceEndEvent:
            found.append(self._value(event))
        return found

    def _mapping(self, start: _Event) -> dict[str, object]:
        _refuse_other_tag(start, "map")
        merged: dict[str, object] = {}
        own: dict[str, object] = {}
        while type(event := self._next()) is not yaml.MappingEndEvent:
            if event.anchor is None and type(event) is yaml.ScalarEvent and isinstance(key := self._scalar(event), str):
                if key == "<<" and event.implicit[0]:
                    merged = {**self._merged(self._next()), **merged}
                    continue
            else:
                key = self._key(event)
            if key in own:
                raise _refused(f"duplicate key {key}", event)
            own[key] = self._value(self._next())
        return {**merged, **own} if merged else own

    def _key(self, event: _Event) -> str:
        """Return a key as kubectl and helm write it in JSON: `on` is true there, 0x10 is 16."""
        if type(event) is yaml.AliasEvent:
            key = self._aliased(event).key
            if key is None:
                raise _refused("a key must be a string", event)
            return key
        if type(event) is not yaml.ScalarEvent:
            raise _refused("a key must be a string", event)
        value = self._scalar(event)
        key = self._text_of_key(event, value)
        if event.anchor is not None:
            self._anchors[event.anchor] = _Anchored(value, 1, key)
        return key

    def _text_of_key(self, event: _Event, value: object) -> str:
        if isinstance(value, str):
            return value
        if value is None or isinstance(value, float):
            raise _refused(f"a key must be a string; quote {event.value or 'it'}", event)
        return str(value).lower()

    def _merged(self, event: _Event) -> dict[str, object]:
        found = self._value(event)
        result: dict[str, object] = {}
        for each in found if isinstance(found, list) else [found]:
            if not isinstance(each, dict):
                raise _refused("only mappings can be merged", event)
            result = {**each, **result}
        return result

    def _scalar(self, event: _Event) -> object:
        tag, text = event.tag, event.value
        if tag is None or tag == "!":
            if not event.implicit[0]:
                return _text(text, event)
            if text not in self._plain:
                self._plain[text] = _number_or_text(text, event)
            return self._plain[text]
        if tag == _tag("str"):
            return _text(text, event)
        return _tagged(tag, text, event)


def _refuse_other_tag(event: _Event, name: str) -> None:
    if event.tag not in (None, "!", _tag(name)):
        raise _refused(f"unknown tag {event.tag}", event)


_TAGGED: dict[str, tuple[type, ...]] = {
    _tag("null"): (type(None),),
    _tag("bool"): (bool,),
    _tag("int"): (int,),
    _tag("float"): (float, int),
}
"""The types that a scalar with an explicit tag may have."""


def _tagged(tag: str, text: str, event: _Event) -> object:
    """Return the value of a scalar with an explicit tag."""
    if tag not in _TAGGED:
        raise _refused(f"unknown tag {tag}", event)
    value = _number_or_text(text, event)
    if type(value) not in _TAGGED[tag]:
        raise _refused(f"{text[:40]} is not a valid {tag.rpartition(':')[2]}", event)
    return value


def _number_or_text(text: str, event: _Event) -> object:
    try:
        value = plain(text)
    except ValueError:
        raise _refused(f"{text[:40]} is not a finite number", event) from None
    return _text(value, event) if isinstance(value, str) else value


def _text(text: str, event: _Event) -> str:
    if _SURROGATE.search(text):
        raise _refused("half a surrogate pair is not a character", event)
    return text
