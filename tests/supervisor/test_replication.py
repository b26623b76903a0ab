"""Primaries and standbys: seal, follow, clone, rewind."""

from __future__ import annotations

import os
import re
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from hapg_protocol.lsn import format_lsn, parse_lsn
from hapg_protocol.wal_files import segment_name
from tests.ports import free_port, needs_ipv6

from .conftest import Make
from .harness import PASSWORD, Container, boot_time, chown, wait_for

SEGMENT = 1024 * 1024  # --wal-segsize=1
Clone = Callable[[str, str], Container]


def flush_lsn(primary: Container) -> str:
    return primary.sql("select pg_current_wal_flush_lsn()")


def streams(primary: Container, replica: Container) -> bool:
    """True if the replica, which may be warm, has flushed everything the primary has."""
    query = f"select flush_lsn = pg_current_wal_flush_lsn() from pg_stat_replication where application_name = '{replica.name}'"
    return primary.sql(query) == "t"


def write(primary: Container, word: str, rows: int = 5) -> None:
    primary.sql("create table if not exists t (w text)", f"insert into t select '{word}' from generate_series(1, {rows})")


def rows(server: Container) -> str:
    return server.sql("select w, count(*) from t group by 1 order by 1").replace("\n", " ")


def catches_up(replica: Container, primary: Container) -> None:
    wait_for(lambda: streams(primary, replica), f"{replica.name} streams")
    wait_for(lambda: replica.answers("select count(*) from t") == primary.sql("select count(*) from t"), "the rows are there")


@pytest.mark.parametrize("mode", ["hot", "warm"])
@pytest.mark.parametrize("speed", ["fast", "slow"])
def test_seal_and_follow(primary: Container, clone: Clone, mode: str, speed: str) -> None:
    replica = clone("pod-1", mode)
    start = flush_lsn(primary)
    write(primary, "first")
    wait_for(lambda: streams(primary, replica), "the replica streams")
    title = replica.ok("seal", speed)
    end = flush_lsn(primary)
    assert title == end
    assert primary.sql("select count(*) from pg_stat_replication") == "0"
    # the WAL of a server that accepts no connections is read from its files: up to the end of the valid records
    segment_end = parse_lsn(end) // SEGMENT * SEGMENT + SEGMENT
    first, last = (segment_name(2, parse_lsn(lsn), SEGMENT) for lsn in (start, end))
    output = replica.output("waldump", first, start, last, format_lsn(segment_end))
    found = re.search(r"invalid record length at ([0-9A-F]+/[0-9A-F]+)", output)
    assert found, output
    assert parse_lsn(found[1]) == parse_lsn(end)
    assert "rmgr" in replica.output("lastrecord", first, start, last, format_lsn(segment_end))
    # sealed means sealed
    write(primary, "second")
    assert replica.ok("seal", "fast") == "-"
    assert primary.sql("select count(*) from pg_stat_replication") == "0"
    replica.ok("follow", *primary.address())
    wait_for(lambda: streams(primary, replica), "it streams again")
    instance = (replica.run / "conf/instance.conf").read_text()
    assert f"hot_standby = {'on' if mode == 'hot' else 'off'}\n" in instance
    assert "application_name=pod-1 " in instance
    assert PASSWORD not in instance


@pytest.mark.parametrize("mode", ["hot", "warm"])
def test_a_seal_tells_what_a_receiver_had_that_has_ended_with_its_primary(primary: Container, clone: Clone, mode: str) -> None:
    replica = clone("pod-1", mode)
    write(primary, "first")
    wait_for(lambda: streams(primary, replica), "the replica streams")
    known = parse_lsn(flush_lsn(primary))
    begun = boot_time()
    wait_for(lambda: replica.heartbeat().uptime > begun + 1.3, "the supervisor has looked since")
    write(primary, "second")
    primary.end()
    wait_for(lambda: not replica.titled(b"walreceiver"), "the receiver has ended")
    assert parse_lsn(replica.ok("seal", "fast")) >= known
    assert replica.ok("seal", "fast") == "-"


