"""The agent's metrics in the Prometheus text format. docs/operations.md has the catalogue as a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hapg_protocol.recovery import Progress

from .core.election import Block
from .core.state.lease_view import LeaseView
from .core.state.memory import Memory
from .core.state.memory_parts import PromotionCause
from .core.state.phases import Phase
from .core.timing import PROMPT_S, Timing

PREFIX = "ha_postgres_"


@dataclass(frozen=True)
class Metric:
    """A metric of the catalogue.

    name: without PREFIX; help: a sentence for Prometheus; label: its only label, "" for none, with the values it may have, none if that
    depends; alert: in Markdown, an expression and what it means, "" for none; kind: of the Prometheus types.
    """

    name: str
    help: str
    label: str = ""
    values: tuple[str, ...] = ()
    alert: str = ""
    kind: str = "gauge"


METRICS = (
    Metric(
        "primary",
        "1 while this pod's server is the primary.",
        alert="`sum(ha_postgres_primary) != 1` for 30 s: no primary, or one that cannot be scraped",
    ),
    Metric(
        "claim_blocked",
        "1 if this condition keeps this pod from becoming primary although the Lease is free.",
        "why",
        tuple(Block),
        "`max(ha_postgres_claim_blocked) == 1` for 15 s: an operator is needed",
    ),
    Metric(
        "lease_remaining_seconds",
        "How much longer the Lease allows this pod to write; 0 if it is not the leader.",
        alert="below 1.5 on the primary: renewals fail",
    ),
    Metric(
        "renewals_failed_total",
        "Lease renewals that were refused or not answered.",
        alert="`rate(…[5m]) > 0.05`: the API is slow or unreachable",
        kind="counter",
    ),
    Metric(
        "storage_slow",
        "1 if a write to this primary's volumes has taken longer than 2.5 s within the last minute.",
        alert="`max(ha_postgres_storage_slow) == 1` for 1 min: commits wait for a disk",
    ),
    Metric(
        "recovery_remaining_bytes",
        "WAL that the leader has yet to replay before it accepts writes; 0 if it is not recovering.",
        alert="`max(ha_postgres_recovery_remaining_bytes) > 0` for 30 s: nobody can write until the replay is done",
    ),
    Metric("recovery_bytes_per_second", "Replay rate of the recovering leader; 0 if it is not recovering."),
    Metric(
        "not_following",
        "1 while this replica does not stream from an existing primary, for longer than expected.",
        alert="`max(ha_postgres_not_following) == 1` for 1 min: its Event `NotFollowing` and `hapg status` say why",
    ),
    Metric(
        "configuration_refused",
        "1 while PostgreSQL refuses the configuration that this pod has been given.",
        alert="`max(ha_postgres_configuration_refused) == 1` for 1 min: changed values are not used anywhere; `hapg status` says why",
    ),
    Metric(
        "catch_up_remaining_segments",
        "WAL segments that this replica has yet to take from the archive before it can stream; 0 if it takes none.",
    ),
    Metric(
        "eligible_replicas",
        "Eligible replicas listed in the Lease, as last read.",
        alert="fewer than `replicas` - 1 for 5 min: a replica does not stream",
    ),
    Metric(
        "promoted_timestamp_seconds",
        "Time of this pod's last promotion, by cause; 0 if this agent has not promoted it.",
        "cause",
        tuple(PromotionCause),
        "a change with `cause` other than `switchover`, `deletion`, `start`: look at the Events",
    ),
    Metric(
        "phase",
        "1 for the current phase of this pod.",
        "phase",
        tuple(phase.value for phase in Phase),
    ),
    Metric("term", "Term of the Lease as last read."),
    Metric("lease_age_seconds", "Time since the Lease was last seen to change."),
    Metric("api_requests_total", "Requests sent to the Kubernetes API.", "verb", kind="counter"),
)


def render(memory: Memory, lease: LeaseView | None, timing: Timing, now: float, wall: float, requests: Mapping[str, int]) -> str:
    """Return the metrics.

    now: CLOCK_BOOTTIME in seconds; wall: seconds since the epoch at that instant; requests: number of API requests so far, by verb.
    """
    m, state = memory, lease.state if lease else None
    held = max(0.0, m.hold.renewed_at + timing.usable_lease(m.hold.recorded_ttl) - now) if m.hold.held_term is not None else 0.0
    promoted = {m.reign.cause: wall - (now - m.reign.promoted_at)} if m.reign.promoted_at else {}
    recovery = state.recovery if state is not None else None
    found: dict[str, object] = {
        "primary": int(m.phase is Phase.PRIMARY),
        "claim_blocked": {why: int(why == m.telling.blocked) for why in Block},
        "lease_remaining_seconds": f"{held:.3f}",
        "renewals_failed_total": m.writes.renewals_failed,
        "storage_slow": int(m.phase is Phase.PRIMARY and now - m.storage.slow_at < PROMPT_S),
        "recovery_remaining_bytes": _remaining(recovery),
        "recovery_bytes_per_second": recovery.rate if recovery is not None else 0,
        "not_following": int(bool(m.telling.apart.told)),
        "configuration_refused": int(bool(m.telling.refused)),
        "catch_up_remaining_segments": m.catching.total - m.catching.taken if m.catching.is_due else 0,
        "eligible_replicas": len(state.eligible) if state else 0,
        "promoted_timestamp_seconds": {cause: f"{promoted.get(cause, 0):.0f}" for cause in PromotionCause},
        "phase": {phase.value: int(phase is m.phase) for phase in Phase},
        "term": state.term if state else 0,
        "lease_age_seconds": f"{now - lease.first_seen if lease else 0:.3f}",
        "api_requests_total": dict(sorted(requests.items())),
    }
    return "".join(_text(metric, found[metric.name]) for metric in METRICS)


def _remaining(recovery: Progress | None) -> int:
    return max(0, recovery.target - recovery.replayed) if recovery is not None else 0


def _text(metric: Metric, value: object) -> str:
    name = PREFIX + metric.name
    values = value.items() if isinstance(value, Mapping) else [("", value)]
    lines = [f'{name}{{{metric.label}="{label}"}} {each}' if metric.label else f"{name} {each}" for label, each in values]
    return "\n".join([f"# HELP {name} {metric.help}", f"# TYPE {name} {metric.kind}", *lines]) + "\n"
