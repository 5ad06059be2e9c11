"""Runs one recipe of a checkout, unchanged: `python runner/drive.py CONFIG`, in the environment that prepare.py made.

CONFIG is a JSON object: `module` and `job`, `shape`, `base_model`, `lora_rank`, `context`, `learning_rate` of the
launch; `url` of Slipway's API; `dataset`, a file of rows as Slipway takes them, and its `format`; `evaluation`, another
one or "", and its `evaluation_format`; `parameters` of the recipe; `renderer`, "" for the recipe's own choice;
`folder`, where it may write, and `logs`, where that stays; `cursor`, rows used up by the checkpoints of the attempt
before, which the cookbook keeps in its log folder. The API key comes in SLIPWAY_TRAINER_TOKEN. The recipe attaches to
the launch's trainer, so it makes none and deletes none.

What the recipe's Config has under a name of ours is filled. Parameters that it does not have are named in the log, but
for the schedule of the learning rate: without that nothing is run.
"""

from __future__ import annotations

import dataclasses
import importlib
import io
import json
import os
import sys
import tarfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

TAKEN_AS = {
    "epochs": {"epochs"},
    "batch_rows": {"batch_size"},
    "seed": {"seed"},
    "beta": {"beta", "orpo_lambda"},
    "evaluation_split": {"eval_auto_carveout"},
    "save_every": {"dcp_save_interval"},
}
"""Parameters, by the names of fields of which a recipe has one where it takes the parameter."""
MOST_TOKENIZER_BYTES = 256 * 1024 * 1024
SECONDS = 60


def main(path: Path) -> None:
    """Fill the recipe's Config and call its `main`."""
    told: dict[str, Any] = json.loads(path.read_bytes())
    key = os.environ.pop("SLIPWAY_TRAINER_TOKEN")
    os.environ.update(FIREWORKS_API_KEY=key, FIREWORKS_BASE_URL=told["url"], WANDB_MODE="disabled")
    folder = Path(told["folder"])
    os.chdir(folder)
    told["tokenizer"] = str(fetch_tokenizer(told["url"], key, told["base_model"], folder))
    told["rows"] = str(write_rows(Path(told["dataset"]), told["format"], folder / "rows.jsonl"))
    measured = told["evaluation"]
    told["measured"] = (
        str(write_rows(Path(measured), told["evaluation_format"], folder / "measured.jsonl")) if measured else None
    )
    keep_cursor(Path(told["logs"]), told["cursor"])
    recipe = importlib.import_module(told["module"])
    known = {field.name for field in dataclasses.fields(recipe.Config)}
    if left := list(not_taken(told, known)):
        print("Not taken by this recipe:", ", ".join(left), flush=True)
    filled = {name: value for name, value in values(told).items() if name in known}
    print("Config:", json.dumps({name: str(value) for name, value in filled.items()}), flush=True)
    recipe.main(recipe.Config(**filled))


def keep_cursor(logs: Path, cursor: dict[str, int]) -> None:
    """Where the recipe goes on by it: it loads the newest checkpoint of its job by itself."""
    logs.mkdir(parents=True, exist_ok=True)
    if cursor:
        (logs / "dataloader.json").write_text(json.dumps(cursor))


def not_taken(told: dict[str, Any], known: set[str]) -> Iterator[str]:
    """Parameters that the recipe's Config has no field for. Errors: `SystemExit` where that is the schedule."""
    parameters = told["parameters"]
    if "schedule" in parameters and "lr_scheduler" not in known:
        raise SystemExit(
            "This commit's recipe takes no schedule of the learning rate (lr_scheduler): name a newer commit."
        )
    yield from (name for name, fields in TAKEN_AS.items() if name in parameters and not fields & known)
    if told["evaluation"] and "evaluation_dataset" not in known:
        yield "evaluation_dataset"


