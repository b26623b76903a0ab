"""The lines that the supervisor accepts as commands."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from tests.ports import free_port

from .conftest import Make
from .harness import SCRIPT, Container, boot_time, wait_for


@pytest.fixture
def idle(make: Make) -> Container:
    """A supervisor on an empty volume."""
    container = make("pod-0")
    container.start()
    return container


def test_only_pid_1_may_run_it() -> None:
    done = subprocess.run(["bash", SCRIPT], capture_output=True, text=True, timeout=10, check=False)
    assert done.returncode == 64
    assert "must be PID 1" in done.stderr


@pytest.mark.parametrize("text", [None, "", "refuse() {\n"], ids=["missing", "empty", "cut off"])
@pytest.mark.parametrize("part", ["fence.sh", "child_clone.sh"])
def test_it_does_not_start_without_all_of_itself(
    part: str, text: str | None, make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(shutil.copytree(SCRIPT.parent, tmp_path / "supervisor"))
    (folder / part).unlink()
    if text is not None:
        (folder / part).write_text(text)
    monkeypatch.setattr("tests.supervisor.harness.SCRIPT", folder / SCRIPT.name)
    container = make("pod-0")
    container.launch()
    assert container.exit_code() == 1
    assert container.log.read_text().endswith(f"/{part} is missing or incomplete\n")
    assert container.agent.hello() is None


def test_handshake(idle: Container) -> None:
    hello = idle.hello
    assert hello.boot_id == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert idle.unasked("hello").nonce == hello.nonce
    assert idle.ok("hello") == ""
    beat = idle.heartbeat()
    assert (beat.state, beat.pid, beat.terminating, beat.job) == ("down", 0, False, None)
    wait_for(lambda: idle.heartbeat().uptime > beat.uptime, "the heart beats")
    assert boot_time() - idle.heartbeat().uptime < 0.5


def test_a_new_supervisor_has_a_new_nonce_and_no_deadline(idle: Container) -> None:
    old = idle.hello
    idle.deadline(1000)
    idle.end()
    idle.start()
    assert idle.hello.nonce != old.nonce
    assert not (idle.run / "deadline").exists()
    stale = idle.answer(idle.agent.send(old.nonce, 1, "hello"))
    assert (stale.result, stale.text) == ("refused", "another nonce")


def test_a_lower_term_is_refused(idle: Container) -> None:
    idle.ok("hello", term=7)
    assert idle.ask("hello", term=6).text == "term 6 is below 7"
    idle.ok("hello", term=7)
    idle.ok("hello", term=8)
    assert idle.ask("hello", term=7).result == "refused"


@pytest.mark.parametrize(("offset", "accepted"), [(0.4, True), (0.6, False), (-4.8, True), (-5.3, False), (1e6, False)])
def test_another_clock_is_refused(idle: Container, offset: float, accepted: bool) -> None:
    idle.raw(f"{idle.hello.nonce} 1 {boot_time() + offset:.2f} clock-1 hello\n".encode())
    assert (idle.answer("clock-1").result == "ok") == accepted


MALFORMED = [
    b"hello\n",
    b"NONCE 1 CLOCK\n",
    b"NONCE 1 CLOCK - hello\n",
    b"NONCE 1 CLOCK UPPER hello\n",
    b"NONCE 1 CLOCK " + b"i" * 41 + b" hello\n",
    b"NONCE 1 CLOCK ../x hello\n",
    b"NONCE 1 CLOCK a$(touch) hello\n",
    b"NONCE -1 CLOCK id hello\n",
    b"NONCE a[$(touch)] CLOCK id hello\n",
    b"NONCE 1 x[$(touch)] id hello\n",
    b"NONCE 1 1e9 id hello\n",
    b"NONCE 1 CLOCK id\n",
    b"NONCE 1 CLOCK id hello more\n",
    b"NONCE 1 CLOCK id $(touch)\n",
    b"NONCE 1 CLOCK id hello;touch\n",
    b"NONCE 1 CLOCK id start\n",
    b"NONCE 1 CLOCK id start lukewarm\n",
    b"NONCE 1 CLOCK id stop smart\n",
    b"NONCE 1 CLOCK id seal\n",
    b"NONCE 1 CLOCK id follow localhost\n",
    b"NONCE 1 CLOCK id follow a'b 5432\n",
    b"NONCE 1 CLOCK id follow $(touch) 5432\n",
    b"NONCE 1 CLOCK id clone host;touch 5432\n",
    b"NONCE 1 CLOCK id clone host 5432x\n",
    b"NONCE 1 CLOCK id clone host a[$(touch)]\n",
    b"NONCE 1 CLOCK id rewind --help\n",
    b"NONCE 1 CLOCK id promote 2\n",
    b"NONCE 1 CLOCK id promote a[$(touch)] 1\n",
    b"NONCE 1 CLOCK id promote 0x2 1\n",
    b"NONCE 1 CLOCK id waldump 000000010000000000000001 0/0 000000010000000000000001\n",
    b"NONCE 1 CLOCK id waldump 000000010000000000000001 0/0/0 000000010000000000000001 0/1\n",
    b"NONCE 1 CLOCK id waldump 000000010000000000000001 0/0 --help 0/1\n",
    b"NONCE 1 CLOCK id waldump 000000010000000000000001 -n 000000010000000000000001 0/1\n",
    b"NONCE 1 CLOCK id lastrecord ../000000010000000000000001 0/0 000000010000000000000001 0/1\n",
    b"NONCE 1 CLOCK id hel\x00lo!\n",
    b"NONCE 1 CLOCK id \xff\xfe\n",
    b"NONCE 1 CLOCK id hello\r\n",
    b"NONCE\t1\tCLOCK\tid\thello\n",
    b"NONCE 1 CLOCK id exit\n",
]  # fmt: skip


def test_malformed_lines_are_refused(idle: Container) -> None:
    idle.unasked("hello")
    bait = idle.run / "touched"
    for template in MALFORMED:
        line = template.replace(b"touch", f"touch>{bait}".encode())
        line = line.replace(b"NONCE", idle.hello.nonce.encode()).replace(b"CLOCK", f"{boot_time():.2f}".encode())
        idle.events.clear()
        idle.raw(line)
        answer = idle.event(lambda e: True, repr(line))
        assert answer.result == "refused", (line, answer)
        assert answer.text
        assert not bait.exists()
    assert idle.state == "down"


LISTEN = r"""
source "$1"
TURN=20 HALF='' pause=0.005
answers=("$@")
read() { # the next answer: bash's exit code, a colon, and what it has read of the line
    answers=("${answers[@]:1}")
    part=${answers[0]#*:}
    return "${answers[0]%%:*}"
}
for _ in "${@:2}"; do
    listen
    if ((given)); then echo "${words[*]}"; fi
done
"""


@pytest.mark.parametrize(
    "answers",
    [
        ["0:one E", "0:two E"],
        ["142:on", "0:e E", "142:", "0:two E"],
        ["142:one E", "0:two E"],  # the newline was consumed, and the next line is there
        ["142:one E", "0:", "142:two E", "142:"],  # the newline was not consumed, and comes alone
    ],
)
def test_no_line_is_lost_when_a_timeout_expires_at_its_end(answers: list[str]) -> None:
    """bash's `read` then reports a timeout with the whole line, though it may have consumed the newline from the FIFO."""
    script = [str(SCRIPT.parent / "commands.sh"), *(answer.replace(" E", "\x1e") for answer in answers)]
    done = subprocess.run(["bash", "-c", LISTEN, "bash", *script], capture_output=True, text=True, timeout=10, check=False)
    assert done.stdout.split() == ["one", "two"], done.stderr


def test_a_line_whose_newline_is_missing_is_obeyed(idle: Container) -> None:
    idle.raw(f"{idle.hello.nonce} 1 {boot_time():.2f} endless hello\x1e".encode())
    assert idle.event(lambda e: e.command_id == "endless", "answer").result == "ok"
    idle.ok("hello")


def test_long_lines_do_not_stop_the_loop(idle: Container) -> None:
    for _ in range(5):
        idle.raw(b"x" * 4095 + b"\n")
        idle.raw(b"y " * 2047 + b"\n")
    wait_for(lambda: idle.ask("hello").result == "ok", "the loop goes on")
    assert all(event.result in ("refused", "ok", "hello") for event in idle.events)


def test_one_job_at_a_time_and_stop_ends_it(idle: Container) -> None:
    # nobody listens there, and this machine's kernel doesn't answer for it
    first = idle.tell("clone", "192.0.2.1", "5432", "postgres")
    wait_for(lambda: idle.heartbeat().job == first, "the job runs")
    second = idle.ask("controldata")
    assert (second.result, second.text) == ("refused", "busy")
    assert idle.ask("start", "hot").text == "busy"
    assert idle.ok("stop", "fast") == "down"
    assert idle.answer(first).result == "error"
    wait_for(lambda: idle.pids() == [], "the job's processes are gone")
    wait_for(lambda: idle.heartbeat().job is None, "the heartbeat names no job")


def test_failures_of_jobs_say_what_was_wrong(idle: Container) -> None:
    answer = idle.ask("clone", "127.0.0.1", str(free_port()), "postgres")
    assert answer.result == "error"
    assert re.search(r"exit code 1: pg_basebackup: error: .*refused", answer.text)
    assert idle.ask("controldata").result == "error"
    assert idle.ask("start", "hot").text.startswith("no server directory")
    assert idle.ask("follow", "127.0.0.1", "5432", "postgres").result == "refused"
    assert idle.ask("seal", "fast").result == "refused"
    assert idle.ask("promote", "2", "1").result == "refused"


def test_outputs_do_not_pile_up(idle: Container) -> None:
    for _ in range(12):
        idle.ask("controldata")
    assert len(os.listdir(idle.run / "out")) <= 9


def test_the_loop_survives_signals(idle: Container) -> None:
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGUSR1, signal.SIGPIPE, signal.SIGCHLD):
        subprocess.run(["nsenter", "-t", str(idle.pid1), "-p", "-m", "kill", f"-{number}", "1"], check=True)
    idle.ok("hello")
