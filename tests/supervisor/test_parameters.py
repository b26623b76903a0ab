"""The table of parameters, and how their values are judged, against real servers."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from hapg.spec import parameter_values, parameters
from tests.cluster import embedded

from .conftest import Make
from .harness import BIN, DEFAULT
from .parameter_table import QUERY, of_stock_image, table
from .test_majors import of_each_major

MAJORS = (*embedded.MAJORS, DEFAULT)
NAMES = (
    *("work_mem", "shared_buffers", "max_wal_size", "log_file_mode", "vacuum_cost_delay", "seq_page_cost", "checkpoint_timeout"),
    *("autovacuum", "log_min_messages", "constraint_exclusion", "default_transaction_isolation", "wal_compression"),
)
TEXTS = (
    *(
        "",
        "on",
        "OFF",
        "of",
        "o",
        "2",
        "-1",
        "0600",
        "099",
        "0x10",
        "1e3",
        "1.5",
        ".5",
        "0.4",
        " 5 ",
        "5 kB",
        "5KB",
        "5B",
        "1.5GB",
        "100us",
    ),
    *("1d", "1e30", "2147483648", "nan", "5x", "read committed", "DEBUG", "try", "5s"),
)
REFUSED = re.compile("invalid value for parameter|outside the valid range|requires a (Boolean|numeric) value")


@of_each_major
def test_the_table_is_what_the_server_says(major: str, make: Make, templates: Callable[[str], Path]) -> None:
    container = make("pod-0", major=major)
    container.start()
    container.ok("initdb")
    container.ok("start", "hot")
    rows = [tuple(row.split("|", 6)) for row in container.sql(QUERY).splitlines()]
    said = parameters.read(table({major: rows}).splitlines())
    assert {name: parameter for name, parameter, _ in said} == parameters.of_major(major)
    assert all(set(row[6].split("|")) <= set(of_stock_image(row)[6].split("|")) for row in rows)


@pytest.mark.parametrize("major", MAJORS)
def test_a_value_is_judged_as_the_server_judges_it(major: str, templates: Callable[[str], Path]) -> None:
    programs = BIN if major == DEFAULT else embedded.directory(major) / "bin"
    for name in NAMES:
        for text in TEXTS:
            told = subprocess.run(
                [programs / "postgres", "-C", name, "-D", templates(major), "-c", f"{name}={text}"],
                capture_output=True,
                text=True,
                check=False,
            )
            taken = parameter_values.accepts(parameters.of_major(major)[name], name, text, major)
            assert taken is not bool(REFUSED.search(told.stderr)), (name, text, told.stderr)
