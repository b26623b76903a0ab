"""The templates judge values of postgresql.parameters as hapg does, which is compared with PostgreSQL (tests/supervisor)."""

from __future__ import annotations

import pytest

from hapg.spec.parameter_values import problems
from hapg.spec.parameters import of_major
from hapg.spec.restrictions import BOUNDS, RESERVED
from tests.chart import helm

TEXTS: tuple[object, ...] = (
    *("", "on", "OFF", "of", "o", "2", "-1", "-5 ", "0600", "099", "0x10", "0x1e3B", "1e3", "1.5", ".5", "0.4", " 5 ", "+5", "5 kB", "5KB"),
    *("5B", "1.5GB", "1TB", "100us", "1d", "1.5 min", "1e30", "2147483648", "-2147483648", "nan", "5x", "read committed", "DEBUG", "try"),
    *(5, 2.5, 1e30, True, False, "it's", 'a "b"', "\\"),
)
KINDS = ("integer", "real", "bool", "enum")


def _rounds(major: str) -> list[dict[str, object]]:
    """Every text for parameters of every kind and unit: the parameters of each run of helm."""
    names: dict[tuple[str, str], list[str]] = {}
    for name, parameter in of_major(major).items():
        if parameter.kind in KINDS and parameter.context in ("user", "superuser") and name not in {**RESERVED, **BOUNDS}:
            names.setdefault((parameter.kind, parameter.unit), []).append(name)
    rounds: list[dict[str, object]] = [{} for _ in TEXTS]
    for same in names.values():
        for number, text in enumerate(TEXTS):
            rounds[number // len(same)][same[number % len(same)]] = text
    return [each for each in rounds if each]


@pytest.mark.parametrize(("major", "version", "every"), [("15", "helm3", 1), ("9.6", "helm3", 3), ("15", "helm4", 9)])
def test_the_templates_say_of_a_value_what_hapg_says(major: str, version: str, every: int) -> None:
    chart = helm.ROOT / "charts" / f"ha-postgres-{major}"
    for parameters in _rounds(major)[::every]:
        said = helm.template(*helm.values({"postgresql.parameters": parameters}), chart=chart, version=version).stderr
        lines = [line for line in said.splitlines() if line.startswith("postgresql.parameters.")]
        assert lines == sorted(problems(major, parameters))


def test_a_parameter_is_refused_in_one_line() -> None:
    given = {"work_mem": "4gb", "wal_level": "minimal", "fsync": "maybe", "wal_sender_timeout": "1e30", "max_connections": 0}
    said = helm.refusal(*helm.values({"postgresql.parameters": given}), "--skip-schema-validation")
    assert [line.split(": ")[0] for line in said.splitlines() if line.startswith("postgresql.")] == [
        f"postgresql.parameters.{name}" for name in sorted(given)
    ]


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({"archiver": {"type": "s3", "bucket": "b", "secretName": "s"}}, "archive_mode"),
        ({"tls": {"mode": "allow", "secretName": "s"}}, "ssl"),
    ],
)
def test_one_that_another_value_sets_is_refused_in_one_line_too(given: dict[str, object], name: str) -> None:
    said = helm.refusal(*helm.values(given | {f"postgresql.parameters.{name}": "maybe"}))
    [line] = [line for line in said.splitlines() if line.startswith("postgresql.")]
    assert line.startswith(f"postgresql.parameters.{name}: can't be set, because ")


def test_a_number_that_is_no_integer_is_written_as_it_is() -> None:
    conf = helm.objects(*helm.values({"postgresql.parameters": {"seq_page_cost": 1e30, "random_page_cost": 1.1}}))
    text = conf["ConfigMap", "ha-postgres-config"]["data"]["postgresql.conf"]
    assert "\nseq_page_cost = '1e+30'\n" in text
    assert "\nrandom_page_cost = '1.1'\n" in text
