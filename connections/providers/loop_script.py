"""The loop that does what a recipe of ours does, through the SDK, as one file: the recipe's own modules, and the loop.

A launch's page links it, and where a trainer is not ours it is what drives that. Pure, but for reading the modules.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from connections.providers.spec import DatasetFile
from connections.providers.trainer_files.recipes import declared

TRAINER = Path(__file__).resolve().parents[2] / "trainer"
_MODULES = (
    *("errors.py", "metrics.py", "recipes/rows.py", "recipes/formats.py", "recipes/plan.py", "recipes/schedule.py"),
    *("recipes/preferences.py", "recipes/datum.py", "recipes/records.py", "recipes/objectives.py"),
    *("recipes/course.py", "recipes/through_sdk.py"),
)
"""Each uses names of those before it alone."""


def loop_settings(
    *,
    recipe: str,
    base_model: str,
    shape: str,
    lora_rank: int,
    learning_rate: float | None,
    context: int,
    dataset: DatasetFile,
    evaluation: DatasetFile | None,
    parameters: Mapping[str, Any],
) -> dict[str, Any]:
    """What the loop is told."""
    (formats,) = (each.formats for each in declared(TRAINER) if each.name == recipe)
    return {
        "recipe": recipe,
        "base_model": base_model,
        "shape": shape,
        "lora_rank": lora_rank,
        "learning_rate": learning_rate,
        "context": context,
        "dataset": _told(dataset),
        "evaluation": _told(evaluation) if evaluation else None,
        "formats": list(formats),
        "parameters": dict(parameters),
    }


def write_loop(settings: Mapping[str, Any], words: str) -> str:
    """The file. `words` are for who reads it."""
    head = f'''"""{words}"""

from __future__ import annotations

import json

SETTINGS = json.loads(r\'\'\'
{json.dumps(settings, indent=2)}
\'\'\')
'''
    return "\n\n".join((head, *(_own(name) for name in _MODULES), 'if __name__ == "__main__":\n    main(SETTINGS)\n'))


def _told(dataset: DatasetFile) -> dict[str, str]:
    return {"name": dataset.name, "sha256": dataset.sha256}


@lru_cache
def _own(name: str) -> str:
    """A module without its docstring and what it imports of the trainer, under its name."""
    text = (TRAINER / name).read_text(encoding="utf-8")
    lines = text.splitlines()
    for node in ast.parse(text).body:
        is_docstring = isinstance(node, ast.Expr) and node.lineno == 1
        origin = (node.module or "") if isinstance(node, ast.ImportFrom) else ""
        if is_docstring or origin == "__future__" or origin.partition(".")[0] == "trainer":
            for at in range(node.lineno - 1, node.end_lineno or node.lineno):
                lines[at] = ""
    body = "\n".join(lines).strip()
    return f"# --- trainer/{name}\n\n{body}\n"
