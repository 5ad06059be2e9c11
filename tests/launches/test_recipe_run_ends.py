"""How the row of a recipe's run ends where its files or its place are not to be had."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import pytest
from django.utils import timezone
from pytest_django.fixtures import Settings

from accounts.models import Account
from connections.models import Connection
from connections.providers.attempts import Reference
from connections.providers.runs import RunProgress
from connections.providers.states import Reason
from connections.providers.trainer_files import files, run_files
from connections.states import ConnectionState
from launches.domain.advance_run import MOST_TRIES, NOWHERE, advance_run
from launches.models import RecipeRun
from tests.launches.makers import attempt_of, make_launch, make_tiny_version

pytestmark = pytest.mark.django_db


@pytest.fixture
def run(local: Account) -> RecipeRun:
    """One whose process was asked for."""
    attempt = attempt_of(make_launch(version=make_tiny_version()))
    return RecipeRun.objects.create(attempt=attempt, started_at=timezone.now())


@pytest.fixture
def folder(run: RecipeRun, settings: Settings) -> Path:
    """That of its process, which is over."""
    reference: Reference = run.attempt.reference
    job = Path(settings.SLIPWAY_HOME) / "local" / "runs" / "jobs" / reference.account / reference.job
    directory = job / files.ATTEMPTS / str(reference.attempt)
    directory.mkdir(parents=True)
    ended = {"stage": "trainer", "cause": "exit", "code": 0, "signal": None, "asked": True}
    (directory / files.SUBMISSION).write_text(json.dumps({"spec": {}}))
    (directory / files.EXIT).write_text(json.dumps(ended | {"finished_at": timezone.now().isoformat()}))
    return directory


def look(run: RecipeRun) -> RecipeRun:
    """Due, whatever it waits for."""
    RecipeRun.objects.filter(pk=run.pk).update(next_check_at=timezone.now())
    advance_run(run.pk)
    return RecipeRun.objects.get(pk=run.pk)


def test_what_an_ended_one_wrote_is_left_where_it_stays_unreadable(
    run: RecipeRun, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def closed(records: Path) -> RunProgress:
        """As of a file that its process took all rights of, where it is of the user that Slipway is."""
        raise PermissionError(errno.EACCES, "Permission denied", str(records))

    monkeypatch.setattr(run_files, "read_progress", closed)
    RecipeRun.objects.filter(pk=run.pk).update(stopped_for=Reason.TIME_LIMIT)
    tried = look(run)
    assert (tried.finished_at, tried.failures) == (None, 1), tried.detail
    RecipeRun.objects.filter(pk=run.pk).update(failures=MOST_TRIES - 1)
    over = look(run)
    assert over.finished_at is not None
    assert over.reason == Reason.TIME_LIMIT and "as long as a recipe may here" in over.detail


def test_without_a_place_it_waits_as_long_whatever_failed_before(run: RecipeRun) -> None:
    Connection.objects.update(state=ConnectionState.RETIRED, retired_at=timezone.now())
    RecipeRun.objects.filter(pk=run.pk).update(failures=MOST_TRIES - 1, detail="Its disk was full.")
    for tried in range(1, MOST_TRIES):
        waits = look(run)
        assert (waits.finished_at, waits.failures) == (None, tried)
    over = look(run)
    assert over.finished_at is not None and over.detail == NOWHERE
