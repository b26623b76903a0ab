"""SQL superusers can put files on the volumes. The failover container must not follow, wait for or quote them."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from hapg_failover.adapters import beneath
from hapg_failover.adapters.beneath import Irregular
from hapg_failover.adapters.ports.volume import Marker
from hapg_failover.adapters.supervisor import SupervisorFiles
from hapg_failover.adapters.volume import Volume
from hapg_failover.agent import read_volume
from hapg_failover.core.state.volume import DATA_VOLUME, WAL_VOLUME
from hapg_failover.pgdata.control_file import parse_controldata
from hapg_failover.pgdata.wal import parse_lastrecord, parse_waldump_end
from hapg_protocol.lsn import Position, parse_lsn
from hapg_protocol.model import VolumeState
from hapg_protocol.wal_files import parse_history

SECRET = "eyJhbGciOiJSUzI1NiIsImtpZCI6Ik" + "A" * 900 + ".SIGNATURE"
NAME = "wal.11111111-2222-3333-4444-555555555555"
SEGMENT = "000000010000000000000001"
MARKER = Marker("u1", "7711467995189675420")
MARKS = ("volume", "term", "dirty", "emergency-wal-space", "probe")
PLACES = (*MARKS, "pgdata/PG_VERSION", "pgdata/global/pg_control", f"pgdata/pg_wal/{SEGMENT}")


class Pod:
    """A pod's volumes, and files beside them that only its failover container may read."""

    def __init__(self, base: Path, apart: bool) -> None:
        self.data, self.wal, self.token = base / "data", base / "wal", base / "token"
        self.token.write_text(SECRET)
        (self.data / "pgdata" / "global").mkdir(parents=True)
        (self.data / "pgdata" / "global" / "pg_control").write_bytes(bytes(8192))
        (self.data / "pgdata" / "PG_VERSION").write_text("15\n")
        self.wal.mkdir()
        link = self.data / "pgdata" / "pg_wal"
        if apart:
            (self.wal / NAME).mkdir()
            link.symlink_to(self.wal / NAME)
        else:
            link.mkdir()
        (link / SEGMENT).write_bytes(bytes(1 << 20))
        self.volume = Volume(self.data, "15", "pg_wal", self.wal if apart else None)
        self.volume.write_marker(MARKER)
        self.volume.write_term(7)
        self.volume.probe()
        assert self.volume.assess().state is VolumeState.DATA

    def everything_said(self, raw: bool = True) -> str:
        """Do everything that the agent does with its volumes; return all text from it. raw: include the bytes that are only parsed."""
        volume = self.volume
        said: list[object] = []
        for look in (
            lambda: read_volume(volume),
            volume.marker,
            volume.term,
            volume.dirty,
            volume.rooms,
            volume.room_for_clone,
            volume.segment_size,
            volume.tablespaces,
            volume.foreign,
            volume.note_standby,
            volume.wal_segments,
            volume.read_control,
            lambda: volume.read_wal(SEGMENT, 0, 8192),
            lambda: volume.may_hold_record(Position(1, 1 << 20)),
            volume.probe,
            lambda: volume.write_term(9),
            volume.make_emergency_spaces,
            volume.release_emergency_spaces,
            volume.set_dirty,
            volume.clear_dirty,
            lambda: volume.write_marker(MARKER),
            volume.assess,
        ):
            try:
                found = look()
                said.append(found if raw or not isinstance(found, bytes) else len(found))
            except (OSError, ValueError) as error:
                said.append(f"{type(error).__name__}: {error}")
        return repr(said)


@pytest.fixture(params=[False, True], ids=["one volume", "WAL apart"])
def pod(tmp_path: Path, request: pytest.FixtureRequest) -> Pod:
    return Pod(tmp_path, request.param)


def link_to_token(place: Path, pod: Pod) -> None:
    place.symlink_to(pod.token)


def fifo(place: Path, pod: Pod) -> None:
    os.mkfifo(place)


def device(place: Path, pod: Pod) -> None:
    try:
        os.mknod(place, stat.S_IFCHR | 0o666, os.makedev(1, 5))
    except PermissionError:
        pytest.skip("devices can't be made here")


def directory(place: Path, pod: Pod) -> None:
    place.mkdir()


def secret(place: Path, pod: Pod) -> None:
    place.write_text(SECRET)


def huge(place: Path, pod: Pod) -> None:
    with place.open("wb") as file:
        file.truncate(1 << 40)


def not_text(place: Path, pod: Pod) -> None:
    place.write_bytes(b"\xff\x00\xfe" * 20)


KINDS = [link_to_token, fifo, device, directory, secret, huge, not_text]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("name", PLACES)
def test_nothing_planted_is_followed_waited_for_or_quoted(pod: Pod, name: str, kind: Callable[[Path, Pod], None]) -> None:
    place = pod.data / name
    with suppress(FileNotFoundError):
        place.unlink()
    kind(place, pod)
    said = pod.everything_said(raw=kind is not secret)
    assert SECRET[:12] not in said
    assert "SIGNATURE" not in said
    assert pod.token.read_text() == SECRET, "nothing is written through a link"


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("name", ["volume", "probe", "emergency-wal-space"])
def test_nor_is_what_is_planted_on_the_wal_volume(tmp_path: Path, name: str, kind: Callable[[Path, Pod], None]) -> None:
    pod = Pod(tmp_path, apart=True)
    with suppress(FileNotFoundError):
        (pod.wal / name).unlink()
    kind(pod.wal / name, pod)
    assert SECRET[:12] not in pod.everything_said()
    assert pod.token.read_text() == SECRET


