"""The report of a migration: what became of each field of the input, and how the data moves."""

from __future__ import annotations

from collections.abc import Iterator

from hapg.migrate import walk
from hapg.migrate.engine import Entry
from hapg.migrate.output import new_login
from hapg.migrate.rules import Outcome
from hapg.migrate.source import Migration

_SECTIONS = (Outcome.TAKEN, Outcome.CHANGED, Outcome.NONE)
_LISTED = (Outcome.OFF, Outcome.FILLED)


def text(migration: Migration) -> str:
    """Return the report in Markdown."""
    return "\n".join(_lines(migration)) + "\n"


def summary(migration: Migration) -> str:
    """Return one line: how many fields were taken, changed, and have no counterpart."""
    counts = {outcome: len(_of(migration, outcome)) for outcome in _SECTIONS}
    return (
        f"{migration.name}: from {migration.source.system.words} ({migration.place}): {counts[Outcome.TAKEN]} fields taken, "
        f"{counts[Outcome.CHANGED]} changed, {counts[Outcome.NONE]} without counterpart"
    )


def _lines(migration: Migration) -> Iterator[str]:
    yield f"# {migration.name}, from {migration.source.system.words}"
    yield ""
    yield f"Input: `{migration.place}`. Chart: PostgreSQL {migration.major}. Everything below a path is included in its line."
    for outcome in _SECTIONS:
        entries = _of(migration, outcome)
        if entries:
            yield from ("", f"## {outcome.value}", *(_line(entry) for entry in entries))
    if migration.assumed:
        yield from ("", "## Not said in the input")
        yield from (f"- `{each.to.replace('spec:', 'spec.')}`: {each.text}" for each in migration.assumed)
    for outcome in _LISTED:
        entries = _of(migration, outcome)
        if entries:
            yield from ("", f"## {outcome.value}", ", ".join(f"`{walk.shown(entry.path)}`" for entry in entries))
    yield from ("", "## Data", *_data(migration))


def _of(migration: Migration, outcome: Outcome) -> list[Entry]:
    return [entry for entry in migration.entries if entry.outcome is outcome]


def _line(entry: Entry) -> str:
    to = f" → {', '.join(f'`{path}`' for path in entry.to)}" if entry.to else ""
    return f"- `{walk.shown(entry.path)}`{to}" + (f": {entry.text}" if entry.text else "")


def _data(migration: Migration) -> Iterator[str]:
    data, name = migration.data, migration.name
    yield (
        "The configuration moves without the data. Old cluster and new release run at the same time until the data has moved, so use "
        f"another namespace, or another name (`hapg migrate --name`): in one namespace, {data.collides}"
    )
    login = data.secret or new_login(migration)
    yield ""
    if data.secret:
        yield f"Login: the Secret `{login}` of the old cluster: {data.login}. In another namespace, copy it first."
    else:
        yield f"Login: create the Secret `{login}` with `username` and `password` in the release's namespace. {data.login}."
    yield ""
    yield (
        f"- **Dump** (`import.yaml`): stop the writers, then `helm upgrade --install {name} CHART --values import.yaml`. A Job copies the "
        f"databases and roles from `{migration.host}`, from 9.6 on and to a newer major too. It refuses a database that the release "
        "already has with something in it, for example by a script of initdb."
    )
    yield (
        "- **Logical replication**, for a pause of seconds: set `import.method: logical` as well, and `app` and `databases` only when "
        f"it is finished. {data.logical}"
    )
    yield (
        f"- **Physical copy** of the running cluster, for the same major: the values `clone.from.host: {migration.host}` and "
        f"`clone.from.secretName: {login}`, when the release is installed. The role has to replicate, and a line `host replication` of "
        f"pg_hba.conf has to admit it. {data.clone}"
    )
    yield f"- **The same volumes**: not possible. {data.volume}"
    yield ""
    yield "Details: docs/operations.md, Import from another PostgreSQL and Clone a live release."
