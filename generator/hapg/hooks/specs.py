"""The hooks there are.

Each is given something to change, in the parameter that its name ends with. It changes it in place and returns None, or
returns another one of the same type. A hook takes the parameters it needs, by name. Several of one name run one after the
other, each with what the one before left.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pluggy

from hapg.hooks import PROJECT

_spec = pluggy.HookspecMarker(PROJECT)


@dataclass(frozen=True)
class Chart:
    """The chart that is being made. major: of PostgreSQL, "15"; version: the chart's."""

    name: str
    major: str
    version: str


class Specs:
    """What hooks may be called, and the parameters that they may take."""

    @_spec
    def adjust_spec(self, spec: dict[str, Any]) -> dict[str, Any] | None:
        """At generation: what is below `spec` of the Postgres object, as it was read, before it is checked."""

    @_spec
    def adjust_schema(self, schema: dict[str, Any], chart: Chart) -> dict[str, Any] | None:
        """At generation: the schema of the chart's values, to which entries can be added, each with a default and a description."""

    @_spec
    def adjust_values(self, values: dict[str, Any], chart: Chart) -> dict[str, Any] | None:
        """At generation: the values that the chart has by default, as in its values.yaml."""

    @_spec
    def adjust_files(self, files: dict[str, str], chart: Chart) -> dict[str, str] | None:
        """At generation: the chart's files, path to text."""

    @_spec
    def adjust_manifests(self, manifests: list[dict[str, Any]]) -> list[dict[str, Any]] | None:
        """At installation, after helm has rendered: the objects that go to Kubernetes."""


def names() -> tuple[str, ...]:
    """Return the names of all hooks, in the order in which they run."""
    return tuple(name for name in vars(Specs) if name.startswith("adjust_"))