def test_a_version_that_is_none_is_not_quoted_and_nothing_is_touched(pod: Pod) -> None:
    """A link there used to leak the service account's token into Events, the log and the answer to a probe."""
    place = pod.data / "pgdata" / "PG_VERSION"
    place.unlink()
    for kind in KINDS:
        kind(place, pod)
        found = read_volume(pod.volume)
        reason = "pgdata/PG_VERSION does not contain a PostgreSQL version: nothing is touched"
        assert (found.state, found.reason) == (VolumeState.OTHER_MAJOR, reason), kind
        place.rmdir() if place.is_dir() and not place.is_symlink() else place.unlink()


@pytest.mark.parametrize("name", ["pgdata", "pgdata/global", "pgdata/pg_wal"])
def test_a_directory_that_is_a_link_is_not_entered(pod: Pod, tmp_path: Path, name: str) -> None:
    place, elsewhere = pod.data / name, tmp_path / "elsewhere"
    if place.is_symlink():
        place.unlink()
        (pod.wal / NAME).rename(elsewhere)
    else:
        place.rename(elsewhere)
    for each in ("global", "."):
        with suppress(OSError):
            (elsewhere / each / "pg_control").write_text(SECRET)
    (elsewhere / SEGMENT).write_text(SECRET)
    place.symlink_to(elsewhere)
    assert SECRET[:12] not in pod.everything_said()
    assert pod.volume.assess().state is not VolumeState.DATA or name == "pgdata/global"
    with pytest.raises(OSError, match="pgdata"):
        pod.volume.read_control() if name == "pgdata/global" else pod.volume.read_wal(SEGMENT, 0, 8)


def test_a_data_directory_that_is_a_link_is_left_alone(pod: Pod, tmp_path: Path) -> None:
    (pod.data / "pgdata").rename(tmp_path / "elsewhere")
    (pod.data / "pgdata").symlink_to(tmp_path / "elsewhere")
    found = pod.volume.assess()
    assert (found.state, found.reason) == (VolumeState.MISMATCHED, "pgdata is a link or a file, not a directory: nothing is touched")


@pytest.mark.parametrize(
    "target",
    [
        "{wal}/../elsewhere",
        "{wal}/wal.x/../../elsewhere",
        "{wal}//wal.x",
        "{wal}/wal.",
        "{wal}/other",
        "wal.x",
        "{wal}",
        "/",
        "{data}/wal.x",
    ],
)
def test_wal_is_in_a_direct_child_of_the_wal_volume_or_lost(tmp_path: Path, target: str) -> None:
    pod = Pod(tmp_path, apart=True)
    for made in (tmp_path / "elsewhere", pod.wal / "wal.x", pod.wal / "wal.", pod.wal / "other", pod.data / "wal.x"):
        made.mkdir()
        (made / SEGMENT).write_text(SECRET)
    link = pod.data / "pgdata" / "pg_wal"
    link.unlink()
    link.symlink_to(target.format(wal=pod.wal, data=pod.data))
    assert pod.volume.assess().state is VolumeState.DAMAGED
    assert pod.volume.wal_segments() == []
    with pytest.raises(OSError, match="pg_wal"):
        pod.volume.read_wal(SEGMENT, 0, 8)


def test_a_directory_of_wal_that_is_itself_a_link_is_lost(tmp_path: Path) -> None:
    pod = Pod(tmp_path, apart=True)
    (pod.wal / NAME).rename(tmp_path / "elsewhere")
    (pod.wal / NAME).symlink_to(tmp_path / "elsewhere")
    assert pod.volume.assess().state is VolumeState.DAMAGED
    with pytest.raises(Irregular):
        pod.volume.read_wal(SEGMENT, 0, 8)


def test_a_term_that_is_none_is_damage_that_a_clone_heals(pod: Pod) -> None:
    (pod.data / "term").write_text(SECRET)
    assert read_volume(pod.volume).reason == "the file term does not contain a term, a decimal number"
    assert read_volume(pod.volume).state is VolumeState.DAMAGED
    pod.volume.write_marker(Marker("u2", MARKER.system_identifier))
    assert pod.volume.assess().state is VolumeState.DATA
    pod.volume.write_term(3)
    assert pod.volume.term() == 3


