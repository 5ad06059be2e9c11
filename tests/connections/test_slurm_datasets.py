"""A dataset comes to the cluster once a job, however often that breaks off."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings

from connections.providers.attempts import Submission
from connections.providers.errors import NotYet, Rejected
from connections.providers.slurm import capability, datasets
from connections.providers.slurm.client import SlurmClient
from connections.providers.slurm.config import SlurmConfig
from connections.providers.slurm.ground import SlurmGround
from connections.providers.spec import DatasetFile
from connections.providers.trainer_files import files
from connections.providers.trainer_files.recipes import recipes_for
from tests.connections.rig import make_reference, make_spec, until

ROWS = os.urandom(9_000_000)
DATASET = DatasetFile("accounts/team-a/datasets/rows", "0123.jsonl", "0" * 64, "TEXT", 1)
SPEC = make_spec(recipe="sft", recipe_parameters={"epochs": 1}, dataset=DATASET)


@pytest.fixture
def ground(tmp_path: Path) -> SlurmGround:
    folder = tmp_path / "datasets"
    folder.mkdir()
    (folder / DATASET.file).write_bytes(ROWS)
    config = SlurmConfig(shared=str(tmp_path / "shared"))
    package = settings.BASE_DIR / "trainer"
    return SlurmGround(SlurmClient(), config, "i", package, tmp_path / "weights", timedelta(0), datasets=folder)


def test_a_job_gets_its_copy_however_often_that_breaks_off(
    ground: SlurmGround, monkeypatch: pytest.MonkeyPatch
) -> None:
    submission = Submission(make_reference("job-1"), SPEC, "a-token")
    monkeypatch.setattr(datasets, "STEP_SECONDS", -1.0)
    said = []

    def is_there() -> bool:
        try:
            datasets.bring(ground, submission)
        except NotYet as told:
            said.append(str(told))
            return False
        return True

    until(is_there)
    assert f"Copying {DATASET.name} to the cluster: 4 of 9 MB." in said
    copy = ground.folders.job_directory("team-a", "job-1") / files.DATASET
    assert copy.read_bytes() == ROWS
    (ground.datasets / DATASET.file).unlink()
    datasets.bring(ground, submission)
    with pytest.raises(Rejected, match="is not here"):
        datasets.bring(ground, replace(submission, reference=make_reference("job-2")))


def test_its_recipes_are_those_of_the_trainer_that_is_sent_there(ground: SlurmGround) -> None:
    offered = recipes_for(SPEC, ground.trainer_package)
    assert [recipe.name for recipe in offered] == ["sample-sft", "sft", "dpo", "orpo", "none"]
    reasons = list(capability.reasons_against(SPEC, ground.config, {}, ground.weights, offered))
    assert not any("recipe" in reason for reason in reasons)
