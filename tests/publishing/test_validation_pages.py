"""The page of a validation and the passport: what they show, to whom, and what their buttons do."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django.fixtures import Settings

from accounts.actors import user_actor
from accounts.models import User
from accounts.roles import Role
from catalog.models import ShapeVersion
from catalog.states import VersionState
from connections.providers.spec import ShardingScheme, TrainerMode
from connections.providers.states import AttemptState, Reason
from publishing.domain.validate_by_hand import validate_by_hand
from publishing.models import Validation
from tests.launches.makers import make_tiny_version
from tests.makers import make_member, make_user, make_version, sign_in
from tests.publishing.makers import (
    complete,
    launch_of,
    make_draft,
    make_publisher,
    make_validation,
    records,
    running,
    say,
    step,
)

pytestmark = pytest.mark.django_db
REASON = "It has run on our own cluster since May."
HTMX = {"HTTP_HX_REQUEST": "true"}


@pytest.fixture(autouse=True)
def closed_catalog(settings: Settings) -> None:
    settings.SLIPWAY_PUBLIC_CATALOG = False


def address(version: ShapeVersion, end: str = "/validation") -> str:
    return f"/shapes/{version.shape.account.account_id}/{version.shape.shape_id}/versions/{version.version_id}{end}"


def read(client: Client, user: User, version: ShapeVersion, end: str = "/validation", **headers: str) -> str:
    answer = sign_in(client, user).get(address(version, end), **headers)  # type: ignore[arg-type]
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def make_gpu_draft() -> ShapeVersion:
    return make_version(shape=make_tiny_version().shape, gpus=8, state=VersionState.DRAFT)


def test_from_the_button_to_the_passport(client: Client) -> None:
    user, draft = make_publisher(), make_draft()
    assert "Not validated by a run yet" in read(client, user, draft)
    answer = client.post(address(draft, "/validation/start"))
    assert (answer.status_code, answer["Location"]) == (303, address(draft))
    validation = Validation.objects.get()
    page = read(client, user, draft)
    assert f"<title>Validation 1 of {draft.shape.shape_id}" in page
    assert 'hx-trigger="every 2s"' in page
    assert ">Stop<" in page.replace("</svg>", "<>")
    assert "Validate again" not in page
    for _ in range(3):
        step(validation)
    say(validation, AttemptState.RUNNING, metrics=records()[:7], detail="The trainer loads the model.")
    page = read(client, user, draft, **HTMX)
    assert "<html" not in page
    assert "Running 7 of 20 steps" in page
    assert "The trainer loads the model." in page
    assert f"/launches/{launch_of(validation).uid}" in page
    assert "Launch: The trainer runs" in page
    say(validation, AttemptState.COMPLETED, metrics=records())
    step(validation)
    page = read(client, user, draft)
    assert 'hx-trigger="every 2s"' not in page
    assert "6.0000 → 4.1000" in page
    assert "Validate again" in page
    publish = f"/publish/local/{draft.shape.shape_id}/versions/{draft.version_id}/publish"
    assert filled(page) == [f'href="{publish}"']


def filled(page: str) -> list[str]:
    """Where the page's main buttons go, "type" for those of a form."""
    return re.findall(r'<(?:a|button) class="btn btn-primary" ([^>]*)>', page)


def test_it_waits_until_its_trainer_runs(client: Client) -> None:
    user = make_publisher()
    validation = running(user=user)
    say(validation, AttemptState.PENDING, detail="Waiting for a free slot: 1 ahead")
    page = read(client, user, validation.version)
    assert 'class="state state-pending text-base!">Waiting for a place<' in page
    assert re.search(r'step-now" aria-current="step">Waiting for a place<small>&nbsp;</small>', page)
    assert "<progress" not in page
    say(validation, AttemptState.CREATING)
    assert ">Preparing<" in read(client, user, validation.version)
    say(validation, AttemptState.RUNNING)
    page = read(client, user, validation.version)
    assert ">Running<" in page
    assert re.search(r'step-now" aria-current="step">Running 0 of 20 steps<small><time', page)
    assert "<progress" in page


def test_what_never_ran_says_so(client: Client) -> None:
    user = make_publisher()
    validation = running(user=user)
    say(validation, AttemptState.PENDING)
    sign_in(client, user).post(address(validation.version, "/validation/stop"))
    assert "Running<small>not reached</small>" in read(client, user, validation.version)


def test_the_end_of_editing_is_said_before_and_what_is_left_after(client: Client) -> None:
    user, draft = make_publisher(), make_draft()
    ends = "Validating ends editing"
    assert ends in read(client, user, draft)
    assert ends in read(client, user, make_gpu_draft())
    client.post(address(draft, "/validation/start"))
    page = read(client, user, draft)
    assert ends not in page
    assert "It can be validated again as it stands, but not edited; changes need a new version." in page
    client.post(address(draft, "/validation/stop"))
    page = read(client, user, draft)
    assert ends not in page
    assert filled(page) == [f'href="/publish/local/{draft.shape.shape_id}/new?from={draft.version_id}"']


