"""YAML, read strictly, with limits, and with the types that Kubernetes sees. Every error is one line with its position.

Scalars have the same types as in kubectl and helm: 1e3 is a number, 12:30 and 2020-01-01 are strings, yes and no are booleans.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import yaml

from hapg.errors import InputError

MOST_VALUES = 20_000
"""The default limit for the number of values in a file."""

_DEEPEST = 64


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
        return list(_documents(text, source, most))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise _problem(source, mark.line if mark else 0, mark.column if mark else 0, _words(error)) from error
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        message = f"the character U+{ord(text[error.position]):04X} is not allowed in YAML"
        raise _problem(source, before.count("\n"), len(before) - before.rfind("\n") - 1, message) from error
    except RecursionError as error:
        raise InputError([f"{source}: nested too deeply"]) from error


def _documents(text: str, source: str, most: int) -> Iterator[Document]:
    reader = _Reader(most)
    for node in yaml.compose_all(text, Loader=_Loader):
        value = reader.value(node)
        if value is not None:
            yield Document(f"{source}:{node.start_mark.line + 1}", value)


def _decoded(data: bytes, source: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        column = error.start - before.rfind(b"\n") - 1
        raise _problem(source, before.count(b"\n"), column, f"the byte 0x{data[error.start]:02X} is not UTF-8") from error


def _problem(source: str, line: int, column: int, message: str) -> InputError:
    return InputError([f"{source}:{line + 1}:{column + 1}: {' '.join(message.split())}"])


def _refused(message: str, node: yaml.Node) -> yaml.MarkedYAMLError:
    return yaml.constructor.ConstructorError(None, None, message, node.start_mark)


def _words(error: yaml.MarkedYAMLError) -> str:
    problem = " ".join((error.problem or "not YAML").split())
    if "'\\t'" in problem:
        return "a tab can't indent YAML; use spaces"
    return f"{problem} ({error.context})" if error.context else problem


def _tag(name: str) -> str:
    return f"tag:yaml.org,2002:{name}"


def _whole(text: str) -> int:
    digits = text.lstrip("-+")
    prefixed = {"0x": 16, "0o": 8, "0b": 2}.get(digits[:2].lower())
    return int(text, prefixed or (8 if digits.startswith("0") else 10))


_SCALARS: Mapping[str, Callable[[str], object]] = {
    _tag("null"): lambda _: None,
    _tag("bool"): lambda text: text.lower() in ("true", "yes", "on"),
    _tag("int"): _whole,
    _tag("float"): float,
}
"""Converts the text of a scalar to its value, by tag."""

_RESOLVERS = (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE|yes|Yes|YES|no|No|NO|on|On|ON|off|Off|OFF", list("tTfFyYnNoO")),
    ("int", r"[-+]?(0b[01]+|0o[0-7]+|0x[0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)", list("-+0123456789")),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", list("-+.0123456789")),
    ("merge", r"<<", ["<"]),
)


class _Loader(yaml.SafeLoader):
    """Gives plain scalars the types that Kubernetes gives them."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - as in the base class
        first: [(_tag(name), re.compile(rf"(?:{pattern})\Z")) for name, pattern, firsts in _RESOLVERS if first in firsts]
        for first in {first for _, _, firsts in _RESOLVERS for first in firsts}
    }


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


for _name, _pattern, _firsts in (*_RESOLVERS, ("bool", "[yYnN]", list("yYnN"))):
    Dumper.add_implicit_resolver(_tag(_name), re.compile(rf"(?:{_pattern})\Z"), _firsts)


class _Reader:
    """Turns nodes into values and limits their number. Aliases are expanded to copies."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._room = most
        self._open: list[yaml.Node] = []

    def value(self, node: yaml.Node) -> object:
        """Return the value of `node`."""
        self._room -= 1
        if self._room < 0:
            raise _refused(f"more than {self._most} values, with aliases expanded", node)
        if len(self._open) == _DEEPEST:
            raise _refused(f"nested deeper than {_DEEPEST} levels", node)
        if isinstance(node, yaml.ScalarNode):
            return _scalar(node)
        if any(node is outer for outer in self._open):
            raise _refused("an alias must not refer to a node that contains it", node)
        self._open.append(node)
        found = self._mapping(node) if isinstance(node, yaml.MappingNode) else self._list(node)
        self._open.pop()
        return found

    def _list(self, node: yaml.Node) -> list[object]:
        _refuse_other_tag(node, "seq")
        return [self.value(child) for child in node.value]

    def _mapping(self, node: yaml.MappingNode) -> dict[str, object]:
        _refuse_other_tag(node, "map")
        merged: dict[str, object] = {}
        own: dict[str, object] = {}
        for key, child in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise _refused("a key must be a string", key)
            if key.tag == _tag("merge"):
                for other in child.value if isinstance(child, yaml.SequenceNode) else [child]:
                    merged = {**self._merged(other), **merged}
            elif key.value in own:
                raise _refused(f"duplicate key {key.value}", key)
            else:
                own[_text(key)] = self.value(child)
        return {**merged, **own}

    def _merged(self, node: yaml.Node) -> dict[str, object]:
        found = self.value(node)
        if not isinstance(found, dict):
            raise _refused("only mappings can be merged", node)
        return found


def _refuse_other_tag(node: yaml.Node, name: str) -> None:
    if node.tag != _tag(name):
        raise _refused(f"unknown tag {node.tag}", node)


def _scalar(node: yaml.ScalarNode) -> object:
    if node.tag == _tag("str"):
        return _text(node)
    if node.tag not in _SCALARS:
        raise _refused(f"unknown tag {node.tag}", node)
    try:
        found = _SCALARS[node.tag](node.value)
    except ValueError:
        raise _refused(f"{node.value[:40]} is not a valid number", node) from None
    if isinstance(found, float) and not math.isfinite(found):
        raise _refused(f"{node.value[:40]} is not a finite number", node)
    return found


def _text(node: yaml.ScalarNode) -> str:
    if re.search("[\ud800-\udfff]", node.value):
        raise _refused("half a surrogate pair is not a character", node)
    return str(node.value)
