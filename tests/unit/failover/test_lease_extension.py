"""Lease extensions: the leader's requests and its use of the answers, a peer's promises and how it keeps them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hapg_failover.core.decide import decide
from hapg_failover.core.state.actions import Announce, AnswerExtension, AskExtensions, Op, PutKind, WriteDeadline
from hapg_failover.core.state.decision import Decision
from hapg_failover.core.state.extensions import ExtensionAnswer, ExtensionRequest
from hapg_failover.core.state.memory import Memory
from hapg_failover.core.state.observation import Observation
from hapg_failover.core.state.phases import Phase
from hapg_failover.core.state.results import PutOutcome, PutResult
from hapg_protocol.model import EligibleReplica, Holder, LeaseObject, Pod, Release
from tests.memories import changed

from .test_decide import FOLLOWING, HELD, MINE, NOW, OTHER, POD, PRIMARY, SAID, SEALED, lease, remembered, seen

OTHERS = (EligibleReplica("pg-0", "v0"), EligibleReplica("pg-2", "v2"))
OURS = replace(MINE, eligible=OTHERS)
PODS = (
    Pod("pg-0", "u0", "1", 0, "10.0.0.1", report=replace(SAID, volume="v0")),
    POD,
    Pod("pg-2", "u2", "1", 2, "10.0.0.3", report=replace(SAID, volume="v2")),
)
CUT = changed(PRIMARY, renewed_at=NOW - 3.3, put_at=NOW - 0.1, put=PutKind.RENEW, promised_until=0.0)
ALONE = seen(server="primary", lease=lease(OURS, age=3.3), pods=PODS, term_in_force=5)


def extension(volume: str, sent: float = 0.1, term: int = 5, granted: bool = True) -> ExtensionAnswer:
    return ExtensionAnswer(volume, term, 1, granted, "because", NOW - sent)


def deadlines(decision: Decision) -> list[float | None]:
    return [a.deadline for a in decision.actions if isinstance(a, WriteDeadline)]


def asked(decision: Decision) -> list[AskExtensions]:
    return [a for a in decision.actions if isinstance(a, AskExtensions)]


def test_after_one_failed_renewal_every_member_is_asked() -> None:
    decision = decide(ALONE, CUT)
    [action] = asked(decision)
    assert action.targets == (("v0", "10.0.0.1"), ("v2", "10.0.0.3"))
    assert action.request == ExtensionRequest(seen().me, 5, 1, 1.6)
    assert decision.memory.extensions.asked_at == NOW


@pytest.mark.parametrize(
    ("o", "m"),
    [
        (ALONE, changed(CUT, renewed_at=NOW - 3.1)),
        (ALONE, changed(CUT, asked_at=NOW - 0.3)),
        (replace(ALONE, probe_at=NOW - 3.0), CUT),
        (replace(ALONE, heartbeat_at=NOW - 0.8), CUT),
        (replace(ALONE, lease=lease(replace(OURS, eligible=()), age=3.3)), CUT),
    ],
    ids=["a renewal may still succeed", "asked a moment ago", "the disk hangs", "the supervisor is silent", "nobody else may claim"],
)
def test_nobody_is_asked(o: Observation, m: Memory) -> None:
    assert asked(decide(o, m)) == []


def test_a_volume_whose_pod_is_unknown_cannot_grant() -> None:
    [action] = asked(decide(replace(ALONE, pods=PODS[:2]), CUT))
    assert action.targets == (("v0", "10.0.0.1"),)


def test_extensions_of_all_move_the_deadline_from_the_earliest_question() -> None:
    m = changed(CUT, renewed_at=NOW - 4.5, asked_at=NOW)
    decision = decide(replace(ALONE, granted=(extension("v0", 0.3), extension("v2", 0.1))), m)
    assert deadlines(decision) == [NOW - 0.3 + 1.6]
    assert decision.memory.extensions.by_extensions


@pytest.mark.parametrize(
    ("answers", "m"),
    [
        ((extension("v0"),), CUT),
        ((extension("v0"), extension("v2", granted=False)), CUT),
        ((extension("v0"), extension("v2", term=4)), CUT),
        ((extension("v0"), extension("v2")), changed(CUT, claimants=("v2", "v3"), written_on="40")),
        ((extension("v0", 1.7), extension("v2", 1.7)), changed(CUT, renewed_at=NOW - 4.0)),
    ],
    ids=["one is silent", "one refuses", "one speaks of another term", "one more may be in the list", "the extensions are over already"],
)
def test_the_deadline_stays(answers: tuple[ExtensionAnswer, ...], m: Memory) -> None:
    assert deadlines(decide(replace(ALONE, granted=answers), changed(m, asked_at=NOW))) == []


def test_what_was_written_on_an_earlier_version_names_nobody_any_more() -> None:
    m = changed(CUT, renewed_at=NOW - 4.5, asked_at=NOW, claimants=("v2", "v3"), written_on="39")
    assert deadlines(decide(replace(ALONE, granted=(extension("v0"), extension("v2"))), m)) == [NOW - 0.1 + 1.6]


def test_what_is_written_is_remembered_with_the_version_it_is_written_on() -> None:
    due = changed(CUT, put=None, put_at=NOW - 2.5, renewed_at=NOW - 2.5, claimants=("v3",))
    first = decide(ALONE, changed(due, written_on="39")).memory
    assert (first.extensions.claimants, first.extensions.written_on) == (("v0", "v2"), "40")
    assert decide(ALONE, changed(due, written_on="40")).memory.extensions.claimants == ("v0", "v2", "v3")


def test_a_primary_that_is_being_promoted_asks_and_goes_on_too() -> None:
    promoting = changed(CUT, phase=Phase.PROMOTING, op=Op.PROMOTE)
    o = replace(ALONE, server="standby")
    assert len(asked(decide(o, promoting))) == 1
    answers = (extension("v0", 0.3), extension("v2", 0.1))
    m = changed(promoting, renewed_at=NOW - 4.5, asked_at=NOW)
    assert deadlines(decide(replace(o, granted=answers), m)) == [NOW - 0.3 + 1.6]


def test_extensions_of_an_earlier_turn_count_too() -> None:
    m = changed(CUT, renewed_at=NOW - 4.5, asked_at=NOW, granted_at=(("v0", NOW - 0.5),))
    assert deadlines(decide(replace(ALONE, granted=(extension("v2", 0.1),)), m)) == [NOW - 0.5 + 1.6]


def test_a_renewal_ends_it_with_an_event() -> None:
    done = PutResult(PutKind.RENEW, PutOutcome.OK, NOW - 0.1, OURS, "41")
    decision = decide(replace(ALONE, put=done), changed(CUT, by_extensions=True, asked_at=NOW, granted_at=(("v0", NOW), ("v2", NOW))))
    assert not decision.memory.extensions.by_extensions
    assert [a.reason for a in decision.actions if isinstance(a, Announce)] == ["LeaseExtendedByPeers"]
    assert deadlines(decision) == [NOW - 0.1 + 4.7]


def test_a_claim_forgets_the_extensions_of_earlier_terms() -> None:
    from .test_decide import CLAIMING, claimed

    decision = decide(seen(put=claimed()), changed(CLAIMING, granted_at=(("v0", NOW),), serial=7, by_extensions=True))
    assert (decision.memory.extensions.granted_at, decision.memory.extensions.serial, decision.memory.extensions.by_extensions) == (
        (),
        0,
        False,
    )


REQUEST = ExtensionRequest(OTHER, 5, 3, 1.6)
AWAY = lease(HELD, age=9.0, read=9.0)
RESTORED = replace(AWAY, missing_since=NOW - 3.5, instead=LeaseObject("7", replace(HELD, term=4)))


def test_a_follower_grants_while_it_cannot_read_the_lease() -> None:
    decision = decide(seen(lease=AWAY, asked=(REQUEST,)), changed(FOLLOWING, promised_until=0.0, read_at=NOW))
    assert decision.actions[-1] == AnswerExtension(REQUEST, True, "no claim before that")
    assert decision.memory.extensions.promised_until == pytest.approx(NOW + 1.6 * 1.05 + 0.7)
    assert decision.memory.extensions.heard == (5, 3)


@pytest.mark.parametrize(
    ("o", "m", "request_", "words"),
    [
        (seen(lease=lease(replace(HELD, term=4))), SEALED, REQUEST, "we don't follow: sealed"),
        (
            seen(lease=lease(HELD)),
            remembered(Phase.CLAIMING, put=PutKind.CLAIM, put_at=NOW, put_on="40"),
            REQUEST,
            "we don't follow: claiming",
        ),
        (seen(), changed(FOLLOWING, op=Op.SEAL), REQUEST, "we don't follow"),
        (seen(lease=lease(HELD, 3.6, 0.0)), changed(FOLLOWING, op=Op.FOLLOW), REQUEST, "3.6 s old"),
        (seen(max_term=6), FOLLOWING, REQUEST, "we know term 6"),
        (seen(), FOLLOWING, replace(REQUEST, holder=Holder("pg-2", "u2")), "term 5 is pg-0/u0's"),
        (seen(lease=lease(replace(HELD, release=Release("over", clean=False)))), changed(FOLLOWING, op=Op.FOLLOW), REQUEST, "released"),
        (seen(lease=RESTORED), FOLLOWING, REQUEST, "was rolled back"),
        (seen(), changed(FOLLOWING, heard=(5, 3)), REQUEST, "not newer than 3"),
        (seen(), FOLLOWING, replace(REQUEST, seconds=601.0), "not a duration that can be granted"),
    ],
    ids=[
        "not back yet, the claim unread",
        "claiming",
        "about to seal",
        "overdue",
        "newer term",
        "another holder",
        "released",
        "gone back",
        "heard before",
        "for ever",
    ],
)
def test_a_member_refuses(o: Observation, m: Memory, request_: ExtensionRequest, words: str) -> None:
    decision = decide(replace(o, asked=(request_,)), m)
    [answer] = [a for a in decision.actions if isinstance(a, AnswerExtension)]
    assert not answer.granted
    assert words in answer.reason


@pytest.mark.parametrize(
    ("o", "m"),
    [
        (seen(), SEALED),
        (seen(server="down"), remembered(Phase.BOOT, op=Op.START)),
        (seen(server="down"), remembered(Phase.DOWN, op=Op.START)),
        (seen(nonce=None, server=None), remembered(Phase.DOWN, nonce=None)),
        (seen(server=None, container_dead=True), remembered(Phase.SEALED)),
        (seen(), remembered(Phase.CLAIMING, put=PutKind.CLAIM, put_at=NOW - 1.0, put_on="39")),
    ],
    ids=[
        "sealed, and has reported",
        "it starts",
        "its server has died",
        "its container is away",
        "its container has just died",
        "it has claimed too late",
    ],
)
def test_a_member_that_is_not_back_yet_grants_once_it_has_read_the_claim(o: Observation, m: Memory) -> None:
    decision = decide(replace(o, asked=(REQUEST,)), changed(m, read_at=NOW))
    assert AnswerExtension(REQUEST, True, "no claim before that") in decision.actions
    assert decision.memory.extensions.promised_until == pytest.approx(NOW + 1.6 * 1.05 + 0.7)


def test_a_promise_is_kept_although_the_lease_has_run_out() -> None:
    o = seen(lease=lease(HELD, age=9.0, read=0.0))
    m = changed(SEALED, reported_at=NOW - 5.0)
    kept = decide(replace(o, pods=(POD,)), changed(m, promised_until=NOW + 0.5))
    assert kept.reason == "we have promised not to claim for another 0.5 s"
    free = decide(replace(o, pods=(POD,)), changed(m, promised_until=NOW - 0.1))
    assert free.memory.phase is Phase.CLAIMING


def test_a_new_agent_waits_as_if_it_had_just_promised() -> None:
    decision = decide(seen(), remembered(Phase.BOOT, promised_until=None))
    assert decision.memory.extensions.promised_until == pytest.approx(NOW + 1.6 * 1.05 + 0.7)
