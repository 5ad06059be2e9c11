"""How long a recipe of the cookbook waited for what it had saved to be listed, by what it logged with times. Pure."""

from __future__ import annotations

import re

MARKS = {
    "saved to train on": r"DCP checkpoint '.*' saved",
    "saving to sample": r"Saving sampler checkpoint",
    "saved to sample": r"Sampler checkpoint '.*' saved",
    "promoting": r"Promoting newest promotable",
}
SETTLES = 15.0
"""Seconds that the cookbook lets pass in any case once the save to train on is listed (`save_stabilize_s`)."""


def waits_of(said: str) -> dict[str, float]:
    """Seconds from each of the last two saves until the recipe went on, without what it waits in any case."""
    at = {mark: _time_of(pattern, said) for mark, pattern in MARKS.items()}
    return {
        "waited for the one to train on": at["saving to sample"] - at["saved to train on"] - SETTLES,
        "for the promotable one": at["promoting"] - at["saved to sample"],
    }


def _time_of(pattern: str, said: str) -> float:
    """Of the last line of the log with those words, as seconds since the epoch. NaN without one."""
    found = re.findall(rf"^(\d+\.\d+) {pattern}", said, re.MULTILINE)
    return float(found[-1]) if found else float("nan")
