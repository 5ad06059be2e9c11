"""Which Slipway this is: a copy does not drive what the original started elsewhere, until a superuser has spoken."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.management import call_command
from django.test import Client
from pytest_django.fixtures import Settings

from accounts.actors import SYSTEM, user_actor
from accounts.models import AuditEntry
from connections.domain.set_up_connections import set_up_connections
from connections.domain.settle_instance import settle_instance
from connections.models import Connection, Instance
from connections.opened import open_provider, provider_to_act
from connections.providers.errors import Retryable
from launches.domain.advance_launch import advance_launch
from tests.connections.makers import local_connection
from tests.connections.remote import RemoteEngine
from tests.launches.makers import attempt_of, make_launch
from tests.makers import make_account, make_user, make_version, sign_in
from wire.errors import PermissionDenied

pytestmark = pytest.mark.django_db


@pytest.fixture
def moved(settings: Settings, tmp_path: Path) -> Instance:
    """This Slipway, with its state in another folder than before."""
    settings.SLIPWAY_HOME = tmp_path
    set_up_connections()
    return Instance.objects.get()


def test_a_start_in_the_same_place_doubts_nothing() -> None:
    before = Instance.objects.get()
    set_up_connections()
    after = Instance.objects.get()
    assert (after.pk, after.home, after.doubted_at) == (before.pk, before.home, None)


def test_in_another_place_nothing_remote_is_acted_on_and_all_that_is_here_is(far: Connection, moved: Instance) -> None:
    assert moved.doubted_at is not None
    with pytest.raises(Retryable, match="may be a copy whose original still drives"):
        provider_to_act(far)
    assert not open_provider(far).capabilities.runs_here  # to look at a form asks nobody
    provider_to_act(local_connection())


def test_a_launch_waits_in_words_and_goes_on_once_it_is_said(
    far: Connection, engine: RemoteEngine, moved: Instance
) -> None:
    make_account(account_id="local")
    launch = make_launch(version=make_version(gpus=8))
    advance_launch(attempt_of(launch).pk)
    assert attempt_of(launch).state == "QUEUED"
    assert "may be a copy" in attempt_of(launch).detail
    assert engine.calls == []
    settle_instance(actor=SYSTEM, is_copy=False)
    attempt = attempt_of(launch)
    attempt.next_check_at = attempt.created_at
    attempt.save()
    advance_launch(attempt.pk)
    assert attempt_of(launch).state == "PENDING"


@pytest.mark.parametrize("is_copy", [False, True])
def test_a_copy_gets_an_id_of_its_own_and_the_original_keeps_its(moved: Instance, is_copy: bool) -> None:
    settled = settle_instance(actor=SYSTEM, is_copy=is_copy)
    assert (settled.pk != moved.pk) == is_copy
    assert settled.home != moved.home
    assert settled.doubted_at is None
    set_up_connections()
    assert Instance.objects.get().doubted_at is None
    entry = AuditEntry.objects.get(verb="settle_instance")
    assert (entry.before["id"], entry.after["isCopy"]) == (moved.pk, is_copy)  # type: ignore[index]


def test_only_superusers_say_it(moved: Instance) -> None:
    with pytest.raises(PermissionDenied):
        settle_instance(actor=user_actor(make_user()), is_copy=True)
    assert Instance.objects.get().doubted_at is not None


def test_the_page_asks_and_takes_the_answer(client: Client, moved: Instance) -> None:
    sign_in(client, make_user(superuser=True))
    assert "Is this the original, or a copy?" in client.get("/connections").text
    client.post("/instance", {"is": "copy"})
    assert Instance.objects.get().pk != moved.pk
    assert "Is this the original" not in client.get("/connections").text


def test_the_command_says_it_too(moved: Instance, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("settle_instance", "--original")
    assert moved.pk in capsys.readouterr().out
