"""Writes Kubernetes objects as YAML that every reader understands alike: strings are quoted unless they are plain words."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

_PLAIN = re.compile(r"[A-Za-z_/][-A-Za-z0-9_./]*")
_WORDS = ("y", "n", "yes", "no", "on", "off", "true", "false", "null")
_TAKEN_FOR_OTHERS = frozenset(spelling for word in _WORDS for spelling in (word, word.capitalize(), word.upper()))
_ESCAPED = re.compile("[^\\x20-\\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")
_BLOCK = re.compile("[\\x20-\\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff\\t\\n]*")
_LONGEST_KEY = 200
"""Readers take a key of more than 1024 bytes only after a question mark."""


def document(value: Mapping[str, Any]) -> str:
    """Return `value`, made of what JSON has, as one document of a stream."""
    lines = ["---"]
    _mapping(value, "", lines)
    lines.append("")
    return "\n".join(lines)


def _mapping(value: Mapping[str, Any], margin: str, lines: list[str]) -> None:
    for key, child in value.items():
        head = _word(key)
        if len(head) > _LONGEST_KEY:
            lines.append(f"{margin}? {head}")
            head = ""
        _after(f"{margin}{head}:", child, f"{margin}  ", lines)


def _after(head: str, value: Any, margin: str, lines: list[str]) -> None:
    """Append the lines of a value that follows `head`; margin: of its own lines."""
    if isinstance(value, dict) and value:
        lines.append(head)
        _mapping(value, margin, lines)
    elif isinstance(value, list) and value:
        lines.append(head)
        for child in value:
            _item(child, margin, lines)
    elif isinstance(value, str) and "\n" in value and _fits_block(value):
        block, chomping = _block(value)
        lines.append(f"{head} |{chomping}")
        lines.extend(f"{margin}{line}" if line else "" for line in block)
    else:
        lines.append(f"{head} {_word(value)}")


def _item(value: Any, margin: str, lines: list[str]) -> None:
    """Append the lines of an item of a list. The first one of a list or mapping stands beside the dash."""
    if not isinstance(value, (dict, list)) or not value:
        _after(f"{margin}-", value, f"{margin}  ", lines)
        return
    at = len(lines)
    _after("", value, f"{margin}  ", lines)
    del lines[at]
    lines[at] = f"{margin}- {lines[at].removeprefix(f'{margin}  ')}"


def _word(value: Any) -> str:
    """Return a value in one line."""
    if isinstance(value, str):
        return value if _PLAIN.fullmatch(value) and value not in _TAKEN_FOR_OTHERS else _quoted(value)
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**63:
        return str(int(value))  # helm renders large ones as 1e+09, which integer fields refuse
    if isinstance(value, float) and "." not in repr(value):
        return repr(value).replace("e", ".0e")  # without a point it is text to some readers
    return json.dumps(value)


def _quoted(text: str) -> str:
    if _ESCAPED.search(text) is None:
        return json.dumps(text, ensure_ascii=False)
    return '"' + "".join(_escape(letter) for letter in text) + '"'


def _escape(letter: str) -> str:
    if letter in '"\\':
        return f"\\{letter}"
    return f"\\U{ord(letter):08X}" if _ESCAPED.match(letter) else letter


def _fits_block(text: str) -> bool:
    first = text.lstrip("\n")[:1]
    return first not in ("", " ", "\t") and _BLOCK.fullmatch(text) is not None


def _block(text: str) -> tuple[list[str], str]:
    """Return the lines of a block, and the sign for the line breaks at its end."""
    if not text.endswith("\n"):
        return text.split("\n"), "-"
    lines = text[:-1].split("\n")
    return lines, "" if lines[-1] else "+"
