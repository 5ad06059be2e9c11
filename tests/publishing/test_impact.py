"""What the pages say that an action touches: launches, drafts, people; members by name, others as numbers."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.actors import user_actor
from accounts.models import User
from accounts.roles import Role
from catalog.domain.delete_draft import delete_draft
from catalog.files.current import read_current
from catalog.files.export import write_document
from catalog.models import ShapeVersion, TrainingShape
from connections.providers.states import AttemptState
from launches.domain.delete_launch import delete_launch
from launches.models import Launch
from publishing.impact import MOST_NAMES, touched_shapes
from tests.launches.makers import make_launch
from tests.makers import make_account, make_member, make_model, make_shape, make_version, sign_in
from tests.publishing.pages import KNOWN, at, draft_of, of, own_shape, runnable, team, text

pytestmark = pytest.mark.django_db


@pytest.fixture
def ann() -> User:
    return make_member(account=team(), role=Role.PUBLISHER, username="ann")


@pytest.fixture
def signed_in(client: Client, ann: User) -> Client:
    return sign_in(client, ann)


def later(version: ShapeVersion, **facts: Any) -> ShapeVersion:
    """Another version of the shape, validated and not published."""
    given = KNOWN | {"gpus": 0, "context": 2048} | facts
    return make_version(shape=version.shape, public=False, latest=False, published=False, **given)


def copy_of(version: ShapeVersion, shape: TrainingShape) -> ShapeVersion:
    """A draft of the shape that started as a copy of the version."""
    draft = draft_of(shape)
    ShapeVersion.objects.filter(pk=draft.pk).update(based_on=version)
    return draft


def set_state(launch: Launch, state: AttemptState) -> None:
    launch.attempts.update(state=state)
    Launch.objects.filter(pk=launch.pk).update(state=state)


def told(client: Client, address: str) -> dict[str, str]:
    """The facts of the page by their mark: `running`, `waiting`, `drafts`, `people`."""
    answer = client.get(address)
    assert answer.status_code == 200, answer.headers
    found = re.findall(r"<dd(?: class=\"[^\"]*\")? data-(\w+)>(.*?)</dd>", answer.content.decode(), re.DOTALL)
    return {name: " ".join(re.sub(r"<[^>]+>", " ", value).split()) for name, value in found}


def test_publishing_touches_all_launches_and_drafts_of_the_shape(signed_in: Client, ann: User) -> None:
    head = runnable()
    new = later(head)
    bob = make_member(account=team(), username="bob")
    set_state(make_launch(owner=bob, account=team(), version=head), AttemptState.RUNNING)
    make_launch(owner=ann, account=team(), version=head)
    draft, clone = copy_of(head, head.shape), copy_of(head, own_shape("clone"))
    shown = told(signed_in, at(new, "publish"))
    assert shown["resolves"].split() == [head.version_id, "then", new.version_id]
    assert shown["running"].startswith("1 go on")
    assert shown["waiting"].startswith("1 start")
    assert shown["people"] == "ann (1), bob (1)"
    assert re.findall(r"[\w-]+ \w{8}", shown["drafts"]) == [
        f"{each.shape.shape_id} {each.version_id}" for each in (clone, draft)
    ]


@pytest.mark.parametrize("verb", ["deprecate", "withdraw"])
def test_deprecating_and_withdrawing_touch_what_is_of_that_version(signed_in: Client, ann: User, verb: str) -> None:
    head = runnable()
    other = later(head)
    make_launch(owner=ann, account=team(), version=head)
    mine, not_mine = copy_of(other, head.shape), copy_of(head, head.shape)
    shown = told(signed_in, at(other, verb))
    assert shown["running"].startswith("0")
    assert shown["waiting"].startswith("0")
    assert shown["people"] == "nobody of team-a"
    assert mine.version_id in shown["drafts"]
    assert not_mine.version_id not in shown["drafts"]


def test_deleting_a_draft_tells_of_its_copies_and_leaves_them(signed_in: Client, ann: User) -> None:
    draft = draft_of(own_shape())
    copy = copy_of(draft, draft.shape)
    page = signed_in.get(at(draft, "delete"))
    assert "Drafts that started as copies of it stay." in text(page)
    assert copy.version_id in told(signed_in, at(draft, "delete"))["drafts"]
    delete_draft(actor=user_actor(ann), version=draft)
    assert ShapeVersion.objects.get(pk=copy.pk).based_on is None


def test_deleting_a_shape_tells_of_clones_and_not_of_what_goes_with_it(signed_in: Client) -> None:
    shape = own_shape()
    draft = draft_of(shape)
    gone, kept = copy_of(draft, shape), copy_of(draft, own_shape("clone"))
    shown = told(signed_in, of(shape, "/delete"))
    assert kept.version_id in shown["drafts"]
    assert gone.version_id not in shown["drafts"]
    assert shown["versions"] == "2 0 of them published"


def test_whoever_deleted_their_launch_still_launched_it(signed_in: Client, ann: User) -> None:
    version = runnable()
    bob = make_member(account=team(), username="bob")
    launch = make_launch(owner=bob, account=team(), version=version)
    delete_launch(actor=user_actor(bob), launch=launch)
    shown = told(signed_in, at(version, "withdraw"))
    assert shown["people"] == "bob (1)"
    assert shown["running"].startswith("0")


def test_other_accounts_drafts_are_counted_and_never_named(signed_in: Client) -> None:
    version = runnable()
    ShapeVersion.objects.filter(pk=version.pk).update(is_public=True)
    theirs = make_shape(base_model=make_model(account=make_account(account_id="team-e")), shape_id="secret-copy")
    drafts = [copy_of(version, theirs) for _ in range(2)]
    page = signed_in.get(at(version, "deprecate"))
    assert told(signed_in, at(version, "deprecate"))["drafts"] == "none of team-a and 2 of other accounts"
    for hidden in ("secret-copy", "team-e", drafts[0].version_id):
        assert hidden not in page.content.decode()


def test_of_many_only_some_are_named_and_the_others_counted(signed_in: Client) -> None:
    version = runnable()
    shape = own_shape("clone")
    for number in range(MOST_NAMES + 3):
        copy_of(version, shape)
        make_launch(owner=make_member(account=team(), username=f"u{number:02}"), account=team(), version=version)
    shown = told(signed_in, at(version, "withdraw"))
    assert shown["drafts"].endswith("and 3 more")
    assert shown["drafts"].count("clone ") == MOST_NAMES
    assert shown["people"].endswith("and 3 more")
    assert shown["people"].count("(1)") == MOST_NAMES


def review(client: Client, file: str) -> Any:
    answer = client.post(
        "/publish/import", {"file": SimpleUploadedFile("own.yaml", file.encode()), "account": "team-a"}
    )
    assert answer.status_code == 303, text(answer)
    return client.get(answer.headers["Location"])


def test_the_review_of_a_file_tells_what_each_shape_touches(signed_in: Client, ann: User) -> None:
    version = runnable()
    ShapeVersion.objects.filter(pk=version.pk).update(is_public=True)
    eve = make_member(account=make_account(account_id="team-e"), username="eve-of-e")
    set_state(make_launch(owner=ann, account=team(), version=version), AttemptState.RUNNING)
    make_launch(owner=eve, account=make_account(account_id="team-e"), version=version)
    old = make_launch(owner=make_member(account=team()), account=team(), version=version)
    Launch.objects.filter(pk=old.pk).update(created_at=timezone.now() - timedelta(days=31))
    copy_of(version, own_shape("clone"))
    file = write_document(read_current(team(), public=True).document)
    words = (
        "Touches: 1 launch runs, 2 in the queue; launched in 30 days by 1 member and 1 of other accounts; "
        "1 draft is based on its versions."
    )
    changed = review(signed_in, file.replace("2048", "4096"))
    assert words in text(changed)
    assert "eve-of-e" not in changed.content.decode()
    gone = review(signed_in, file.replace(f"id: {version.shape.shape_id}", "id: another"))
    assert "Shapes to deprecate: 1" in text(gone)
    assert gone.content.decode().count("data-touches") == 1, "the new one touches nothing"
    assert words in text(gone)


def test_what_shapes_touch_is_read_in_two_queries(ann: User) -> None:
    first = runnable()
    others = [make_shape(base_model=first.shape.base_model, account=team()) for _ in range(2)]
    versions = [first, *(make_version(shape=shape, gpus=0, context=2048, public=False) for shape in others)]
    for version in versions:
        make_launch(owner=ann, account=team(), version=version)
    ids = [version.shape.shape_id for version in versions]
    account = team()
    with CaptureQueriesContext(connection) as captured:
        found = touched_shapes(account, ids, now=timezone.now())
    assert len(captured) == 2
    assert [found[each].waiting for each in ids] == [1, 1, 1]
