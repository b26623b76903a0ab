"""WAL on a separate volume: real servers, and the agent's operations on them."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hapg_failover.adapters.volume import Volume
from hapg_failover.core import disk_space
from hapg_failover.core.state.actions import Op
from hapg_failover.core.state.results import Outcome
from hapg_failover.core.state.volume import DATA_VOLUME, WAL_VOLUME
from hapg_protocol.model import VolumeState
from tests.orders import fitting

from .conftest import Make
from .harness import DEFAULT, Container, as_server_user, chown, give_size, server_user, wait_for
from .test_majors import Pair
from .test_operations import Operator
from .test_replication import catches_up, rows, write
from .test_server import waits_for_lock


@pytest.fixture
def member(make: Make) -> Callable[..., Container]:
    """Create a container with a data volume and a WAL volume, and start its supervisor."""

    def member(name: str, major: str = DEFAULT, **environment: str) -> Container:
        container = make(name, major=major, apart=True, **environment)
        container.start()
        return container

    return member


@pytest.fixture
def first(member: Callable[..., Container]) -> Container:
    """A primary of term 1 on timeline 2."""
    container = member("pod-0")
    done(container, container, Op.INITDB, Op.START)
    container.promote(2, 1)
    return container


@pytest.fixture
def second(first: Container, member: Callable[..., Container]) -> Container:
    """A hot standby of `first` that has all its WAL."""
    write(first, "both")
    container = member("pod-1")
    done(container, first, Op.CLONE, Op.START, Op.FOLLOW)
    catches_up(container, first)
    return container


def done(container: Container, primary: Container, *operations: Op, timeline: int = 2) -> None:
    """Run operations of the agent that must succeed."""
    with contextlib.closing(Operator(container, primary)) as operator:
        for op in operations:
            result = operator.run(op, **fitting(op, host="127.0.0.1", mode="hot", timeline=timeline))
            assert result.outcome is Outcome.OK, (op, result)


def volume(container: Container) -> Volume:
    return Volume(container.volume, container.profile.major, container.profile.wal_directory, container.wal_volume)


def link(container: Container) -> Path:
    return container.pgdata / container.profile.wal_directory


def wal_directories(container: Container) -> list[Path]:
    assert container.wal_volume is not None
    return sorted(container.wal_volume.glob("wal.*"))


def is_whole(container: Container) -> bool:
    """True if the volumes are a pair, and the WAL volume holds the data directory's WAL and no other."""
    assessment = volume(container).assess()
    assert assessment.state is VolumeState.DATA, assessment
    return [link(container).readlink()] == wal_directories(container) and any(link(container).glob("0000*"))


def all_files(container: Container) -> list[tuple[Path, int]]:
    assert container.wal_volume is not None
    found = [path for base in (container.volume, container.wal_volume) for path in base.rglob("*")]
    return sorted((path, path.lstat().st_mtime_ns) for path in found if path.name != "lock")


@pytest.mark.parametrize("major", ["9.6", "12", DEFAULT])
def test_a_first_server_and_its_clone_have_their_wal_on_the_wal_volume(member: Callable[..., Container], major: str) -> None:
    primary, replica = member("pod-0", major), member("pod-1", major)
    assert volume(primary).assess().state is VolumeState.EMPTY
    done(primary, primary, Op.INITDB)
    primary.ok("start", "warm")
    primary.promote(2, 1)
    pair = Pair(primary, replica)
    pair.write("first")
    done(replica, primary, Op.CLONE)
    pair.follow("warm")
    assert is_whole(primary)
    assert is_whole(replica)
    replica.ok("seal", "fast")
    primary.end()
    replica.promote(3, 2)
    assert replica.sql("select count(*) from t") == "5"


@pytest.mark.parametrize("major", ["9.6", DEFAULT])
def test_an_initdb_that_fails_leaves_no_wal(member: Callable[..., Container], major: str) -> None:
    container = member("pod-0", major, HAPG_INITDB_ARGS="--locale=nowhere")
    assert container.ask("initdb").result == "error"
    assert wal_directories(container) == []
    assert volume(container).assess().state is VolumeState.EMPTY


def test_a_former_primary_is_rewound_through_the_link(first: Container, second: Container) -> None:
    second.ok("seal", "fast")
    write(first, "lost", 500)
    before = link(first).readlink()
    first.ok("kill")
    second.promote(3, 2)
    write(second, "kept", 500)
    done(first, second, Op.REWIND, Op.START, Op.FOLLOW, timeline=3)
    catches_up(first, second)
    assert rows(first) == "both|5 kept|500"
    assert link(first).readlink() == before
    assert is_whole(first)