def test_a_seal_waits_for_the_receiver(primary: Container, clone: Clone) -> None:
    """The supervisor verifies that the WAL receiver has stopped: it isn't reported gone while it exists, and the loop continues
    meanwhile."""
    replica = clone("pod-1", "hot")
    write(primary, "first")
    wait_for(lambda: streams(primary, replica), "the replica streams")
    [receiver] = replica.titled(b"walreceiver")
    os.kill(receiver, signal.SIGSTOP)
    seal = replica.tell("seal", "fast")
    beat = replica.heartbeat().uptime
    wait_for(lambda: replica.heartbeat().uptime > beat + 0.5, "the loop goes on")
    replica.ok("hello")
    assert not [event for event in replica.events if event.command_id == seal]
    assert replica.ask("promote", "3", "2").result == "refused"
    os.kill(receiver, signal.SIGCONT)
    assert replica.answer(seal).text == flush_lsn(primary)


@pytest.mark.parametrize("mode", ["hot", "warm"])
def test_a_drain_lets_the_stream_end_by_itself_and_seals_then(primary: Container, clone: Clone, mode: str) -> None:
    """A chosen successor has everything, including the shutdown checkpoint, and is sealed by the time its primary is down."""
    replica = clone("pod-1", mode)
    wait_for(lambda: streams(primary, replica), "the replica streams")
    seal = replica.tell("seal", "drain")
    write(primary, "while it drains")
    wait_for(lambda: streams(primary, replica), "it goes on streaming")
    assert not [event for event in replica.events if event.command_id == seal]
    assert primary.ok("stop", "fast") == "0"
    assert replica.answer(seal).result == "ok"
    instance = (replica.run / "conf/instance.conf").read_text()
    assert "primary_conninfo = ''" in instance
    checkpoint = re.search(r"Latest checkpoint location: +([0-9A-F]+/[0-9A-F]+)", primary.output("controldata"))
    assert checkpoint
    name = segment_name(2, parse_lsn(checkpoint[1]), SEGMENT)
    segment_end = parse_lsn(checkpoint[1]) // SEGMENT * SEGMENT + SEGMENT
    assert "CHECKPOINT_SHUTDOWN" in replica.output("lastrecord", name, checkpoint[1], name, format_lsn(segment_end))


def test_a_line_that_comes_in_two_parts_is_obeyed_however_short_the_turns_are(primary: Container, clone: Clone) -> None:
    """As on a busy machine, where a turn may end between two bytes; while a standby drains its stream, a turn takes 5 ms."""
    replica = clone("pod-1", "warm")
    wait_for(lambda: streams(primary, replica), "the replica streams")
    drain = replica.tell("seal", "drain")
    line = f"{replica.hello.nonce} {replica.term} {boot_time():.2f} parts hello\n".encode()
    replica.raw(line[:30])
    begun = boot_time()
    wait_for(lambda: boot_time() > begun + 0.05, "several turns are over")
    replica.raw(line[30:])
    assert replica.answer("parts").result == "ok"
    assert not [event for event in replica.events if event.command_id == drain]


def test_a_drain_without_a_stream_is_a_seal(primary: Container, clone: Clone) -> None:
    replica = clone("pod-1", "hot")
    wait_for(lambda: streams(primary, replica), "the replica streams")
    replica.ok("seal", "fast")
    assert replica.ok("seal", "drain") == "-"


def test_a_drain_is_superseded_like_a_seal(primary: Container, clone: Clone) -> None:
    replica = clone("pod-1", "hot")
    write(primary, "first")
    wait_for(lambda: streams(primary, replica), "the replica streams")
    drain = replica.tell("seal", "drain")
    seal = replica.tell("seal", "drain")
    assert (replica.answer(drain).result, replica.answer(drain).text) == ("error", "superseded")
    replica.ok("follow", *primary.address())
    assert (replica.answer(seal).result, replica.answer(seal).text) == ("error", "superseded")
    catches_up(replica, primary)
    assert replica.ok("seal", "fast") == flush_lsn(primary)


def test_a_new_order_supersedes_a_seal(primary: Container, clone: Clone) -> None:
    replica = clone("pod-1", "hot")
    write(primary, "first")
    wait_for(lambda: streams(primary, replica), "the replica streams")
    [receiver] = replica.titled(b"walreceiver")
    os.kill(receiver, signal.SIGSTOP)
    seal = replica.tell("seal", "fast")
    replica.ok("follow", *primary.address())
    assert (replica.answer(seal).result, replica.answer(seal).text) == ("error", "superseded")
    os.kill(receiver, signal.SIGCONT)
    catches_up(replica, primary)


