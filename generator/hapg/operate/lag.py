"""How much WAL the streaming replicas of a release have yet to write to disk: from pg_stat_replication on its primary."""

from __future__ import annotations

import re

from hapg.operate.kubectl import Cluster, KubectlError
from hapg.operate.release import Release

_LIMIT_SECONDS = 2.0
_QUERY = "SELECT application_name, pg_current_wal_lsn() - flush_lsn FROM pg_stat_replication WHERE state = 'streaming'"
_PSQL = ("psql", "-XAtq", "-F", " ", "-h", "/run/hapg/socket", "-U", "postgres", "-d", "postgres", "-c")


def read(cluster: Cluster, release: Release) -> dict[str, int]:
    """Return the lag in bytes by pod. Empty if there is no primary, or if it can't be asked, for instance without the right to."""
    holder = release.holder
    if holder is None or not release.held or not holder.ready:
        return {}
    query = _QUERY
    for name, former in release.sql_names.items():
        query = query.replace(name, former)
    lines: list[str] = []
    try:
        code = cluster.execute(holder.name, "postgres", (*_PSQL, query), lines.append, _LIMIT_SECONDS)
    except KubectlError:
        return {}
    matches = [re.fullmatch(r"(\S+) (-?[0-9]+)", line) for line in lines] if code == 0 else []
    return {match[1]: max(0, int(match[2])) for match in matches if match is not None}
