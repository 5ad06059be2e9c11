"""How figures and enumerations of the catalog are written for people, and read back. Pure."""

from __future__ import annotations

import re

_CONTEXT = re.compile(r"([0-9]{1,9}|[0-9]{1,3}(?:,[0-9]{3}){1,2}) ?(k?)", re.IGNORECASE)
_DURATION = re.compile(r"(?:([0-9]{1,6})h)?(?:([0-9]{1,6})m)?(?:([0-9]{1,6})s)?")
_SCALES = ((10**12, "T"), (10**9, "B"), (10**6, "M"), (10**3, "k"))


def context_label(tokens: int) -> str:
    """`128k` for 128000 and for 131072: multiples of 1000 in thousands, anything else in 1024s, rounded.

    Below 1000 it is the number of tokens.
    """
    if tokens < 1000:
        return str(tokens)
    return f"{tokens // 1000 if tokens % 1000 == 0 else round(tokens / 1024)}k"


def least_context(label: str) -> int:
    """The fewest tokens that "at least `label`" includes; `label` is like "128k", or a number of tokens.

    "128k" stands for 128000 as well as for 131072, so it includes both; "1k" begins at 1000, where labels do.
    Errors: `ValueError` with the remedy.
    """
    number, thousands = _read_context(label)
    if not thousands or number == 0:
        return number
    return max(1000, min(number * 1000, number * 1024 - 512))


def read_tokens(text: str) -> int:
    """How many tokens `text` means, written as lengths are shown: "256k" is 262144, "262,144" itself.

    Contexts come in 1024s, so "200k" is 204800; where that would be shown as another length it is thousands: "125k" is
    125000, since 128000 is "128k". Errors: `ValueError` with the remedy.
    """
    number, thousands = _read_context(text)
    if not thousands:
        return number
    return number * 1024 if number * 1024 % 1000 else number * 1000


def _read_context(text: str) -> tuple[int, bool]:
    """A figure, and whether it counts thousands."""
    found = _CONTEXT.fullmatch(text.strip())
    if not found:
        raise ValueError("use a size such as 128k, or a number of tokens such as 131072")
    return int(found[1].replace(",", "")), bool(found[2])


def accelerator_label(accelerator: str) -> str:
    """`B200 180 GB` for NVIDIA_B200_180GB; others keep their maker, and one that is not known yet all its words."""
    maker, _, rest = accelerator.partition("_")
    words = rest.replace("_", " ").replace("GB", " GB") if rest[-2:] == "GB" else rest.replace("_", " ")
    return words if maker == "NVIDIA" and words else f"{maker} {words}".strip()


def parameter_label(count: int) -> str:
    """`9B`, `1.5B`, `140k` parameters."""
    for scale, letter in _SCALES:
        if count >= scale:
            return f"{count / scale:.3g}{letter}"
    return str(count)


def value_label(value: str | int | float | None) -> str:
    """A value exactly, as short as it reads back to the same: `64`, `1e-05`, `0.000123456789`; "" for none."""
    if isinstance(value, float):
        short = f"{value:g}"
        return short if float(short) == value else repr(value)
    return "" if value is None else str(value)


def duration_label(seconds: int) -> str:
    """Seconds as the launch form takes them: 5400 is 1h30m."""
    hours, rest = divmod(seconds, 3600)
    minutes, left = divmod(rest, 60)
    return "".join(f"{count}{unit}" for count, unit in ((hours, "h"), (minutes, "m"), (left, "s")) if count) or "0s"


def read_duration(text: str) -> int | None:
    """Seconds of a duration such as 30m, 1h30m or 1800s; None where it is not one."""
    plain = text.strip().replace(" ", "").lower()
    found = _DURATION.fullmatch(plain)
    if not found or not plain:
        return None
    hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return hours * 3600 + minutes * 60 + seconds
