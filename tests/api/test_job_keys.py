"""What a key for one trainer job reaches of the API: by path and method, and by a request."""

from __future__ import annotations

import pytest
from django.utils import timezone

from accounts.actors import SYSTEM
from accounts.domain.create_api_key import create_api_key
from accounts.models import Account, User
from accounts.scopes import Scope
from api.job_keys import reaches
from tests.api.makers import Caller

OWN = "/v1/accounts/team-a/rlorTrainerJobs/job-1"


@pytest.mark.parametrize(
    ("method", "path", "may"),
    [
        ("GET", "/v1/accounts", True),
        ("GET", "/v1/accounts/team-a", True),
        ("GET", OWN, True),
        ("GET", f"{OWN}/checkpoints", True),
        ("GET", "/v1/accounts/fireworks/trainingShapes/some/versions/latest", True),
        ("GET", "/v1/accounts/local/models/tiny/tokenizer", True),
        ("GET", f"{OWN}0", False),
        ("GET", f"{OWN}/checkpoints/last:download", False),
        ("GET", "/v1/accounts/team-a/models/mine:download", False),
        ("GET", "/v1/accounts/team-b", False),
        ("GET", "/v1/accounts/team-a/rlorTrainerJobs", False),
        ("GET", "/v1/accounts/team-a/datasets", False),
        ("DELETE", OWN, False),
        ("POST", f"{OWN}:cancel", False),
        ("POST", "/v1/accounts/team-a/rlorTrainerJobs", False),
    ],
)
def test_it_reads_its_job_and_the_catalog_and_nothing_else(method: str, path: str, may: bool) -> None:
    assert reaches(method, path, account="team-a", job="job-1") is may


@pytest.mark.django_db
def test_the_rest_is_refused_in_words(local: Account, launcher: User) -> None:
    _, secret = create_api_key(
        actor=SYSTEM, account=local, user=launcher, name="recipe", scope=Scope.LAUNCH, now=timezone.now(), days=None,
        job="job-1",
    )  # fmt: skip
    caller = Caller(secret)
    assert caller.get(f"/v1/accounts/{local.account_id}")[0] == 200
    status, answer = caller.get(f"/v1/accounts/{local.account_id}/datasets")
    assert status == 403
    assert answer["message"] == "This API key is for the trainer of job-1 alone. Use a key of your own."