def test_a_failed_clone_keeps_what_was_there(primary: Container, clone: Clone) -> None:
    replica = clone("pod-1", "hot")
    write(primary, "first")
    catches_up(replica, primary)
    assert replica.ask("clone", *primary.address()).text == "the server is not down"
    replica.ok("stop", "fast")
    answer = replica.ask("clone", "127.0.0.1", str(free_port()), "postgres")
    assert answer.result == "error"
    assert not (replica.volume / "pgdata.new").exists()
    replica.ok("start", "hot")
    assert rows(replica) == "first|5"
    replica.ok("stop", "immediate")
    inode = replica.pgdata.stat().st_ino
    replica.ok("clone", *primary.address())
    assert replica.pgdata.stat().st_ino != inode
    assert sorted(path.name for path in replica.volume.iterdir()) == ["lock", "pgdata"]


def test_a_clone_cut_off_between_its_renames_is_undone(standby: Container) -> None:
    standby.end()
    old = standby.volume / "pgdata.old"
    standby.pgdata.rename(old)
    (standby.volume / "pgdata.new").mkdir()
    standby.start()
    assert not old.exists()
    standby.ok("start", "hot")
    # a later one: what it replaced still exists
    standby.end()
    shutil.copytree(standby.pgdata, old)
    chown(old)
    standby.start()
    wait_for(lambda: not old.exists(), "the old directory is removed")
    standby.ok("start", "hot")


def crashed_primary(primary: Container, replica: Container) -> None:
    """Crash the primary with rows that its replica, promoted on timeline 3, doesn't have."""
    write(primary, "both")
    catches_up(replica, primary)
    replica.ok("seal", "fast")
    write(primary, "lost", 300)
    primary.end()
    replica.promote(3, 2)
    write(replica, "after", 200)
    replica.sql("checkpoint")
    primary.start()


def rejoin(old: Container, new: Container) -> None:
    """Rewind and follow; the result has exactly the new primary's data."""
    command_id = old.tell("rewind", *new.address())
    assert old.answer(command_id).result == "ok", (old.answer(command_id), old.agent.output(command_id))
    assert "no rewind required" not in old.agent.output(command_id)
    assert old.ok("start", "hot") in ("starting", "standby", "ready")
    old.ok("follow", *new.address())
    catches_up(old, new)
    assert rows(old) == rows(new)
    write(new, "later")
    catches_up(old, new)


def test_a_crashed_primary_is_rewound(primary: Container, clone: Clone) -> None:
    replica = clone("pod-1", "hot")
    crashed_primary(primary, replica)
    assert primary.ask("rewind", "127.0.0.1", str(free_port()), "postgres").result == "error"
    rejoin(primary, replica)
    assert rows(primary) == "after|200 both|5 later|5"


def test_servers_with_ipv6_addresses_alone_clone_follow_and_rewind(make: Make, template: Path) -> None:
    needs_ipv6()
    primary, replica = make("pod-0"), make("pod-1")
    for container in (primary, replica):
        container.listen_on_ipv6()
    primary.take_data_of(template)
    primary.start()
    primary.ok("start", "hot")
    primary.promote(2, 1)
    replica.start()
    replica.ok("clone", *primary.address())
    replica.ok("start", "hot")
    replica.ok("follow", *primary.address())
    crashed_primary(primary, replica)
    rejoin(primary, replica)
    assert replica.sql("select host(client_addr) from pg_stat_replication") == "::1"


def test_a_crashed_primary_that_crashed_again_as_a_standby_is_rewound(primary: Container, clone: Clone) -> None:
    replica = clone("pod-1", "hot")
    crashed_primary(primary, replica)
    primary.ok("start", "hot")
    assert primary.ask("rewind", *replica.address()).text == "the server is not down"
    primary.ok("kill")
    rejoin(primary, replica)


def test_a_crashed_standby_of_the_same_timeline_is_not_called_rewound(primary: Container, clone: Clone) -> None:
    """pg_rewind would let crash recovery write to it and then report that nothing is to be done."""
    replica = clone("pod-1", "hot")
    write(primary, "first")
    catches_up(replica, primary)
    replica.ok("kill")
    answer = replica.ask("rewind", *primary.address())
    assert answer.result == "error"
    assert "crash recovery has written" in answer.text


