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


def acts(page: str) -> set[str]:
    """What the page's forms would do to the validation."""
    return set(re.findall(r'action="[^"]*/validation/([a-z-]+)"', page))


def state_of(page: str) -> tuple[str, str]:
    """The validation's state, and what it looks like: that of its launch until the trainer runs."""
    look = re.search(r'class="state state-([a-z]+) text-base!"', page)
    return (re.findall(r'<div id="validation" data-state="([A-Z]*)"', page)[0], look[1] if look else "")


def steps(page: str) -> list[str]:
    """What has become of each step: done, now, next or skipped, good or bad."""
    return re.findall(r'<li class="step step-([a-z]+)"', page)


def passport_in(page: str) -> str:
    """Whether there is a passport on the page, and whether it counts."""
    return str(re.findall(r'data-passport="([a-z]+)"', page)[0])


def make_gpu_draft() -> ShapeVersion:
    return make_version(shape=make_tiny_version().shape, gpus=8, state=VersionState.DRAFT)


def test_from_the_button_to_the_passport(client: Client) -> None:
    user, draft = make_publisher(), make_draft()
    assert state_of(read(client, user, draft)) == ("", "")
    answer = client.post(address(draft, "/validation/start"))
    assert (answer.status_code, answer["Location"]) == (303, address(draft))
    validation = Validation.objects.get()
    page = read(client, user, draft)
    assert f"<title>Validation 1 of {draft.shape.shape_id}" in page
    assert 'hx-trigger="every 2s"' in page
    assert acts(page) == {"stop"}
    for _ in range(3):
        step(validation)
    say(validation, AttemptState.RUNNING, metrics=records()[:7], detail="The trainer loads the model.")
    page = read(client, user, draft, **HTMX)
    assert "<html" not in page
    assert re.search(r'<progress [^>]*value="7" max="20"', page)
    assert "The trainer loads the model." in page
    assert f"/launches/{launch_of(validation).uid}" in page
    say(validation, AttemptState.COMPLETED, metrics=records())
    step(validation)
    page = read(client, user, draft)
    assert 'hx-trigger="every 2s"' not in page
    assert "6.0000 → 4.1000" in page
    assert acts(page) == {"start"}
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
    assert (state_of(page), steps(page)) == (("RUNNING", "pending"), ["done", "done", "done", "now", "next"])
    assert "<progress" not in page
    say(validation, AttemptState.CREATING)
    assert state_of(read(client, user, validation.version)) == ("RUNNING", "creating")
    say(validation, AttemptState.RUNNING)
    page = read(client, user, validation.version)
    assert state_of(page) == ("RUNNING", "running")
    assert re.search(r'<progress [^>]*value="0" max="20"', page)


def test_what_never_ran_says_so(client: Client) -> None:
    user = make_publisher()
    validation = running(user=user)
    say(validation, AttemptState.PENDING)
    sign_in(client, user).post(address(validation.version, "/validation/stop"))
    assert steps(read(client, user, validation.version)) == ["done", "done", "done", "skipped", "bad"]


def test_the_end_of_editing_is_said_before_and_what_is_left_after(client: Client) -> None:
    user, draft = make_publisher(), make_draft()
    ends = "data-ends-editing"
    assert ends in read(client, user, draft)
    assert ends in read(client, user, make_gpu_draft())
    client.post(address(draft, "/validation/start"))
    page = read(client, user, draft)
    assert ends not in page
    assert 'id="confirm-stop"' in page
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
    assert (state_of(page), acts(page)) == (("FAILED", "failed"), {"start"})


def test_a_step_that_breaks_is_on_the_page(client: Client) -> None:
    user = make_publisher()
    validation = running(user=user)
    launch_of(validation).attempts.update(number=2)
    step(validation)
    launch_of(validation).attempts.update(number=1)
    page = read(client, user, validation.version)
    assert re.search(r'class="text-warning"><span class="sr-only">fault: </span>[^<]*DoesNotExist', page)


