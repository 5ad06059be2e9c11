"""The script that does what a recipe does, through the SDK: one file of the recipe's own modules, and a loop. Pure, but
for reading them."""

from __future__ import annotations

import ast
import json
from functools import lru_cache
from pathlib import Path

from catalog.usage import KEY_VARIABLE, URL_VARIABLE
from connections.providers.spec import DatasetFile, TrainerSpec

_TRAINER = Path(__file__).resolve().parents[2] / "trainer"
_MODULES = (
    *("errors.py", "recipes/rows.py", "recipes/formats.py", "recipes/plan.py", "recipes/schedule.py"),
    *("recipes/preferences.py", "recipes/through_sdk.py", "recipes/objectives.py"),
)
"""Each uses names of those before it alone."""


def can_be_written(spec: TrainerSpec) -> bool:
    """Whether a script does the same: of a run on a dataset that began with the base model."""
    return spec.dataset is not None and spec.recipe_parameters is not None and spec.continue_from is None


def write_script(spec: TrainerSpec) -> str:
    """The script of a spec that can be written."""
    settings = {
        "recipe": spec.recipe,
        "base_model": spec.base_model,
        "shape": spec.training_shape_version,
        "lora_rank": spec.lora_rank,
        "learning_rate": spec.learning_rate,
        "context": spec.max_context_length,
        "dataset": _told(spec.dataset),
        "evaluation": _told(spec.evaluation),
        "parameters": spec.recipe_parameters,
    }
    head = f'''"""Recipe {spec.recipe} as a loop through the SDK: the same rows in the same order.

    pip install fireworks-ai transformers torch jinja2
    export {URL_VARIABLE}=... {KEY_VARIABLE}=...
    python script.py

It makes a trainer job of its own. Change SETTINGS, or the loop at the end.
"""

from __future__ import annotations

import json

SETTINGS = json.loads(r\'\'\'
{json.dumps(settings, indent=2)}
\'\'\')
'''
    return "\n\n".join((head, *(_own(name) for name in _MODULES), 'if __name__ == "__main__":\n    main(SETTINGS)\n'))


def _told(dataset: DatasetFile | None) -> dict[str, str] | None:
    return {"name": dataset.name, "file": dataset.file, "sha256": dataset.sha256} if dataset else None


@lru_cache
def _own(name: str) -> str:
    """A module without its docstring and what it imports of the trainer, under its name."""
    text = (_TRAINER / name).read_text(encoding="utf-8")
    lines = text.splitlines()
    for node in ast.parse(text).body:
        is_docstring = isinstance(node, ast.Expr) and node.lineno == 1
        origin = (node.module or "") if isinstance(node, ast.ImportFrom) else ""
        if is_docstring or origin == "__future__" or origin.partition(".")[0] == "trainer":
            for at in range(node.lineno - 1, node.end_lineno or node.lineno):
                lines[at] = ""
    body = "\n".join(lines).strip()
    return f"# --- trainer/{name}\n\n{body}\n"
