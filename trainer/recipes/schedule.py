"""The learning rate of each step. Pure."""

from __future__ import annotations

import math

LEARNING_RATE = 3e-3
"""Where the launch has none: its shape may leave the field out."""


def rate_at(step: int, *, steps: int, full: float, schedule: str, warmup: float) -> float:
    """The learning rate of `step`, from 0, of `steps`.

    It rises along a line over the first `warmup` percent of the steps, so that the first step has a rate above 0, and
    then falls from `full` towards 0, which the step after the last would have: along a cosine (Loshchilov and Hutter
    2017, arXiv:1608.03983, without restarts), along a line, or not at all ("constant").
    """
    rising = math.ceil(steps * warmup / 100)
    if step < rising:
        return full * (step + 1) / rising
    if schedule == "constant":
        return full
    done = (step - rising) / max(1, steps - rising)
    return full * (1 - done if schedule == "linear" else (1 + math.cos(math.pi * done)) / 2)
