"""hapg migrate: translate an object or values of another system into a spec and values, and report what became of each field."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from hapg import files, yamlio
from hapg.errors import InputError, OutputError
from hapg.exits import DONE
from hapg.migrate import output, report, systems
from hapg.migrate.source import Migration
from hapg.spec import parser as spec_parser

_LARGEST = 4 * 1024 * 1024


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "files", nargs="+", type=Path, metavar="FILE", help="YAML, also as `kubectl get -o yaml` prints it; - is standard input"
    )
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FOLDER", help="where a folder for each release is written; without it the specs are printed"
    )
    parser.add_argument("--name", default="", metavar="NAME", help="name of the new release (default: that of the object)")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Write or print the translations. The report goes into the folder, or to standard error."""
    documents = [document for path in options.files for document in yamlio.load(files.read(path, _LARGEST), str(path))]
    migrations, remarks = systems.translate(documents, options.name)
    for migration in migrations:
        _check(migration)
    if options.output is not None:
        _write(options.output, migrations)
    for migration in migrations:
        if options.output is None:
            print(output.one_document(migration), end="")
            print(report.text(migration), file=sys.stderr)
        else:
            print(f"{options.output / migration.name}: written; {report.summary(migration)}")
    for remark in remarks:
        print(f"warning: {remark}", file=sys.stderr)
    return DONE


def _check(migration: Migration) -> None:
    """Raise InputError if `hapg generate` would refuse what is written."""
    try:
        spec_parser.parse(output.one_document(migration).encode(), migration.place)
    except InputError as error:
        raise InputError([f"{migration.place}: can't be expressed as a spec: {problem}" for problem in error.problems]) from error


def _write(folder: Path, migrations: list[Migration]) -> None:
    made = {folder / each.name: output.files(each, report.text(each)) for each in migrations}
    for directory in made:
        if directory.exists() or directory.is_symlink():
            raise OutputError(f"{directory}: already exists; nothing was written")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for directory, content in made.items():
            _write_one(directory, content)
    except OSError as error:
        raise OutputError(f"{folder}: can't be written: {error.strerror or error}") from error


def _write_one(directory: Path, content: Mapping[str, str]) -> None:
    with tempfile.TemporaryDirectory(prefix=f".{directory.name}.", dir=directory.parent) as scratch:
        new = Path(scratch, "new")
        new.mkdir()
        for name, text in content.items():
            (new / name).write_text(text, encoding="utf-8")
        new.rename(directory)
