"""The Python side with one rule left out: a patch of the real code."""

from __future__ import annotations

import hmac
import math
import os
import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import pytest

from hapg_backup.opening import Opening
from hapg_failover import container, settings
from hapg_failover.adapters import archived_wal, beneath, peers, script, serving, volume
from hapg_failover.adapters.ports.volume import Marker
from hapg_failover.adapters.volume import Volume
from hapg_failover.api_calls import ApiCalls
from hapg_failover.core import (
    bootstrap,
    candidacy,
    catching_up,
    cloning,
    demotion,
    disk_space,
    election,
    eligible_replicas,
    forced_failover,
    lease_extension,
    major_upgrade,
    not_following,
    primary,
    promotion,
    readiness,
    rejoin,
    replica,
    routing,
    startup,
    switchover,
    synchronous,
    unreplicated_wal,
    volumes,
)
from hapg_failover.core import decide as deciding
from hapg_failover.core.state import decision, lease_view
from hapg_failover.core.state.actions import LetGo, Order, Seal
from hapg_failover.core.state.connections import ANSWERED
from hapg_failover.core.state.decision import Decision, Step
from hapg_failover.core.state.extensions import ExtensionRequest
from hapg_failover.core.state.lease_view import LeaseView
from hapg_failover.core.state.memory import Memory
from hapg_failover.core.state.observation import Observation
from hapg_failover.core.state.phases import Phase
from hapg_failover.core.state.results import OpResult, PutResult
from hapg_failover.core.state.volume import FormerData, Origin
from hapg_failover.core.timing import FAILED_S, PROBE_FRESH_S, Timing
from hapg_failover.operations import own_volume, rewind, seal, upgrade
from hapg_failover.operations.operation import Operation
from hapg_failover.pgdata import archived_segment, wal
from hapg_failover.world import World
from hapg_protocol.json_fields import Fields
from hapg_protocol.lsn import Position
from hapg_protocol.model import NO_LEASE, Holder, LeaseObject, LeaseState, Pod, PodPatch
from hapg_protocol.wal_files import SEGMENT_SIZE
from tests.memories import changed

Mutant = Callable[[pytest.MonkeyPatch], None]


def _seen_as(change: Callable[[Observation, Memory], tuple[Observation, Memory]]) -> Mutant:
    """Return a mutant whose decisions use a changed state instead of what is seen and remembered."""

    def leave_out(patch: pytest.MonkeyPatch) -> None:
        decide = deciding.decide
        patch.setattr(deciding, "decide", lambda o, m: decide(*change(o, m)))

    return leave_out


def _judged_as(change: Callable[[dict[str, Any]], None]) -> Mutant:
    """Return a mutant that judges a claim by changed arguments. change: alters them, by name."""

    def leave_out(patch: pytest.MonkeyPatch) -> None:
        judge = election.judge

        def other(me: election.Candidate, lease: LeaseState, version: str, pods: tuple[Pod, ...], **rest: Any) -> election.Verdict:
            told: dict[str, Any] = {"me": me, "lease": lease, "version": version, "pods": pods, **rest}
            change(told)
            return judge(told.pop("me"), told.pop("lease"), told.pop("version"), told.pop("pods"), **told)

        patch.setattr(election, "judge", other)

    return leave_out


def _constant(module: object, name: str, value: object) -> Mutant:
    """Return a mutant with a different value for a constant of the protocol."""
    return lambda patch: patch.setattr(module, name, value)


# --- 1 ---


def volumes_left_out_are_forgotten(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(election.Case, "without_pods", [])


def volumes_left_out_count_at_cold_starts_only(patch: pytest.MonkeyPatch) -> None:
    rule = election.rule_4h
    rules = tuple((lambda case: rule(case) if case.cold else None) if each is rule else each for each in election.RULES)
    patch.setattr(election, "RULES", rules)


def deadline_from_the_answer(patch: pytest.MonkeyPatch) -> None:
    fence = Step.fence

    def later(self: Step, members: bool) -> None:
        self.keep(replace(self.m.hold, renewed_at=self.o.now))
        fence(self, members)

    patch.setattr(Step, "fence", later)


def early_ends_uncounted(patch: pytest.MonkeyPatch) -> None:
    def ended(step: Step) -> None:
        step.forget_server()
        step.go(Phase.BOOT, "start it once more")

    patch.setattr(startup, "ended", ended)


kills_counted = _constant(startup, "KILLED_CODE", 256)


def unstartable_for_good(patch: pytest.MonkeyPatch) -> None:
    damaged = cloning.damaged

    def waits(step: Step) -> None:
        step.keep(replace(step.m.retry, retry_at=step.o.now + 1.0))
        damaged(step)

    patch.setattr(cloning, "damaged", waits)


def any_times(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Timing, "violations", lambda self: [])


def longer_ttl_used_unrecorded(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Timing, "usable_lease", lambda self, recorded_ttl: self.lease)


def holder_by_name(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Holder, "__eq__", lambda self, other: self.pod == other.pod)
    patch.setattr(Holder, "__ne__", lambda self, other: self.pod != other.pod)


def silent_supervisor_renewed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Step, "supervised", property(lambda self: self.o.nonce is not None))


