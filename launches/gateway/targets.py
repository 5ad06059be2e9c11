"""Which paths may be asked for where the connection's secret goes along, which opens more than this one job. Pure."""

from __future__ import annotations

from urllib.parse import unquote_to_bytes

PLAIN_PATHS_ALONE = (
    "does not run on this Slipway, so its paths have to be plain: write no segment . or .., no backslash and no "
    "encoded slash below the job."
)
"""What a caller is told, after the job's name."""


def may_lead_out(target: bytes) -> bool:
    """Whether somebody on the way may take the path for one outside the job's, decoding it once or twice."""
    path = target.partition(b"?")[0]
    once = unquote_to_bytes(path)
    twice = unquote_to_bytes(once)
    segments = {part.partition(b";")[0] for form in (path, once, twice) for part in form.split(b"/")}
    hidden = any(b"%2f" in form.lower() for form in (path, once))
    return hidden or b"\\" in twice or not segments.isdisjoint((b".", b".."))
