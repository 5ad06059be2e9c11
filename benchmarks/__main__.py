"""Run the measurements named on the command line, all where none is named, and print one table at the end.

    ./run bench [NAME ...] [--save FILE]
    ./run bench compare OLD NEW    of two files that were saved

What is above its budget (budget.json: ratios, or seconds and MB where there is no floor) is marked and said at the end.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from benchmarks import (
    api,
    catalog_file,
    chaos,
    data,
    downloads,
    gateway,
    growth,
    hostile,
    live,
    load,
    noted,
    pages,
    sampler_load,
    slurm,
    start,
    trainer_load,
)
from benchmarks.results import compare, over_budget, read_figures, table, write_figures

PROGRAMS = {
    "start": start.main,
    "gateway": gateway.main,
    "hostile": hostile.main,
    "live": live.main,
    "downloads": downloads.main,
    "pages": pages.main,
    "growth": growth.main,
    "load": load.main,
    "api": api.main,
    "file": catalog_file.main,
    "data": data.main,
    "sampler": sampler_load.main,
    "trainer": trainer_load.main,
    "chaos": chaos.main,
    "chaos-alone": chaos.alone,
    "chaos-pair": chaos.pair,
    "slurm": slurm.main,
}

APART = ("growth", "chaos-alone", "chaos-pair", "slurm")
"""What needs tables that are empty as yet, or a Slurm, or which another one of them runs, too: where they are named."""
BUDGET = Path(__file__).with_name("budget.json")


def main(arguments: list[str]) -> int:
    """Run them in order. Answers an exit code: 1 where a budget is exceeded, 2 for what is not known."""
    if arguments[:1] == ["compare"]:
        return _compare(arguments[1:])
    parser = argparse.ArgumentParser(prog="./run bench")
    parser.add_argument("names", nargs="*")
    parser.add_argument("--save", type=Path)
    asked = parser.parse_args(arguments)
    if unknown := [name for name in asked.names if name not in PROGRAMS]:
        print(f"There is no measurement {', '.join(unknown)}; there are {', '.join(PROGRAMS)}.", file=sys.stderr)
        return 2
    if asked.save and not asked.save.parent.is_dir():
        print(f"There is no folder {asked.save.parent} to save in.", file=sys.stderr)
        return 2
    for name in asked.names or [name for name in PROGRAMS if name not in APART]:
        print(f"\n== {name}: {sys.modules[PROGRAMS[name].__module__].__doc__.splitlines()[0]}")  # type: ignore[union-attr]
        PROGRAMS[name]()
    budget: dict[str, float] = json.loads(BUDGET.read_text())
    print(f"\n{table(noted.figures, budget)}")
    if asked.save:
        asked.save.write_text(write_figures(noted.figures))
        print(f"saved in {asked.save}")
    exceeded = over_budget(noted.figures, budget)
    for line in exceeded:
        print(f"over budget: {line}")
    return 1 if exceeded else 0


def _compare(paths: list[str]) -> int:
    if len(paths) != 2:
        print("./run bench compare takes two files that ./run bench --save wrote.", file=sys.stderr)
        return 2
    try:
        print(compare(*(read_figures(Path(path).read_text()) for path in paths)))
    except (OSError, ValueError) as error:
        print(f"The two cannot be compared: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
