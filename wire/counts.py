"""A number with what it counts, as every sentence here says it."""

from __future__ import annotations


def quantity(number: int, noun: str, plural: str = "") -> str:
    """`1 GPU`, `2 GPUs`, `1,024 GPUs`; `plural` where it is not the noun with an s."""
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"