def test_a_follower_gets_the_history_of_skipped_timelines(primary: Container, clone: Clone) -> None:
    """A standby asks its primary for the history file of every timeline between theirs."""
    first, second = clone("pod-1", "hot"), clone("pod-2", "warm")
    write(primary, "first")
    catches_up(first, primary)
    wait_for(lambda: streams(primary, second), "the second streams")
    first.ok("seal", "fast")
    second.ok("seal", "fast")
    primary.end()
    first.promote(6, 2)
    write(first, "second")
    second.ok("follow", *first.address())
    wait_for(lambda: streams(first, second), "it follows across the gap")
    # and once more after an in-place restart of the primary, which removed the empty files
    second.ok("seal", "fast")
    second.ok("kill")
    first.sql("checkpoint")
    first.ok("kill")
    first.ok("start", "hot")
    first.promote(7, 6)
    second.ok("start", "hot")
    second.ok("follow", *first.address())
    catches_up(second, first)
    assert rows(second) == "first|5 second|5"


def two_promotions(make: Make, primary: Container, clone: Clone, timeline: int) -> tuple[Container, Container]:
    """Promote pod-1 to timeline 3 and lose it before pod-2, which knows nothing of it, is promoted to `timeline`."""
    first, second = clone("pod-1", "hot"), clone("pod-2", "hot")
    write(primary, "everywhere")
    catches_up(first, primary)
    catches_up(second, primary)
    second.ok("seal", "fast")
    first.ok("seal", "fast")
    primary.end()
    first.promote(3, 2)
    write(first, "lost", 3)
    first.sql("checkpoint")
    first.ok("stop", "fast")
    second.promote(timeline, 2)
    write(second, "kept", 2000)
    second.sql("checkpoint")
    return first, second


def test_a_timeline_is_not_used_twice(make: Make, primary: Container, clone: Clone) -> None:
    first, second = two_promotions(make, primary, clone, 4)
    assert second.sql("select timeline_id from pg_control_checkpoint()") == "4"
    rejoin(first, second)
    assert rows(first) == "everywhere|5 kept|2000 later|5"


def test_control_postgresql_does_not_notice_a_timeline_used_twice(make: Make, primary: Container, clone: Clone) -> None:
    """Why timeline numbers are reserved: otherwise both take 3, their history files are equal, and pg_rewind finds nothing to do."""
    first, second = two_promotions(make, primary, clone, 3)
    assert second.sql("select timeline_id from pg_control_checkpoint()") == "3"
    histories = [(server.pgdata / "pg_wal/00000003.history").read_bytes() for server in (first, second)]
    assert histories[0] == histories[1]
    command_id = first.tell("rewind", *second.address())
    assert "pg_rewind finds nothing to rewind" in first.answer(command_id).text
    assert "no rewind required" in first.agent.output(command_id)
    first.ok("start", "hot")
    first.ok("follow", *second.address())
    write(second, "later")
    assert "lost" in rows(first)
    assert "lost" not in rows(second)


def test_a_standby_streams_by_its_slot_and_a_former_primary_drops_those_it_had(primary: Container, clone: Clone) -> None:
    primary.sql("select pg_create_physical_replication_slot(name) from unnest(array['pod_1', 'pod_2', 'pod_2_mine', 'backup']) as name")
    replica = clone("pod-1", "hot")
    assert replica.ask("follow", *primary.address(), "a-slot").result == "refused"
    replica.ok("follow", *primary.address(), "pod_1")
    active = "select active from pg_replication_slots where slot_name = 'pod_1'"
    wait_for(lambda: primary.sql(active) == "t", "the slot is in use")
    assert "primary_slot_name = 'pod_1'\n" in (replica.run / "conf/instance.conf").read_text()
    replica.ok("seal", "fast")
    assert "primary_slot_name = ''\n" in (replica.run / "conf/instance.conf").read_text()
    # a standby doesn't use slots, and they would retain its WAL forever
    primary.ok("stop", "fast")
    primary.ok("start", "hot")
    assert primary.sql("select string_agg(slot_name, ' ' order by slot_name) from pg_replication_slots") == "backup pod_2_mine"
