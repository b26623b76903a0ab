"""hapg as a process: whatever the caller did to its streams, its locale or its signals, it ends with a code and without a traceback."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hapg import commands
from hapg.cli import main
from tests.unit.generator.conftest import WARM

RENDERED = Path(__file__).parents[3] / "values-examples" / "rendered" / "tutorial-warm.yaml"
ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


def hapg(*arguments: str, redirection: str = "", environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    command = ["/bin/bash", "-c", f'"$@" {redirection}', "bash", sys.executable, "-m", "hapg", *arguments]
    return subprocess.run(
        command,
        capture_output=True,
        encoding="utf-8",
        check=False,
        stdin=subprocess.DEVNULL,
        env={**os.environ, **(environment or {})},
    )


@pytest.mark.parametrize(
    ("arguments", "redirection", "code", "said"),
    [
        (("schema", "values"), ">/dev/full", 1, "error: standard output: No space left on device\n"),
        (("schema", "values"), ">&-", 1, "error: standard output: Bad file descriptor\n"),
        (("--help",), ">/dev/full", 1, "error: standard output: No space left on device\n"),
        (("--version",), ">&-", 1, "error: standard output: Bad file descriptor\n"),
        (("generate", "-", "-o", "/nonexistent/x"), "<&-", 2, "error: -: can't be read: Bad file descriptor\n"),
        (("generate", "none.yaml", "-o", "x"), "2>&-", 2, ""),
        (("generate", "none.yaml", "-o", "x"), "2>/dev/full", 2, ""),
        (("generate", "none.yaml", "-o", "x"), "<&- >&- 2>&-", 2, ""),
        (("nothing",), "2>/dev/full", 2, ""),
    ],
)
def test_a_stream_that_is_closed_or_full(arguments: Sequence[str], redirection: str, code: int, said: str) -> None:
    done = hapg(*arguments, redirection=redirection)
    assert (done.returncode, done.stdout, done.stderr) == (code, "", said)


def test_a_file_never_takes_the_place_of_a_closed_stream(tmp_path: Path) -> None:
    """The first file that is opened gets the number of standard output, if that is closed."""
    (tmp_path / "pg.yaml").write_text(WARM)
    hapg("generate", str(tmp_path / "pg.yaml"), "-o", str(tmp_path / "closed"), redirection="<&- >&- 2>&-")
    assert hapg("generate", str(tmp_path / "pg.yaml"), "-o", str(tmp_path / "open")).returncode == 0
    for path in (tmp_path / "open").rglob("*"):
        there = tmp_path / "closed" / path.relative_to(tmp_path / "open")
        assert path.is_dir() or there.read_bytes() == path.read_bytes()


def test_a_locale_without_umlauts_changes_no_output() -> None:
    assert hapg("schema", "values", environment=ASCII).stdout == hapg("schema", "values", environment={"LC_ALL": "C.UTF-8"}).stdout


@pytest.mark.parametrize(("tool", "arguments"), [("helm", ("diff", "CHART", str(RENDERED))), ("kubectl", ("status", "pg", "-n", "demo"))])
def test_a_tool_that_writes_what_the_locale_lacks(tool: str, arguments: Sequence[str], tmp_path: Path) -> None:
    (tmp_path / "Chart.yaml").write_text("apiVersion: v2\nname: x\nversion: 1.0.0\n")
    (tmp_path / tool).write_text("#!/bin/sh\nprintf 'größe \\377' >&2\nexit 1\n")
    (tmp_path / tool).chmod(0o755)
    path = {**ASCII, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = hapg(*(str(tmp_path) if word == "CHART" else word for word in arguments), environment=path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"error: {tool} ")
    assert "gr\\xf6\\xdfe" in done.stderr


def test_a_file_name_and_a_text_that_the_locale_lacks(tmp_path: Path) -> None:
    (tmp_path / "größe.yaml").write_text(WARM.replace("replicas: 3", "größe: 3"), encoding="utf-8")
    done = hapg("generate", str(tmp_path / "größe.yaml"), "-o", str(tmp_path / "out"), environment=ASCII)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: spec.")
    assert "Traceback" not in done.stderr
    done = hapg("diff", str(RENDERED), os.fsdecode(b"\xff.yaml"))
    assert (done.returncode, done.stderr) == (2, "error: \\udcff.yaml: can't be read: No such file or directory\n")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_ends_a_command_with_one_line(number: signal.Signals, code: int, tmp_path: Path) -> None:
    (tmp_path / "pg.yaml").write_text(WARM)
    (tmp_path / "wait.py").write_text("import signal\n\nprint('waits', flush=True)\nsignal.pause()\n")
    whole = ["env", "--default-signal", sys.executable, "-m", "hapg"]  # a shell's background jobs ignore SIGINT, and so would hapg
    command = [*whole, "generate", str(tmp_path / "pg.yaml"), "-o", str(tmp_path / "out")]
    with subprocess.Popen([*command, "--hooks", str(tmp_path / "wait.py")], stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == "waits\n"
        process.send_signal(number)
        assert (process.wait(), process.stderr.read()) == (code, "error: interrupted\n")
    assert not (tmp_path / "out").exists()


WORDS = st.one_of(
    st.sampled_from([*commands.COMMANDS, "list", "now", "check", "spec", "values", "pg", "table", "json", "-", "", "--", "0", "9" * 30]),
    st.sampled_from(["-o", "-n", "-f", "--all", "--check", "--hooks", "--silence", "--force", "--yes", "--to", "--timeout", "--version"]),
    st.sampled_from(["--help", "--release", "--namespace", "--helm", "--url", "--data-size", "--reclone", "--as", "--time", "--context"]),
    st.sampled_from(["/dev/null", "/dev/full", "/proc/self/mem", "/etc/passwd", "a" * 300, "a/" * 3000, "none.yaml", "FOLDER"]),
    st.sampled_from(["RENDERED", "SPEC", "CHART", "HOOK", "UNREADABLE", "\udcff", "ü", "\n", "🐘", "~", "$HOME", "-x", "--o=x"]),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=5),
)
LINES = (
    *("generate SPEC -o FOLDER", "generate - -o FOLDER --check", "generate --all -o FOLDER --check"),
    *("generate SPEC -o FOLDER --hooks HOOK", "hooks", "hooks SPEC --hooks HOOK", "post-render"),
    *("post-render --hooks HOOK", "post-render --helm-plugin", "schema spec", "schema values"),
    *("diff RENDERED RENDERED", "diff RENDERED CHART -f SPEC", "diff SPEC -", "package CHART -o FOLDER"),
    *("status pg", "switchover pg --to pg-1 --timeout 1", "failover pg --force --yes", "dormant list"),
    *("wipe pg --yes pg", "backup list pg", "backup now pg --type full", "restore pg --as other --time now"),
    *("resize pg --data-size 1Gi --reclone --yes pg", "--version", "--help", "completion bash"),
)
"""Command lines that are nearly right."""


@st.composite
def command_lines(draw: st.DrawFn) -> list[str]:
    """One of LINES, with up to two words replaced, added or left out."""
    words = draw(st.sampled_from(LINES)).split()
    for _ in range(draw(st.integers(0, 2))):
        at = draw(st.integers(0, len(words)))
        words[at : at + draw(st.integers(0, 1))] = draw(st.lists(WORDS, max_size=1))
    return words


STDIN = st.one_of(
    st.sampled_from([WARM.encode(), RENDERED.read_bytes(), b"", b"\xff\xfe", b"a: &a [*a]", b"[" * 5000]),
    st.binary(max_size=20),
)
ENVIRONMENT = st.dictionaries(
    st.sampled_from(["COLUMNS", "HOME", "HELM_PLUGIN_NAME", "KUBECONFIG", "LC_ALL", "LINES", "TERM", "TMPDIR", "TZ"]),
    st.sampled_from(["", "0", "-1", "x", "/none", "C", "\udcff"]),
    max_size=3,
)
ENDINGS = range(3)
"""The exit codes of a command that does not compare."""


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("fuzz")
    (folder / "pg.yaml").write_text(WARM)
    (folder / "hook.py").write_text("from hapg.hooks import hook\n\n\n@hook\ndef adjust_manifests(manifests):\n    print('loud')\n")
    (folder / "chart").mkdir()
    (folder / "chart" / "Chart.yaml").write_text("apiVersion: v2\nname: x\nversion: 1.0.0\n")
    (folder / "loop").symlink_to("loop")
    names = {"FOLDER": "out", "SPEC": "pg.yaml", "CHART": "chart", "HOOK": "hook.py", "UNREADABLE": "loop"}
    return {"RENDERED": str(RENDERED), **{word: str(folder / name) for word, name in names.items()}}


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(words=command_lines(), stdin=STDIN, environment=ENVIRONMENT)
def test_no_arguments_make_a_traceback(
    words: list[str],
    stdin: bytes,
    environment: dict[str, str],
    places: dict[str, str],
    tmp_path: Path,
) -> None:
    """In this process, because 120 of them would take minutes; without helm, kubectl and a terminal."""
    err = io.TextIOWrapper(io.BytesIO())
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        for name, value in {**environment, "PATH": str(tmp_path)}.items():
            patch.setenv(name, value)
        patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        patch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO()))
        patch.setattr(sys, "stderr", err)
        try:
            code = main([places.get(word, word) for word in words])
        except SystemExit as ended:
            code = int(ended.code or 0)
    err.flush()
    said = err.buffer.getvalue().decode(errors="replace")
    assert code in ENDINGS or 11 <= code <= 15
    assert "a bug in hapg" not in said
    assert "Traceback" not in said
    assert (code in (0, *range(11, 16))) or said


LOUD = """\
import atexit
import os
import subprocess
import sys
import threading

