"""What measurements found, as one table, beside their budget and beside an earlier run. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass

WORSE = 1.25
"""How many times what it was counts as worse: on machines with other work the same code differs by less, mostly."""
HEADS = ("what", "took", "floor", "ratio", "requests/s", "queries", "growth", "budget")
WIDTHS = (46, 10, 10, 8, 11, 8, 8, 8)


@dataclass(frozen=True)
class Figure:
    """One measurement.

    took      seconds as a rule, or what `unit` says
    floor     the same of the least that it could take, such as the bare SQL
    rate      requests a second
    queries   that one such request asks the database
    growth    how many times what it takes where there are few rows
    """

    what: str
    took: float
    floor: float | None = None
    rate: float | None = None
    queries: int | None = None
    growth: float | None = None
    unit: str = "s"

    @property
    def ratio(self) -> float | None:
        """How many times the floor; None where there is none. It holds on other machines, too, as seconds do not."""
        return self.took / self.floor if self.floor else None

    @property
    def judged(self) -> float:
        """What a budget is about, less being better: the ratio, or what it took where there is no floor."""
        return self.took if self.ratio is None else self.ratio


def table(figures: Iterable[Figure], budget: Mapping[str, float]) -> str:
    """One line a figure; those above their budget are marked."""
    return "\n".join([_line(HEADS), *(_line(_cells(figure, budget)) for figure in figures)])


def over_budget(figures: Iterable[Figure], budget: Mapping[str, float]) -> list[str]:
    """Which figures are above their budget, in words."""
    return [
        f"{figure.what}: {figure.judged:.2f} and the budget is {budget[figure.what]:.2f}"
        for figure in figures
        if figure.what in budget and figure.judged > budget[figure.what]
    ]


def compare(old: Sequence[Figure], new: Sequence[Figure]) -> str:
    """Each figure of the two runs side by side: what got worse, what is new, and what is gone."""
    before = {figure.what: figure for figure in old}
    lines = [f"{'what':46}{'before':>12}{'now':>12}{'times':>8}"]
    for figure in new:
        then = before.pop(figure.what, None)
        if then is None or (then.ratio is None) != (figure.ratio is None):
            lines.append(f"{figure.what:46}{'':>12}{_short(figure.judged):>12}{'':>8}   new")
            continue
        times = figure.judged / then.judged if then.judged else 1.0
        mark = "   WORSE" if times > WORSE else "   better" if times < 1 / WORSE else ""
        lines.append(f"{figure.what:46}{_short(then.judged):>12}{_short(figure.judged):>12}{times:8.2f}{mark}")
    lines += [f"{what:46}{_short(then.judged):>12}{'':>20}   gone" for what, then in before.items()]
    return "\n".join(lines)


def write_figures(figures: Iterable[Figure]) -> str:
    """As JSON, to be kept."""
    return json.dumps([asdict(figure) for figure in figures], indent=1) + "\n"


def read_figures(text: str) -> list[Figure]:
    """What `write_figures` wrote. Errors: `ValueError` for anything else."""
    try:
        return [Figure(**each) for each in json.loads(text)]
    except TypeError as error:
        raise ValueError(f"it holds no figures of ./run bench --save ({error})") from None


def _cells(figure: Figure, budget: Mapping[str, float]) -> tuple[str, ...]:
    allowed = budget.get(figure.what)
    mark = "" if allowed is None else f"{_short(allowed)}{' OVER' if figure.judged > allowed else ''}"
    return (
        figure.what,
        _amount(figure.took, figure.unit),
        "" if figure.floor is None else _amount(figure.floor, figure.unit),
        "" if figure.ratio is None else _short(figure.ratio),
        "" if figure.rate is None else _short(figure.rate),
        "" if figure.queries is None else str(figure.queries),
        "" if figure.growth is None else _short(figure.growth),
        mark,
    )


def _line(cells: Sequence[str]) -> str:
    first, *others = zip(cells, WIDTHS, strict=True)
    return (f"{first[0]:{first[1]}}" + "".join(f"{cell:>{width}}" for cell, width in others)).rstrip()


def _amount(value: float, unit: str) -> str:
    return f"{value * 1000:.1f} ms" if unit == "s" and value < 1 else f"{_short(value)} {unit}"


def _short(value: float) -> str:
    return f"{value:.1f}" if value < 100 else f"{value:,.0f}"
