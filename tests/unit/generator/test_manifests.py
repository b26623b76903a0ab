"""Manifests are unchanged after reading and writing."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from hapg.chart import manifests

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**63), 2**63), st.floats(allow_nan=False, allow_infinity=False), TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=3)),
    max_leaves=8,
)


def manifest(content: object) -> manifests.Manifest:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}, "data": content}


@given(VALUES)
def test_what_is_written_is_read_as_the_same(content: object) -> None:
    written = manifests.text([manifest(content)]).encode()
    assert manifests.read(written, "f") == [manifest(content)]


@given(VALUES)
def test_the_same_gives_the_same_text(content: object) -> None:
    once = manifests.text([manifest(content)])
    assert manifests.text(manifests.read(once.encode(), "f")) == once


@pytest.mark.parametrize("number", [1073741824.0, 1e9, -5.0])
def test_a_whole_number_is_written_as_one(number: float) -> None:
    assert f"data: {int(number)}\n" in manifests.text([manifest(number)])


def test_several_lines_stay_several_lines() -> None:
    assert "data: |\n  a\n  b: c\n" in manifests.text([manifest("a\nb: c\n")])


def test_no_anchors() -> None:
    shared = {"a": "b"}
    assert yaml.safe_load(manifests.text([manifest([shared, shared])]))["data"] == [shared, shared]
    assert "&" not in manifests.text([manifest([shared, shared])])


def test_the_key_of_an_object() -> None:
    assert manifests.key({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "x", "namespace": "y"}}) == (
        "apps",
        "Deployment",
        "y",
        "x",
    )


def test_a_list_is_its_items() -> None:
    text = manifests.text([{"apiVersion": "v1", "kind": "List", "items": [manifest(1)]}])
    assert manifests.read(text.encode(), "f") == [manifest(1)]


def test_names_that_kubernetes_makes_up_may_be_the_same() -> None:
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"generateName": "once-"}}
    assert list(manifests.problems([job, job])) == []