def test_the_way_there_is_through_what_the_reader_may_open(client: Client) -> None:
    validation = make_validation()
    shape = validation.version.shape
    crumb = f'<a href="/publish/local/{shape.shape_id}">{shape.shape_id}</a>'
    assert crumb in read(client, make_publisher(), validation.version)
    assert crumb not in read(client, make_publisher(Role.LAUNCHER), validation.version)


def test_a_failure_explains_itself(client: Client) -> None:
    user = make_publisher()
    validation = running(user=user)
    say(validation, AttemptState.RUNNING, log="loading\nRuntimeError: out of memory\n")
    say(validation, AttemptState.FAILED, reason=Reason.EXIT_CODE, detail="It ended with exit code 1.")
    step(validation)
    page = read(client, user, validation.version)
    assert "Its launch ended as failed. It ended with exit code 1." in page
    assert "RuntimeError: out of memory" in page
    assert "the version is rejected" in page
    assert "Validate again" in page


def test_a_step_that_breaks_is_on_the_page(client: Client) -> None:
    user = make_publisher()
    validation = running(user=user)
    launch_of(validation).attempts.update(number=2)
    step(validation)
    launch_of(validation).attempts.update(number=1)
    page = read(client, user, validation.version)
    assert 'class="text-warning"><span class="sr-only">fault: </span>Try 1 of this step broke. DoesNotExist' in page


def test_a_failed_renewal_leaves_the_passport_that_counts_on_the_page(client: Client) -> None:
    user, version = make_publisher(), make_tiny_version()
    complete(running(version=version, user=user))
    complete(running(version=version, user=user), records()[:2])
    page = read(client, user, version)
    assert "It recorded 2 of 20 steps." in page
    assert "6.0000 → 4.1000" in page
    assert "Earlier validations" in page
    for reader, told in ((user, ": It recorded 2 of 20 steps."), (make_user(), ".</p>")):
        card = read(client, reader, version, "/passport")
        assert "counts until" in card
        assert re.search(f"A later validation failed on <time[^>]*>[^<]+</time>{re.escape(told)}", card)
    complete(running(version=version, user=user))
    assert "A later validation failed" not in read(client, user, version, "/passport")


def test_stop(client: Client) -> None:
    user = make_publisher()
    validation = make_validation(user=user)
    sign_in(client, user)
    assert client.post(address(validation.version, "/validation/stop")).status_code == 303
    assert f"Stopped by {user.username}." in read(client, user, validation.version)
    again = client.post(address(validation.version, "/validation/stop"))
    assert again.status_code == 422
    assert "nothing to stop" in again.content.decode()


def test_nothing_to_stop_is_not_found(client: Client) -> None:
    sign_in(client, make_publisher())
    assert client.post(address(make_draft(), "/validation/stop")).status_code == 404


def test_by_hand_keeps_what_was_typed_and_names_the_limit(client: Client) -> None:
    user, draft = make_publisher(), make_gpu_draft()
    page = read(client, user, draft)
    assert "needs 8 GPUs a replica" in page
    assert "Validate by hand" in page
    answer = client.post(address(draft, "/validation/by-hand"), {"reason": "too short"})
    assert answer.status_code == 422
    text = answer.content.decode()
    assert "It has 9 characters; use 10 to 1,000." in text
    assert ">too short</textarea>" in text
    answer = client.post(address(draft, "/validation/by-hand"), {"reason": f"{REASON}\0"})
    assert (answer.status_code, "It holds a control character" in answer.content.decode()) == (422, True)
    assert client.post(address(draft, "/validation/by-hand"), {"reason": REASON}).status_code == 303
    page = read(client, user, draft)
    assert REASON in page
    assert "Validate by hand" not in page


def test_what_can_be_run_offers_no_vouching(client: Client) -> None:
    user, draft = make_publisher(), make_draft()
    page = read(client, user, draft)
    assert "Validate by hand" not in page
    assert client.post(address(draft, "/validation/by-hand"), {"reason": REASON}).status_code == 422


def test_problems_are_told_field_by_field(client: Client) -> None:
    draft = make_draft(trainer_sharding_scheme=ShardingScheme(context_parallelism=3))
    sign_in(client, make_publisher())
    answer = client.post(address(draft, "/validation/start"))
    assert answer.status_code == 422
    text = answer.content.decode()
    assert "Before it can be validated" in text
    assert "do not divide by context parallelism 3" in text


def test_who_may_not_publish_sees_why_and_no_button(client: Client) -> None:
    validation = make_validation()
    page = read(client, make_publisher(Role.LAUNCHER), validation.version)
    assert "this needs the right to publish" in page
    assert "/validation/stop" not in page