def values(told: dict[str, Any]) -> dict[str, Any]:
    """What is told, under the names that recipes have for it."""
    TrainerConfig = importlib.import_module("training.utils").TrainerConfig  # of the checkout

    parameters = told["parameters"]
    percent = 0.0 if told["measured"] else float(parameters.get("evaluation_split", 0))
    given = {
        "log_path": told["logs"],
        "base_model": told["base_model"],
        "dataset": told["rows"],
        "tokenizer_model": told["tokenizer"],
        "renderer_name": told["renderer"],
        "max_seq_len": told["context"],
        "lora_rank": told["lora_rank"],
        "learning_rate": told["learning_rate"],
        "epochs": parameters.get("epochs"),
        "batch_size": parameters.get("batch_rows"),
        "seed": parameters.get("seed"),
        "beta": parameters.get("beta"),
        "orpo_lambda": parameters.get("beta"),
        "evaluation_dataset": told["measured"],
        "eval_auto_carveout": percent > 0,
        "eval_carve_ratio": percent / 100,
        "dcp_save_interval": parameters.get("save_every"),
        "render_workers": 1,
        "trainer": TrainerConfig(job_id=told["job"], training_shape_id=told["shape"]),
        **_schedule(parameters),
    }
    return {name: value for name, value in given.items() if value is not None}


def _schedule(parameters: dict[str, Any]) -> dict[str, Any]:
    """How the learning rate goes, as the SDK says it; nothing where that was not asked for.

    Errors: `SystemExit` in words.
    """
    kind, warmup = parameters.get("schedule"), float(parameters.get("warmup", 0))
    if kind is None:
        return {}
    try:
        specs = importlib.import_module("fireworks.training.sdk.training_spec")
    except ImportError:
        raise SystemExit("This SDK knows no schedules of the learning rate: name a newer one by --sdk.") from None
    return {"lr_scheduler": specs.normalize_lr_scheduler_spec({"type": kind, "warmup_ratio": warmup / 100})}


def fetch_tokenizer(url: str, key: str, base_model: str, folder: Path) -> Path:
    """The folder of the base model's tokenizer, from the API. Errors: `OSError`, `SystemExit` in words."""
    asked = urllib.request.Request(f"{url}/v1/{base_model}/tokenizer", headers={"X-Api-Key": key})  # noqa: S310
    with urllib.request.urlopen(asked, timeout=SECONDS) as answer:  # noqa: S310
        packed = answer.read(MOST_TOKENIZER_BYTES + 1)
    if len(packed) > MOST_TOKENIZER_BYTES:
        raise SystemExit("The tokenizer is larger than any tokenizer.")
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(folder, members=filter(_is_plain, archive))  # noqa: S202
    return folder / base_model.rpartition("/")[2]


def _is_plain(member: tarfile.TarInfo) -> bool:
    """Whether it is a file or a folder below where it is unpacked. Not every Python here has tarfile's filters."""
    path = Path(member.name)
    return (member.isfile() or member.isdir()) and not path.is_absolute() and ".." not in path.parts


def write_rows(source: Path, form: str, target: Path) -> Path:
    """The rows as recipes read them: conversations, or pairs of them."""
    with source.open(encoding="utf-8-sig") as file, target.open("w", encoding="utf-8") as rows:
        for line in file:
            if line.strip():
                rows.write(json.dumps(as_recipes_read(json.loads(line), form), ensure_ascii=False) + "\n")
    return target


def as_recipes_read(row: dict[str, Any], form: str) -> dict[str, Any]:
    """One row. A prompt with its completion is a turn of the user's and one of the assistant's."""
    if form == "COMPLETION":
        return {"messages": [*_turns("user", row["prompt"]), *_turns("assistant", row["completion"])]}
    if form == "PREFERENCE":
        before = list(_turns("user", row["prompt"])) if row.get("prompt") else []
        both = {side: {"messages": [*before, *_turns("assistant", row[side])]} for side in ("chosen", "rejected")}
        return both
    return {"messages": row["messages"]}


def _turns(role: str, said: Any) -> Iterator[dict[str, Any]]:
    """A text as one turn; messages as they are."""
    if isinstance(said, str):
        yield {"role": role, "content": said}
    else:
        yield from said


if __name__ == "__main__":
    main(Path(sys.argv[1]))
