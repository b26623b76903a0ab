"""The life of one server: initialisation, start, promotion, the fence, its death, the end of the pod."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest

from tests.ports import free_port

from . import harness
from .conftest import Make
from .harness import BIN, TIMEOUT, Container, boot_time, server_user, wait_for

# F of docs/protocol.md: the supervisor's turn and the kill.
FENCE_SECONDS = 0.7


def history(container: Container, timeline: int) -> Path:
    return container.pgdata / f"pg_wal/{timeline:08X}.history"


def control(container: Container, field: str) -> str:
    """Return a line of pg_controldata, run without the supervisor."""
    done = subprocess.run([BIN / "pg_controldata", container.pgdata], capture_output=True, text=True, check=True, env={"LC_ALL": "C"})
    return next(line.split(":", 1)[1].strip() for line in done.stdout.splitlines() if line.startswith(field))


def write_as_server(path: Path, text: str) -> None:
    path.write_text(text)
    os.chown(path, *server_user())


def busy_backend(container: Container) -> subprocess.Popen[bytes]:
    """Start a client whose backend computes and doesn't read its socket; wait until it does."""
    command = container.psql("select set_config('application_name', 'busy', false)", "do 'begin loop perform 1; end loop; end'")
    client = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    busy = "select count(*) from pg_stat_activity where application_name = 'busy' and query like 'do%'"
    wait_for(lambda: container.sql(busy) == "1", "a backend is busy")
    return client


def gone(container: Container) -> None:
    """No process is left: all were sent SIGKILL, and the kernel cleans up the rest."""
    wait_for(lambda: not container.pids(), "no process is left", timeout=1)


# ---- initialisation and start ----


def test_from_nothing_to_a_primary(make: Make) -> None:
    container = make("pod-0", HAPG_INITDB_ARGS="")
    container.start()
    command_id = container.tell("initdb")
    assert container.answer(command_id).result == "ok"
    assert "Success" in container.agent.output(command_id)
    assert not (container.volume / "pgdata.new").exists()
    assert container.ask("initdb").text == "a server directory exists"
    identifier = control(container, "Database system identifier")
    assert identifier in container.output("controldata")
    assert container.ok("start", "hot") in ("ready", "standby")
    assert container.heartbeat().pid > 0
    assert container.sql("select pg_is_in_recovery()") == "t"
    container.promote(2, 1)
    assert container.state == "primary"
    settings = "data_checksums", "server_encoding", "lc_collate", "wal_segment_size", "password_encryption"
    assert [container.sql(f"show {name}") for name in settings] == ["on", "UTF8", "C.UTF-8", "16MB", "scram-sha-256"]
    assert container.sql("select timeline_id from pg_control_checkpoint()", "checkpoint") in ("1", "2")
    container.sql("checkpoint")
    assert container.sql("select timeline_id from pg_control_checkpoint()") == "2"
    assert container.ok("stop", "fast") == "0"
    assert container.state == "down"
    assert control(container, "Database cluster state") == "shut down"