from hapg.hooks import hook

print("import")
sys.__stdout__.write("stream\\n")
atexit.register(print, "exit")
stopped = threading.Event()


def late():
    stopped.wait()
    os.write(1, b"thread\\n")


@hook
def adjust_manifests(manifests):
    print("call")
    os.write(1, b"descriptor\\n")
    subprocess.run(["sh", "-c", "echo child; cat"], check=True)
    sys.stdout = sys.__stdout__
    print("replaced")
    threading.Thread(target=late).start()
    threading._register_atexit(stopped.set)
"""


@pytest.mark.parametrize(
    ("statement", "function"),
    [("os._exit(0)", "_exit"), ("os.execlp('true', 'true')", "execv"), ("os.execle('/bin/true', 'true', {})", "execve")],
)
@pytest.mark.parametrize("indent", ["", "    "], ids=["import", "call"])
def test_a_hook_cannot_end_hapg_as_if_all_were_well(tmp_path: Path, statement: str, function: str, indent: str) -> None:
    """Its children may end as they like."""
    child = "if os.fork() == 0:\n    os._exit(0)\nos.wait()\n"
    head = f"import os\n\nfrom hapg.hooks import hook\n\n{child}\n\n@hook\ndef adjust_manifests(manifests):\n    pass\n"
    path = tmp_path / "ends.py"
    path.write_text(f"{head}{indent}{statement}\n")
    command = [sys.executable, "-m", "hapg", "post-render", "--hooks", str(path)]
    done = subprocess.run(command, input=RENDERED.read_text(), capture_output=True, text=True, check=False)
    said = "adjust_manifests failed" if indent else "can't be imported"
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"error: {path}:13: {said}: SystemExit: os.{function}\n"


def test_nothing_that_a_hook_prints_gets_into_the_manifests(tmp_path: Path) -> None:
    """And its subprocess gets none of the manifests."""
    for name, text in (("loud", LOUD), ("idle", "from hapg.hooks import hook\n\n\n@hook\ndef adjust_manifests(manifests):\n    pass\n")):
        (tmp_path / f"{name}.py").write_text(text)
    loud, idle = (
        subprocess.run(
            [sys.executable, "-m", "hapg", "post-render", "--hooks", str(tmp_path / f"{name}.py")],
            input=RENDERED.read_text(),
            capture_output=True,
            text=True,
            check=True,
        )
        for name in ("loud", "idle")
    )
    assert loud.stdout == idle.stdout != ""
    assert idle.stderr == ""
    said = ["import", "stream", "call", "descriptor", "child", "replaced", "thread", "exit"]
    assert sorted(loud.stderr.splitlines()) == sorted(said)
