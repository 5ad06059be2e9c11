"""A job's own copy of what it trains on: once for all attempts, for its trainer to read and nobody else."""

from __future__ import annotations

import hashlib
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from django.conf import settings

from connections.providers.attempts import Submission
from connections.providers.errors import NotYet, Rejected, Retryable
from connections.providers.local import datasets
from connections.providers.spec import DatasetFile, TrainerMode, TrainerSpec
from connections.providers.trainer_files import files
from tests.connections.local_rig import LocalRig
from tests.connections.rig import make_reference, make_spec

ROWS = b'{"text": "a row"}\n'
DATASET = DatasetFile(
    "accounts/team-a/datasets/rows", "0123456789abcdef.jsonl", hashlib.sha256(ROWS).hexdigest(), "TEXT", 1
)


@pytest.fixture
def rig(local: LocalRig, tmp_path: Path) -> LocalRig:
    """Whose trainer declares the recipes of the real one."""
    declared = local.provider.trainer_package / "recipes"
    declared.mkdir()
    shutil.copy(settings.BASE_DIR / "trainer" / "recipes" / "declared.json", declared)
    folder = tmp_path / "datasets"
    folder.mkdir(mode=0o700)
    (folder / DATASET.file).write_bytes(ROWS)
    return replace(local, provider=replace(local.provider, datasets=folder))


def make_run() -> TrainerSpec:
    return make_spec(recipe="sft", recipe_parameters={"epochs": 2}, dataset=DATASET)


def test_the_recipes_of_datasets_are_offered_where_something_is_trained(rig: LocalRig) -> None:
    def offered(spec: TrainerSpec) -> list[str]:
        return [recipe.name for recipe in rig.provider.recipes(spec)]

    assert offered(make_spec()) == ["sample-sft", "sft", "dpo", "orpo", "none"]
    assert offered(make_spec(lora_rank=0)) == offered(make_spec(trainer_mode=TrainerMode.FORWARD_ONLY))
    assert offered(make_spec(lora_rank=0)) == ["sample-sft", "none"]
    assert {parameter.source != "" for recipe in rig.provider.recipes(make_spec()) for parameter in recipe.parameters}


def test_a_job_gets_a_copy_that_its_trainer_reads_and_cannot_write(rig: LocalRig) -> None:
    reference = make_reference()
    rig.provider.submit(Submission(reference, make_run(), "a-token"))
    rig.provider.observe(reference)
    job = rig.directory(reference).parent.parent
    copy = job / files.DATASET
    told = files.read_json(rig.directory(reference) / files.CONFIG)
    assert told is not None and told["dataset"] == str(copy) and told["dataset_sha256"] == DATASET.sha256
    assert (told["recipe"], told["parameters"], told["extra_steps"]) == ("sft", {"epochs": 2}, 0)
    assert copy.read_bytes() == ROWS and copy.stat().st_nlink == 1
    if os.geteuid() == 0:
        trainer = (job / files.CHECKPOINTS).stat().st_uid
        assert (copy.stat().st_uid, copy.stat().st_gid, copy.stat().st_mode & 0o777) == (0, trainer, 0o640)
    rig.provider.cancel(reference)


def test_nobody_waits_for_a_copy_and_one_that_breaks_off_is_gone_on_with(
    rig: LocalRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    (rig.provider.datasets / DATASET.file).write_bytes(rows := os.urandom(9_000_000))
    submission = Submission(make_reference(), make_run(), "a-token")
    monkeypatch.setattr(datasets, "STEP_SECONDS", -1.0)
    with rig.provider._queue.turn():  # as another worker that starts a trainer
        for done in (4, 8, 9):
            with pytest.raises(NotYet, match=f"Copying {DATASET.name} for its trainer: {done} of 9 MB"):
                rig.provider.submit(submission)
    rig.provider.submit(submission)
    job = rig.directory(submission.reference).parent.parent
    assert (job / files.DATASET).read_bytes() == rows and not list(job.glob("*.copied"))
    rig.provider.cancel(submission.reference)


def test_no_copy_begins_that_leaves_too_little_of_the_disk(rig: LocalRig) -> None:
    submission, free = (
        Submission(make_reference(), make_run(), "a-token"),
        shutil.disk_usage(rig.provider.datasets).free,
    )
    with pytest.raises(Retryable, match="SLIPWAY_LEAST_FREE_MB"):
        replace(rig.provider, least_free_bytes=2 * free).submit(submission)
    assert not [path for path in rig.provider.root.rglob("*dataset*") if path.stat().st_size]


def test_what_is_not_here_any_more_is_refused_in_words(rig: LocalRig) -> None:
    (rig.provider.datasets / DATASET.file).unlink()
    with pytest.raises(Rejected, match=r"dataset accounts/team-a/datasets/rows is not on this machine \(any more\)"):
        rig.provider.submit(Submission(make_reference(), make_run(), "a-token"))
