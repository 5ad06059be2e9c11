"""The four files by which a recipe of the public cookbook says what it does: hostile until they are read.

COOKBOOK_STATUS_FILE (google.rpc.Status with a JobProgress), COOKBOOK_METADATA_FILE, COOKBOOK_METRICS_FILE (a JSON
object a line), COOKBOOK_OUTPUT_MODEL_PATH. Each is read up to a size, whatever is in it, and only what is expected is
taken.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from connections.providers.runs import RunProgress
from connections.providers.trainer_files import files, reading, values

STATUS, METADATA, METRICS, OUTPUT = "status.json", "metadata.json", "run-metrics.jsonl", "output-model.json"
VARIABLES = {
    "COOKBOOK_STATUS_FILE": STATUS,
    "COOKBOOK_METADATA_FILE": METADATA,
    "COOKBOOK_METRICS_FILE": METRICS,
    "COOKBOOK_OUTPUT_MODEL_PATH": OUTPUT,
}
"""By the variable that tells a recipe where to write it."""
LONGEST_MESSAGE, LONGEST_NAME, MOST_FIGURES = 1000, 200, 40
TAIL = 64 * 1024
WHOLE = 100
_PROGRESS = "JobProgress"
_OUTPUTS = ("model_id", "checkpoint", "job_id")


def read_progress(folder: Path) -> RunProgress:
    """What the files in the folder say. Errors: `OSError`."""
    status, metadata, output = (_object(folder / name) for name in (STATUS, METADATA, OUTPUT))
    code = status.get("code")
    about = metadata.get("metadata")
    step, figures = _newest(folder / METRICS)
    return RunProgress(
        code=values.number(code),
        message=_text(status.get("message"), LONGEST_MESSAGE),
        percent=_percent(status.get("details")),
        tokens=values.integer(about.get("tokens")) if isinstance(about, Mapping) else None,
        step=step,
        figures=figures,
        output={name: said for name in _OUTPUTS if (said := _text(output.get(name), LONGEST_NAME))},
    )


def _object(path: Path) -> dict[str, Any]:
    return files.read_json(path) or {}


def _text(said: Any, most: int) -> str:
    return values.plain(said[:most]) if isinstance(said, str) else ""


def _percent(details: Any) -> int | None:
    for each in details[:MOST_FIGURES] if isinstance(details, list) else ():
        if isinstance(each, Mapping) and str(each.get("@type", ""))[:LONGEST_NAME].endswith(_PROGRESS):
            percent = values.number(each.get("percent"))
            return None if percent is None else min(WHOLE, percent)
    return None


def _newest(path: Path) -> tuple[int | None, dict[str, float]]:
    """The newest step and what is said of it, numbers alone, from the end of the file."""
    try:
        with reading.open_regular(path) as file:
            file.seek(max(0, reading.size_of(file) - TAIL))
            lines = file.read(TAIL).splitlines()
    except FileNotFoundError:
        return None, {}
    for line in reversed(lines):
        record = reading.as_object(line) or {}
        step = values.number(record.pop("step", None))
        if step is not None:
            named = ((values.plain(str(name)[:LONGEST_NAME]), values.finite(value)) for name, value in record.items())
            told = [(name, value) for name, value in named if name and value is not None]
            return step, dict(told[:MOST_FIGURES])
    return None, {}