@pytest.mark.parametrize("name", ["volume", "term", "dirty", "emergency-wal-space"])
def test_a_link_is_replaced_and_what_it_leads_to_stays(pod: Pod, name: str) -> None:
    """They are written under another name and renamed: this works even if there is a link under that name, too."""
    for place in (pod.data / name, pod.data / f".{name}.new"):
        place.unlink(missing_ok=True)
        place.symlink_to(pod.token)
    match name:
        case "volume":
            pod.volume.write_marker(MARKER)
        case "term":
            pod.volume.write_term(9)
        case "dirty":
            pod.volume.set_dirty()
        case _:
            (pod.data / name).unlink()
            assert DATA_VOLUME in pod.volume.make_emergency_spaces()
    assert pod.token.read_text() == SECRET
    assert not (pod.data / name).is_symlink()


def test_a_probe_is_not_written_through_a_link(pod: Pod) -> None:
    (pod.data / "probe").unlink()
    (pod.data / "probe").symlink_to(pod.token)
    with pytest.raises(Irregular, match="probe"):
        pod.volume.probe()
    assert pod.token.read_text() == SECRET


def test_room_is_not_counted_through_links_nor_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pod = Pod(tmp_path, apart=True)
    monkeypatch.setattr(Volume, "rooms", lambda _: {DATA_VOLUME: 0, WAL_VOLUME: 0})
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "large").write_bytes(bytes(4 << 20))
    (pod.data / "pgdata.new").symlink_to(elsewhere)
    (pod.wal / "wal.x").symlink_to(elsewhere)
    deep = pod.data / "pgdata.old"
    for _ in range(200):
        deep = deep / "d"
    deep.mkdir(parents=True)
    assert pod.volume.room_for_clone() == {DATA_VOLUME: 0, WAL_VOLUME: 0}


@pytest.mark.parametrize(
    "parse",
    [
        parse_history,
        parse_lastrecord,
        parse_waldump_end,
        parse_controldata,
        parse_lsn,
        lambda text: parse_history(f"1\t{text}"),
        lambda text: parse_controldata(f"Latest checkpoint's TimeLineID: {text}\nDatabase system identifier: {text}"),
    ],
)
def test_what_is_none_is_refused_without_a_word_of_it(parse: Callable[[str], object]) -> None:
    with pytest.raises(ValueError) as refusal:
        parse(SECRET)
    assert SECRET[:12] not in str(refusal.value)


def test_a_file_of_a_size_that_no_segment_has_says_nothing_about_segments(pod: Pod) -> None:
    wal = pod.data / "pgdata" / "pg_wal"
    huge(wal / "000000010000000000000002", pod)
    assert pod.volume.segment_size() == 1 << 20
    (wal / SEGMENT).unlink()
    assert pod.volume.segment_size() == 16 << 20
    assert pod.volume.may_hold_record(Position(1, 1 << 20))


# --- the memory volume, where the same users can write ---


@pytest.fixture
def run(tmp_path: Path) -> Path:
    (tmp_path / "run" / "out").mkdir(parents=True)
    return tmp_path / "run"


@pytest.mark.parametrize("name", ["hello", "heartbeat", "out/1"])
def test_what_the_supervisor_has_not_made_is_not_there(run: Path, tmp_path: Path, name: str) -> None:
    files = SupervisorFiles(run)
    (tmp_path / "token").write_text(SECRET)
    for kind in ("link", "fifo", "huge"):
        place = run / name
        if kind == "link":
            place.symlink_to(tmp_path / "token")
        elif kind == "fifo":
            os.mkfifo(place)
        else:
            with place.open("wb") as file:
                file.truncate(1 << 40)
        assert (files.hello(), files.heartbeat(), files.output("1")) == (None, None, "")
        place.unlink()
    files.close()


def test_a_command_is_written_to_a_fifo_or_not_at_all(run: Path, tmp_path: Path) -> None:
    files = SupervisorFiles(run)
    (tmp_path / "token").write_text(SECRET)
    (run / "commands").unlink()
    (run / "commands").symlink_to(tmp_path / "token")
    with pytest.raises(Irregular, match="not a FIFO"):
        files.send("n", 1, "hello")
    assert (tmp_path / "token").read_text() == SECRET
    files.close()


def test_events_are_printable_and_no_more_of_one_is_kept_than_a_fifo_takes_at_once(run: Path) -> None:
    files = SupervisorFiles(run)
    fifo = os.open(run / "events", os.O_RDWR | os.O_NONBLOCK)
    os.write(fifo, "n a-1 error drücke \x1b[2J\x00 nicht\n".encode())
    [event] = files.read_events(0)
    assert event.text == "drücke ?[2J? nicht"
    for _ in range(50):
        os.write(fifo, b"x" * 60000)
        files.read_events(0)
    assert len(files._pending) <= 4096
    os.write(fifo, b"\nn - terminating\n")
    assert [e.result for e in files.read_events(0)] == ["terminating"]
    os.close(fifo)
    files.close()


def test_a_file_is_made_in_the_place_of_a_link(run: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("theirs")
    for name in ("pgpass", ".pgpass.new"):
        (run / name).symlink_to(tmp_path / "elsewhere")
    with beneath.directory(str(run)) as below:
        beneath.write(below, "pgpass", b"password")
    assert (tmp_path / "elsewhere").read_text() == "theirs"
    assert (run / "pgpass").read_text() == "password"
    assert (run / "pgpass").stat().st_mode & 0o777 == 0o600
