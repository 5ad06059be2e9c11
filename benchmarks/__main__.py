"""Run the measurements named on the command line, all where none is named."""

from __future__ import annotations

import sys

from benchmarks import api, chaos, data, downloads, gateway, hostile, live, pages, sampler_load, slurm

PROGRAMS = {
    "gateway": gateway.main,
    "hostile": hostile.main,
    "live": live.main,
    "downloads": downloads.main,
    "pages": pages.main,
    "api": api.main,
    "data": data.main,
    "sampler": sampler_load.main,
    "chaos": chaos.main,
    "chaos-alone": chaos.alone,
    "chaos-pair": chaos.pair,
    "slurm": slurm.main,
}

APART = ("chaos-alone", "chaos-pair", "slurm")
"""Which another one of them runs, too, or which needs a Slurm; they run where they are named."""


def main(names: list[str]) -> int:
    """Run them in order. Answers an exit code: 2 for a name that is not known."""
    unknown = [name for name in names if name not in PROGRAMS]
    if unknown:
        print(f"There is no measurement {', '.join(unknown)}; there are {', '.join(PROGRAMS)}.", file=sys.stderr)
        return 2
    for name in names or [name for name in PROGRAMS if name not in APART]:
        print(f"\n== {name}: {sys.modules[PROGRAMS[name].__module__].__doc__.splitlines()[0]}")  # type: ignore[union-attr]
        PROGRAMS[name]()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
