"""A disk that is nearly full: nothing new is accepted at any door, in the same words, and everything else goes on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from html import unescape
from pathlib import Path

import pytest
from django.test import Client
from pytest_django.fixtures import Settings

from accounts.actors import user_actor
from accounts.roles import Role
from accounts.scopes import Scope
from config import health
from connections.opened import forget_opened, open_provider
from connections.providers.local.provider import LocalProvider
from connections.providers.states import AttemptState
from launches.domain.resume_launch import resume_launch
from launches.models import Launch
from publishing.domain.request_validation import request_validation
from publishing.models import Validation
from tests.api.makers import make_caller
from tests.connections.local_rig import make_rig
from tests.connections.makers import local_connection
from tests.connections.rig import make_reference, make_submission, wait_ready
from tests.launches.makers import NOW, bring_to, make_launch, make_tiny_version
from tests.launches.test_form_page import form_url, post, text
from tests.makers import make_account, make_member, sign_in
from tests.publishing.makers import make_draft, make_validation, step
from wire.errors import ResourceExhausted

pytestmark = pytest.mark.django_db
WORDS = "Slipway's disk is nearly full"


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """What was remembered before, and what is remembered here, is for nobody else."""
    for forget in (forget_opened, health.forget):
        forget()
    yield
    for forget in (forget_opened, health.forget):
        forget()


@pytest.fixture
def nearly_full(settings: Settings) -> None:
    """More is asked for than any disk has."""
    settings.SLIPWAY_LEAST_FREE_MB = 10**12


def test_the_form_says_so_before_and_after_and_keeps_what_was_typed(client: Client, nearly_full: None) -> None:
    sign_in(client, make_member(account=make_account(account_id="local"), role=Role.LAUNCHER))
    version = make_tiny_version()
    assert WORDS in text(client.get(form_url(version)))
    refused = post(client, version, display_name="my first try")
    assert (refused.status_code, Launch.objects.count()) == (422, 0)
    assert text(refused).count(WORDS) == 1
    assert 'value="my first try"' in unescape(refused.content.decode())


def test_the_api_says_so(nearly_full: None) -> None:
    local = make_account(account_id="local")
    shape = make_tiny_version().shape.name
    caller = make_caller(account=local, user=make_member(account=local, role=Role.LAUNCHER), scope=Scope.LAUNCH)
    status, body = caller.post(f"/v1/accounts/local/rlorTrainerJobs?trainingShape={shape}", {})
    assert (status, body["code"]) == (429, 8), body
    assert WORDS in body["message"]
    assert body["details"][0]["reason"] == "DISK_SPACE"


def test_a_repeated_request_finds_its_launch(nearly_full: None, settings: Settings) -> None:
    settings.SLIPWAY_LEAST_FREE_MB = 1
    first = make_launch(key="k")
    settings.SLIPWAY_LEAST_FREE_MB = 10**12
    assert make_launch(owner=first.owner, version=first.shape_version, key="k").pk == first.pk


def test_resuming_waits_for_space(settings: Settings) -> None:
    launch = make_launch()
    bring_to(launch, AttemptState.FAILED)
    settings.SLIPWAY_LEAST_FREE_MB = 10**12
    with pytest.raises(ResourceExhausted, match=WORDS):
        resume_launch(actor=user_actor(launch.owner), launch=launch)
    settings.SLIPWAY_LEAST_FREE_MB = 1
    assert resume_launch(actor=user_actor(launch.owner), launch=launch).number == 2


def test_no_validation_begins_and_one_that_was_begun_waits(settings: Settings) -> None:
    begun = make_validation()
    while begun.state != "LAUNCHING":
        step(begun)
    settings.SLIPWAY_LEAST_FREE_MB = 10**12
    draft = make_draft(account=begun.version.shape.account)
    assert begun.requested_by
    actor = user_actor(begun.requested_by)
    with pytest.raises(ResourceExhausted, match=WORDS):
        request_validation(actor=actor, version=draft, now=NOW)
    assert step(begun)
    assert (begun.state, begun.launch) == ("LAUNCHING", None)
    settings.SLIPWAY_LEAST_FREE_MB = 1
    step(begun)
    assert begun.state == "RUNNING"
    assert Validation.objects.count() == 1


def test_the_probe_of_the_system_says_so(client: Client, nearly_full: None) -> None:
    answer = client.get("/statusz")
    assert answer.status_code == 503
    assert WORDS in answer.json()["checks"]["disk"]


@pytest.mark.e2e  # a process of its own
def test_what_was_accepted_waits_for_space_and_then_starts(tmp_path: Path) -> None:
    rig = make_rig(tmp_path)
    short = replace(rig.provider, least_free_bytes=10**18)
    reference = make_reference()
    try:
        short.submit(make_submission(reference))
        seen = short.observe(reference)
        assert seen.state is AttemptState.PENDING
        assert "Waiting for space on this machine's disk" in seen.detail
        wait_ready(rig.provider, reference)
    finally:
        rig.end()


def test_the_setting_reaches_the_provider(settings: Settings) -> None:
    provider = open_provider(local_connection())
    assert isinstance(provider, LocalProvider)
    assert provider.least_free_bytes == settings.SLIPWAY_LEAST_FREE_MB * 1_000_000