def test_a_failed_renewal_leaves_the_passport_that_counts_on_the_page(client: Client) -> None:
    user, version = make_publisher(), make_tiny_version()
    complete(running(version=version, user=user))
    complete(running(version=version, user=user), records()[:2])
    page = read(client, user, version)
    why = Validation.objects.latest("pk").outcome
    assert why in page
    assert "6.0000 → 4.1000" in page
    assert 'id="earlier-title"' in page
    for reader, told in ((user, True), (make_user(), False)):
        card = read(client, reader, version, "/passport")
        assert passport_in(card) == "counts"
        assert ("data-failed-since" in card, why in card) == (True, told)
    complete(running(version=version, user=user))
    assert "data-failed-since" not in read(client, user, version, "/passport")


def test_stop(client: Client) -> None:
    user = make_publisher()
    validation = make_validation(user=user)
    sign_in(client, user)
    assert client.post(address(validation.version, "/validation/stop")).status_code == 303
    page = read(client, user, validation.version)
    assert (state_of(page)[0], user.username in page.partition("</header>")[2]) == ("FAILED", True)
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
    assert "by-hand" in acts(page)
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
    assert "by-hand" not in acts(page)


def test_what_can_be_run_offers_no_vouching(client: Client) -> None:
    user, draft = make_publisher(), make_draft()
    page = read(client, user, draft)
    assert acts(page) == {"start"}
    assert client.post(address(draft, "/validation/by-hand"), {"reason": REASON}).status_code == 422


def test_problems_are_told_field_by_field(client: Client) -> None:
    draft = make_draft(trainer_sharding_scheme=ShardingScheme(context_parallelism=3))
    sign_in(client, make_publisher())
    answer = client.post(address(draft, "/validation/start"))
    assert answer.status_code == 422
    text = answer.content.decode()
    assert 'id="problems-title"' in text
    assert "do not divide by context parallelism 3" in text


def test_who_may_not_publish_sees_why_and_no_button(client: Client) -> None:
    validation = make_validation()
    page = read(client, make_publisher(Role.LAUNCHER), validation.version)
    assert ("data-locked" in page, acts(page)) == (True, set())


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
        assert passport_in(page) == "counts"
    launch = f'href="/launches/{Validation.objects.get().launch.uid}"'  # type: ignore[union-attr]
    assert f"for {user.username}" in inside
    assert launch in inside
    assert user.username not in outside
    assert launch not in outside


def test_a_passport_by_hand_gives_the_reason_and_to_members_the_name(client: Client) -> None:
    user, draft = make_publisher(), make_gpu_draft()
    validate_by_hand(actor=user_actor(user), version=draft, reason=REASON, now=timezone.now())
    ShapeVersion.objects.filter(pk=draft.pk).update(is_public=True)
    outside = read(client, make_user(), draft, "/passport", **HTMX)
    assert "<html" not in outside
    assert (passport_in(outside), "data-by-hand" in outside) == ("counts", True)
    assert REASON in outside
    assert user.username not in outside
    assert user.username in read(client, user, draft, "/passport", **HTMX)


def test_what_was_vouched_for_expires_and_can_be_vouched_for_again(client: Client) -> None:
    user, draft = make_publisher(), make_gpu_draft()
    old = timezone.now() - timedelta(days=91)
    validate_by_hand(actor=user_actor(user), version=draft, reason=REASON, now=old)
    assert passport_in(read(client, user, draft, "/passport")) == "expired"
    assert "by-hand" in acts(read(client, user, draft))
    assert client.post(address(draft, "/validation/by-hand"), {"reason": "It still runs there."}).status_code == 303
    page = read(client, user, draft)
    assert "It still runs there." in page
    assert (passport_in(page), "by-hand" in acts(page)) == ("counts", False)


def test_a_passport_expires(client: Client) -> None:
    user, version = make_publisher(), make_tiny_version()
    validation = running(version=version, user=user)
    complete(validation)
    Validation.objects.filter(pk=validation.pk).update(expires_at=timezone.now() - timedelta(days=1))
    assert passport_in(read(client, user, version, "/passport")) == "expired"


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
    assert "by file local.yaml" in read(client, user, version, "/passport")
    outside = read(client, make_user(), version, "/passport")
    assert (passport_in(outside), "by file" in outside) == ("none", False)
    assert passport_in(read(client, user, make_draft(), "/passport")) == "none"


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
