"""The files that come with the package."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import yaml

TEMPLATES = "templates/chart"


def schema(name: str) -> dict[str, Any]:
    """Return the schema `name` ("values" or "spec") as it is written in its file; a new object each time."""
    return copy.deepcopy(_schema(name))


@cache
def _schema(name: str) -> dict[str, Any]:
    text = resources.files("hapg").joinpath("schema", f"{name}.schema.yaml").read_text(encoding="utf-8")
    loaded: dict[str, Any] = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - a safe one, or its twin in C
    return loaded


@cache
def templates() -> Mapping[str, str]:
    """Return the texts of the chart's templates by their path in the chart, sorted."""
    return dict(sorted(_texts(resources.files("hapg").joinpath(TEMPLATES), "")))


def parameters() -> str:
    """Return the table of PostgreSQL's parameters."""
    return resources.files("hapg").joinpath("parameters.txt").read_text(encoding="utf-8")


def helm_plugin() -> Path:
    """Return the folder of the plugin for helm 4."""
    return Path(str(resources.files("hapg").joinpath("helm_plugin")))


def _texts(folder: Traversable, prefix: str) -> list[tuple[str, str]]:
    found = []
    for entry in folder.iterdir():
        path = prefix + entry.name
        found += _texts(entry, path + "/") if entry.is_dir() else [(path, entry.read_text(encoding="utf-8"))]
    return found
