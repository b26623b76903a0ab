"""The YAML reader: the types it gives, what it refuses, and its limits on time and memory."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hapg import yamlio
from hapg.errors import InputError


def values(text: str | bytes) -> list[object]:
    data = text.encode() if isinstance(text, str) else text
    return [document.value for document in yamlio.load(data, "pg.yaml")]


def refusal(text: str | bytes) -> str:
    with pytest.raises(InputError) as caught:
        values(text)
    (sentence,) = caught.value.problems
    assert "\n" not in sentence
    return sentence


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("15", 15),
        ("-7", -7),
        ("0", 0),
        ("0o17", 15),
        ("017", 15),
        ("08", 8.0),
        ("0x1F", 31),
        ("9.6", 9.6),
        ("1e3", 1000.0),
        ("1.073741824e+09", 1073741824.0),
        (".5", 0.5),
        ("yes", True),
        ("Off", False),
        ("y", True),
        ("N", False),
        ("null", None),
        ("", None),
        ("12:30", "12:30"),
        ("2020-01-01", "2020-01-01"),
        ("1_000", 1000),
        ("1_000.5", 1000.5),
        ("0o7", 7),
        ("0x_ff", 255),
        ("-0b101", -5),
        ("_1", "_1"),
        ("18446744073709551615", 2**64 - 1),
        ("18446744073709551616", 2.0**64),
        ("1e999", "1e999"),
        ("yES", "yES"),
        ("50Mi", "50Mi"),
        ("=", "="),
        ("1.2.3", "1.2.3"),
        ("'15'", "15"),
        ("!!str 15", "15"),
    ],
)
def test_a_scalar_is_what_kubernetes_takes_it_for(text: str, value: object) -> None:
    (found,) = values(f"a: {text}")
    assert repr(found) == repr({"a": value})


def test_keys_are_what_helm_writes_as_json() -> None:
    assert values("on: 1\n15: 2\n0x10: 3\n'on': 4\n1.2.3: 5\n") == [{"true": 1, "15": 2, "16": 3, "on": 4, "1.2.3": 5}]


def test_an_anchor_may_be_given_again_and_be_a_key() -> None:
    assert values("a: &x 1\nb: &x k\n*x : *x\n") == [{"a": 1, "b": "k", "k": "k"}]


def test_merge_keys() -> None:
    text = "base: &base {a: 1, b: 2}\nmore: &more {b: 3, c: 4}\nout: {<<: [*base, *more], c: 5}\n"
    assert values(text) == [{"base": {"a": 1, "b": 2}, "more": {"b": 3, "c": 4}, "out": {"a": 1, "b": 2, "c": 5}}]


def test_an_alias_is_a_copy() -> None:
    (found,) = values("a: &x [1]\nb: *x\n")
    assert isinstance(found, dict)
    assert found["a"] == found["b"]
    assert found["a"] is not found["b"]


def test_documents_have_a_place_and_empty_ones_are_left_out() -> None:
    assert yamlio.load(b"---\n# nothing\n---\na: 1\n---\n\nb: 2\n", "f") == [
        yamlio.Document("f:4", {"a": 1}),
        yamlio.Document("f:7", {"b": 2}),
    ]


BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]\n" for level in range(1, 30)
)
MERGE_BOMB = "a0: &a0 {k: x}\n" + "".join(f"a{level}: &a{level} {{<<: [{', '.join([f'*a{level - 1}'] * 9)}]}}\n" for level in range(1, 30))
SIZE = 256 * 1024

REFUSED = {
    "key twice": ("version: '15'\nreplicas: 1\nversion: '15'\n", "pg.yaml:3:1: duplicate key version"),
    "key twice as text and number": ("15: 1\n'15': 1\n", "pg.yaml:2:1: duplicate key 15"),
    "tab": ("spec:\n\tversion: '15'\n", "pg.yaml:2:1: a tab can't indent YAML; use spaces"),
    "not UTF-8": (b"version: '15'\nname: \xff\n", "pg.yaml:2:7: the byte 0xFF is not UTF-8"),
    "UTF-16": ("version: '15'\n".encode("utf-16"), "pg.yaml:1:1: the byte 0xFF is not UTF-8"),
    "control character": ("version: '15'\nname: \x07\n", "pg.yaml:2:7: the character U+0007 is not allowed in YAML"),
    "null byte": ("a: \0\n", "pg.yaml:1:4: the character U+0000 is not allowed in YAML"),
    "half a surrogate pair": ('a: "\\ud800"\n', "pg.yaml:1:4: half a surrogate pair is not a character"),
    "open list": ("version: [15\n", "pg.yaml:2:1: expected ',' or ']', but got '<stream end>' (while parsing a flow sequence)"),
    "tag of Python": (
        "version: !!python/name:os.system x\n",
        "pg.yaml:1:10: unknown tag tag:yaml.org,2002:python/name:os.system",
    ),
    "binary": ("a: !!binary aGk=\n", "pg.yaml:1:4: unknown tag tag:yaml.org,2002:binary"),
    "set": ("a: !!set {x, y}\n", "pg.yaml:1:4: unknown tag tag:yaml.org,2002:set"),
    "tag that doesn't fit": ("a: !!int hello\n", "pg.yaml:1:4: hello is not a valid int"),
    "key that is null": ("null: 1\n", "pg.yaml:1:1: a key must be a string; quote null"),
    "key that is a number with a point": ("a: 1\n1.10: 1\n", "pg.yaml:2:1: a key must be a string; quote 1.10"),
    "key that is no text": ("? [a]\n: 1\n", "pg.yaml:1:3: a key must be a string"),
    "merge of no mapping": ("a: &a [1]\nb: {<<: *a}\n", "pg.yaml:2:9: only mappings can be merged"),
    "infinite": ("a: .inf\n", "pg.yaml:1:4: .inf is not a finite number"),
    "not a number": ("a: .NaN\n", "pg.yaml:1:4: .NaN is not a finite number"),
    "alias of nothing": ("a: *b\n", "pg.yaml:1:4: found undefined alias 'b'"),
    "alias in itself": ("a: &a {b: *a}\n", "pg.yaml:1:11: an alias must not refer to a node that contains it"),
    "deep": ("a: " + "{a: " * 100, "pg.yaml:"),
    "deep lists": ("[" * SIZE, "pg.yaml:1:65: nested deeper than 64 levels"),
    "deep mappings": ("{" * SIZE, "pg.yaml:1:2: a key must be a string"),
    "deep blocks": ("- " * (SIZE // 2), "pg.yaml:1:129: nested deeper than 64 levels"),
    "deep keys": ("? " * (SIZE // 2), "pg.yaml:1:3: a key must be a string"),
    "65 levels": ("[" * 65 + "]" * 65, "pg.yaml:1:65: nested deeper than 64 levels"),
    "bomb by alias": (BOMB, "pg.yaml:5:15: more than"),
    "bomb by merge": (MERGE_BOMB, "pg.yaml:6:15: more than"),
    "many values": ("[" + "0," * 25_000 + "]", "pg.yaml:1:40000: more than 20000 values, with aliases expanded"),
}


@pytest.mark.parametrize(("text", "sentence"), REFUSED.values(), ids=REFUSED)
def test_refused_in_one_line_with_the_position(text: str | bytes, sentence: str) -> None:
    assert refusal(text).startswith(sentence)


def test_a_large_file_is_refused_with_its_position_too() -> None:
    """What libyaml says then is not read once more."""
    assert refusal("a: x\n" * 100_000).startswith("pg.yaml:2:1: duplicate key a")
    assert refusal("# x\n" * 100_000 + "a: [\n").startswith("pg.yaml:100002:1: did not find expected node content")
    assert refusal("# x\n" * 100_000 + "a: \x07\n").startswith("pg.yaml:1:1: not YAML: ")


def test_bombs_are_told_as_what_they_are() -> None:
    for bomb in (BOMB, MERGE_BOMB):
        assert "more than 20000 values, with aliases expanded" in refusal(bomb)


LARGE = {
    "bomb": BOMB,
    "merge bomb": MERGE_BOMB,
    "brackets": "[" * SIZE,
    "questions": "? " * (SIZE // 2),
    "anchors": "".join(f"- &a{n} x\n" for n in range(20_000)),
    "one long line": "a: " + "x" * (SIZE - 3),
    "one long key": "x" * (SIZE - 3) + ": 1",
    "quotes": '"' + "\\n" * (SIZE // 2 - 1) + '"',
    "comments": "#\n" * (SIZE // 2),
    "documents": "---\n" * (SIZE // 4),
    "colons": ":" * SIZE,
    "flow pairs": "{" + "a: " * (SIZE // 3),
    "commas": "[a" + ",a" * 40_000 + "]",
}
LIMIT = 512 * 1024 * 1024


@pytest.mark.slow
@pytest.mark.parametrize("name", LARGE)
def test_the_largest_file_is_read_within_bounds(name: str, tmp_path: Path) -> None:
    """A child with 512 MiB of memory and 60 s of CPU either reads it or refuses it: exit code 0 or 2, and not killed."""
    assert len(LARGE[name]) <= SIZE
    (tmp_path / "spec.yaml").write_text(LARGE[name])

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (LIMIT, LIMIT))
        resource.setrlimit(resource.RLIMIT_CPU, (60, 60))

    command = [sys.executable, "-m", "hapg", "generate", str(tmp_path / "spec.yaml"), "-o", str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, preexec_fn=limit)
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


PIECES = (
    *(
        "a",
        "b: ",
        "- ",
        "\n",
        "  ",
        "{",
        "}",
        "[",
        "]",
        ",",
        ": ",
        "&x ",
        "*x",
        "!!int ",
        "!t ",
        "|",
        ">",
        "'",
        '"',
        "\\",
        "#",
        "---\n",
        "\t",
    ),
    *("? ", "<<: ", "1e9", "0x", "~", "é", "\ufeff", "%YAML 1.2\n", "...\n", "@", "`"),
)
TEXTS = st.lists(st.sampled_from(PIECES), max_size=40).map("".join)


@given(st.one_of(TEXTS.map(str.encode), st.binary(max_size=60)))
def test_anything_is_read_or_refused_in_one_line(data: bytes) -> None:
    try:
        found = yamlio.load(data, "f")
    except InputError as error:
        (sentence,) = error.problems
        assert sentence.startswith("f:")
        assert "\n" not in sentence
    else:
        assert all(document.place.startswith("f:") for document in found)
