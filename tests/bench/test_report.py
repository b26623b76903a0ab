"""The page and the README's table are what the committed lines give."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import pytest

from tests.bench import faults, lines, modes, report, summary
from tests.bench.summary import Measurement, Quantiles

MACHINE = {"day": "2026-01-02", "processors": 2, "memory_gib": 24, "kernel": "6.1.0", "kubernetes": "v1.34.4", "nodes": 3}
QUANTILES = asdict(Quantiles(0.01, 0.02, 0.03, 0.04))


def found(gaps: Sequence[float], stuck: bool = False) -> list[Measurement]:
    return [Measurement(gap, gap / 4, 1, 2, 3, 9.0, stuck, recovered=not stuck, anomalies=5, phases={"detect": 0.25}) for gap in gaps]


@pytest.fixture
def some_lines() -> list[lines.Line]:
    return [
        {"machine": MACHINE},
        {"system": "ha-postgres", "version": "ha-postgres 1"},
        {"system": "ha-postgres", "idle": {"api_per_s": 0.5, "rss_mib": 51.2, "millicores": 2.5, "start_s": None}},
        {"system": "kubernetes", "routing": {"n": 10, **{name: QUANTILES for name, _ in report.ROUTING}}},
        summary.summarize("ha-postgres", "node", found([6.0, 7.0])).line(),
        summary.summarize("patroni", "node", [*found([29.0, 30.0]), *found([60.0], stuck=True)]).line(),
    ]


@pytest.fixture
def under_load(some_lines: list[lines.Line]) -> list[lines.Line]:
    busy = [Measurement(gap, gap, 0, 0, 0, 9.0, promotions=count, tps=812.4) for gap, count in ((0.5, 1), (0.9, 2))]
    mode = {"mode": "load"}
    return [
        *some_lines,
        {**mode, "machine": {**MACHINE, "day": "2026-01-03"}},
        {**mode, "system": "ha-postgres", "version": "ha-postgres 2"},
        summary.summarize("ha-postgres", "node", busy, "load").line(),
    ]


def test_every_fault_has_its_words_and_a_goal() -> None:
    assert list(report.DONE) == list(report.GOALS) == list(faults.FAULTS)
    assert list(report.GOALS_BY_MODE) == list(modes.MODES)
    assert tuple(report.GOALS_BY_MODE["load"]) == modes.LOAD.faults


def test_each_mode_has_its_own_part_and_the_readme_is_about_the_quiet_one(
    some_lines: list[lines.Line], under_load: list[lines.Line]
) -> None:
    quiet = report.Report(some_lines)
    assert report.Report(under_load).short() == quiet.short()
    assert report.sections(some_lines) == ""
    page = report.Report(under_load).page(report.sections(under_load))
    before, _, rest = page.partition("## Under load")
    assert before == quiet.page().partition("## How long Kubernetes")[0]
    assert "Measured on 2026-01-03" in rest
    assert "`ha-postgres` is ha-postgres 2." in rest
    assert "| node switched off | 7.0 / 9.0 | 0.70 / 0.90 (2) | 0 / 0 |" in rest
    assert "| ha-postgres | node | 2 | 3 | 1 | 812 |" in rest
    assert "starved" not in page


def test_systems_stand_side_by_side(some_lines: list[lines.Line]) -> None:
    rows = report.Report(some_lines).overview(goals=True).splitlines()
    assert rows[0] == "| fault | goal | ha-postgres (n) | patroni (n) | ha-postgres: lost / split | patroni: lost / split |"
    assert rows[2] == "| node switched off | 6.0 / 8.0 | 6.50 / 7.00 (2) | 30.00 / 60.00, 1 stuck, 1 not recovered (3) | 2 / 6 | 3 / 9 |"

    assert report.Report(some_lines).overview(goals=False).startswith("| fault | ha-postgres (n) |")


def test_a_fault_that_writes_never_survived_by_themselves_has_no_median() -> None:
    never = summary.summarize("patroni", "storage", found([60.0, 61.0], stuck=True)).line()
    assert "| volume hangs | stuck (2) | 2 / 6 |" in report.Report([{"machine": MACHINE}, never]).overview(goals=False)


def test_the_readme_says_what_the_others_are_and_what_stuck_means(some_lines: list[lines.Line]) -> None:
    both = report.Report([*some_lines, {"system": "patroni", "version": "Patroni 4"}]).short()
    assert "`ha-postgres` is ha-postgres 1; `patroni` is Patroni 4.\n" in both
    assert both.endswith(report.STUCK)
    alone = report.Report(some_lines[:-1]).short()
    assert report.STUCK not in alone
    assert "ha-postgres 1" not in alone


def test_the_page_has_every_figure(some_lines: list[lines.Line]) -> None:
    page = report.Report(some_lines).page()
    assert "Kubernetes 1.34.4, 3 nodes on one machine with 2 CPUs and 24 GiB" in page
    assert "| node | 2 | 6.00 | 6.50 | 7.00 | 7.00 | 2 | 4 | 6 | 10 | 0 | 0 | 9.0 |" in page
    assert "| patroni | node | 3 | 7.25 | 7.50 | 15.00 | 15.00 | 30.00 |" in page
    assert "| node | 0.25 |" in page
    assert "| resident memory of an agent's processes, MiB | 60 | 51.2 |" in page
    assert "first connection | 10 | 0.01 | 0.02 | 0.03 | 0.04 |" in page
    assert "{" not in page


def test_only_its_own_part_of_the_readme_is_written() -> None:
    text = f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n"
    assert report.readme(text, "new") == f"before\n{report.BEGIN}\nnew\n{report.END}\nafter\n"
    with pytest.raises(ValueError, match="no markers for the table"):
        report.readme("before\nafter\n", "new")


def test_a_difference_is_found_and_mended(some_lines: list[lines.Line], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SOURCE", "PAGE", "README"):
        monkeypatch.setattr(report, name, tmp_path / name.lower())
    monkeypatch.setattr(report, "REPOSITORY", tmp_path)
    (tmp_path / "readme").write_text(f"{report.BEGIN}\n{report.END}\n", encoding="utf-8")
    lines.write(tmp_path / "new.jsonl", some_lines)
    said: list[str] = []
    assert report.main([str(tmp_path / "new.jsonl")], said.append) == 0
    assert report.main(["--check"], said.append) == 0
    assert said == ["page: written", "readme: written"]
    (tmp_path / "page").write_text("another", encoding="utf-8")
    assert report.main(["--check"], said.append) == 1
    assert said[-1] == "page: differs from docs/bench.jsonl"
