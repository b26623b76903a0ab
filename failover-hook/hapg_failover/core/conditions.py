"""Reports lasting conditions of a server: a configuration that PostgreSQL refuses, tablespaces."""

from __future__ import annotations

from dataclasses import replace

from hapg_protocol import pods
from hapg_protocol.model import VolumeState

from .state.actions import Announce
from .state.decision import Step
from .state.phases import Phase
from .timing import TELL_AGAIN_S

STOPPED = (Phase.BOOT, Phase.EMPTY, Phase.DAMAGED, Phase.DOWN)


def tell_configuration(step: Step) -> None:
    """Report a refused configuration when it changes, and periodically while it lasts; have our pod show it."""
    o, m, own = step.o, step.m, step.own_pod
    if o.refused and (o.refused != m.telling.refused or o.now - m.telling.refused_told >= TELL_AGAIN_S):
        goes_on = (
            "the server does not start, its data is kept"
            if m.phase in STOPPED
            else "the server keeps the last configuration that it accepted"
        )
        step.actions.append(Announce("Warning", "ConfigurationRefused", f"{o.refused}; {goes_on}"))
        step.keep(replace(step.m.telling, refused=o.refused, refused_told=o.now))
    elif m.telling.refused and not o.refused:
        step.actions.append(Announce("Normal", "ConfigurationAccepted", "the server accepts its configuration again"))
        step.keep(replace(step.m.telling, refused=""))
    if step.show(pods.REFUSED, own.refused if own is not None else None, o.refused, m.telling.refused_shown):
        step.keep(replace(step.m.telling, refused_shown=o.now))


def show_uncreated(step: Step) -> None:
    """Have our pod show why it could not make the first server, for as long as that lasts."""
    m, own = step.m, step.own_pod
    if step.show(pods.UNCREATED, own.uncreated if own is not None else None, m.telling.uncreated, m.telling.uncreated_shown):
        step.keep(replace(step.m.telling, uncreated_shown=step.o.now))


def show_not_upgraded(step: Step) -> None:
    """Have our pod show why data of another major, which it has, is not upgraded."""
    m, own = step.m, step.own_pod
    why = m.telling.not_upgraded if step.o.volume_state is VolumeState.OTHER_MAJOR else ""
    if step.show(pods.NOT_UPGRADED, own.not_upgraded if own is not None else None, why, m.telling.not_upgraded_shown):
        step.keep(replace(step.m.telling, not_upgraded_shown=step.o.now))


NAMED = 5


def tell_tablespaces(step: Step) -> None:
    """Warn while the data directory links to tablespaces."""
    oids = step.o.tablespaces
    if not oids:
        return
    more = f" and {len(oids) - NAMED} more" if len(oids) > NAMED else ""
    links = ", ".join(f"pg_tblspc/{oid}" for oid in oids[:NAMED])
    step.tell(
        "TablespaceFound",
        f"the server's directory links to tablespaces, which aren't supported: {links}{more}. Clones and rewinds of this release fail, "
        "or lose their data: move it to pg_default and drop them",
    )
