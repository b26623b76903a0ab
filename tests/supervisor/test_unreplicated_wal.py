"""WAL that a killed server had written but not sent: a sealed replica gets it from the server's volume, and has it after the promotion."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import pytest

from hapg_failover.adapters import unreplicated_wal
from hapg_failover.adapters.ports.peers import NotNow
from hapg_failover.adapters.volume import Volume
from hapg_failover.core.state.actions import DeadHolder, Op
from hapg_failover.core.state.results import Outcome
from hapg_failover.core.unreplicated_wal import WalRequest
from hapg_protocol.lsn import Position, parse_lsn

from .harness import Container, wait_for
from .test_operations import Operator, operate
from .test_replication import Clone, flush_lsn, rows, streams, write

__all__ = ["operate"]

MANY = 60_000
"""Rows that take some segments of WAL."""


def hold_back(primary: Container) -> None:
    """Stop the primary from sending."""
    [sender] = primary.titled(b"walsender")
    os.kill(sender, signal.SIGSTOP)


def die(primary: Container) -> Volume:
    os.kill(primary.postmaster(), signal.SIGKILL)
    wait_for(lambda: primary.heartbeat().state == "down", "its supervisor has noticed")
    return Volume(primary.volume, primary.profile.major, primary.profile.wal_directory)


@pytest.mark.parametrize("mode", ["hot", "warm"])
@pytest.mark.parametrize("unsent", [5, MANY])
def test_rows_that_were_not_sent_are_there_after_the_promotion(
    primary: Container, clone: Clone, operate: Callable[..., Operator], mode: str, unsent: int
) -> None:
    replica = clone("pod-1", mode)
    write(primary, "sent")
    wait_for(lambda: streams(primary, replica), "the replica streams")
    begun = parse_lsn(flush_lsn(primary))
    hold_back(primary)
    write(primary, "not sent", unsent)
    end = parse_lsn(flush_lsn(primary))
    dead = die(primary)
    asked: list[WalRequest] = []

    def ask(request: WalRequest, address: str, timeout: float) -> bytes:
        assert address == "the dead server's"
        asked.append(request)
        if len(asked) == 1:
            raise NotNow
        return unreplicated_wal.read(dead, request.timeline, request.lsn)

    operator = operate(replica, primary)
    operator.ask_wal(ask)
    result = operator.run(Op.SEAL, dead=DeadHolder("the dead server's", 2, 7))
    assert result.outcome is Outcome.OK
    assert result.position is not None
    assert result.position.timeline == 2
    assert result.position.lsn >= end
    assert result.text == f"{result.position.lsn - begun} bytes of unreplicated WAL fetched"
    assert (asked[0].term, asked[0].timeline) == (7, 2)
    operator.close()
    replica.promote(3, 2)
    assert rows(replica) == f"not sent|{unsent} sent|5"


def test_a_replica_that_has_everything_fetches_nothing(primary: Container, clone: Clone, operate: Callable[..., Operator]) -> None:
    replica = clone("pod-1", "hot")
    write(primary, "sent")
    wait_for(lambda: streams(primary, replica), "the replica streams")
    end = parse_lsn(flush_lsn(primary))
    dead = die(primary)
    operator = operate(replica, primary)
    operator.ask_wal(lambda request, address, timeout: unreplicated_wal.read(dead, request.timeline, request.lsn))
    result = operator.run(Op.SEAL, dead=DeadHolder("the dead server's", 2, 7))
    assert (result.position and result.position.lsn, result.text) == (end, "")


def test_who_was_promoted_and_died_before_anybody_followed_holds_more(primary: Container, clone: Clone) -> None:
    """The servers it was promoted over end on the previous timeline, exactly where its own began."""
    replica = clone("pod-1", "hot")
    write(primary, "sent")
    wait_for(lambda: streams(primary, replica), "the replica streams")
    end = Position(2, parse_lsn(flush_lsn(primary)))
    assert not die(primary).may_hold_record(end)
    replica.ok("seal", "fast")
    replica.promote(3, 2)
    write(replica, "acknowledged by the new primary alone")
    last = Position(3, parse_lsn(flush_lsn(replica)))
    dead = die(replica)
    assert dead.may_hold_record(end)
    assert not dead.may_hold_record(last)
