"""One job id, sent by many at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from django.db import connections

from accounts.models import AuditEntry
from accounts.scopes import Scope
from launches.models import Attempt, Launch
from tests.api.makers import Caller, make_key
from tests.launches.makers import make_tiny_version
from tests.makers import make_member

PATH = "/v1/accounts/local/rlorTrainerJobs"
SENDERS = 6


@pytest.mark.django_db(transaction=True)
def test_of_many_who_send_the_same_id_one_makes_the_job_and_the_others_find_it() -> None:
    version = make_tiny_version()
    account = version.shape.account
    secret = make_key(account=account, user=make_member(account=account), scope=Scope.LAUNCH)
    together = Barrier(SENDERS)

    def send(number: int) -> tuple[int, Any]:
        try:
            together.wait()
            query = f"rlorTrainerJobId=mine&trainingShape={version.shape.name}"
            return Caller(secret).post(f"{PATH}?{query}", {"displayName": f"sender {number}"})
        finally:
            connections.close_all()

    with ThreadPoolExecutor(SENDERS) as pool:
        answers = list(pool.map(send, range(SENDERS)))
    (made,) = [body for status, body in answers if status == 200]
    refusals = [body for status, body in answers if status == 409]
    assert len(refusals) == SENDERS - 1, answers
    assert {body["details"][0]["reason"] for body in refusals} == {"ALREADY_EXISTS"}
    assert {body["message"] for body in refusals} == {"The job id mine is taken in local. Choose another."}
    assert Caller(secret).get(f"/v1/{made['name']}") == (200, made)
    assert (Launch.objects.count(), Attempt.objects.count()) == (1, 1)
    assert AuditEntry.objects.filter(verb="create_launch").count() == 1