def test_a_clone_replaces_data_and_wal_only_when_it_is_complete(first: Container, second: Container) -> None:
    before = link(second).readlink()
    hba = first.config / "pg_hba.conf"
    allowed = hba.read_text()
    hba.write_text(allowed.replace("host replication all", "# host replication all"))
    first.ok("configure")
    with contextlib.closing(Operator(second, first)) as operator:
        assert operator.run(Op.CLONE, host="127.0.0.1", timeline=2).outcome is Outcome.FAILED
    assert link(second).readlink() == before
    assert is_whole(second)
    done(second, first, Op.START)
    assert rows(second) == "both|5"
    hba.write_text(allowed)
    first.ok("configure")
    done(second, first, Op.CLONE, Op.START, Op.FOLLOW)
    assert link(second).readlink() != before
    assert is_whole(second)


STEP = """#!/bin/bash
if [[ -e {steps}/armed ]]; then
    read -r before <{steps}/armed
    echo "$((before - 1))" >{steps}/armed
    if ((before == 1)); then
        : >{steps}/reached
        exec sleep infinity
    fi
fi
exec /bin/{program} "$@"
"""


@pytest.fixture
def steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Replacements for the programs that the supervisor runs in a job: one of them can be made to wait before it acts."""
    tmp_path.chmod(0o755)
    for parent in tmp_path.parents[:3]:
        parent.chmod(0o755)
    directory = tmp_path / "steps"
    directory.mkdir()
    for program in ("rm", "mv", "sync"):
        (directory / program).write_text(STEP.format(steps=directory, program=program))
        (directory / program).chmod(0o755)
    chown(directory)
    monkeypatch.setenv("PATH", f"{directory}:{os.environ['PATH']}")
    return directory


def cut_off(container: Container, steps: Path, number: int, command: str, *args: str) -> None:
    """Kill the container before the command with this number in a job."""
    (steps / "reached").unlink(missing_ok=True)
    (steps / "armed").write_text(f"{number}\n")
    os.chown(steps / "armed", *server_user())
    container.tell(command, *args)
    wait_for((steps / "reached").exists, f"command {number} of {command}")
    container.end()
    (steps / "armed").unlink()


CLONE_STEPS = ("old", "new", "copy synced", "old aside", "new in place", "places synced", "old removed", "its WAL removed")


@pytest.mark.parametrize("number", range(1, len(CLONE_STEPS) + 1), ids=CLONE_STEPS)
def test_a_clone_that_is_cut_off_before_any_step_leaves_a_directory_with_its_wal(
    first: Container, member: Callable[..., Container], steps: Path, number: int
) -> None:
    write(first, "both")
    second = member("pod-1")
    done(second, first, Op.CLONE, Op.START, Op.STOP)
    marked = volume(second)
    marked.set_dirty()
    cut_off(second, steps, number, "clone", *first.address())
    second.start()
    assert volume(second).assess().reason == "a rewind or clone was started and not finished"
    # in either case the data directory is complete
    wait_for(lambda: wal_directories(second) == [link(second).readlink()], "what no directory links to is gone")
    second.ok("start", "hot")
    assert rows(second) == "both|5"
    done(second, first, Op.CLONE, Op.START, Op.FOLLOW)
    catches_up(second, first)
    assert is_whole(second)


@pytest.mark.parametrize("number", range(1, 6))
def test_a_first_clone_that_is_cut_off_before_any_step_is_begun_anew(
    first: Container, member: Callable[..., Container], steps: Path, number: int
) -> None:
    write(first, "both")
    second = member("pod-1")
    volume(second).set_dirty()
    cut_off(second, steps, number, "clone", *first.address())
    second.start()
    assert volume(second).assess().state is VolumeState.DAMAGED
    done(second, first, Op.CLONE, Op.START, Op.FOLLOW)
    catches_up(second, first)
    assert is_whole(second)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_an_initdb_that_is_cut_off_before_its_directory_counts_is_begun_anew(
    member: Callable[..., Container], steps: Path, number: int
) -> None:
    container = member("pod-0")
    cut_off(container, steps, number, "initdb")
    container.start()
    assert volume(container).assess().state is VolumeState.EMPTY
    done(container, container, Op.INITDB, Op.START)
    assert is_whole(container)


def test_a_clone_that_is_killed_in_the_middle_of_the_copy_leaves_the_old_directory_with_its_wal(
    first: Container, second: Container
) -> None:
    before = link(second).readlink()
    done(second, first, Op.STOP)
    slow = second.config / "bin"
    shutil.copytree(second.bin, slow, symlinks=True)
    (slow / "pg_basebackup").unlink()
    (slow / "pg_basebackup").write_text(f'#!/bin/bash\nexec {second.bin}/pg_basebackup "$@" --max-rate=32\n')
    (slow / "pg_basebackup").chmod(0o755)
    second.end()
    fast, second.bin = second.bin, slow
    second.start()
    volume(second).set_dirty()
    second.tell("clone", *first.address())
    copied = second.volume / "pgdata.new" / "base"
    wait_for(lambda: len(wal_directories(second)) == 2 and copied.exists(), "the copy is under way")
    second.end()
    second.bin = fast
    second.start()
    assert link(second).readlink() == before
    wait_for(lambda: wal_directories(second) == [before], "the WAL of the copy is removed")
    done(second, first, Op.CLONE, Op.START, Op.FOLLOW)
    catches_up(second, first)
    assert is_whole(second)


def test_both_volumes_are_locked(first: Container, make: Make) -> None:
    """A container that has another one's WAL volume waits until that one ends."""
    assert first.wal_volume is not None
    other = make("pod-1", apart=True)
    other.wal_volume = first.wal_volume
    other.launch()
    wait_for(lambda: waits_for_lock(other, 4), "the second waits for the WAL volume")
    assert other.agent.hello() is None
    first.end()
    wait_for(lambda: other.agent.hello() is not None, "it greets")


