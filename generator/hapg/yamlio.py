"""Reading one YAML document strictly; every error is one line with the position."""

from __future__ import annotations

import json
from collections.abc import Hashable

import yaml

from hapg.errors import InputError


def load(data: bytes, source: str) -> object:
    """Return the one document in `data`.

    source: how messages call the file. Raises InputError, "SOURCE:LINE:COLUMN: what is wrong", for bytes that aren't UTF-8,
    YAML that isn't well-formed, a key that occurs twice in a mapping, and any other number of documents than one.
    """
    text = _decoded(data, source)
    try:
        documents = list(yaml.load_all(text, Loader=_Loader))
        json.dumps(documents, default=str)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise _problem(source, mark.line if mark else 0, mark.column if mark else 0, _words(error)) from error
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        message = f"the character U+{ord(text[error.position]):04X} is not allowed in YAML"
        raise _problem(source, before.count("\n"), len(before) - before.rfind("\n") - 1, message) from error
    except RecursionError as error:
        raise InputError([f"{source}: nested too deeply"]) from error
    except ValueError as error:
        raise InputError([f"{source}: holds what is neither text, number, mapping nor list, or refers to itself: {error}"]) from error
    if len(documents) != 1 or documents[0] is None:
        held = "no document" if documents in ([], [None]) else f"{len(documents)} documents"
        raise InputError([f"{source}: holds {held}; one Postgres object is read"])
    return documents[0]


def _decoded(data: bytes, source: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        column = error.start - before.rfind(b"\n") - 1
        raise _problem(source, before.count(b"\n"), column, f"the byte 0x{data[error.start]:02X} is not UTF-8") from error


def _problem(source: str, line: int, column: int, message: str) -> InputError:
    return InputError([f"{source}:{line + 1}:{column + 1}: {message}"])


def _words(error: yaml.MarkedYAMLError) -> str:
    problem = error.problem or "not YAML"
    if "'\\t'" in problem:
        return "a tab can't indent YAML; use blanks"
    return f"{problem} ({error.context})" if error.context else problem


class _Loader(yaml.SafeLoader):
    """Refuses keys that occur twice, and leaves dates as text."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - as in the base class
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, object]:
        seen = set()
        for key_node, _ in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(None, None, "a key must be a string", key_node.start_mark)
            if key_node.value in seen and key_node.tag != "tag:yaml.org,2002:merge":
                raise yaml.constructor.ConstructorError(None, None, f"the key {key_node.value} is there twice", key_node.start_mark)
            seen.add(key_node.value)
        return super().construct_mapping(node, deep)
