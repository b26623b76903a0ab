"""What is known of each system, and the translation of one of its objects."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hapg.migrate import conversions
from hapg.migrate.engine import Engine, Entry
from hapg.migrate.rules import Rule
from hapg.spec.foreign import System

Document = Mapping[str, Any]


@dataclass(frozen=True)
class Assumed:
    """What a system does if nothing is said, where the chart does something else.

    to: our path; value: ours, or a function of the document; text: for the report; when: for which documents.
    """

    to: str
    value: Any
    text: str
    when: Callable[[Document], bool] = lambda _: True

    def of(self, document: Document) -> Any:
        """Return our value for a document."""
        return self.value(document) if callable(self.value) else self.value


@dataclass(frozen=True)
class Data:
    """How the data of a running cluster moves.

    host: the Service that leads to its primary; secret: an existing Secret with `username` and `password`, "" if a new one is needed;
    login: where user and password are; logical: what logical replication needs there; clone: what a physical copy needs; volume: why
    the volumes can't be kept; collides: which names of the old cluster the release would have too.
    """

    host: str
    login: str
    logical: str
    clone: str
    volume: str
    collides: str
    secret: str = ""
    ssl_mode: str = "prefer"
    databases: Sequence[str] = ()


@dataclass(frozen=True)
class Source:
    """One system. table: a rule for each of its fields; version: what it says of PostgreSQL's version; data: by document and its name."""

    system: System
    table: Sequence[Rule]
    version: Callable[[Document], object]
    data: Callable[[Document, str], Data]
    assumed: Sequence[Assumed] = ()


@dataclass(frozen=True)
class Migration:
    """The result for one object. place: of the document; name, namespace: of the release; spec, values: ours, nested; entries, assumed: for
    the report; data: how it moves.
    """

    source: Source
    place: str
    old_name: str
    name: str
    namespace: str
    major: str
    spec: dict[str, Any]
    values: dict[str, Any]
    entries: Sequence[Entry]
    assumed: Sequence[Assumed]
    data: Data = field(compare=False)

    @property
    def host(self) -> str:
        """The Service of the old cluster, as pods of any namespace find it."""
        return f"{self.data.host}.{self.namespace}" if self.namespace else self.data.host


def migrate(source: Source, document: Document, place: str, name: str = "") -> Migration:
    """Return our spec and values for an object. name: of the release, if it is another than the object's."""
    metadata = document.get("metadata") if document.get("kind") else None
    found = metadata if isinstance(metadata, dict) else {}
    old_name = str(found.get("name") or _chart_name(document))
    new_name = name or conversions.release_name(old_name)
    version = conversions.version(source.version(document))
    engine = Engine(document, version.major, new_name)
    made = engine.apply(source.table)
    assumed = [each for each in source.assumed if each.when(document) and engine.assume(each.to, each.of(document))]
    if engine.assume("spec:version", version.major):
        assumed.append(Assumed("spec.version", version.major, version.text))
    engine.take_back()
    namespace = found.get("namespace")
    return Migration(
        source,
        place,
        old_name,
        new_name,
        namespace if isinstance(namespace, str) else "",
        version.major,
        made.spec,
        made.values,
        made.entries,
        assumed,
        source.data(document, old_name),
    )


def _chart_name(document: Document) -> str:
    """Return the name of a release of a chart, as far as its values tell."""
    return str(document.get("fullnameOverride") or document.get("nameOverride") or "postgres")