def test_the_page_of_a_public_version_is_its_accounts(client: Client) -> None:
    version = make_tiny_version()
    sign_in(client, make_member())
    assert client.get(address(version)).status_code == 404
    assert client.get(address(version, "/passport")).status_code == 200


def test_a_passport_names_people_to_members_only(client: Client) -> None:
    user, version = make_publisher(), make_tiny_version()
    complete(running(version=version, user=user))
    outside = read(client, make_user(), version, "/passport")
    inside = read(client, make_publisher(Role.VIEWER), version, "/passport")
    for page in (outside, inside):
        assert "6.0000 → 4.1000" in page
        assert "2,048 tokens" in page
        assert "0.50 s" in page
        assert "GPUs asked for</dt><dd>none<small>by the shape; the provider does not say what it used" in page
        assert "Image asked for</dt><dd>none: the provider chooses<small>" in page
        assert "counts until" in page
    assert f"for {user.username}" in inside
    assert "Its launch" in inside
    assert user.username not in outside
    assert "Its launch" not in outside


def test_a_passport_by_hand_gives_the_reason_and_to_members_the_name(client: Client) -> None:
    user, draft = make_publisher(), make_gpu_draft()
    validate_by_hand(actor=user_actor(user), version=draft, reason=REASON, now=timezone.now())
    ShapeVersion.objects.filter(pk=draft.pk).update(is_public=True)
    outside = read(client, make_user(), draft, "/passport", **HTMX)
    assert "<html" not in outside
    assert "A publisher of local vouched for it" in outside
    assert REASON in outside
    assert user.username not in outside
    assert "counts until" in outside
    assert f"{user.username} vouched for it" in read(client, user, draft, "/passport")


def test_what_was_vouched_for_expires_and_can_be_vouched_for_again(client: Client) -> None:
    user, draft = make_publisher(), make_gpu_draft()
    old = timezone.now() - timedelta(days=91)
    validate_by_hand(actor=user_actor(user), version=draft, reason=REASON, now=old)
    assert "may not hold any more" in read(client, user, draft, "/passport")
    assert "Validate by hand" in read(client, user, draft)
    assert client.post(address(draft, "/validation/by-hand"), {"reason": "It still runs there."}).status_code == 303
    page = read(client, user, draft)
    assert "It still runs there." in page
    assert "counts until" in page
    assert "Validate by hand" not in page


def test_a_passport_expires_in_words(client: Client) -> None:
    user, version = make_publisher(), make_tiny_version()
    validation = running(version=version, user=user)
    complete(validation)
    Validation.objects.filter(pk=validation.pk).update(expires_at=timezone.now() - timedelta(days=1))
    assert "may not hold any more" in read(client, user, version, "/passport")


def test_forwards_are_counted_on_a_forward_only_passport(client: Client) -> None:
    user = make_publisher()
    validation = running(version=make_draft(mode=TrainerMode.FORWARD_ONLY), user=user)
    complete(validation, [replace(record, learning_rate=None) for record in records()])
    page = read(client, user, validation.version, "/passport")
    assert "20 in 18.50 s" in page
    assert "Loss per token" not in page


def test_without_a_validation_the_passport_says_where_the_word_comes_from(client: Client) -> None:
    user, version = make_publisher(), make_tiny_version(state=VersionState.VALIDATED)
    ShapeVersion.objects.filter(pk=version.pk).update(note="by file local.yaml")
    assert "Validated without a run: by file local.yaml" in read(client, user, version, "/passport")
    outside = read(client, make_user(), version, "/passport")
    assert "vouched for by the catalog that it came from" in outside
    assert "by file" not in outside
    assert "Not validated yet" in read(client, user, make_draft(), "/passport")


def test_what_one_may_not_see_has_no_passport(client: Client) -> None:
    draft = make_draft()
    sign_in(client, make_member())
    assert client.get(address(draft, "/passport")).status_code == 404
    assert client.get(address(draft).replace(draft.version_id, "zzzzzzzz")).status_code == 404


def test_the_shapes_page_loads_the_passport(client: Client) -> None:
    version = make_tiny_version()
    sign_in(client, make_user())
    page = client.get(f"/shapes/local/{version.shape.shape_id}").content.decode()
    assert f'hx-get="{address(version, "/passport")}"' in page


def queries(client: Client, path: str) -> int:
    with CaptureQueriesContext(connection) as seen:
        assert client.get(path).status_code == 200
    return len(seen)


def test_the_number_of_queries_does_not_grow(client: Client) -> None:
    user, version = make_publisher(), make_tiny_version()
    complete(running(version=version, user=user), records()[:2])
    complete(running(version=version, user=user))
    sign_in(client, user)
    paths = [address(version), address(version, "/passport")]
    few = [queries(client, path) for path in paths]
    for _ in range(4):
        complete(running(version=version, user=user), records()[:2])
        complete(running(version=version, user=user))
    assert [queries(client, path) for path in paths] == few
    assert few == [12, 7]
