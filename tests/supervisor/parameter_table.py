"""Writes generator/hapg/spec/parameters.tsv from PostgreSQL servers.

`python -m tests.supervisor.parameter_table BIN…` takes the folders of the programs of one server of
each major, and runs each in single-user mode as the user postgres, without the network.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from .harness import server_user

TABLE = Path(__file__).parents[2] / "generator" / "hapg" / "spec" / "parameters.tsv"

QUERY = (
    "SELECT lower(name), context, vartype, coalesce(unit, ''), coalesce(min_val, ''), coalesce(max_val, ''), "
    "coalesce(array_to_string(enumvals, '|'), '') FROM pg_settings ORDER BY lower(name)"
)

Row = tuple[str, ...]
"""The fields of a line but the majors."""

BUILD: Mapping[str, Sequence[str]] = {
    "default_toast_compression": ("pglz", "lz4"),
    "io_method": ("sync", "worker", "io_uring"),
    "wal_compression": ("pglz", "lz4", "zstd", "on", "off"),
}
"""The choices of the stock image; a server that is built without a library lacks some."""


def of_stock_image(row: Row) -> Row:
    """Return a row of any build as the stock image's server would say it."""
    name, kind = row[0], row[2]
    return (*row[:6], "|".join(BUILD[name])) if name in BUILD and kind == "enum" else row


def table(rows: Mapping[str, Sequence[Row]]) -> str:
    """Return the text of the table from the rows of each major."""
    majors = defaultdict(list)
    for major, each in rows.items():
        for row in each:
            majors[of_stock_image(row)].append(major)
    return "".join("\t".join((*row, ",".join(having))) + "\n" for row, having in sorted(majors.items()))


def _ask(programs: Path) -> tuple[str, list[Row]]:
    """Return the major of a server and its rows."""
    uid, gid = server_user()
    said = subprocess.run([programs / "postgres", "--version"], capture_output=True, text=True, check=True).stdout
    release = said.split()[2].split(".")
    major = ".".join(release[:2]) if int(release[0]) < 10 else release[0]
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        root.chmod(0o777)
        data, out = root / "data", root / "rows"
        how = {"user": uid, "group": gid, "extra_groups": (), "check": True, "capture_output": True, "text": True}
        subprocess.run([programs / "initdb", "-D", data, "-N", "--locale=C", "-E", "UTF8", "-U", "postgres"], **how)  # type: ignore[call-overload]
        command = f"COPY ({QUERY}) TO '{out}';\n"
        subprocess.run([programs / "postgres", "--single", "-D", data, "postgres"], input=command, **how)  # type: ignore[call-overload]
        return major, [tuple(line.split("\t")) for line in out.read_text(encoding="utf-8").splitlines()]


def main(arguments: Sequence[str]) -> int:
    """Write the table."""
    found = dict(_ask(Path(each)) for each in arguments)
    ordered = {major: found[major] for major in sorted(found, key=float)}
    TABLE.write_text(table(ordered), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