def test_a_user_id_without_a_name(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """With permissions as on OpenShift."""
    monkeypatch.setattr(harness, "server_user", lambda: (31337, 31337))
    container = make("pod-0")
    container.start()
    container.ok("initdb")
    container.ok("start", "hot")
    container.promote(2, 1)
    container.ok("kill")
    assert container.ask("rewind", "127.0.0.1", str(free_port()), "postgres").text.startswith("exit code 1: pg_rewind: error: ")
    assert control(container, "Database cluster state") == "shut down"


def test_a_warm_standby_comes_up_without_taking_connections(make: Make, template: Path) -> None:
    container = make("pod-0")
    container.take_data_of(template)
    container.start()
    assert container.ok("start", "warm") == "standby"
    assert container.answers() is None
    container.promote(2, 1)
    assert container.sql("select 1") == "1"


def test_a_start_that_fails_tells_why(make: Make, template: Path) -> None:
    container = make("pod-0")
    container.take_data_of(template)
    conf = container.config / "postgresql.conf"
    good = conf.read_text()
    conf.write_text(good + "nonsense = 1\n")
    container.start()
    answer = container.ask("start", "hot")
    assert (answer.result, answer.text) == ("error", "the postmaster ended with code 1")
    assert container.state == "down"
    conf.write_text(good)
    container.ok("start", "hot")
    assert container.ask("start", "hot").text == "the server is not down"


def test_a_lowered_max_connections_keeps_a_hot_standby_from_starting_not_a_warm_one(primary: Container) -> None:
    """PostgreSQL's rule for hot standbys; since every server starts as a standby, it applies to the former primary too."""
    primary.ok("stop", "fast")
    conf = primary.config / "postgresql.conf"
    conf.write_text(conf.read_text() + "max_connections = 15\n")
    assert primary.ask("start", "hot").result == "error"
    assert primary.ok("start", "warm") == "standby"
    primary.promote(3, 2)
    primary.ok("stop", "fast")
    assert primary.ok("start", "hot") == "ready"


def test_files_of_a_dead_server_do_not_hinder_the_next(make: Make, template: Path) -> None:
    """Pids repeat in every container: a stale postmaster.pid may name a live process, here PID 1 itself."""
    container = make("pod-0")
    container.take_data_of(template)
    container.start()
    socket = container.run / f"socket/.s.PGSQL.{container.port}"
    lock = f"1\n{container.pgdata}\n0\n{container.port}\n{socket.parent}\n127.0.0.1\n0 0\nready   \n"
    write_as_server(container.pgdata / "postmaster.pid", lock)
    write_as_server(Path(f"{socket}.lock"), lock)
    write_as_server(container.pgdata / "recovery.signal", "")
    write_as_server(container.pgdata / "promote", "")
    write_as_server(container.shm / "PostgreSQL.123", "shared memory of a server that was killed")
    container.pgdata.chmod(0o2770)
    container.ok("start", "hot")
    assert container.sql("select pg_is_in_recovery()") == "t"
    assert list(container.shm.iterdir()) == []


def test_auto_conf_is_stripped_of_what_would_end_recovery(make: Make, template: Path) -> None:
    container = make("pod-0")
    container.take_data_of(template)
    auto = container.pgdata / "postgresql.auto.conf"
    kept = "# Do not edit\nwork_mem = '8MB'\n  cluster_name = 'it''s \\\\ $(x)'\n"
    dropped = (
        "primary_conninfo = 'host=elsewhere'\nprimary_slot_name = 'x'\nRestore_Command='cp %f %p'\n  recovery_target_time = '2020-01-01'\n"
        "synchronous_standby_names = '*'\npromote_trigger_file = '/tmp/x'\nrecovery_target='immediate'\nrecovery_target_timeline current"
    )
    write_as_server(auto, kept + dropped)
    auto.chmod(0o600)
    container.start()
    container.ok("start", "hot")
    assert auto.read_text() == kept
    assert auto.stat().st_mode & 0o777 == 0o600
    assert container.sql("show work_mem") == "8MB"
    assert container.sql("show primary_conninfo") == ""


def test_empty_histories_are_removed_at_a_start_and_kept_after_a_promotion(make: Make, template: Path) -> None:
    container = make("pod-0")
    container.take_data_of(template)
    for timeline in (2, 3):
        write_as_server(history(container, timeline), "")
    container.start()
    container.ok("start", "hot")
    assert not history(container, 2).exists()
    container.promote(4, 1)
    assert [history(container, timeline).stat().st_size > 0 for timeline in (2, 3, 4)] == [False, False, True]
    container.sql("checkpoint")
    assert control(container, "Latest checkpoint's TimeLineID") == "4"
    # an in-place restart: sealed, then promoted again; a follower may still ask for every number below
    container.ok("kill")
    container.ok("start", "hot")
    assert not history(container, 2).exists()
    container.promote(7, 4)
    assert [history(container, timeline).stat().st_size > 0 for timeline in (2, 3, 4, 5, 6, 7)] == [False, False, True, False, False, True]


# ---- promotion ----


def test_promotion_needs_a_deadline(standby: Container) -> None:
    assert standby.ask("promote", "2", "1").text == "the deadline is missing"
    standby.deadline(-0.1)
    assert "has passed" in standby.ask("promote", "2", "1").text
    standby.deadline(100, term=2)
    assert standby.ask("promote", "2", "1").text == "the deadline is of term 2"
    standby.deadline(100, term=1)
    assert standby.ask("promote", "2", "1", term=2).text == "the deadline is unreadable"
    line = f"{boot_time() + 100:.2f} {boot_time():.2f} {standby.hello.boot_id} {standby.hello.nonce} 2\n"
    for wrong in (
        line.replace(standby.hello.nonce, standby.hello.boot_id),
        line.replace(standby.hello.boot_id, standby.hello.nonce),
        line.replace(line.split()[1], f"{boot_time() + 5:.2f}"),
        line.replace(line.split()[0], "a[$(kill)]"),
        line.replace(line.split()[0], "1e9"),
        "",
        "none\n",
        line.strip(),
    ):
        write_as_server(standby.run / "deadline", wrong)
        answer = standby.ask("promote", "2", "1", term=2)
        assert (answer.result, answer.text) in (("refused", "the deadline is unreadable"), ("refused", "the deadline is missing")), wrong
    assert standby.sql("select pg_is_in_recovery()") == "t"
    assert not history(standby, 2).exists()
    standby.deadline(100, term=2)
    assert standby.ask("promote", "1", "1", term=2).text == "timeline 1 can't follow on timeline 1"
    standby.ok("promote", "2", "1", term=2)
    assert standby.state == "primary"
    wait_for(lambda: standby.answers("select pg_is_in_recovery()") == "f", "it is promoted")
    assert standby.ask("promote", "3", "2", term=2).result == "refused"


def test_a_timeline_that_exists_is_not_taken_again(standby: Container) -> None:
    write_as_server(history(standby, 3), "1\t0/0\tsomebody else's\n")
    standby.deadline(None)
    assert standby.ask("promote", "3", "1").text == "timeline 3 exists"


def test_a_promotion_by_sql_is_the_end_of_the_server(standby: Container) -> None:
    with contextlib.suppress(AssertionError):
        standby.sql("select pg_promote(false)")
    assert standby.unasked("died").text == "promoted by another"
    gone(standby)
    assert standby.state == "down"
    assert (standby.volume / "foreign").exists()


# ---- the fence ----


def test_the_deadline_ends_everything(primary: Container) -> None:
    client = busy_backend(primary)
    primary.deadline(0.6)
    end = boot_time() + 0.6
    wait_for(lambda: not primary.pids(), "every process is dead")
    assert end - 0.02 <= boot_time() < end + FENCE_SECONDS
    fenced = primary.unasked("fenced")
    assert float(fenced.text) == pytest.approx(end, abs=0.05)
    assert primary.state == "down"
    client.wait(TIMEOUT)
    # the supervisor itself continues, and a server may be started again, sealed
    assert lock_is_held(primary)
    primary.ok("start", "hot")
    assert primary.sql("select pg_is_in_recovery()") == "t"


def test_a_renewed_deadline_holds_the_fence_off(primary: Container) -> None:
    primary.deadline(0.5)
    end = time.monotonic() + 1.5
    while time.monotonic() < end:
        primary.deadline(0.5)
        primary.sql("select 1")
    primary.deadline(None)
    assert primary.state == "primary"


@pytest.mark.parametrize("content", [None, "", "garbage\n", "NONE\n", "other nonce", "older term"])
def test_a_primary_without_a_readable_deadline_is_fenced(primary: Container, content: str | None) -> None:
    hello = primary.hello
    if content is None:
        (primary.run / "deadline").unlink()
    elif content == "other nonce":
        write_as_server(primary.run / "deadline", f"none {boot_time():.2f} {hello.boot_id} {hello.boot_id} 1\n")
    elif content == "older term":
        write_as_server(primary.run / "deadline", f"none {boot_time():.2f} {hello.boot_id} {hello.nonce} 0\n")
    else:
        write_as_server(primary.run / "deadline", content)
    assert primary.unasked("fenced", timeout=2).text in ("missing", "unreadable")
    gone(primary)


def test_a_standby_has_no_deadline(standby: Container) -> None:
    standby.deadline(-100)
    beat = standby.heartbeat().uptime
    wait_for(lambda: standby.heartbeat().uptime > beat + 1, "a second passes")
    assert standby.answers() == "1"


def test_the_watchdog_acts_when_pid_1_is_stopped(primary: Container) -> None:
    client = busy_backend(primary)
    primary.deadline(0.3)
    end = boot_time() + 0.3
    os.kill(primary.pid1, signal.SIGSTOP)
    try:
        wait_for(lambda: not primary.pids(), "every process is dead")
        assert end <= boot_time() < end + FENCE_SECONDS
        assert primary.state == "primary", "PID 1 can't have done it"
    finally:
        os.kill(primary.pid1, signal.SIGCONT)
    primary.unasked("fenced")
    assert primary.state == "down"
    client.wait(TIMEOUT)


def children(container: Container) -> list[int]:
    return [int(pid) for pid in Path(f"/proc/{container.pid1}/task/{container.pid1}/children").read_text().split()]


def waits_for_lock(container: Container, descriptor: int) -> bool:
    """True if a child of PID 1 waits for a lock; that child is replaced every second."""
    waiting = []
    for pid in children(container):
        with contextlib.suppress(OSError):
            waiting.append(Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\x00"))
    return any(words[0] == b"flock" and words[-2] == str(descriptor).encode() for words in waiting)


def test_a_killed_watchdog_is_replaced(primary: Container) -> None:
    # the oldest child: it was forked before the server's wrapper
    watchdog = min(children(primary))
    assert primary.is_bash(watchdog)
    os.kill(watchdog, signal.SIGKILL)
    wait_for(lambda: watchdog not in children(primary) and len(children(primary)) == 2, "there is another watchdog")
    test_the_watchdog_acts_when_pid_1_is_stopped(primary)


# ---- death ----


def test_no_process_outlives_the_postmaster(primary: Container) -> None:
    client = busy_backend(primary)
    postmaster = primary.postmaster()
    assert len(primary.pids()) > 5
    os.kill(postmaster, signal.SIGKILL)
    assert primary.unasked("died").text == "137"
    gone(primary)
    assert primary.state == "down"
    client.wait(TIMEOUT)


def test_the_postmaster_is_missed_without_its_wrapper(primary: Container) -> None:
    client = busy_backend(primary)
    postmaster = primary.postmaster()
    wrapper = int(next(line for line in Path(f"/proc/{postmaster}/status").read_text().splitlines() if line.startswith("PPid:")).split()[1])
    assert primary.is_bash(wrapper)
    os.kill(wrapper, signal.SIGKILL)
    wait_for(lambda: wrapper not in children(primary), "the wrapper is gone")
    assert primary.sql("select 1") == "1"
    os.kill(postmaster, signal.SIGKILL)
    assert primary.unasked("died").text == "unknown"
    gone(primary)
    client.wait(TIMEOUT)


def lock_is_held(container: Container) -> bool:
    with (container.run / "lock").open("r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


def test_every_process_holds_the_locks_and_no_server_the_fifos(primary: Container) -> None:
    client = busy_backend(primary)
    pids = primary.pids()
    assert len(pids) > 5
    for pid in pids:
        files = []
        with contextlib.suppress(FileNotFoundError):
            files = [os.readlink(file) for file in Path(f"/proc/{pid}/fd").iterdir()]
        if not files:
            continue  # it has just exited
        assert str(primary.run / "lock") in files
        assert str(primary.volume / "lock") in files
        assert str(primary.run / "commands") not in files
        assert str(primary.run / "events") not in files
    assert lock_is_held(primary)
    primary.ok("kill")
    gone(primary)
    client.wait(TIMEOUT)


def test_the_lock_tells_the_death_of_the_container(primary: Container) -> None:
    client = busy_backend(primary)
    released = threading.Event()
    obtained: list[float] = []

    def wait() -> None:
        give_back = primary.agent.wait_container_dead()
        obtained.append(time.monotonic())
        assert primary.pids() == []
        released.wait(TIMEOUT)
        give_back()
        give_back()

    waiter = threading.Thread(target=wait)
    waiter.start()
    beat = primary.heartbeat().uptime
    wait_for(lambda: primary.heartbeat().uptime > beat + 0.5, "some time passes")
    assert not obtained, "the lock was given while the container lives"
    killed = time.monotonic()
    os.kill(primary.pid1, signal.SIGKILL)
    wait_for(lambda: obtained, "the lock is obtained")
    assert obtained[0] - killed < 1
    client.wait(TIMEOUT)
    # while the failover container holds the lock, the next incarnation waits
    primary.end()
    old = primary.hello
    primary.launch()
    pid1 = Path(f"/proc/{primary.pid1}/task/{primary.pid1}/children")
    wait_for(lambda: pid1.read_text(), "it waits for the lock")
    assert primary.hello == old
    released.set()
    waiter.join(TIMEOUT)
    wait_for(lambda: primary.hello != old, "it has started")


def test_two_servers_on_one_volume(primary: Container, make: Make) -> None:
    other = make("pod-0-again", volume=primary.volume)
    other.launch()
    wait_for(lambda: waits_for_lock(other, 9), "the second waits for the volume")
    assert lock_is_held(other)
    assert other.agent.hello() is None
    primary.end()
    wait_for(lambda: other.agent.hello(), "the second has started")
    other.ok("start", "hot")
    assert other.sql("select pg_is_in_recovery()") == "t"


def test_kill(primary: Container) -> None:
    stop = primary.tell("stop", "fast")
    kill = primary.tell("kill")
    assert primary.answer(kill).result == "ok"
    assert primary.answer(stop).result == "ok"
    gone(primary)
    assert not [event for event in primary.events if event.result == "died"]
    primary.ok("hello")


def test_an_immediate_stop_overtakes_a_fast_one(primary: Container) -> None:
    frozen = primary.postmaster()
    os.kill(frozen, signal.SIGSTOP)
    fast = primary.tell("stop", "fast")
    immediate = primary.tell("stop", "immediate")
    assert primary.ask("start", "hot").result == "refused"
    beat = primary.heartbeat().uptime
    wait_for(lambda: primary.heartbeat().uptime > beat + 0.3, "the loop goes on")
    os.kill(frozen, signal.SIGCONT)
    assert primary.answer(fast).result == "ok"
    assert primary.answer(immediate).result == "ok"
    gone(primary)


def test_the_fence_holds_during_a_shutdown(primary: Container) -> None:
    os.kill(primary.postmaster(), signal.SIGSTOP)
    primary.deadline(0.5)
    stop = primary.tell("stop", "fast")
    primary.unasked("fenced")
    assert primary.answer(stop).result == "error"
    gone(primary)


def test_a_stop_ends_a_job_that_runs_beside_the_server(standby: Container) -> None:
    pipe = standby.pgdata / "pg_wal/000000090000000000000009"
    os.mkfifo(pipe, 0o666)
    os.chown(pipe, *server_user())
    job = standby.tell("lastrecord", *("000000090000000000000009", "0/900000", "000000090000000000000009", "0/A00000"))
    wait_for(lambda: any(b"pg_waldump" in Path(f"/proc/{pid}/cmdline").read_bytes() for pid in standby.pids()), "it hangs")
    assert standby.sql("select 1") == "1"
    assert standby.ok("stop", "fast") == "0"
    assert (standby.answer(job).result, standby.answer(job).text) == ("error", "stopped")
    gone(standby)


# ---- the end of the pod ----


def test_sigterm_waits_for_the_agent(primary: Container) -> None:
    assert primary.ask("exit").result == "refused"
    os.kill(primary.pid1, signal.SIGTERM)
    primary.unasked("terminating")
    wait_for(lambda: primary.heartbeat().terminating, "the heartbeat tells it")
    assert primary.sql("select 1") == "1"
    assert primary.ask("exit").result == "refused"
    assert primary.ok("stop", "fast") == "0"
    assert "shut down" in primary.output("controldata")
    beat = primary.heartbeat().uptime
    wait_for(lambda: primary.heartbeat().uptime > beat + 3.5, "it waits for the agent, which has shown up")
    primary.ok("exit")
    assert primary.exit_code() == 0


def test_sigterm_without_an_agent_shuts_the_server_down(make: Make, template: Path) -> None:
    container = make("pod-0", HAPG_GRACE="11")
    container.take_data_of(template)
    container.start()
    container.ok("start", "hot")
    container.promote(2, 1)
    os.kill(container.pid1, signal.SIGTERM)
    assert container.exit_code() == 0
    assert control(container, "Database cluster state") == "shut down"


def test_sigterm_kills_a_server_that_does_not_shut_down(make: Make, template: Path) -> None:
    container = make("pod-0", HAPG_GRACE="3")
    container.take_data_of(template)
    container.start()
    container.ok("start", "hot")
    os.kill(container.postmaster(), signal.SIGSTOP)
    os.kill(container.pid1, signal.SIGTERM)
    assert container.exit_code(timeout=10) == 0


def test_sigterm_with_the_server_down_waits_a_moment_only(make: Make) -> None:
    container = make("pod-0")
    container.start()
    os.kill(container.pid1, signal.SIGTERM)
    container.unasked("terminating")
    assert container.exit_code(timeout=6) == 0


def test_sigterm_while_it_waits_for_the_locks(standby: Container, make: Make) -> None:
    other = make("pod-0-again", volume=standby.volume)
    other.launch()
    children = Path(f"/proc/{other.pid1}/task/{other.pid1}/children")
    wait_for(lambda: children.read_text() and lock_is_held(other), "the second waits for the volume")
    os.kill(other.pid1, signal.SIGTERM)
    assert other.exit_code(timeout=5) == 0


def test_a_clock_of_the_containers_own_is_refused(make: Make, tmp_path: Path) -> None:
    """As LXCFS shows it: the agent's deadlines couldn't be compared with it."""
    container = make("a")
    clock = tmp_path / "uptime"
    clock.write_text("1.00 1.00\n")
    container.launch("sh", "-c", f'mount --bind {clock} /proc/uptime && exec "$@"', "sh")
    assert container.exit_code() == 1
    assert "/proc/uptime is not the time since the boot of the node" in container.log.read_text()
    assert container.agent.hello() is None