def test_the_wal_volume_of_another_member_is_refused_and_not_touched(first: Container, second: Container) -> None:
    assert first.wal_volume is not None
    assert second.wal_volume is not None
    for each in (second, first):
        done(each, first, Op.STOP)
        each.end()
    aside = first.wal_volume.with_name("aside")
    first.wal_volume.rename(aside)
    second.wal_volume.rename(first.wal_volume)
    aside.rename(second.wal_volume)
    before = [all_files(each) for each in (first, second)]
    for each in (first, second):
        each.start()
        # their directories' links lead to the other's location
        found = volume(each).assess()
        assert found.state is VolumeState.MISMATCHED
        assert found.reason.startswith("the WAL volume belongs to volume ")
        assert (each.ask("start", "hot").result, each.state) == ("error", "down")
    assert [all_files(each) for each in (first, second)] == before


def test_a_wal_volume_that_is_lost_is_refused_and_cloned_anew(first: Container, second: Container) -> None:
    assert second.wal_volume is not None
    done(second, first, Op.STOP)
    second.end()
    shutil.rmtree(second.wal_volume)
    second.wal_volume.mkdir()
    chown(second.wal_volume)
    second.start()
    found = volume(second).assess()
    assert found.state is VolumeState.DAMAGED
    assert found.reason == "the WAL volume doesn't hold the data directory's WAL: it was lost"
    assert second.ask("start", "hot").result == "error"
    done(second, first, Op.CLONE, Op.START, Op.FOLLOW)
    catches_up(second, first)
    assert is_whole(second)


def test_a_wal_volume_of_before_the_last_clone_is_refused_and_not_touched(first: Container, second: Container) -> None:
    assert second.wal_volume is not None
    done(second, first, Op.STOP)
    snapshot = second.wal_volume.with_name("snapshot")
    shutil.copytree(second.wal_volume, snapshot)
    done(second, first, Op.CLONE)
    second.end()
    shutil.rmtree(second.wal_volume)
    snapshot.rename(second.wal_volume)
    chown(second.wal_volume)
    before = all_files(second)
    second.start()
    assert volume(second).assess().state is VolumeState.MISMATCHED
    assert second.ask("start", "hot").result == "error"
    assert all_files(second) == before


