"""hapg init: begin a release in a Git repository: spec, values, what Argo CD or Flux installs, and a check for CI."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from hapg.chart import starter
from hapg.chart.starter import QUESTIONS, Answers
from hapg.errors import InputError, OutputError
from hapg.exits import DONE

_FLAGS = {
    "namespace": "Namespace of the release",
    "repository": "URL of the Git repository that Argo CD or Flux reads",
}


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    defaults = Answers()
    parser.epilog = "On a terminal, it asks for what the first five options do not say. Otherwise their defaults count."
    parser.add_argument(
        "folder", nargs="?", type=Path, default=Path(), metavar="FOLDER", help="where the files are written (default: here)"
    )
    for name, text in {**QUESTIONS, **_FLAGS}.items():
        parser.add_argument(f"--{name}", metavar=name.upper(), help=f"{text} (default: {getattr(defaults, name)})")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Ask, if there is somebody to ask, and write the files. Nothing is overwritten."""
    given = {name: value for name in (*QUESTIONS, *_FLAGS) if (value := getattr(options, name)) is not None}
    answers = replace(Answers(folder=_folder_in_repository(options.folder)), **given)
    _check(answers)
    if sys.stdin.isatty():
        for name in (name for name in QUESTIONS if name not in given):
            answers = _ask(answers, name)
    _write(options.folder, starter.files(answers))
    print(f"{options.folder}: written: {', '.join(starter.files(answers))}")
    print(
        f"next: hapg generate {options.folder / 'postgres.yaml'} --values {options.folder / 'values.yaml'} -o {options.folder / 'charts'}"
    )
    if answers.repository == starter.PLACEHOLDER:
        print(f"then replace {starter.PLACEHOLDER} by the URL of your repository, and commit all of it")
    return DONE


def _check(answers: Answers) -> None:
    problems = starter.problems(answers)
    if problems:
        raise InputError(problems)


def _ask(answers: Answers, name: str) -> Answers:
    """Return the answers with one more, asked until it can be."""
    while True:
        try:
            said = input(f"{QUESTIONS[name]} [{getattr(answers, name)}]: ").strip()
        except EOFError:
            raise InputError([f"--{name}: no answer"]) from None
        found = replace(answers, **{name: said or getattr(answers, name)})
        problems = starter.problems(found)
        if not problems:
            return found
        print("\n".join(problems), file=sys.stderr)


def _folder_in_repository(folder: Path) -> str:
    """Return the folder's path below the top of its Git repository, "." if it is the top or in none."""
    whole = folder.resolve()
    for top in (whole, *whole.parents):
        if (top / ".git").exists():
            return str(whole.relative_to(top))
    return "."


def _write(folder: Path, content: Mapping[str, str]) -> None:
    """Write all files or none."""
    existing = [str(folder / name) for name in content if (folder / name).exists()]
    if existing:
        raise OutputError(f"{', '.join(existing)}: already exists; nothing was written")
    written: list[Path] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in content.items():
            written.append(folder / name)
            with (folder / name).open("x", encoding="utf-8") as file:
                file.write(text)
        (folder / starter.CHECK).chmod(0o755)
    except OSError as error:
        for path in written:
            with contextlib.suppress(OSError):
                path.unlink()
        raise OutputError(f"{folder}: can't be written: {error.strerror or error}") from error
