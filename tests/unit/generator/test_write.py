"""Writing a chart: its own files are replaced, those of others stay, and a failure or an interrupt leaves the old chart or the new one."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hapg import interrupts
from hapg.chart import ownership, render, write
from hapg.cli import main
from hapg.errors import OutputError
from hapg.interrupts import Interrupted
from hapg.spec.version_profiles import PROFILES
from tests.unit.generator.conftest import WARM

CHART = render.chart("ha-postgres", PROFILES["15"], {})
"""The files of a chart."""
OTHER = {
    **{path: data for path, data in CHART.items() if path != "templates/monitor.yaml"},
    "values.yaml": b"other: 1\n",
    "templates/deep/new.yaml": b"new: 1\n",
}
"""Those of another: one file is gone, one has changed, one is new."""

Written = dict[str, bytes]


def tree(directory: Path) -> Written:
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def generate(spec: Path, tmp_path: Path) -> int:
    return main(["generate", str(spec), "-o", str(tmp_path / "out"), "--silence", "small-volume", "--silence", "no-resources"])


@pytest.fixture
def chart(warm_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """A chart that hapg has written."""
    assert generate(warm_file, tmp_path) == 0
    capsys.readouterr()
    return tmp_path / "out" / "ha-postgres"


def test_what_others_have_put_into_the_folder_stays(chart: Path, warm_file: Path, tmp_path: Path) -> None:
    theirs = {"my-values.yaml": b"replicas: 5\n", ".git/HEAD": b"ref\n", ".git/objects/aa/bb": b"x", "templates/mine.yaml": b"a: 1\n"}
    for name, data in theirs.items():
        (chart / name).parent.mkdir(parents=True, exist_ok=True)
        (chart / name).write_bytes(data)
    (chart / "empty").mkdir()
    (chart / "link").symlink_to("nowhere")
    inode = (chart / ".git/HEAD").stat().st_ino
    warm_file.write_text(WARM.replace("replicas: 3", "replicas: 5"))
    assert generate(warm_file, tmp_path) == 0
    found = tree(chart)
    assert theirs.items() <= found.items()
    assert b"\nreplicas: 5\n" in found["values.yaml"]
    assert (chart / "empty").is_dir()
    assert os.readlink(chart / "link") == "nowhere"
    assert (chart / ".git/HEAD").stat().st_ino == inode
    assert generate(warm_file, tmp_path) == 0
    assert tree(chart) == found


def test_a_file_that_the_chart_no_longer_has_is_removed_and_told(tmp_path: Path) -> None:
    write.write(tmp_path / "chart", {**CHART, "templates/old/one.yaml": b"1\n", "templates/old/two.yaml": b"2\n"})
    (tmp_path / "chart" / "templates" / "old" / "mine.yaml").write_text("mine\n")
    changes = write.write(tmp_path / "chart", CHART)
    assert changes.removed == ("templates/old/one.yaml", "templates/old/two.yaml")
    assert sorted(os.listdir(tmp_path / "chart" / "templates" / "old")) == ["mine.yaml"]
    (tmp_path / "chart" / "templates" / "old" / "mine.yaml").unlink()
    write.write(tmp_path / "chart", {**CHART, "templates/old/one.yaml": b"1\n"})
    write.write(tmp_path / "chart", CHART)
    assert not (tmp_path / "chart" / "templates" / "old").exists()


def test_the_command_says_what_is_gone(chart: Path, warm_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (chart / "values.yaml").write_text("replicas: 7\n")
    record = chart / ownership.RECORD
    (chart / "templates" / "old.yaml").write_text("a: 1\n")
    record.write_text(record.read_text() + f"{hashlib.sha256(b'a: 1' + bytes([10])).hexdigest()}  templates/old.yaml\n")
    assert generate(warm_file, tmp_path) == 0
    captured = capsys.readouterr()
    assert captured.out == f"{chart}/templates/old.yaml: removed, because the chart no longer has it\n{chart}: written\n"
    assert captured.err == f"warning: {chart}/values.yaml: was changed after hapg had written it; that change is gone\n"


def test_another_major_in_the_same_folder_is_warned_of(
    chart: Path, warm_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    warm_file.write_text(WARM.replace('"15"', '"17"'))
    assert generate(warm_file, tmp_path) == 0
    assert capsys.readouterr().err == (
        f"warning: {chart}: was a chart of PostgreSQL 15 and is now one of 17; an existing release can't be upgraded to it just so, "
        "see docs/upgrade.md, To the next major\n"
    )
    warm_file.write_text(WARM.replace('"15"', '"17.2"'))
    assert generate(warm_file, tmp_path) == 0
    assert capsys.readouterr().err == ""


def test_the_record_is_read_by_sha256sum(chart: Path) -> None:
    done = subprocess.run(["sha256sum", "--check", "--strict", ownership.RECORD], cwd=chart, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert sorted(line.removesuffix(": OK") for line in done.stdout.splitlines()) == sorted(set(tree(chart)) - {ownership.RECORD})


@pytest.mark.parametrize("line", ["no record", f"{'0' * 64}  ../../precious", f"{'0' * 64}  /etc/passwd", f"{'0' * 63}  values.yaml"])
def test_a_record_that_is_none_is_not_trusted(line: str, chart: Path, warm_file: Path, tmp_path: Path) -> None:
    (chart / ownership.RECORD).write_text(line + "\n")
    before = tree(tmp_path)
    assert generate(warm_file, tmp_path) == 1
    assert tree(tmp_path) == before


def test_a_chart_without_a_record_is_taken_over_if_nothing_is_left_over(
    chart: Path, warm_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (chart / ownership.RECORD).unlink()
    (chart / "my-values.yaml").write_text("a: 1\n")
    (chart / "templates" / "of-an-older-hapg.yaml").write_text("a: 1\n")
    before = tree(chart)
    assert generate(warm_file, tmp_path) == 1
    assert capsys.readouterr().err == (
        f"error: {chart}/templates/of-an-older-hapg.yaml: not written by hapg, and in the way of the chart; "
        "move it, or delete it if an earlier hapg wrote it\n"
    )
    assert tree(chart) == before
    (chart / "templates" / "of-an-older-hapg.yaml").unlink()
    assert generate(warm_file, tmp_path) == 0
    assert (chart / ownership.RECORD).is_file()
    assert (chart / "my-values.yaml").read_text() == "a: 1\n"


def _file(chart: Path) -> None:
    (chart / "files/mine.yaml").write_text("mine\n")


def _folder(chart: Path) -> None:
    (chart / "files/mine.yaml").mkdir()


def _linked_folder(chart: Path) -> None:
    (chart / "files").rename(chart.parent / "elsewhere")
    (chart / "files").symlink_to("../elsewhere")


@pytest.mark.parametrize("put", [_file, _folder, _linked_folder])
def test_what_is_in_the_way_is_left_alone(put: Callable[[Path], None], tmp_path: Path) -> None:
    write.write(tmp_path / "chart", CHART)
    put(tmp_path / "chart")
    before = tree(tmp_path)
    with pytest.raises(OutputError, match=r"chart/files(/mine\.yaml)?: not written by hapg, and in the way of the chart"):
        write.write(tmp_path / "chart", {**CHART, "files/mine.yaml": b"ours\n"})
    assert tree(tmp_path) == before


def _with_a_file(directory: Path) -> None:
    directory.mkdir(parents=True)
    (directory / "precious.txt").write_text("mine")


def _with_another_chart(directory: Path) -> None:
    directory.mkdir(parents=True)
    (directory / "Chart.yaml").write_text("apiVersion: v2\nname: ha-postgres\nversion: 1.0.0\n")


@pytest.mark.parametrize("fill", [_with_a_file, _with_another_chart])
def test_a_folder_that_is_not_its_own_is_left_alone(
    fill: Callable[[Path], None], warm_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "out" / "ha-postgres"
    fill(target)
    before = tree(target)
    assert generate(warm_file, tmp_path) == 1
    assert f"error: {target}: not empty and not written by hapg; choose another directory or empty it\n" in capsys.readouterr().err
    assert tree(target) == before


def test_an_empty_directory_and_a_file_in_the_way(warm_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "out" / "ha-postgres").mkdir(parents=True)
    assert generate(warm_file, tmp_path) == 0
    (tmp_path / "in-the-way").mkdir()
    (tmp_path / "in-the-way" / "ha-postgres").write_text("a file")
    assert main(["generate", str(warm_file), "-o", str(tmp_path / "in-the-way")]) == 1
    assert "already exists and is not a directory; choose another path" in capsys.readouterr().err


class Steps:
    """Does something at the given step of a write: each file that is written, moved or made is one."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, at: int, act: Callable[[], None]) -> None:
        self.left = at
        for name in ("write_bytes", "rename", "mkdir"):
            original = getattr(Path, name)
            monkeypatch.setattr(Path, name, self._counted(original, act))

    def _counted(self, original: Callable[..., object], act: Callable[[], None]) -> Callable[..., object]:
        def step(*arguments: object, **options: object) -> object:
            self.left -= 1
            if self.left == 0:
                act()
            return original(*arguments, **options)

        return step


