"""The agent's figures in Prometheus' text format."""

from __future__ import annotations

from collections.abc import Mapping

from .core.state import LeaseView, Phase


def render(phase: Phase, lease: LeaseView | None, now: float, requests: Mapping[str, int]) -> str:
    """Return the figures. now: boot time in seconds; requests: those sent to the API so far, by verb."""
    state = lease.state if lease else None
    lines = [
        "# HELP ha_postgres_phase The member's phase: 1 for the present one.",
        "# TYPE ha_postgres_phase gauge",
        *(f'ha_postgres_phase{{phase="{p.value}"}} {int(p is phase)}' for p in Phase),
        "# HELP ha_postgres_term The term of the Lease as last read.",
        "# TYPE ha_postgres_term gauge",
        f"ha_postgres_term {state.term if state else 0}",
        "# HELP ha_postgres_members Replicas recorded in the Lease.",
        "# TYPE ha_postgres_members gauge",
        f"ha_postgres_members {len(state.members) if state else 0}",
        "# HELP ha_postgres_lease_age_seconds Time since the Lease was seen to change.",
        "# TYPE ha_postgres_lease_age_seconds gauge",
        f"ha_postgres_lease_age_seconds {now - lease.first_seen if lease else 0:.3f}",
        "# HELP ha_postgres_api_requests_total Requests sent to the Kubernetes API.",
        "# TYPE ha_postgres_api_requests_total counter",
        *(f'ha_postgres_api_requests_total{{verb="{verb}"}} {count}' for verb, count in sorted(requests.items())),
    ]
    return "\n".join(lines) + "\n"
