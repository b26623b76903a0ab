"""Every rule of docs/protocol.md, part by part: the mutant that leaves it out, and the test that then fails.

Rules have the names they have on that page. A part occurs more than once if both programs implement it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from tests.simulation import (
    mutants,
    mutants_extensions,
    mutants_first,
    mutants_restore,
    mutants_servers,
    mutants_settings,
    mutants_sync,
    scenarios,
    scenarios_extensions,
    scenarios_first,
    scenarios_restore,
    scenarios_servers,
    scenarios_starved,
    scenarios_sync,
)
from tests.simulation.signs import (
    Sign,
    a_fault_cost_two_failovers,
    keeps_clients_out,
    loses,
    loses_more_than_the_wire_holds,
    nobody_writes,
    not_written_anew,
    promotes_who_has_most_to_replay,
    stays,
    updates_too_soon,
    violated,
)
from tests.simulation.world import World

from . import edits, patches

Mutant = Callable[[pytest.MonkeyPatch], None]
Scenario = Callable[[int], World]


@dataclass(frozen=True)
class Witness:
    """A test by its pytest node ID; row: words in the ID of the table row that must fail."""

    node: str
    row: str = ""

    @property
    def needs_servers(self) -> bool:
        """Whether the test starts PostgreSQL servers, which takes from seconds to a minute and a half."""
        return self.node.startswith("tests/supervisor/")


@dataclass(frozen=True)
class Simulated:
    """A scenario of tests/simulation, run with several seeds, and the sign that appears with one of them."""

    scenario: Scenario
    sign: Sign


@dataclass(frozen=True)
class Part:
    """A part of a rule, in words; the mutant without it; the test that finds that mutant."""

    rule: str
    says: str
    mutant: Mutant
    found_by: Witness | Simulated


UNIT = "tests/unit/failover/"
DECIDE = UNIT + "test_decide.py::test_decision"
JUDGE = UNIT + "test_election.py::test_judge"
MEMBERS = UNIT + "test_eligible_replicas.py::test_eligible_replicas"
REFUSES = UNIT + "test_lease_extension.py::test_a_member_refuses"
CANDIDACY = UNIT + "test_candidacy.py::"
PRIMARY = UNIT + "test_primary.py::"
READS = UNIT + "test_reads.py::"
OTHER = "test_any_other_standby_is_not"
SWITCHOVER = UNIT + "test_switchover.py::"
CATCHING_UP = UNIT + "test_catching_up.py::"
REJOINING = UNIT + "test_rejoining.py::"
VOLUME = UNIT + "test_volume.py::"
VERSIONS = UNIT + "test_versions.py::"
FORMER = "tests/simulation/test_former_holder.py::"
SERVER = "tests/supervisor/test_server.py::"
RECOVERY = "tests/supervisor/test_recovery.py::"
REPLICATION = "tests/supervisor/test_replication.py::"
VERBS = "tests/supervisor/test_commands.py::"
APART = "tests/supervisor/test_wal_volume.py::"
PLANTED = UNIT + "test_hostile_volume.py::"
CLIENTS = UNIT + "test_hostile_clients.py::"
PAIR = UNIT + "test_volumes.py::"
SETTINGS = "tests/simulation/test_settings.py::"
UPGRADE = "tests/supervisor/test_upgrade.py::"
STANDBYS = "tests/supervisor/test_standbys.py::"
CONFIGURATION = "tests/supervisor/test_configuration.py::"
SYNCHRONOUS = UNIT + "test_synchronous.py::"
ACKNOWLEDGED = violated("acknowledged commits")
TWO_WRITE = violated("writable at once")

PARTS = (
    Part(
        "1",
        "the deadline counts from the sending of the write",
        patches.deadline_from_the_answer,
        Witness(UNIT + "test_decide.py::test_a_renewal_moves_the_deadline_by_its_sending"),
    ),
    Part("1", "the lease ends before the TTL", mutants.whole_ttl, Simulated(scenarios.cut_off, TWO_WRITE)),
    Part(
        "1",
        "times that break an inequality are refused",
        patches.any_times,
        Witness(UNIT + "test_timing.py::test_a_broken_inequality_is_said_in_words"),
    ),
    Part(
        "1",
        "a longer TTL is recorded before it is used",
        patches.longer_ttl_used_unrecorded,
        Witness(UNIT + "test_timing.py::test_a_longer_ttl_is_not_used_before_it_is_recorded"),
    ),
    Part("1", "the supervisor kills at the deadline", mutants.no_fence, Simulated(scenarios.cut_off, TWO_WRITE)),
    Part(
        "1",
        "the supervisor's loop kills at the deadline",
        edits.the_loop_does_not_fence,
        Witness(SERVER + "test_the_deadline_ends_everything"),
    ),
    Part("1", "a watchdog kills when the loop can't", edits.no_watchdog, Witness(SERVER + "test_the_watchdog_acts_when_pid_1_is_stopped")),
    Part("1", "a GET prolongs nothing", mutants.reads_extend, Simulated(scenarios.writes_refused, TWO_WRITE)),
    Part(
        "1",
        "the holder is a name and a UID",
        patches.holder_by_name,
        Witness(PRIMARY + "test_a_pod_of_our_name_but_another_uid_is_somebody_else"),
    ),
    Part("1", "no renewal while the supervisor is silent", patches.silent_supervisor_renewed, Witness(DECIDE, "the supervisor is silent")),
    Part("1", "no renewal while nothing can be written", patches.hung_disk_renewed, Witness(DECIDE, "the disk hangs")),
    Part(
        "1",
        "where every disk is slow, the next leader waits longer",
        patches.no_more_patience,
        Witness(UNIT + "test_trouble.py::test_a_primary_after_one_whose_storage_hung_waits_longer"),
    ),
    Part("1", "a primary that lets nobody in is replaced", patches.silence_unheard, Simulated(scenarios.lets_nobody_in, stays)),
    Part(
        "1",
        "a server that answers is left in office though all its slots are taken",
        patches.crowd_is_silence,
        Witness(PRIMARY + "test_a_server_whose_slots_are_all_taken_stays_in_office"),
    ),
    Part(
        "7",
        "who streams isn't known while SQL tells nothing",
        patches.blind_drops,
        Witness(PRIMARY + "test_members_stay_while_nobody_knows_who_streams"),
    ),
    Part("1", "a primary whose disk hangs is replaced", mutants.sick_renewals, Simulated(scenarios.disk_hangs, stays)),
    Part(
        "1",
        "without other members there is no fence",
        patches.always_fenced,
        Witness(UNIT + "test_decide.py::test_a_holder_without_members_has_no_fence"),
    ),
    Part("2", "a server starts sealed", edits.not_sealed, Witness(SERVER + "test_from_nothing_to_a_primary")),
    Part(
        "2",
        "a promotion from elsewhere ends the server",
        edits.promoted_by_anybody,
        Witness(SERVER + "test_a_promotion_by_sql_is_the_end_of_the_server"),
    ),
    Part("2", "a standby that runs already is sealed first", patches.running_standby_left_streaming, Witness(DECIDE, "a standby is found")),
    Part("3", "only position reports under the Lease's version count", patches.any_version_counts, Witness(JUDGE, "another version")),
    Part(
        "3",
        "no streaming under the version that was reported for",
        mutants.unsealed_early,
        Simulated(scenarios.follower_agents_crash, violated("under which it has reported")),
    ),
    Part("3", "what was reported is remembered", patches.report_forgotten, Witness(DECIDE, "reported under this version")),
    Part("3", "no streaming under the version found at the start", patches.start_forgotten, Witness(DECIDE, "started under this version")),
    Part(
        "3",
        "nor under the one that is read first after it",
        patches.unread_at_the_start_is_free,
        Witness(DECIDE, "started before the Lease was read"),
    ),
    Part(
        "3",
        "a holder is followed while it may write",
        patches.sealed_when_overdue,
        Simulated(scenarios.agent_stands_still, loses_more_than_the_wire_holds),
    ),
    Part("3", "by our promise as well", patches.sealed_despite_a_promise, Witness(DECIDE, "it may write by our promise")),
    Part(
        "3",
        "a server reads files that one without data has started with",
        edits.untried_files_read,
        Witness(CONFIGURATION + "test_a_broken_configuration_does_not_keep_a_standby_from_being_sealed"),
    ),
    Part("3", "seals are verified", edits.seals_unverified, Witness(REPLICATION + "test_a_seal_waits_for_the_receiver")),
    Part(
        "3",
        "a receiver that waits for orders is one",
        edits.waiting_receivers_unseen,
        Witness("tests/supervisor/test_majors.py::test_a_seal_waits_for_a_receiver_that_waits_for_orders"),
    ),
    Part(
        "3",
        "the position is the end of the local WAL",
        patches.last_record_left_out,
        Witness(UNIT + "test_wal.py::test_the_end_of_a_record"),
    ),
    Part("4A", "only members and the last holder claim", patches.anybody_claims, Witness(JUDGE, "no member")),
    Part(
        "4A",
        "a volume with a begun rewind doesn't stand",
        patches.dirty_volumes_start,
        Witness(VOLUME + "test_a_begun_rewind_is_damaged_until_it_is_finished"),
    ),
    Part(
        "4B",
        "our own position is reported by this very run",
        patches.another_run_speaks_for_us,
        Witness(JUDGE, "reported by another run"),
    ),
    Part("4C", "the TTL is waited for", patches.ttl_not_waited_for, Witness(JUDGE, "the Lease is held")),
    Part(
        "4C", "a claimer waits until the old server is dead", mutants.no_waiting, Simulated(scenarios.cut_off_from_sealed_ones, TWO_WRITE)
    ),
    Part(
        "4C",
        "the longer TTL counts",
        patches.only_our_ttl_counts,
        Witness(UNIT + "test_election.py::test_a_claimer_waits_for_the_longer_ttl"),
    ),
    Part(
        "4C",
        "the longer TTL counts while the members have different ones",
        mutants.only_our_ttl,
        Simulated(scenarios.ttl_shortened, TWO_WRITE),
    ),
    Part("4C", "nobody suspects without a fresh read", patches.suspected_unread, Witness(DECIDE, "overdue, not read since")),
    Part(
        "4C",
        "nor seals without another one",
        patches.suspected_unread,
        Witness(DECIDE, "its holder is dead, not read since"),
    ),
    Part(
        "4C",
        "the age begins anew after a gap",
        patches.gap_not_noticed,
        Witness(UNIT + "test_lease_view.py::test_a_read", "the first read after a gap begins anew"),
    ),
    Part(
        "4C",
        "only a shutdown checkpoint proves the holder's end",
        patches.any_end_is_a_shutdown,
        Simulated(scenarios.cut_off_from_sealed_ones, TWO_WRITE),
    ),
    Part(
        "4C",
        "and only the one of the Lease's own timeline",
        patches.any_timelines_end_counts,
        Witness(UNIT + "test_switchover.py::test_the_sealed_successor", "not one of an older timeline"),
    ),
    Part(
        "4C",
        "it is told from any other record",
        patches.any_record_shuts_down,
        Witness(UNIT + "test_wal_real.py::test_a_shutdown_checkpoint_is_told_from_any_other_end"),
    ),
    Part(
        "4C",
        "a crash in place leaves none, for the server ends",
        edits.recovery_in_place,
        Witness("tests/supervisor/test_crash_in_place.py::test_a_server_whose_session_crashes_ends_and_writes_no_shutdown_checkpoint"),
    ),
    Part(
        "4C",
        "who sees the holder's pod go has all that it sent before sealing",
        patches.gone_holder_left_at_once,
        Witness(UNIT + "test_switchover.py::test_followers_of_a_primary_whose_pod_is_gone_seal_themselves_when_the_stream_ends"),
    ),
    Part("4D", "the others' positions are waited for", patches.nobody_waited_for, Witness(JUDGE, "a member's position is missing")),
    Part(
        "4D",
        "who was sealed while the holder lived waits for those that followed",
        patches.reported_counts_at_once,
        Simulated(scenarios_starved.reported_and_left_behind, loses_more_than_the_wire_holds),
    ),
    Part("4D", "a cold start waits longer", patches.cold_start_hurried, Witness(JUDGE, "a cold start waits longer")),
    Part("4D", "no more than maxLagBytes are lacking", patches.any_lag, Witness(JUDGE, "too far behind")),
    Part(
        "4D",
        "a leader names no WAL that it lost before",
        patches.former_position_kept,
        Witness("tests/simulation/test_former_holder.py::test_what_it_wrote_before_it_was_replaced_keeps_nobody_from_a_later_failover"),
    ),
    Part(
        "4D",
        "an older timeline is refused whatever the lag",
        patches.older_timelines_not_refused,
        Witness(JUDGE, "a newer timeline is there"),
    ),
    Part(
        "4E",
        "an older timeline is refused there too",
        patches.older_timelines_not_refused,
        Witness(UNIT + "test_election_synchronous.py::test_judge", "behind one on a newer timeline"),
    ),
    Part("4E", "a set's positions are known", mutants_sync.nobody_counts, Simulated(scenarios_sync.walked_with_one, ACKNOWLEDGED)),
    Part("4E", "all but k - 1 of them", mutants_sync.one_is_enough, Simulated(scenarios_sync.walked_with_one, ACKNOWLEDGED)),
    Part("4E", "nothing is lacking of what they say", mutants_sync.behind, Simulated(scenarios_sync.walked_with_one, ACKNOWLEDGED)),
    Part(
        "4E",
        "waiting doesn't replace a position",
        mutants_sync.nobody_counts,
        Witness(UNIT + "test_election_synchronous.py::test_waiting_does_not_replace_a_position"),
    ),
    Part(
        "4D",
        "who comes late waits for the last holder once more",
        patches.late_ones_claim_at_once,
        Witness(UNIT + "test_election.py::test_who_comes_late_waits_for_the_last_holder_once_more"),
    ),
    Part(
        "4D",
        "a position that isn't known is waited for",
        patches.unknown_positions_not_waited_for,
        Witness(JUDGE, "a dead server that was given up may hold more"),
    ),
    Part("4F", "the higher timeline goes first", patches.timelines_ignored, Witness(JUDGE, "a newer timeline is there")),
    Part("4F", "more WAL goes first", patches.by_ordinal_alone, Witness(JUDGE, "one of more WAL and a higher ordinal")),
    Part("4F", "the lower ordinal of equals goes first", patches.equal_ones_by_chance, Witness(JUDGE, "an equal one goes by its ordinal")),
    Part("4F", "the next best waits", patches.lower_ranks_at_once, Witness(JUDGE, "a better one goes first")),
    Part("4F", "ranks count from the end of the wait for the best", mutants.ranks_from_release, Simulated(scenarios.server_dies, loses)),
    Part(
        "4F",
        "ranks count again when what kept all is gone",
        patches.blocks_forgotten,
        Witness(UNIT + "test_candidacy.py::test_who_was_kept_from_claiming_lets_a_better_one_go_first_when_that_is_gone"),
    ),
    Part(
        "4F",
        "ranks count from the own report where all start late",
        patches.late_starts_forgotten,
        Witness(UNIT + "test_candidacy.py::test_where_all_start_long_after_the_release_the_best_goes_first"),
    ),
    Part("4F", "a named successor goes first", patches.successor_not_let_first, Witness(JUDGE, "the others let it go first")),
    Part(
        "4F",
        "one whose promotion failed isn't waited for",
        patches.failed_ones_waited_for,
        Witness(JUDGE, "one that failed is passed over"),
    ),
    Part("4F", "it goes last", patches.failed_ones_waited_for, Witness(JUDGE, "one that failed goes last")),
    Part("4F", "a suspect of more WAL goes first", patches.suspects_last, Witness(JUDGE, "a suspect of more WAL goes first")),
    Part("4F", "of equals a suspect goes last", patches.suspects_like_others, Witness(JUDGE, "of equals a suspect goes last")),
    Part("4F", "one that goes away isn't waited for", patches.leaving_ones_waited_for, Witness(JUDGE, "one going away is passed over")),
    Part("5", "the claim's answer is used within the lease only", patches.late_claim_used, Witness(DECIDE, "the claim succeeded too late")),
    Part("5", "reading that we hold the Lease promotes nobody", patches.read_claim_promotes, Witness(DECIDE, "ours though sealed")),
    Part("5", "no promotion past the deadline", mutants.promoted_late, Simulated(scenarios.frozen_before_promotion, TWO_WRITE)),
    Part(
        "5", "no promotion under another term's deadline", edits.any_deadline_promotes, Witness(SERVER + "test_promotion_needs_a_deadline")
    ),
    Part("5", "a lower term is refused", edits.lower_terms_obeyed, Witness(VERBS + "test_a_lower_term_is_refused")),
    Part(
        "5",
        "going from one wait for the disk to the next is progress",
        edits.disk_waits_unseen,
        Witness(RECOVERY + "test_a_promotion_is_waited_for_while_it_goes_from_one_wait_for_the_disk_to_the_next"),
    ),
    Part(
        "5",
        "a promotion that fails is killed",
        patches.failed_promotion_goes_on,
        Witness(PRIMARY + "test_a_promotion_that_fails_is_killed_and_stands_back_for_a_minute"),
    ),
    Part(
        "5",
        "who ended before the promotion doesn't stand back",
        patches.ended_ones_stand_back,
        Witness(UNIT + "test_recovery.py::test_a_server_that_ended_before_its_promotion_does_not_stand_back"),
    ),
    Part(
        "5",
        "who failed stands back",
        patches.failed_one_stands_at_once,
        Witness(PRIMARY + "test_a_promotion_that_fails_is_killed_and_stands_back_for_a_minute"),
    ),
    Part(
        "6",
        "a claim reserves a timeline never used",
        mutants.timelines_again,
        Simulated(scenarios.lost_before_it_is_followed, violated("was used before")),
    ),
    Part(
        "6",
        "every skipped number gets a history file",
        edits.skipped_timelines_unmarked,
        Witness(SERVER + "test_empty_histories_are_removed_at_a_start_and_kept_after_a_promotion"),
    ),
    Part(
        "6",
        "empty history files are removed before a start",
        edits.empty_histories_stay,
        Witness(SERVER + "test_empty_histories_are_removed_at_a_start_and_kept_after_a_promotion"),
    ),
    Part(
        "6",
        "a timeline that exists isn't taken",
        edits.existing_timeline_taken,
        Witness(SERVER + "test_a_timeline_that_exists_is_not_taken_again"),
    ),
    Part(
        "7",
        "a member that is silent for 30 s is dropped",
        patches.silent_members_stay,
        Witness(MEMBERS, "one that was silent for 30 s goes"),
    ),
    Part("7", "not before", patches.members_dropped_at_once, Witness(MEMBERS, "one that was silent for 29 s stays")),
    Part(
        "7",
        "who streamed before a promotion is asked anew",
        patches.streaming_outlives_a_promotion,
        Witness(UNIT + "test_agent.py::test_nobody_is_known_to_stream_from_a_server_that_was_just_promoted"),
    ),
    Part("7", "a member keeps up", patches.far_ones_become_members, Witness(MEMBERS, "one too far behind isn't")),
    Part(
        "7",
        "the first member is fenced against before it may claim",
        patches.first_member_unfenced,
        Witness(PRIMARY + "test_the_first_member_is_fenced_against_before_it_may_claim"),
    ),
    Part(
        "7",
        "a claim makes the former holder a member",
        patches.former_holder_left_out,
        Witness(FORMER + "test_the_former_primary_takes_over_again_if_its_successor_never_wrote"),
    ),
    Part(
        "7",
        "until its successor has written",
        patches.former_holder_stays,
        Witness(FORMER + "test_it_does_not_once_its_successor_has_written"),
    ),
    Part(
        "8",
        "every member has granted",
        mutants_extensions.any_grant_is_enough,
        Simulated(scenarios_extensions.one_replica_sees_the_api, TWO_WRITE),
    ),
    Part(
        "8", "a promise is kept", mutants_extensions.promises_are_forgotten, Simulated(scenarios_extensions.blind_for_a_moment, TWO_WRITE)
    ),
    Part(
        "8",
        "an extension counts from the sending of the question",
        mutants_extensions.counted_from_the_answer,
        Simulated(scenarios_extensions.granted_and_back, TWO_WRITE),
    ),
    Part(
        "8",
        "all volumes that may be in the list have granted",
        patches.only_recorded_members_grant,
        Witness(UNIT + "test_lease_extension.py::test_the_deadline_stays", "one more may be in the list"),
    ),
    Part("8", "who doesn't follow grants nothing under an unread claim", patches.unread_claims_granted, Witness(REFUSES, "not back yet")),
    Part(
        "8",
        "who isn't back yet grants once it has read the claim",
        patches.only_followers_grant,
        Simulated(scenarios_starved.away_after_a_claim, a_fault_cost_two_failovers),
    ),
    Part(
        "8",
        "who has claimed on an earlier version than it has read grants",
        patches.claims_under_way_grant_nothing,
        Witness(UNIT + "test_lease_extension.py::test_a_member_that_is_not_back_yet_grants_once_it_has_read_the_claim", "claimed too late"),
    ),
    Part("8", "whose claim may still succeed grants nothing", patches.claims_that_may_succeed_grant, Witness(REFUSES, "claiming")),
    Part(
        "8",
        "what was written on an earlier version names nobody any more",
        patches.written_members_never_forgotten,
        Witness(UNIT + "test_lease_extension.py::test_what_was_written_on_an_earlier_version_names_nobody_any_more"),
    ),
    Part(
        "1",
        "a renewal's answer counts though it comes late",
        patches.late_answers_lost,
        Simulated(scenarios_starved.slow_after_a_claim, a_fault_cost_two_failovers),
    ),
    Part("8", "who knows a newer term grants nothing", patches.older_terms_granted, Witness(REFUSES, "newer term")),
    Part("8", "who reads that the Lease is overdue grants nothing", patches.overdue_leases_granted, Witness(REFUSES, "overdue")),
    Part("8", "a repeated request isn't granted", patches.repeated_requests_granted, Witness(REFUSES, "heard before")),
    Part(
        "8",
        "requests are signed",
        patches.unsigned_requests_heard,
        Witness(CLIENTS + "test_nothing_is_parsed_of_a_request_that_is_not_signed"),
    ),
    Part(
        "8",
        "a client has one deadline",
        patches.clients_stay_for_ever,
        Witness(CLIENTS + "test_a_client_has_one_deadline_for_all_it_says"),
    ),
    Part(
        "8",
        "the oldest client gives its place to the next",
        patches.places_are_kept,
        Witness(CLIENTS + "test_the_oldest_gives_its_place_to_the_next"),
    ),
    Part(
        "8",
        "a changed password fails no extension",
        patches.one_key,
        Witness(UNIT + "test_peers.py::test_a_password_that_others_do_not_have_yet_stops_no_grant"),
    ),
    Part(
        "8",
        "an agent's start counts as a promise",
        patches.start_promises_nothing,
        Witness(UNIT + "test_lease_extension.py::test_a_new_agent_waits_as_if_it_had_just_promised"),
    ),
    Part(
        "8",
        "nobody is asked before a renewal has failed",
        patches.asked_at_once,
        Witness(UNIT + "test_lease_extension.py::test_nobody_is_asked", "a renewal may still succeed"),
    ),
    Part("9", "no release without a proof", mutants.no_proof, Simulated(scenarios.promotion_fails, violated("has released the Lease"))),
    Part(
        "9",
        "no release before the supervisor's word",
        patches.death_not_waited_for,
        Witness(PRIMARY + "test_the_dead_is_not_given_back_before_the_supervisor_says_so"),
    ),
    Part("9", "the locks are kept through the release", patches.locks_let_go_at_once, Witness(DECIDE, "the container is dead")),
    Part(
        "9",
        "no process outlives the postmaster",
        edits.processes_outlive_the_postmaster,
        Witness(SERVER + "test_no_process_outlives_the_postmaster"),
    ),
    Part(
        "9",
        "every process holds the locks",
        edits.locks_not_inherited,
        Witness(SERVER + "test_every_process_holds_the_locks_and_no_server_the_fifos"),
    ),
    Part(
        "9",
        "a dead server that may be ahead is waited for",
        patches.dead_server_not_waited_for,
        Witness(JUDGE, "a dead server may hold more"),
    ),
    Part("9", "it says that it isn't ahead only after a look", patches.record_not_looked_for, Simulated(scenarios.container_dies, loses)),
    Part("9", "after each death it looks again", patches.record_looked_for_before, Simulated(scenarios.dies_twice, loses)),
    Part(
        "9",
        "the successor streams",
        patches.silent_pod_succeeds,
        Witness(PRIMARY + "test_the_successor_is_a_member_that_streams_and_stays"),
    ),
    Part(
        "9",
        "the successor isn't going away",
        patches.leaving_pod_succeeds,
        Witness(PRIMARY + "test_the_successor_is_a_member_that_streams_and_stays"),
    ),
    Part(
        "9",
        "who may have died of a full volume is waited for longer",
        patches.full_ones_held_as_others,
        Witness(UNIT + "test_trouble.py::test_a_server_that_may_have_died_of_a_full_volume_is_waited_for_longer"),
    ),
    Part(
        "9",
        "recovery on a full volume has that long",
        patches.full_ones_held_as_others,
        Simulated(scenarios.disk_full_long_recovery, loses),
    ),
    Part(
        "9",
        "the free space is looked at again after the death",
        patches.space_before_the_death_counts,
        Simulated(scenarios.disk_fills_between_looks, loses),
    ),
    Part("9", "who died of a full volume has a reserve", patches.emergency_spaces_kept, Simulated(scenarios.disk_full, loses)),
    Part(
        "9",
        "no client comes to who lives on it",
        patches.emergency_space_is_served_from,
        Witness(SWITCHOVER + "test_no_client_comes_to_who_lives_on_emergency_space"),
    ),
    Part(
        "9",
        "a full primary makes no checkpoint while it serves",
        patches.checkpoint_on_a_full_volume,
        Witness(SWITCHOVER + "test_a_full_primary_makes_no_checkpoint_before_its_last_one_which_has_what_was_set_aside"),
    ),
    Part(
        "9",
        "a full primary switches over",
        patches.full_primary_stays,
        Witness(SWITCHOVER + "test_a_full_primary_hands_over_after_a_moment"),
    ),
    Part(
        "9",
        "but first lets others that are full stop streaming",
        patches.full_primary_goes_at_once,
        Witness(SWITCHOVER + "test_a_full_primary_hands_over_after_a_moment"),
    ),
    Part(
        "9",
        "the supervisor waits for the agent's stop",
        edits.sigterm_waits_for_nobody,
        Witness(SERVER + "test_sigterm_waits_for_the_agent"),
    ),
    Part(
        "10",
        "a new timeline gets a checkpoint soon",
        patches.timeline_without_checkpoint,
        Witness(PRIMARY + "test_a_new_timeline_gets_a_checkpoint_once_and_not_on_a_full_volume"),
    ),
    Part(
        "10",
        "who was given up is tried when another starts",
        patches.given_up_ones_wait,
        Witness(UNIT + "test_trouble.py::test_a_server_that_was_given_up_is_tried_at_once_when_another_starts"),
    ),
    Part(
        "10",
        "a server that ends soon after each start is given up",
        patches.early_ends_uncounted,
        Witness(UNIT + "test_trouble.py::test_data_under_which_the_server_ends_soon_after_each_start_is_given_up_too"),
    ),
    Part(
        "10",
        "one that was killed is not",
        patches.kills_counted,
        Witness(UNIT + "test_trouble.py::test_a_server_that_was_killed_or_shut_down_proves_nothing_about_its_data"),
    ),
    Part(
        "10",
        "it isn't the data if a server without data doesn't start either",
        edits.configuration_not_blamed,
        Witness(CONFIGURATION + "test_a_certificate_is_tried_before_it_is_read"),
    ),
    Part("10", "past the fork only a rewind helps", patches.always_follows, Witness(UNIT + "test_rejoin.py::test_the_way")),
    Part(
        "10", "a rewind is marked before it begins", patches.rewound_unmarked, Witness(REJOINING + "test_a_rewind_is_marked_while_it_lasts")
    ),
    Part(
        "10",
        "the source's checkpoint is on its timeline",
        patches.source_not_checkpointed,
        Witness(REJOINING + "test_a_rewind_waits_for_the_sources_checkpoint_on_its_timeline"),
    ),
    Part(
        "10",
        "data that didn't start is tried again while there is no primary to clone",
        patches.unstartable_for_good,
        Simulated(scenarios.none_starts, nobody_writes),
    ),
    Part("10", "a clone has a new UUID", patches.clone_keeps_the_uuid, Witness(REJOINING + "test_a_clone_is_another_volume")),
    Part(
        "10",
        "old data is kept until a clone is complete",
        edits.clone_destroys_first,
        Witness(REPLICATION + "test_a_failed_clone_keeps_what_was_there"),
    ),
    Part(
        "11",
        "who may acknowledge is recorded first",
        mutants_sync.setting_before_record,
        Simulated(scenarios_sync.joins_unrecorded, ACKNOWLEDGED),
    ),
    Part("11", "a volume leaves the record behind a barrier", mutants_sync.no_barrier, Simulated(scenarios_sync.twice_lost, ACKNOWLEDGED)),
    Part(
        "11",
        "a claim copies the record",
        mutants_sync.record_in_claim,
        Witness(UNIT + "test_election_synchronous.py::test_a_claim_copies_the_record_and_lets_all_of_it_claim"),
    ),
    Part("11", "a server is started with a guard", mutants_sync.no_guard, Simulated(scenarios_sync.lost_after_a_restart, ACKNOWLEDGED)),
    Part(
        "11",
        "the supervisor promotes nobody into a set without a guard",
        edits.guard_not_asked_for,
        Witness(STANDBYS + "test_a_server_without_a_guard_is_not_promoted_into_a_set"),
    ),
    Part(
        "11",
        "all of the record are members",
        patches.silent_volumes_leave,
        Witness(SYNCHRONOUS + "test_a_recorded_volume_stays_a_member_though_it_is_silent"),
    ),
    Part(
        "12", "the own label comes first", patches.stripped_first, Witness(PRIMARY + "test_we_label_ourselves_before_we_strip_the_others")
    ),
    Part(
        "12",
        "every other label is stripped",
        patches.others_keep_the_label,
        Witness(PRIMARY + "test_we_label_ourselves_before_we_strip_the_others"),
    ),
    Part(
        "12",
        "the primary's Service goes by the role alone",
        edits.the_service_goes_by_readiness,
        Witness("tests/chart/test_objects.py::test_the_role_alone_leads_to_the_primary_and_readiness_to_all"),
    ),
    Part("12", "a holder whose time is up loses its own", patches.time_never_up, Witness(DECIDE, "its holder's time is up")),
    Part("12", "not while it goes on by extensions", patches.sealed_despite_a_promise, Witness(DECIDE, "it goes on by our promise")),
    Part("12", "nor just before another label", patches.routes_held_back, Witness(DECIDE, "it has been up")),
    Part("12", "reads are led to who has joined", patches.reads_before_it_has_joined, Witness(READS + OTHER, "has not joined")),
    Part("12", "who follows nobody for long gets no reads", patches.reads_of_the_past, Witness(READS + OTHER, "not followed for 30 s")),
    Part("12", "nor does who does not answer", patches.silent_standby_reads, Witness(READS + OTHER, "not answered for 5 s")),
    Part(
        "12",
        "readers keep the standbys during an election",
        patches.no_reads_in_an_election,
        Witness(READS + "test_during_an_election_a_standby_stays_what_it_was"),
    ),
    Part(
        "12",
        "the primary's label takes the readers away",
        patches.primary_keeps_readers,
        Witness(READS + "test_the_labels_that_are_written"),
    ),
    Part(
        "12",
        "who has switched over stays for two seconds",
        patches.gone_at_once,
        Witness(PRIMARY + "test_a_pod_that_has_handed_over_refuses_clients_for_two_seconds"),
    ),
    Part("13", "the supervisor locks the volume", edits.volume_not_locked, Witness(SERVER + "test_two_servers_on_one_volume")),
    Part("13", "and the WAL volume", edits.wal_volume_not_locked, Witness(APART + "test_both_volumes_are_locked")),
    Part(
        "13",
        "a data directory is opened beside its own WAL volume only",
        patches.any_pair_accepted,
        Witness(PAIR + "test_a_foreign_wal_volume_is_never_touched"),
    ),
    Part(
        "13",
        "and so by the supervisor",
        edits.wal_elsewhere_accepted,
        Witness(APART + "test_a_directory_is_not_used_where_its_wal_is_expected_elsewhere"),
    ),
    Part(
        "13",
        "a WAL volume that was put back to an earlier state isn't opened",
        patches.older_wal_accepted,
        Witness(PAIR + "test_a_wal_volume_that_lags_behind_its_data_is_damaged"),
    ),
    Part(
        "13",
        "no link is followed below a volume",
        patches.links_followed,
        Witness(PLANTED + "test_nothing_planted_is_followed_waited_for_or_quoted", "pgdata/global/pg_control-link_to_token"),
    ),
    Part(
        "13",
        "and nothing is told before it has its form",
        patches.any_version_told,
        Witness(PLANTED + "test_a_version_that_is_none_is_not_quoted_and_nothing_is_touched"),
    ),
    Part(
        "13",
        "a clone's WAL has a directory of its own, which counts by the rename",
        edits.one_wal_directory,
        Witness(APART + "test_a_clone_replaces_data_and_wal_only_when_it_is_complete"),
    ),
    Part(
        "14",
        "the holder makes a deleted Lease again under a higher term",
        patches.term_kept,
        Witness(UNIT + "test_decide.py::test_a_deleted_lease_is_made_again_under_the_next_term"),
    ),
    Part(
        "14",
        "to the others it is unchanged",
        patches.missing_means_free,
        Witness(UNIT + "test_lease_view.py::test_a_read", "a Lease that is gone counts as unchanged"),
    ),
    Part(
        "14",
        "what was said when another Lease was gone doesn't count",
        patches.any_time_without_a_lease_counts,
        Witness(UNIT + "test_lease_view.py::test_without_a_lease_the_last_one_that_anybody_has_seen_tells_this_time_from_others"),
    ),
    Part(
        "14",
        "a Lease that has gone back is noticed, and written anew by its holder",
        mutants_restore.way_back_unseen,
        Simulated(scenarios_restore.same_term, not_written_anew),
    ),
    Part(
        "14",
        "whatever its version",
        mutants_restore.serials_uncompared,
        Simulated(scenarios_restore.bumped, not_written_anew),
    ),
    Part("14", "what it says is over", mutants_restore.older_lease_believed, Simulated(scenarios_restore.primary_is_cut, TWO_WRITE)),
    Part(
        "14",
        "volumes know that too",
        mutants_restore.volumes_tell_nothing,
        Simulated(scenarios_restore.primary_is_cut_from_new_agents, TWO_WRITE),
    ),
    Part("14", "as do members", patches.newer_terms_unheard, Witness(CANDIDACY + "test_a_lease_below_the_term_of_a_member_is_not_claimed")),
    Part("14", "nothing is promised while it isn't written anew", patches.restored_leases_granted, Witness(REFUSES, "gone back")),
    Part(
        "14",
        "without its holder it is made anew",
        mutants_restore.never_made_anew,
        Simulated(scenarios_restore.without_the_primary, nobody_writes),
    ),
    Part("14", "a minute later they seal", patches.followers_wait_for_ever, Witness(DECIDE, "no Lease for a minute")),
    Part(
        "15A",
        "an agent doesn't run beside another image's supervisor",
        patches.any_script_will_do,
        Witness(UNIT + "test_script.py::test_an_agent_does_not_run_beside_another_one", "not match this failover image"),
    ),
    Part(
        "15B",
        "unknown fields of the Lease are written back",
        patches.unknown_fields_dropped,
        Witness(VERSIONS + "test_a_claim_keeps_fields_that_it_does_not_know"),
    ),
    Part(
        "15C",
        "a Lease of a newer protocol isn't claimed",
        patches.any_protocol_claimed,
        Witness(VERSIONS + "test_people_are_told_that_it_is_not_claimed"),
    ),
    Part("15C", "nor by force", patches.any_protocol_forced, Witness(VERSIONS + "test_it_is_not_claimed_by_force")),
    Part(
        "15C",
        "a claim sets the number of the protocol",
        patches.claims_keep_the_number,
        Witness(VERSIONS + "test_a_claim_says_which_protocol_it_was_made_by"),
    ),
    Part(
        "15D",
        "unknown settings are passed over",
        patches.unknown_settings_refused,
        Witness(UNIT + "test_settings.py::test_the_agent_logs_each_unknown_setting_once_and_obeys_the_others"),
    ),
    Part(
        "6",
        "a Lease that is made anew reserves a timeline above every term",
        patches.reserved_timelines_forgotten,
        Witness(UNIT + "test_election.py::test_a_lease_that_is_made_anew_reserves_a_timeline_above_every_term"),
    ),
    Part(
        "6",
        "the timeline of a restored server is reserved when its pod releases the Lease",
        mutants_first.restored_timelines_are_unreserved,
        Simulated(scenarios_first.restored, nobody_writes),
    ),
    Part(
        "6",
        "a first server's directory that was finished and not marked is marked",
        mutants_first.unmarked_ones_are_damaged,
        Simulated(scenarios_first.unmarked_by_a_crash, nobody_writes),
    ),
    Part(
        "6",
        "a replica keeps the term under which it follows or is sealed",
        patches.followed_terms_forgotten,
        Witness(REJOINING + "test_a_term_that_the_supervisor_has_heard_is_kept"),
    ),
    Part(
        "4C",
        "a server of which a process has crashed ends",
        mutants_servers.crashes_are_recovered_in_place,
        Simulated(scenarios_servers.crash_in_place, TWO_WRITE),
    ),
    Part(
        "4F",
        "of equals who has less left to replay goes first",
        mutants_servers.backlogs_decide_nothing,
        Simulated(scenarios_servers.backlog_of_one, promotes_who_has_most_to_replay),
    ),
    Part(
        "4G",
        "who lacks a part of a clean release holds",
        mutants_servers.nobody_holds,
        Simulated(scenarios_servers.everybody_stops_behind, violated("without the end of a clean release")),
    ),
    Part(
        "4H",
        "a release with fewer replicas than volumes doesn't start from a stale one",
        patches.volumes_left_out_are_forgotten,
        Witness(UNIT + "test_election.py::test_a_volume_that_the_release_leaves_out", "a dormant release with fewer replicas"),
    ),
    Part(
        "4H",
        "nor when the wait for a clean release is over",
        mutants_servers.nobody_is_left_out,
        Simulated(scenarios_servers.starts_without_the_best, violated("without the end of a clean release")),
    ),
    Part(
        "4H",
        "nor at a cold start",
        mutants_servers.nobody_is_left_out,
        Simulated(scenarios_servers.starts_cold_without_the_best, loses),
    ),
    Part(
        "4H",
        "the volume that was left out has time to come back",
        mutants_servers.returning_pods_have_no_time,
        Simulated(scenarios_servers.starts_once_none_is_left_out, loses),
    ),
    Part(
        "4H",
        "at a cold start, too",
        mutants_servers.returning_pods_have_no_time,
        Simulated(scenarios_servers.starts_cold_once_none_is_left_out, loses),
    ),
    Part(
        "4H",
        "it binds after a clean release, too, while the release runs",
        patches.volumes_left_out_count_at_cold_starts_only,
        Witness(UNIT + "test_election.py::test_a_volume_that_the_release_leaves_out", "it lacks what was scaled away"),
    ),
    Part(
        "4G",
        "a timeline that nobody reserved never wins",
        mutants_servers.foreign_timelines_win,
        Simulated(scenarios_servers.promoted_by_hand_and_lost, loses_more_than_the_wire_holds),
    ),
    Part(
        "4G",
        "a server that somebody else has promoted is marked, whatever its number",
        mutants_servers.promotions_by_hand_are_forgotten,
        Simulated(scenarios_servers.promoted_by_hand_in_a_failover_and_lost, violated("whose timeline nobody had reserved")),
    ),
    Part(
        "4G",
        "a promotion by somebody else is found though no supervisor has seen it",
        patches.standbys_unrecorded,
        Witness("tests/supervisor/test_operations.py::test_a_promotion_that_no_supervisor_has_seen_is_found_at_the_next_start"),
    ),
    Part(
        "4G",
        "the supervisor marks a server that somebody else has promoted",
        edits.promotions_unmarked,
        Witness(SERVER + "test_a_promotion_by_sql_is_the_end_of_the_server"),
    ),
    Part(
        "5",
        "a promotion is waited for as long as replay moves",
        mutants_servers.recovery_has_ten_seconds,
        Simulated(scenarios_servers.long_recovery, violated("killed its server's recovery")),
    ),
    Part(
        "6",
        "only a promotion that was refused gives its timeline back",
        mutants_servers.numbers_are_given_back,
        Simulated(scenarios_servers.dies_as_it_begins_to_write, violated("was used before")),
    ),
    Part(
        "6",
        "a number that somebody else has used isn't reserved, and tells no timeline",
        mutants_servers.numbers_tell_timelines,
        Simulated(scenarios_servers.promoted_by_hand_and_lost, violated("a history that isn't its own")),
    ),
    Part(
        "7",
        "a copy streams under a name of its own",
        mutants_servers.copies_stream_as_standbys,
        Simulated(scenarios_servers.copied_while_the_other_hangs, violated("acknowledged what 0 other volumes have")),
    ),
    Part(
        "9",
        "a switchover's shutdown waits for nobody that hangs",
        mutants_servers.shutdowns_wait_for_all,
        Simulated(scenarios_servers.switchover_with_a_slow_standby, keeps_clients_out),
    ),
    Part(
        "9",
        "a standby that leaves with its primary stays for its last record",
        mutants_servers.standbys_leave_first,
        Simulated(scenarios_servers.everybody_stops_for_good, nobody_writes),
    ),
    Part(
        "16",
        "a pod is ready once its member has joined",
        mutants_servers.sealed_is_ready,
        Simulated(scenarios_servers.rolling_update, updates_too_soon),
    ),
    Part(
        "9",
        "a primary that leaves waits for an eligible replica that streams",
        patches.leaves_at_once,
        Witness(UNIT + "test_switchover.py::test_a_leaving_primary_waits_for_a_member", "another pod stays"),
    ),
    Part(
        "9",
        "what a dead server had not sent is fetched from its volume",
        patches.unreplicated_wal_not_fetched,
        Witness("tests/supervisor/test_unreplicated_wal.py::test_rows_that_were_not_sent_are_there_after_the_promotion"),
    ),
    Part(
        "9",
        "and nobody waits for that server's restart then",
        mutants.unreplicated_wal_unasked,
        Simulated(scenarios.server_dies_for_good, loses),
    ),
    Part(
        "9",
        "the agent gives it only of the Lease that it gave back",
        patches.unreplicated_wal_given_to_anybody,
        Witness(UNIT + "test_unreplicated_wal.py::test_who_may_have_it", "the Lease is of another term"),
    ),
    Part(
        "9",
        "only pages that name their place",
        patches.any_page_is_sent,
        Witness(UNIT + "test_unreplicated_wal.py::test_all_of_it_is_fetched_over_segments_and_added"),
    ),
    Part(
        "9",
        "nobody waits for a record that was cut short",
        patches.cut_records_count,
        Witness(UNIT + "test_wal.py::test_a_record_that_is_cut_short_does_not_exist"),
    ),
    Part(
        "6",
        "no number is given back that a volume may be on",
        patches.first_number_given_back,
        Witness(UNIT + "test_candidacy.py::test_a_recreated_lease_gives_back_no_timeline_that_a_volume_may_be_on"),
    ),
    Part(
        "6",
        "a refused promotion gives its number back",
        patches.numbers_are_kept,
        Witness(UNIT + "test_recovery.py::test_a_refused_promotion_gives_its_timeline_back"),
    ),
    Part(
        "5",
        "no promotion stalls forever, not even one that an earlier agent has ordered",
        patches.stalled_promotions_awaited,
        Witness(UNIT + "test_recovery.py::test_a_promotion_that_an_agent_before_us_has_ordered_may_not_stall_for_ever"),
    ),
    Part(
        "5",
        "a claim says what comes before the first write",
        patches.backlog_unsaid,
        Witness(UNIT + "test_recovery.py::test_a_claim_says_what_comes_before_the_first_write"),
    ),
    Part(
        "16",
        "who can't follow says why",
        patches.silent_while_apart,
        Witness(UNIT + "test_not_following.py::test_what_failed_is_told_and_shown"),
    ),
    Part(
        "3",
        "the archive moves no server whose position is reported",
        mutants_servers.archive_moves_whom_elections_count,
        Simulated(scenarios_servers.killed_while_catching_up, violated("but has reported")),
    ),
    Part(
        "10",
        "the primary may have the end of our timeline under the name of a later one",
        patches.names_between_unknown,
        Witness(CATCHING_UP + "test_the_end_of_our_timeline_may_have_the_name_of_a_later_one"),
    ),
    Part(
        "10",
        "nothing is taken from the archive beyond the end of our timeline",
        patches.archive_beyond_our_timeline,
        Witness(CATCHING_UP + "test_nothing_is_taken_from_the_archive_beyond_the_end_of_our_timeline"),
    ),
    Part(
        "10",
        "a segment from the archive has to continue our WAL",
        patches.any_archived_segment,
        Witness(CATCHING_UP + "test_what_is_not_a_whole_segment_of_the_archive_leaves_nothing"),
    ),
    Part(
        "10",
        "a segment from the archive is on disk before it has its name",
        patches.archived_segments_unsynced,
        Witness(CATCHING_UP + "test_a_segment_from_the_archive_is_on_disk_before_it_has_its_name"),
    ),
    Part(
        "10",
        "no more is taken from the archive than replay and room allow",
        patches.archive_without_bounds,
        Witness(CATCHING_UP + "test_what_is_taken_from_the_archive_is_bounded_by_replay_and_room"),
    ),
    Part(
        "10",
        "what the archive has moved is looked at again",
        patches.moved_by_the_archive_unnoticed,
        Witness(CATCHING_UP + "test_the_end_of_our_wal_is_that_which_the_archive_has_moved"),
    ),
    Part(
        "13",
        "a copy of another member's volume isn't that member",
        patches.copies_are_members,
        Witness(UNIT + "test_origin.py::test_a_copy_counts_as_damaged_and_not_as_the_volume_it_is_a_copy_of"),
    ),
    Part(
        "13",
        "a volume that is adopted is one that no Lease knows",
        patches.adopted_as_it_was,
        Witness(VOLUME + "test_a_volume_that_is_adopted_is_another_one_and_ours"),
    ),
    Part(
        "17",
        "only the last primary's data is upgraded",
        patches.anybodys_data_upgraded,
        Witness(UNIT + "test_major_upgrade.py::test_the_last_primarys_data_is_upgraded_and_nobody_elses", "another volume"),
    ),
    Part(
        "17",
        "what ends with the shutdown that the release names is all of it",
        patches.any_end_upgraded,
        Witness(UNIT + "test_major_upgrade.py::test_the_last_primarys_data_is_upgraded_and_nobody_elses", "older"),
    ),
    Part(
        "17",
        "a server of another major is no source for a clone",
        edits.any_major_cloned,
        Witness(UPGRADE + "test_a_replica_is_never_cloned_from_a_primary_of_the_former_major_after_an_upgrade"),
    ),
    Part(
        "17",
        "until the new server is promoted, the former major's chart finds its data",
        edits.upgrade_is_final,
        Witness(UPGRADE + "test_a_whole_upgrade_is_rolled_back_until_the_new_server_is_promoted_and_not_afterwards"),
    ),
    Part(
        "17",
        "beside an archive, data is upgraded only if the restore of a backup was verified lately",
        patches.upgraded_without_a_backup,
        Witness(UPGRADE + "test_an_upgrade_beside_an_archive_needs_a_backup_that_was_verified_lately"),
    ),
    Part(
        "17",
        "until the new server is promoted, the archive is the former major's",
        patches.archive_upgraded_early,
        Witness(UPGRADE + "test_the_archive_stays_the_former_majors_until_the_upgraded_server_is_promoted"),
    ),
    Part(
        "18A",
        "settings that one pod has not accepted restart no server",
        mutants_settings.each_on_its_own,
        Witness(SETTINGS + "test_settings_that_one_member_refuses_restart_nothing_anywhere"),
    ),
    Part(
        "18B",
        "standbys restart one after the other for changed settings",
        mutants_settings.all_at_once,
        Witness(SETTINGS + "test_a_change_restarts_one_standby_at_a_time_and_switches_over_once", "warm"),
    ),
    Part(
        "18C",
        "the primary switches over once every standby has restarted",
        mutants_settings.the_primary_first,
        Witness(SETTINGS + "test_fewer_and_more_servers_do_the_same", "4-"),
    ),
    Part(
        "18C",
        "the only server of a release restarts in its place",
        mutants_settings.the_only_server_waits,
        Witness(SETTINGS + "test_the_only_server_restarts_in_its_place"),
    ),
    Part(
        "18D",
        "for a lower limit one hot standby restarts before the primary, not all",
        mutants_settings.lower_limits_like_others,
        Witness(SETTINGS + "test_a_change_restarts_one_standby_at_a_time_and_switches_over_once", "hot"),
    ),
    Part(
        "18D",
        "a server below the limits in its control file starts warm",
        mutants_settings.hot_in_any_case,
        Witness(SETTINGS + "test_a_change_restarts_one_standby_at_a_time_and_switches_over_once", "hot"),
    ),
)
MUTANTS: dict[str, Mutant] = {part.says: part.mutant for part in PARTS}
