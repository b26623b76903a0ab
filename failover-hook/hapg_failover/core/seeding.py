"""Whether a live server can be cloned into the first server of a new release. Pure."""

from __future__ import annotations

from dataclasses import dataclass

_TWO_PART = 100000
"""Before this version, the first two numbers of a version are its major (9.6); from it on, the first."""


@dataclass(frozen=True)
class SourceState:
    """What a server says of itself.

    version: server_version_num; size: bytes of its databases, without WAL; tablespaces: their names, without PostgreSQL's own;
    may_copy: our role has REPLICATION or is a superuser; has_superuser: there is a role postgres that is a superuser and may log in;
    has_database: there is a database postgres. All but version are unknown for another major.
    """

    version: int
    size: int = 0
    tablespaces: tuple[str, ...] = ()
    may_copy: bool = True
    has_superuser: bool = True
    has_database: bool = True


def major_of(version: int) -> str:
    """Return the major, such as 15 or 9.6, of a server_version_num."""
    return str(version // 10000) if version >= _TWO_PART else f"{version // 10000}.{version // 100 % 100}"


def problem(state: SourceState, major: str, user: str) -> str:
    """Return why the server can't be cloned, as a sentence without its subject; '' if it can. major: of the release; user: our role."""
    found = major_of(state.version)
    if found != major:
        return (
            f"has PostgreSQL {found}, this is the chart of PostgreSQL {major}: a clone needs the same major; use the values import instead"
        )
    if not state.may_copy:
        return f"lets {user} not replicate: ALTER ROLE {user} REPLICATION"
    if not state.has_superuser:
        return "has no role postgres that is a superuser and may log in, which this release needs: create it there"
    if not state.has_database:
        return "has no database postgres that accepts connections, which this release needs: create it there"
    if state.tablespaces:
        return f"has tablespaces, which are not supported: move everything in {', '.join(state.tablespaces)} to pg_default and drop them"
    return ""
