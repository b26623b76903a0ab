"""The release's postgresql.conf, as far as it matters here: a limit of hot standbys, and a setting that is none."""

from __future__ import annotations

import re

from hapg_protocol.start_settings import RELOADED

ACCEPTED_S = (0.1, 4.0)
"""A changed configuration is tried and accepted after a time in this range."""


def postgresql_conf(max_connections: int, shared_buffers: int) -> str:
    """Return a configuration. shared_buffers: in MB."""
    return f"max_connections = {max_connections}\nshared_buffers = '{shared_buffers}MB'\n{RELOADED}\nwork_mem = '4MB'\n"


def shown(text: str) -> str:
    """Return the start settings of a configuration in one line."""
    return ", ".join(text.partition(RELOADED)[0].splitlines())


def limit_of(text: str | None) -> int | None:
    """Return the max_connections of a configuration."""
    match = re.search("max_connections = ([0-9]+)", text or "")
    return int(match[1]) if match else None


def lacks(text: str | None, limit: int | None) -> bool:
    """True if a hot standby doesn't run with this configuration, because its primary has the higher max_connections `limit`."""
    own = limit_of(text)
    return own is not None and limit is not None and own < limit
