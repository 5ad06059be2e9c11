"""The table of `./run bench`, its budget, and two runs side by side."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from benchmarks.results import Figure, compare, over_budget, read_figures, table, write_figures

ROOT = Path(__file__).resolve().parent.parent
CATALOG = Figure("page, catalog", 0.020, 0.005, rate=50.0, queries=12, growth=1.3)
MEMORY = Figure("memory, idle", 410.0, unit="MB")


def test_the_table_says_what_was_measured_and_marks_what_exceeds_its_budget() -> None:
    budget = {"page, catalog": 4.0, "memory, idle": 400}
    head, catalog, memory = table([CATALOG, MEMORY], budget).splitlines()
    assert head.split() == ["what", "took", "floor", "ratio", "requests/s", "queries", "growth", "budget"]
    assert catalog.split()[2:] == ["20.0", "ms", "5.0", "ms", "4.0", "50.0", "12", "1.3", "4.0"]
    assert memory.split()[2:] == ["410", "MB", "400", "OVER"]
    assert over_budget([CATALOG, MEMORY], budget) == ["memory, idle: 410.00 and the budget is 400.00"]
    assert over_budget([CATALOG], {"page, catalog": 3.9}) and not over_budget([CATALOG], {})


def test_two_runs_are_compared_by_ratios_where_there_are_and_by_what_it_took_where_not() -> None:
    slower_machine = Figure("page, catalog", 0.080, 0.020)
    now = [slower_machine, Figure("memory, idle", 600.0, unit="MB"), Figure("start", 2.0)]
    _, catalog, memory, start, gone = compare([CATALOG, MEMORY, Figure("live", 1.0)], now).splitlines()
    assert catalog.split()[2:] == ["4.0", "4.0", "1.00"]
    assert memory.split()[2:] == ["410", "600", "1.46", "WORSE"]
    assert start.split() == ["start", "2.0", "new"] and gone.split() == ["live", "1.0", "gone"]
    assert compare(now, [Figure("start", 1.0)]).splitlines()[1].split()[-1] == "better"


def test_what_was_saved_is_read_again_and_nothing_else_is() -> None:
    assert read_figures(write_figures([CATALOG, MEMORY])) == [CATALOG, MEMORY]
    for text in ("{", '[{"which": 1}]'):
        with pytest.raises(ValueError):
            read_figures(text)


def test_run_bench_compares_two_files_and_starts_nothing_for_that(tmp_path: Path) -> None:
    for name, took in (("old", 1.0), ("new", 2.0)):
        (tmp_path / f"{name}.json").write_text(write_figures([Figure("start", took)]))
    ran = subprocess.run(
        [ROOT / "run", "bench", "compare", "old.json", "new.json"],
        cwd=tmp_path,
        env=os.environ | {"SLIPWAY_HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stdout.splitlines()[1].split()) == (0, ["start", "1.0", "2.0", "2.00", "WORSE"]), ran


def test_the_budget_is_a_number_for_each_name() -> None:
    budget = json.loads((ROOT / "benchmarks/budget.json").read_text())
    assert budget and all(isinstance(allowed, int | float) and allowed > 0 for allowed in budget.values())
