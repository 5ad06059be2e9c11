"""What runs as a recipe beside a trainer, a checkout's, unchanged, or a loop of ours; and what environment it needs."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from connections.providers.attempts import Reference
from connections.providers.local.recipe_environments import environment_of
from connections.providers.loop_script import loop_settings, write_loop
from connections.providers.official import module_of
from connections.providers.runs import RunSpec
from connections.providers.trainer_files import files, values
from connections.providers.trainer_files.run_files import LONGEST_NAME

CODE, VENV = "checkout", "venv"
LOGS, CURSOR = "logs", "dataloader.json"
"""Among its records, which stay; the file says how many rows had been used up at each checkpoint."""
MOST_CHECKPOINTS = 20
_STEP = re.compile(r"step-([0-9]{1,9})", re.ASCII)


@dataclass(frozen=True)
class RunProgram:
    """A program of the package `runner` in the environment `python` is of.

    `prepare` are the arguments of what makes that, `reached` the folders that it reads, `path` those of its modules.
    """

    file: str
    environment: Path
    prepare: tuple[str, ...]
    reached: tuple[Path, ...]
    path: str = ""

    def prepare_command(self, package: Path) -> list[str]:
        """With the dashboard's own Python."""
        module, *arguments = self.prepare
        return [sys.executable, "-m", f"{package.name}.{module}", *arguments]

    def command(self, package: Path, directory: Path) -> list[str]:
        """Of the run in the directory."""
        return [str(self.environment / "bin" / "python"), str(package / self.file), str(directory / files.CONFIG)]


def program_of(spec: RunSpec, root: Path, trainer_environment: Path) -> RunProgram:
    """What the run is. `root` is the provider's."""
    if spec.checkout is None:
        own = trainer_environment.with_name(f"{trainer_environment.name}-sdk")
        made = ("prepare_loop", str(own), str(trainer_environment))
        return RunProgram("loop.py", own, made, (own, trainer_environment))
    folder = environment_of(spec.checkout, root)
    checkout = spec.checkout
    prepare = ("prepare", str(folder), checkout.path, checkout.commit, checkout.sdk)
    return RunProgram("drive.py", folder / VENV, prepare, (folder,), str(folder / CODE))


def config_of(spec: RunSpec, reference: Reference, directory: Path, trainer_environment: Path) -> dict[str, Any]:
    """What the program is told, see runner/drive.py and runner/loop.py."""
    data = {"dataset": str(directory.parent.parent / files.DATASET)}
    if spec.evaluation:
        data["evaluation"] = str(directory.parent.parent / files.EVALUATION)
    common = {"url": spec.url, "folder": str(directory / files.HOME)}
    if spec.checkout is None:
        return common | {"script": _loop(spec, reference, data), "packages": str(trainer_environment)}
    return common | {
        "module": module_of(spec.recipe)[1],
        "job": reference.job,
        "shape": spec.shape,
        "base_model": spec.base_model,
        "lora_rank": spec.lora_rank,
        "context": spec.context,
        "learning_rate": spec.learning_rate,
        "parameters": dict(spec.parameters),
        "dataset": data["dataset"],
        "evaluation": data.get("evaluation", ""),
        "format": spec.dataset.format,
        "evaluation_format": spec.evaluation.format if spec.evaluation else "",
        "renderer": spec.renderer,
        "logs": str(directory / files.RECORDS / LOGS),
        "cursor": _cursor(directory, reference, spec),
    }


def _cursor(directory: Path, reference: Reference, spec: RunSpec) -> dict[str, int]:
    """How many rows were used up at each checkpoint, at the one that it goes on from in any case.

    A recipe writes that some 15 s after the checkpoint is there. Where it was ended before, the steps since the one
    before are counted, each with a whole batch: too many by the rest of one, where the end of an epoch lies in between.
    """
    written, newest = _written_cursor(directory, reference), spec.goes_on_from
    if not newest or newest in written:
        return written
    steps = {int(match[1]): rows for name, rows in written.items() if (match := _STEP.fullmatch(name))}
    step, rows = max(((step, rows) for step, rows in steps.items() if step < spec.goes_on_step), default=(0, 0))
    batch = min(int(spec.parameters["batch_rows"]), spec.dataset.rows)
    return written | {newest: rows + (spec.goes_on_step - step) * batch}


def _written_cursor(directory: Path, reference: Reference) -> dict[str, int]:
    """As the newest attempt that wrote any wrote it; hostile until it is read."""
    for number in range(reference.attempt - 1, 0, -1):
        records = files.records_of(directory.with_name(str(number)))
        if (told := files.read_json(records / LOGS / CURSOR)) is not None:
            read = {values.plain(name[:LONGEST_NAME]): values.integer(rows) for name, rows in told.items()}
            return {name: rows for name, rows in list(read.items())[-MOST_CHECKPOINTS:] if rows is not None}
    return {}


def _loop(spec: RunSpec, reference: Reference, data: dict[str, str]) -> str:
    settings = loop_settings(
        recipe=spec.recipe,
        base_model=spec.base_model,
        shape=spec.shape,
        lora_rank=spec.lora_rank,
        learning_rate=spec.learning_rate,
        context=spec.context,
        dataset=spec.dataset,
        evaluation=spec.evaluation,
        parameters=spec.parameters,
    )
    goes_on = {"checkpoint": spec.goes_on_from, "step": spec.goes_on_step} if spec.goes_on_from else None
    told = settings | {"job": reference.job, "files": data, "goes_on": goes_on}
    return write_loop(told, f"Recipe {spec.recipe}, beside the trainer of {reference.job}.")