def _fail() -> None:
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("old", [None, CHART], ids=["nothing", "a chart"])
def test_a_failure_at_any_step_leaves_what_was_there(old: Written | None, tmp_path: Path) -> None:
    for at in range(1, 1000):
        folder = tmp_path / str(at)
        folder.mkdir()
        if old is not None:
            write.write(folder / "a" / "chart", old)
        before = tree(folder)
        with pytest.MonkeyPatch.context() as patch:
            steps = Steps(patch, at, _fail)
            if not _written(folder / "a" / "chart"):
                assert tree(folder) == before, at
                assert old is not None or list(folder.iterdir()) == []
                continue
        assert steps.left > 0
        break
    assert at > 8
    assert tree(folder / "a" / "chart") == ownership.with_record(OTHER)


def _written(directory: Path) -> bool:
    try:
        write.write(directory, OTHER)
    except OutputError as error:
        return str(error) != f"{directory}: can't be written: No space left on device"
    return True


@pytest.fixture
def heeded(number: signal.Signals) -> Iterator[None]:
    """The signal is not ignored, as SIGINT is in a shell's background jobs."""
    former = signal.signal(number, signal.SIG_DFL)
    yield
    signal.signal(number, former)


@pytest.mark.usefixtures("heeded")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_at_any_step_waits_until_the_chart_is_whole(number: signal.Signals, tmp_path: Path) -> None:
    for at in range(1, 12):
        write.write(tmp_path / "chart", CHART)
        with pytest.MonkeyPatch.context() as patch, interrupts.raised():
            Steps(patch, at, lambda: signal.raise_signal(number))
            with pytest.raises(Interrupted) as caught:
                write.write(tmp_path / "chart", OTHER)
        assert caught.value.number == number
        assert tree(tmp_path) == {f"chart/{path}": data for path, data in ownership.with_record(OTHER).items()}
        assert [path.name for path in tmp_path.iterdir()] == ["chart"]


def test_a_run_that_was_killed_is_made_good_by_the_next(tmp_path: Path) -> None:
    """A kill can't be waited out: what is half done then is finished by the same command."""
    write.write(tmp_path / "chart", CHART)
    (tmp_path / "chart" / ownership.STAGED).mkdir()
    (tmp_path / "chart" / ownership.STAGED / "0.old").write_text("half\n")
    (tmp_path / "chart" / "templates" / "deep").mkdir()
    (tmp_path / "chart" / "templates" / "deep" / "new.yaml").write_bytes(OTHER["templates/deep/new.yaml"])
    (tmp_path / "chart" / "templates" / "monitor.yaml").unlink()
    write.write(tmp_path / "chart", OTHER)
    assert tree(tmp_path / "chart") == ownership.with_record(OTHER)