def test_a_wal_volume_of_before_the_last_probes_is_refused(first: Container) -> None:
    assert first.wal_volume is not None
    pair = volume(first)
    pair.probe()
    first.sql("checkpoint")
    snapshot = first.wal_volume.with_name("snapshot")
    shutil.copytree(first.wal_volume, snapshot)
    write(first, "acknowledged")
    pair.probe()
    first.end()
    shutil.rmtree(first.wal_volume)
    snapshot.rename(first.wal_volume)
    assert pair.assess().state is VolumeState.DAMAGED
    assert pair.assess().reason == "the WAL volume is older than the data volume: its last probe is 1, the data volume's 2"


@pytest.mark.parametrize("apart", [True, False], ids=["made without, used with", "made with, used without"])
def test_a_directory_is_not_used_where_its_wal_is_expected_elsewhere(make: Make, apart: bool) -> None:
    made = make("pod-0", apart=not apart)
    made.start()
    done(made, made, Op.INITDB)
    made.end()
    before = sorted((path, path.lstat().st_mtime_ns) for path in made.pgdata.rglob("*"))
    used = make("pod-1", made.volume, apart=apart)
    used.start()
    found = volume(used).assess()
    assert found.state is VolumeState.MISMATCHED
    assert found.reason.endswith("nothing is touched")
    for command in (("start", "hot"), ("rewind", *used.address())):
        assert (used.ask(*command).result, used.state) == ("error", "down")
    command_id = used.tell("rewind", *used.address())
    used.answer(command_id)
    assert used.agent.output(command_id).endswith("nothing has been touched\n")
    assert sorted((path, path.lstat().st_mtime_ns) for path in made.pgdata.rglob("*")) == before


@pytest.fixture
def small(make: Make) -> Iterator[Container]:
    """A container whose WAL volume is a separate file system of 48 MiB; segments have 1 MiB."""
    container = make("pod-0", apart=True)
    assert container.wal_volume is not None
    give_size(container.wal_volume, 48)
    yield container
    container.end()
    os.system(f"umount {container.wal_volume}")  # noqa: S605


def test_a_full_wal_volume_is_full_though_the_data_volume_has_room(small: Container) -> None:
    """The server dies for lack of WAL space, and has everything it acknowledged."""
    assert small.wal_volume is not None
    small.start()
    done(small, small, Op.INITDB, Op.START)
    small.promote(2, 1)
    write(small, "acknowledged")
    with as_server_user():
        assert set(volume(small).make_emergency_spaces()) == {DATA_VOLUME, WAL_VOLUME}
    filler = small.wal_volume / "filler"
    with filler.open("wb") as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(1 << 16))
    volume(small).probe()  # in place
    small.answers("create table much as select repeat('x', 1000) from generate_series(1, 100000)")
    small.unasked("died")
    on, room = volume(small).scarcest()
    assert on == WAL_VOLUME
    assert disk_space.is_full(room, volume(small).segment_size())
    with contextlib.closing(Operator(small, small)) as operator:
        (small.pgdata / "global" / "pg_control").rename(small.volume / "control")
        assert operator.run(Op.START, mode="hot").outcome is Outcome.ROOM
        (small.volume / "control").rename(small.pgdata / "global" / "pg_control")
        sealed = operator.run(Op.START, mode="hot")
        assert sealed.outcome is Outcome.OK
        died = operator.run(Op.PROMOTE, timeline=3, own=sealed.position)
        assert (died.outcome, died.text.partition(":")[0]) == (Outcome.FAILED, "the server died")
        result = operator.run(Op.START, mode="hot", emergency_space=True)
    assert (result.outcome, result.emergency_spaces) == (Outcome.OK, (WAL_VOLUME,))
    assert rows(small) == "acknowledged|5"
    small.promote(4, 3)
    write(small, "acknowledged")
    assert rows(small) == "acknowledged|10"
    filler.unlink()


@pytest.mark.parametrize(
    ("data", "wal", "said"), [(4 << 20, 1 << 40, "data volume has 4.0 MiB"), (1 << 40, 2 << 20, "WAL volume has 2.0 MiB")]
)
def test_a_clone_needs_room_on_each_volume(
    first: Container, second: Container, monkeypatch: pytest.MonkeyPatch, data: int, wal: int, said: str
) -> None:
    monkeypatch.setattr(Volume, "rooms", lambda _: {DATA_VOLUME: data, WAL_VOLUME: wal})
    with contextlib.closing(Operator(second, first)) as operator:
        result = operator.run(Op.CLONE, host="127.0.0.1", timeline=2)
    assert result.outcome is Outcome.ROOM
    assert said in result.text
    assert rows(second) == "both|5", "it wasn't even stopped"
