"""The available hooks.

A hook gets the object to change in the parameter that its name ends with. It changes the object in place and returns
None, or returns a new object of the same type. It declares only the parameters that it needs, by name. Several hooks of
one name run one after the other, each on the previous one's result.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any

import pluggy

from hapg.hooks import PROJECT

_spec = pluggy.HookspecMarker(PROJECT)


@dataclass(frozen=True)
class Chart:
    """The chart being generated. major: of PostgreSQL, "15"; version: the chart's."""

    name: str
    major: str
    version: str


class Specs:
    """The names of hooks and their parameters."""

    @_spec
    def adjust_spec(self, spec: dict[str, Any]) -> dict[str, Any] | None:
        """At generation: the content of `spec` in the Postgres object, before it is checked."""

    @_spec
    def adjust_schema(self, schema: dict[str, Any], chart: Chart) -> dict[str, Any] | None:
        """At generation: the schema of the chart's values. A new entry needs a default and a description."""

    @_spec
    def adjust_values(self, values: dict[str, Any], chart: Chart) -> dict[str, Any] | None:
        """At generation: the chart's default values, as in its values.yaml."""

    @_spec
    def adjust_files(self, files: dict[str, str], chart: Chart) -> dict[str, str] | None:
        """At generation: the chart's files, path to text."""

    @_spec
    def adjust_manifests(self, manifests: list[dict[str, Any]]) -> list[dict[str, Any]] | None:
        """At installation, after helm has rendered: the objects that are sent to Kubernetes."""


def names() -> tuple[str, ...]:
    """Return the names of all hooks, in the order in which they run."""
    return tuple(name for name in vars(Specs) if name.startswith("adjust_"))


def parameters(name: str) -> tuple[str, ...]:
    """Return the names of a hook's parameters."""
    return tuple(inspect.signature(getattr(Specs, name)).parameters)[1:]
