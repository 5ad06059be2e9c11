"""Processes that promote, purge and delete are killed at each step; another one goes on, and nothing is lost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from itertools import count
from pathlib import Path

import pytest
from django.conf import settings
from django.utils import timezone

from accounts.actors import user_actor
from catalog.domain.advance_promotion import advance_promotion
from catalog.domain.tidy_weights import tidy_weights
from catalog.models import TrainedModel
from catalog.signatures import differences, own_public_key
from catalog.states import ModelState
from catalog.weights import folder_of, manifest_of
from connections.providers.states import AttemptState
from launches.domain.delete_launch import delete_launch
from launches.domain.delete_model import delete_model
from launches.domain.purge_launch import purge_launch
from launches.models import Launch
from tests.launches.gateway_parts import ROOT, database_address
from tests.launches.makers import bring_to, make_launch, make_tiny_version
from tests.launches.weights import adapter_files, make_checkpoint, noted, promote
from tests.makers import make_account, make_member
from wire.manifests import read_manifest

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("local_home"),
    pytest.mark.e2e,  # for how long they take
]
FILES = adapter_files(rank=8)
LEAST = 10
"""Steps that each verb has at least; fewer would mean that they are not told any more."""


class MortalWorker:
    """Processes that do a verb to a row and die at a step of it."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.launches.mortal_worker"],
            cwd=ROOT,
            env=os.environ
            | {
                "DATABASE_URL": database_address(),
                "DJANGO_SETTINGS_MODULE": "config.settings",
                "PYTHONDONTWRITEBYTECODE": "1",
                "SLIPWAY_HOME": str(settings.SLIPWAY_HOME),
                "SLIPWAY_LEAST_FREE_MB": "1",
                "SLIPWAY_SECRET_KEY": settings.SECRET_KEY,
                "SLIPWAY_SIGNING_KEY": settings.SLIPWAY_SIGNING_KEY,
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def dies(self, verb: str, row: int, *, step: int) -> bool:
        """Whether it died at that step; else it has done all of it, for it has fewer steps."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(f"{json.dumps({'verb': verb, 'row': row, 'step': step})}\n")
        self._process.stdin.flush()
        how = json.loads(self._process.stdout.readline())
        assert how in ("killed", 0), f"{verb} failed by itself at step {step}"
        assert how == "killed" or step > LEAST, f"{verb} has {step - 1} steps"
        return bool(how == "killed")

    def close(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(60)


@pytest.fixture
def worker() -> Iterator[MortalWorker]:
    worker = MortalWorker()
    yield worker
    worker.close()


@pytest.fixture
def saved() -> Launch:
    """A launch that is over and has saved an adapter."""
    account = make_account(account_id="local")
    return save(make_launch(owner=make_member(account=account), account=account, version=make_tiny_version()))


def save(launch: Launch) -> Launch:
    """What it saved for sampling, on this machine, beside the folder of an attempt; it is over."""
    bring_to(launch, AttemptState.COMPLETED)
    launch.attempts.update(submitted_at=timezone.now())
    (job_folder(launch) / "attempts" / "1").mkdir(parents=True)
    for path, content in FILES.items():
        saved_folder(launch).mkdir(parents=True, exist_ok=True)
        (saved_folder(launch) / path).write_bytes(content)
    (saved_folder(launch) / "checkpoint.json").write_text(json.dumps({"name": "final"}))
    make_checkpoint(launch, files=noted(FILES), lora_rank=8)
    return launch


def job_folder(launch: Launch) -> Path:
    return Path(settings.SLIPWAY_HOME) / "local/jobs/local" / launch.job_id


def saved_folder(launch: Launch) -> Path:
    return job_folder(launch) / "sampler/final"


def read(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "checkpoint.json"}


def lies_there() -> set[str]:
    """In the account's folder of models."""
    return {path.name for path in folder_of("local", "any").parent.iterdir()}


def is_whole(model: TrainedModel) -> bool:
    """All that was saved, as it was signed."""
    folder, manifest = folder_of("local", model.model_id), manifest_of("local", model.model_id)
    signed = read_manifest(manifest.read_bytes(), public=own_public_key())
    return read(folder) == FILES and not differences(folder, signed)


def go_on(model: TrainedModel) -> None:
    """Another worker takes the row, some time after the one before died."""
    TrainedModel.objects.filter(pk=model.pk).update(next_check_at=timezone.now(), lease_until=None)
    advance_promotion(model.pk)
    model.refresh_from_db()


def test_promoting(worker: MortalWorker, saved: Launch) -> None:
    for step in count(1):
        model = promote(saved, model_id=f"killed-{step}", made=False)
        died = worker.dies("promote", model.pk, step=step)
        model.refresh_from_db()
        there = folder_of("local", model.model_id).exists()
        assert there or model.state == ModelState.CREATING
        assert not there or is_whole(model)
        if not died:
            break
        go_on(model)
        assert (model.state, model.detail) == (ModelState.READY, "")
        assert is_whole(model)
        assert read(saved_folder(saved)) == FILES
    tidy_weights(now=timezone.now())
    made = {f"killed-{each}" for each in range(1, step + 1)}
    assert lies_there() == made | {f"{each}.manifest.json" for each in made}


def test_deleting_a_model(worker: MortalWorker, saved: Launch) -> None:
    for step in count(1):
        model = promote(saved, model_id=f"killed-{step}")
        assert model.state == ModelState.READY
        died = worker.dies("delete model", model.pk, step=step)
        if kept := TrainedModel.objects.filter(pk=model.pk).exists():
            assert is_whole(model)
        tidy_weights(now=timezone.now())
        assert lies_there() == ({model.model_id, f"{model.model_id}.manifest.json"} if kept else set())
        if not died:
            break
        if kept:
            delete_model(actor=user_actor(saved.owner), model=model)


def test_purging(worker: MortalWorker, saved: Launch) -> None:
    launch, alive = saved, set[str]()
    for step in count(1):
        delete_launch(actor=user_actor(launch.owner), launch=launch)
        for until in ("their time", "its end"):
            if until == "its end":
                past = timezone.now() - timedelta(seconds=1)
                Launch.objects.filter(pk=launch.pk).update(kept_until=past, purge_due_at=past)
            if until not in alive and not worker.dies("purge", launch.pk, step=step):
                alive.add(until)
            launch.refresh_from_db()
            assert launch.purged_at is None or not job_folder(launch).exists()
            purge_launch(launch.pk)
            launch.refresh_from_db()
            if until == "their time":
                assert (read(saved_folder(launch)), launch.checkpoints.count()) == (FILES, 1)
                assert (launch.purged_at, launch.purge_due_at) == (None, launch.kept_until)
                assert not (job_folder(launch) / "attempts").exists()
        assert launch.purged_at is not None
        assert not job_folder(launch).exists()
        assert not launch.checkpoints.exists()
        if len(alive) == 2:
            break
        launch = save(make_launch(owner=saved.owner, account=saved.account, version=saved.shape_version))