hung_disk_renewed = _seen_as(lambda o, m: (replace(o, probe_at=o.now), m))


def no_more_patience(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(disk_space, "patience", lambda hangs: PROBE_FRESH_S)


silence_unheard = _seen_as(lambda o, m: (replace(o, greeting=ANSWERED), m))
crowd_is_silence = _seen_as(lambda o, m: (replace(o, greeting=replace(o.greeting, crowded=False)), m))
blind_drops = _seen_as(lambda o, m: (replace(o, blind=False), m))


def always_fenced(patch: pytest.MonkeyPatch) -> None:
    fence = Step.fence
    patch.setattr(Step, "fence", lambda self, members: fence(self, True))


# --- 2 ---


def _any_change_of_phase(patch: pytest.MonkeyPatch) -> None:
    """Take the table of phases away, which finds such a rule before its own test does."""
    patch.setattr(decision, "check", lambda old, new: None)


def running_standby_left_streaming(patch: pytest.MonkeyPatch) -> None:
    boot = startup.boot

    def trusting(step: Step) -> None:
        if step.o.server == "standby" and step.server_known:
            step.go(Phase.FOLLOW, "it streams already")
        else:
            boot(step)

    patch.setattr(startup, "boot", trusting)
    _any_change_of_phase(patch)


# --- 3 ---


def any_version_counts(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(election, "reports", lambda pods, version: {p.name: (p, p.report) for p in pods if p.report})


start_forgotten = _seen_as(lambda o, m: (o, changed(m, started=False)))
unread_at_the_start_is_free = _seen_as(lambda o, m: (o, changed(m, started=m.sealed.started and m.sealed.start_version is not None)))
report_forgotten = _seen_as(lambda o, m: (o, changed(m, promised=None)))


def last_record_left_out(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(wal, "record_end", lambda record, size=SEGMENT_SIZE: record.start)


# --- 4 ---

anybody_claims = _judged_as(lambda told: told.update(lease=replace(told["lease"], volume=told["me"].volume)))


def dirty_volumes_start(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Volume, "dirty", lambda self: False)


def _unbound(told: dict[str, Any]) -> None:
    said = next((p.report for p in told["pods"] if p.name == told["me"].pod and p.report), None)
    if said is not None:
        told.update(me=replace(told["me"], nonce=said.nonce))


another_run_speaks_for_us = _judged_as(_unbound)
ttl_not_waited_for = _judged_as(lambda told: told.update(age=1e9))


def only_our_ttl_counts(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(election, "is_expired", lambda ttl, lease_ttl, age: age >= ttl)


suspected_unread = _seen_as(lambda o, m: (replace(o, lease=replace(o.lease, last_read=o.now) if o.lease else None), m))


def sealed_when_overdue(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Timing, "seal_after", lambda self, recorded_ttl: self.overdue)


sealed_despite_a_promise = _seen_as(lambda o, m: (o, changed(m, promised_until=0.0) if m.phase is Phase.FOLLOW else m))


def gap_not_noticed(patch: pytest.MonkeyPatch) -> None:
    see = lease_view.see
    patch.setattr(lease_view, "see", lambda old, lease, asked, now, gap: see(old, lease, asked, now, 1e9))


def _believed_ended(step: Step, *, shutdown: bool, timeline: bool) -> bool:
    s, end = step.state, step.m.sealed.position
    if s is None or s.release is not None or s.holder == step.o.me or end is None:
        return False
    return (end == step.m.sealed.shutdown or not shutdown) and (end.timeline == s.timeline or not timeline)


def gone_holder_left_at_once(patch: pytest.MonkeyPatch) -> None:
    run = Step.run

    def at_once(self: Step, order: Order, reason: str, term: int | None = None) -> None:
        run(self, replace(order, drain_s=None) if isinstance(order, Seal) else order, reason, term)

    patch.setattr(Step, "run", at_once)


def any_end_is_a_shutdown(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Step, "holder_has_ended", property(lambda self: _believed_ended(self, shutdown=False, timeline=True)))


def any_timelines_end_counts(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Step, "holder_has_ended", property(lambda self: _believed_ended(self, shutdown=True, timeline=False)))


def any_record_shuts_down(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(wal.Wal, "kind_at", lambda self, place: wal._SHUTDOWN)


nobody_waited_for = _constant(election, "REPORT_WAIT_S", 0.0)
cold_start_hurried = _constant(election, "COLD_WAIT_S", 1.0)


def reported_counts_at_once(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(candidacy, "_others_could_report_since", lambda step, s: step.m.reporting.reported_at)


any_lag = _judged_as(lambda told: told.update(max_lag=1 << 62))
older_timelines_not_refused = _constant(election, "_on_older_timeline", lambda case: None)


def _ignoring_timelines(told: dict[str, Any]) -> None:
    def flat(pod: Pod) -> Pod:
        said = pod.report
        if said is None or said.position is None:
            return pod
        return replace(pod, report=replace(said, position=Position(told["me"].position.timeline, said.position.lsn)))

    told.update(pods=tuple(flat(p) for p in told["pods"]))


timelines_ignored = _judged_as(_ignoring_timelines)


def by_ordinal_alone(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(election, "rank_key", lambda pod, said: (0, 0, False, False, pod.ordinal))


def equal_ones_by_chance(patch: pytest.MonkeyPatch) -> None:
    key = election.rank_key
    patch.setattr(election, "rank_key", lambda pod, said: (*key(pod, said)[:4], -pod.ordinal))


def emergency_spaces_kept(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Operation, "release_emergency_spaces", lambda self: None)


late_ones_claim_at_once = _judged_as(lambda judged: judged.update(reported_for=judged["waited"]))


def unknown_positions_not_waited_for(patch: pytest.MonkeyPatch) -> None:
    reports = election.reports

    def known(pods: tuple[Pod, ...], version: str) -> dict[str, Any]:
        found = reports(pods, version)
        return {n: (p, q if q.position is not None else replace(q, position=Position(0, 0))) for n, (p, q) in found.items()}

    patch.setattr(election, "reports", known)


def timeline_without_checkpoint(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(primary, "_checkpoint", lambda step: None)


def given_up_ones_wait(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(cloning, "_others_start", lambda step: False)


def streaming_outlives_a_promotion(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(World, "_take_operation", lambda world, result: world.ops.append(result))


def full_ones_held_as_others(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(disk_space, "FULL_HOLD_S", 0.0)


def space_before_the_death_counts(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(demotion, "SPACE_LOOK_S", 0.0)


def reads_before_it_has_joined(patch: pytest.MonkeyPatch) -> None:
    serves = routing._serves_reads

    def joined(step: Step, own: Pod) -> bool:
        step.keep(replace(step.m.upstream, has_joined=True))
        return serves(step, own)

    patch.setattr(routing, "_serves_reads", joined)


def reads_of_the_past(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(readiness, "is_ready", lambda memory, now, unready_s: True)


def silent_standby_reads(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(routing, "READS_FRESH_S", 1e12)


def no_reads_in_an_election(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(routing, "_STANDING_BY", ())


def primary_keeps_readers(patch: pytest.MonkeyPatch) -> None:
    def label(calls: ApiCalls, pod: str, uid: str, role: str) -> None:
        calls._patches.do(lambda: calls._patch(PodPatch(pod, uid, labels={calls._settings().label_role: role}), 1))

    patch.setattr(ApiCalls, "label", label)


def emergency_space_is_served_from(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(routing, "withdraw", lambda step: None)
    patch.setattr(routing, "PARTING_S", 0.0)


def checkpoint_on_a_full_volume(patch: pytest.MonkeyPatch) -> None:
    prepare = switchover._prepare

    def leave_out(step: Step, *args: Any) -> None:
        seen = step.o
        step.o = replace(seen, room=None)
        prepare(step, *args)
        step.o = seen

    patch.setattr(switchover, "_prepare", leave_out)


def full_primary_stays(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(switchover, "_make_way", lambda step: None)


def full_primary_goes_at_once(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(switchover, "FULL_S", 0.0)


def suspects_last(patch: pytest.MonkeyPatch) -> None:
    key = election.rank_key
    patch.setattr(election, "rank_key", lambda pod, said: (said.suspect, *key(pod, said)))


def suspects_like_others(patch: pytest.MonkeyPatch) -> None:
    key = election.rank_key
    patch.setattr(election, "rank_key", lambda pod, said: key(pod, replace(said, suspect=False)))


def _never_blocked(told: dict[str, Any]) -> None:
    told["unblocked_for"] = math.inf


def _reported_long_ago(told: dict[str, Any]) -> None:
    told["reported_for"] = math.inf


blocks_forgotten = _judged_as(_never_blocked)
late_starts_forgotten = _judged_as(_reported_long_ago)
lower_ranks_at_once = _constant(election, "_rank_wait", lambda rank, cold, lease, ttl, behind: 0.0)
successor_not_let_first = _constant(election, "SUCCESSOR_HEADSTART_S", 0.0)


def _forgetting_failures(told: dict[str, Any]) -> None:
    pods = (replace(p, report=replace(p.report, failed=False)) if p.report else p for p in told["pods"])
    told.update(pods=tuple(pods))


failed_ones_waited_for = _judged_as(_forgetting_failures)
leaving_ones_waited_for = _judged_as(lambda told: told.update(pods=tuple(replace(p, deleting=False) for p in told["pods"])))


# --- 5 ---


def _answered_just_now(o: Observation, m: Memory) -> tuple[Observation, Memory]:
    return (replace(o, put=replace(o.put, sent_at=o.now)) if o.put is not None else o), m


late_claim_used = _seen_as(_answered_just_now)


def read_claim_promotes(patch: pytest.MonkeyPatch) -> None:
    sealed = replica.sealed

    def believing(step: Step) -> None:
        s = step.state
        if s is not None and s.holder == step.o.me and s.release is None and s.system_identifier is not None:
            promotion.promote(step, s)
        else:
            sealed(step)

    patch.setattr(replica, "sealed", believing)
    _any_change_of_phase(patch)


def failed_promotion_goes_on(patch: pytest.MonkeyPatch) -> None:
    def hopeful(step: Step, result: OpResult) -> None:
        step.go(Phase.PRIMARY, "it will come up")

    patch.setattr(promotion, "promoted", hopeful)


def failed_one_stands_at_once(patch: pytest.MonkeyPatch) -> None:
    for module in (primary, promotion):
        patch.setattr(module, "FAILED_S", 0.0)


# --- 6 ---


def timelines_again(patch: pytest.MonkeyPatch) -> None:
    claim = election.claim

    def reusing(me: election.Candidate, *args: Any) -> LeaseState:
        return replace(claim(me, *args), timeline=me.position.timeline + 1)

    patch.setattr(election, "claim", reusing)


# --- 7 ---

silent_members_stay = _constant(eligible_replicas, "DROP_AFTER_S", 1e9)
members_dropped_at_once = _constant(eligible_replicas, "DROP_AFTER_S", 1.0)


far_ones_become_members = _constant(eligible_replicas, "KEEPS_UP_BYTES", 1 << 62)


def first_member_unfenced(patch: pytest.MonkeyPatch) -> None:
    fence = Step.fence
    patch.setattr(Step, "fence", lambda self, members: fence(self, members) if self.o.put is not None else None)


def former_holder_left_out(patch: pytest.MonkeyPatch) -> None:
    claim = election.claim

    def without(me: election.Candidate, address: str, lease: LeaseState, *rest: Any) -> LeaseState:
        return replace(claim(me, address, lease, *rest), eligible=tuple(m for m in lease.eligible if m.volume != me.volume))

    patch.setattr(election, "claim", without)


former_holder_stays = _seen_as(lambda o, m: (o, changed(m, former=None)))


# --- 8 ---


def only_recorded_members_grant(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Step, "claimants", property(lambda self: {x.volume for x in self.state.eligible}))


def _granted_though(words: str) -> Mutant:
    """Return a mutant that extends the Lease despite this reason against it."""

    def leave_out(patch: pytest.MonkeyPatch) -> None:
        against = lease_extension._reason_against

        def generous(step: Step, request: ExtensionRequest) -> str | None:
            reason = against(step, request)
            return None if reason is not None and words in reason else reason

        patch.setattr(lease_extension, "_reason_against", generous)

    return leave_out


unread_claims_granted = _granted_though("we don't follow")
older_terms_granted = _granted_though("we know term")
overdue_leases_granted = _granted_though("we can read the Lease")
repeated_requests_granted = _granted_though("is not newer than")
start_promises_nothing = _seen_as(lambda o, m: (o, changed(m, promised_until=m.extensions.promised_until or 0.0)))


def only_followers_grant(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(lease_extension, "_stands_by", lambda step, request: False)


def claims_under_way_grant_nothing(patch: pytest.MonkeyPatch) -> None:
    original = lease_extension._stands_by
    patch.setattr(lease_extension, "_stands_by", lambda step, request: step.m.phase is not Phase.CLAIMING and original(step, request))


def claims_that_may_succeed_grant(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(lease_extension, "NOT_YET_FOLLOWING", (*lease_extension.NOT_YET_FOLLOWING, Phase.CLAIMING))


def written_members_never_forgotten(patch: pytest.MonkeyPatch) -> None:
    def ever(self: Step) -> set[str]:
        return {*self.m.extensions.claimants, *(x.volume for x in self.state.eligible)} if self.state is not None else set()

    patch.setattr(Step, "claimants", property(ever))


def late_answers_lost(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Timing, "late", property(lambda self: self.call))


def asked_at_once(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Timing, "ask_after", property(lambda self: 0.0))


def unsigned_requests_heard(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(hmac, "compare_digest", lambda one, other: True)


def clients_stay_for_ever(patch: pytest.MonkeyPatch) -> None:
    make = serving._Client.__init__
    patch.setattr(serving._Client, "__init__", lambda self, connection, deadline: make(self, connection, deadline + 3600.0))


def places_are_kept(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(serving.HttpServer, "_drop_oldest", lambda self: None)


def one_key(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(peers, "peer_keys", lambda passwords: (peers.peer_key(passwords.replication),))


# --- 9 ---


def death_not_waited_for(patch: pytest.MonkeyPatch) -> None:
    decide = deciding.decide

    def hopeful(o: Observation, m: Memory) -> Decision:
        return decide(replace(o, server="down") if m.phase is Phase.DOWN else o, m)

    patch.setattr(deciding, "decide", hopeful)


def locks_let_go_at_once(patch: pytest.MonkeyPatch) -> None:
    container_dead = deciding._container_dead

    def hasty(step: Step) -> None:
        container_dead(step)
        if not any(isinstance(action, LetGo) for action in step.actions):
            step.actions.append(LetGo())

    patch.setattr(deciding, "_container_dead", hasty)


dead_server_not_waited_for = _judged_as(
    lambda told: told.update(
        lease=replace(told["lease"], release=replace(told["lease"].release, hold_s=0.0)) if told["lease"].release else told["lease"]
    )
)


def _looked_for_before(o: Observation, m: Memory) -> tuple[Observation, Memory]:
    """What was found after an earlier death counts after this one."""
    state = o.lease.state if o.lease is not None else None
    if state is None or o.checked is None or m.reads.checked is None:
        return o, m
    term = state.term
    looked = replace(m, reads=replace(m.reads, checked=(term, m.reads.checked[1])))
    return replace(o, checked=replace(o.checked, term=term)), looked


record_looked_for_before = _seen_as(_looked_for_before)
record_not_looked_for = _seen_as(lambda o, m: (replace(o, checked=replace(o.checked, exists=False)) if o.checked else o, m))


def _chosen_from(change: Callable[[Observation], Observation]) -> Mutant:
    """Return a mutant that chooses the successor from a changed state."""

    def leave_out(patch: pytest.MonkeyPatch) -> None:
        choose = switchover.choose_successor
        patch.setattr(switchover, "choose_successor", lambda step, to=None: choose(Step(change(step.o), step.m), to))

    return leave_out


silent_pod_succeeds = _chosen_from(lambda o: replace(o, streaming=tuple(replace(s, since=o.now) for s in o.streaming)))
leaving_pod_succeeds = _chosen_from(lambda o: replace(o, pods=tuple(replace(p, deleting=False) for p in o.pods)))


# --- 10 ---


def always_follows(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(rejoin, "plan", lambda own, timeline, history: rejoin.Plan(rejoin.Way.FOLLOW, f"on the primary's timeline {timeline}"))


def rewound_unmarked(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Volume, "set_dirty", lambda self: None)


source_not_checkpointed = _constant(rewind, "_wait_for_checkpoint", lambda tools, order: None)
clone_keeps_the_uuid = _constant(own_volume, "Marker", lambda uuid, identifier: Marker("old", identifier))


# --- 11 ---


def silent_volumes_leave(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(synchronous, "keep_recorded", lambda current, wanted, record: wanted)


# --- 12 ---


def stripped_first(patch: pytest.MonkeyPatch) -> None:
    label_primary = routing.primary

    def reverse(step: Step) -> None:
        before = len(step.actions)
        label_primary(step)
        step.actions[before:] = step.actions[before:][::-1]

    patch.setattr(routing, "primary", reverse)


def time_never_up(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(routing, "time_is_up", lambda step, s: None)


def routes_held_back(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(routing, "PROXY_S", 0.0)


def others_keep_the_label(patch: pytest.MonkeyPatch) -> None:
    label_primary = routing.primary

    def alone(step: Step) -> None:
        before = len(step.actions)
        label_primary(step)
        del step.actions[before + 1 :]

    patch.setattr(routing, "primary", alone)


gone_at_once = _constant(demotion, "LINGER_S", 0.0)


# --- 13 ---


def any_pair_accepted(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(volumes, "mismatch", lambda found: None)


def older_wal_accepted(patch: pytest.MonkeyPatch) -> None:
    damage = volumes.damage
    patch.setattr(volumes, "damage", lambda found: damage(replace(found, data_probe=0)))


def links_followed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(beneath, "_CAUTIOUS", os.O_NONBLOCK)
    patch.setattr(beneath, "_expect", lambda is_expected, found, path: None)


any_version_told = _constant(volume, "_VERSION", re.compile(".*", re.DOTALL))


# --- 14 ---


def restored_leases_granted(patch: pytest.MonkeyPatch) -> None:
    against = lease_extension._reason_against

    def lenient(step: Step, request: ExtensionRequest) -> str | None:
        reason = against(step, request)
        return None if reason is not None and "rolled back" in reason else reason

    patch.setattr(lease_extension, "_reason_against", lenient)


def newer_terms_unheard(patch: pytest.MonkeyPatch) -> None:
    stand = candidacy.stand
    patch.setattr(candidacy, "stand", lambda step, s: stand(step, replace(s, term=99)))


def term_kept(patch: pytest.MonkeyPatch) -> None:
    failed = deciding._put_failed

    def same(step: Step, put: PutResult) -> None:
        failed(step, replace(put, state=replace(put.state, term=put.state.term - 1)))

    patch.setattr(deciding, "_put_failed", same)


def followers_wait_for_ever(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Step, "state", property(lambda self: self.o.lease.state if self.o.lease is not None else None))


def followed_terms_forgotten(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Volume, "write_term", lambda self, term: None)


def reserved_timelines_forgotten(patch: pytest.MonkeyPatch) -> None:
    resume = bootstrap.resume_state

    def forgetful(me: election.Candidate, *rest: Any) -> LeaseState:
        return replace(resume(me, *rest), timeline=me.position.timeline + 1)

    patch.setattr(bootstrap, "resume_state", forgetful)


def _stand_back(step: Step, reason: str) -> None:
    step.keep(replace(step.m.retry, failed_until=step.o.now + FAILED_S))
    step.kill(reason, 0.0)


ended_ones_stand_back = _constant(promotion, "_died_before", _stand_back)
first_number_given_back = _constant(promotion, "nothing_begun", lambda step, term: step.keep(replace(step.m.hold, unbegun=(term, 0))))
any_time_without_a_lease_counts = _constant(lease_view, "without_lease", lambda seen, pods: NO_LEASE)


def missing_means_free(patch: pytest.MonkeyPatch) -> None:
    see = lease_view.see

    def hasty(old: LeaseView | None, lease: LeaseObject | None, asked: float, now: float, gap: float, **more: Any) -> LeaseView:
        return see(old, lease, asked, now, gap, **more) if lease is not None else LeaseView(NO_LEASE, None, now, asked)

    patch.setattr(lease_view, "see", hasty)


# --- 15 ---

any_script_will_do = _constant(script, "trouble", lambda path: None)


def unknown_fields_dropped(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Fields, "left", lambda self: ())


any_protocol_claimed = _constant(election, "too_new", lambda lease: None)
any_protocol_forced = _constant(forced_failover, "too_new", lambda lease: None)


def claims_keep_the_number(patch: pytest.MonkeyPatch) -> None:
    claim = election.claim

    def same(me: election.Candidate, address: str, lease: LeaseState, *rest: Any) -> LeaseState:
        return replace(claim(me, address, lease, *rest), protocol=lease.protocol)

    patch.setattr(election, "claim", same)


def unknown_settings_refused(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(container, "read_settings", lambda text: (settings.parse(text), ()))


leaves_at_once = _constant(switchover, "_awaits_a_replica", lambda step: False)
numbers_are_kept = _constant(promotion, "nothing_begun", lambda step, term: None)
stalled_promotions_awaited = _seen_as(lambda o, m: (replace(o, timing=replace(o.timing, stall=1e9)), m))
backlog_unsaid = _constant(Step, "backlog", None)
silent_while_apart = _constant(not_following, "attend", lambda step: None)
copies_are_members = _constant(volumes, "origin_of", lambda *_: Origin.OWN)


def adopted_as_it_was(patch: pytest.MonkeyPatch) -> None:
    """A copied volume that is adopted keeps the UUID of its original."""
    adopt = Volume.adopt
    patch.setattr(Volume, "adopt", lambda self, uuid: adopt(self, self.marker().uuid))


standbys_unrecorded = _constant(Volume, "note_standby", lambda self: None)
unreplicated_wal_not_fetched = _constant(seal, "_with_fetched_wal", lambda operation, ask, dead, position: (position, 0))
unreplicated_wal_given_to_anybody = _constant(unreplicated_wal, "may_give", lambda *_: True)
any_page_is_sent = _constant(unreplicated_wal, "is_page", lambda page, lsn: True)
cut_records_count = _constant(wal.Wal, "record_at", lambda self, place, before: wal.Record(place, 24, switch=False))
names_between_unknown = _constant(catching_up, "timelines_since", lambda own, timeline, history: (own, timeline))
archive_beyond_our_timeline = _constant(catching_up, "fork_point", lambda history, timeline: None)
any_archived_segment = _constant(archived_segment, "trouble", lambda *_: "")
archive_without_bounds = _constant(catching_up, "_lot", lambda step, own: ("", catching_up.LOT))


def archived_segments_unsynced(patch: pytest.MonkeyPatch) -> None:
    """An archived segment gets its name though its content may not be on disk."""

    def write(wal_directory: int, new: str, content: Iterable[bytes], size: int) -> None:
        with os.fdopen(beneath.create(wal_directory, new), "wb") as file:
            file.writelines(content)

    patch.setattr(archived_wal, "_write", write)


def moved_by_the_archive_unnoticed(patch: pytest.MonkeyPatch) -> None:
    """After WAL was taken from the archive, our end of WAL counts as where it was."""
    answered = catching_up.answered
    patch.setattr(
        catching_up, "answered", lambda step, result: answered(step, replace(result, position=result.position and step.m.sealed.position))
    )


def anybodys_data_upgraded(patch: pytest.MonkeyPatch) -> None:
    """A mutant: the volume need not be the one that the Lease names."""
    real = major_upgrade.judge

    def judge(former: FormerData, state: LeaseState | None) -> major_upgrade.Verdict:
        return real(former, state if state is None else replace(state, volume=former.volume))

    patch.setattr(major_upgrade, "judge", judge)


def upgraded_without_a_backup(patch: pytest.MonkeyPatch) -> None:
    """A mutant: no restore of a backup need have been verified."""
    patch.setattr(upgrade, "_unverified", lambda tools, major, within_s: "")


def archive_upgraded_early(patch: pytest.MonkeyPatch) -> None:
    """A mutant: the archive goes on with the new major before its server is promoted."""
    patch.setattr(Opening, "_was_upgraded", lambda self, found: True)


def any_end_upgraded(patch: pytest.MonkeyPatch) -> None:
    """A mutant: the data may end anywhere."""
    patch.setattr(major_upgrade, "_ends_at", lambda checkpoint, end: True)


def former_position_kept(patch: pytest.MonkeyPatch) -> None:
    """A mutant: what a server flushed as the primary is remembered after it has started as a standby."""
    real = World._take_operation

    def take(world: World, result: OpResult) -> None:
        position = world.position
        real(world, result)
        world.position = position

    patch.setattr(World, "_take_operation", take)
