"""What is said of tablespaces: a release has no volume for them."""

from __future__ import annotations

from .state.decision import Step

NAMED = 5


def attend(step: Step) -> None:
    """Warn while the server's directory links to tablespaces."""
    oids = step.o.tablespaces
    if not oids:
        return
    more = f" and {len(oids) - NAMED} more" if len(oids) > NAMED else ""
    links = ", ".join(f"pg_tblspc/{oid}" for oid in oids[:NAMED])
    step.tell(
        "TablespaceFound",
        f"the server's directory links to tablespaces, which aren't supported: {links}{more}. Clones and rewinds of this release fail, "
        "or lose what is in them: move it to pg_default and drop them",
    )
