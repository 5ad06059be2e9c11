"""Confirmations that come too late, or that nobody was offered: what they are told, and that nothing is done."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from accounts.models import AuditEntry, User
from catalog.domain.publish_version import publish_version
from catalog.domain.roll_back import roll_back
from catalog.domain.withdraw_version import withdraw_version
from catalog.models import ShapeVersion, TrainingShape
from catalog.states import VersionState
from tests.makers import make_version, sign_in
from tests.publishing.pages import (
    actor,
    at,
    draft_of,
    form_in,
    of,
    own_shape,
    published,
    publisher,
    text,
    validated,
)

pytestmark = pytest.mark.django_db
NUL = "It holds a control character or an invisible one. Remove it."


@pytest.fixture
def signed_in(client: Client) -> Client:
    return sign_in(client, publisher())


@pytest.fixture
def quinn() -> User:
    return publisher("quinn")


def latest(shape: TrainingShape) -> str | None:
    return shape.versions.filter(is_latest_validated=True).values_list("version_id", flat=True).first()


def offers(client: Client, version: ShapeVersion, verb: str, **typed: str) -> dict[str, str]:
    """The form of the page as it would be sent."""
    return form_in(client.get(at(version, verb))) | typed


def may_go_on(answer: object) -> bool:
    """Whether the page has a button that does it all the same."""
    return "all the same" in text(answer)


def compares(answer: Any) -> bool:
    """Whether the page shows a difference to the latest version."""
    return 'id="changes"' in answer.content.decode()


def acts(answer: Any) -> bool:
    """Whether the page has a button at all that does something."""
    return 'btn-lg" type="submit">' in answer.content.decode()


def test_a_roll_back_that_comes_too_late_shows_the_difference_and_goes_on(signed_in: Client, quinn: User) -> None:
    shape = own_shape()
    old, _, theirs = published(shape, gpus=1), published(shape, gpus=2), validated(shape, gpus=4)
    form = offers(signed_in, old, "roll-back", reason="Too slow.")
    publish_version(actor=actor(quinn), version=theirs, public=False, expected_latest=None)
    answer = signed_in.post(at(old, "roll-back"), form)
    assert (answer.status_code, may_go_on(answer), compares(answer)) == (409, True, True)
    assert "GPUs per node 4 1" in text(answer)
    assert latest(shape) == theirs.version_id
    again = form_in(answer)
    assert (again["reason"], again["expected"]) == ("Too slow.", theirs.version_id)
    assert signed_in.post(at(old, "roll-back"), again).status_code == 303
    assert latest(shape) == old.version_id


def test_making_public_what_was_replaced_meanwhile_is_shown_and_not_offered_again(
    signed_in: Client, quinn: User
) -> None:
    shape = own_shape()
    first, theirs = published(shape, gpus=1), validated(shape, gpus=4)
    form = offers(signed_in, first, "make-public", reason="For all.")
    publish_version(actor=actor(quinn), version=theirs, public=False, expected_latest=None)
    answer = signed_in.post(at(first, "make-public"), form)
    assert (answer.status_code, may_go_on(answer)) == (409, False)
    assert "GPUs per node 4 1" in text(answer)
    assert form_in(answer)["reason"] == "For all."
    assert signed_in.post(at(first, "make-public"), form_in(answer)).status_code == 422
    assert latest(shape) == theirs.version_id
    assert not shape.versions.filter(is_public=True).exists()


def test_a_conflict_without_a_difference_says_so(signed_in: Client, quinn: User) -> None:
    shape = own_shape()
    old, new = published(shape), published(shape)
    form = offers(signed_in, old, "roll-back")
    roll_back(actor=actor(quinn), version=old, expected_latest=None)
    answer = signed_in.post(at(old, "roll-back"), form)
    assert (answer.status_code, may_go_on(answer)) == (409, False)
    assert not compares(answer)

    mine = validated(shape)
    form = offers(signed_in, mine, "publish", public="no")
    for version in (old, new):
        withdraw_version(actor=actor(quinn), version=version)
    assert latest(shape) is None
    answer = signed_in.post(at(mine, "publish"), form)
    assert (answer.status_code, may_go_on(answer)) == (409, True)
    assert "is none now" in text(answer)
    assert not compares(answer)


def test_a_shape_that_changed_since_the_page_is_not_deleted_unseen(signed_in: Client, quinn: User) -> None:
    shape = own_shape()
    draft_of(shape), validated(shape)
    opened = signed_in.get(of(shape, "/delete"))
    assert "Versions 2 0 of them published" in text(opened)
    form = form_in(opened) | {"reason": "Never used."}
    publish_version(actor=actor(quinn), version=shape.versions.last(), public=True, expected_latest=None)  # type: ignore[arg-type]
    answer = signed_in.post(of(shape, "/delete"), form)
    assert answer.status_code == 409
    assert "The versions of accounts/team-a/trainingShapes/own are others now than when you looked." in text(answer)
    assert "Versions 2 1 of them published" in text(answer)
    assert TrainingShape.objects.filter(pk=shape.pk).exists()
    again = form_in(answer)
    assert again["reason"] == "Never used."
    assert signed_in.post(of(shape, "/delete"), again).status_code == 303
    assert not TrainingShape.objects.filter(pk=shape.pk).exists()
    assert AuditEntry.objects.get(verb="delete_shape").reason == "Never used."


def test_a_draft_is_deleted_with_a_reason(signed_in: Client) -> None:
    draft = draft_of(own_shape())
    assert signed_in.post(at(draft, "delete"), offers(signed_in, draft, "delete", reason="A try.")).status_code == 303
    assert AuditEntry.objects.get(verb="delete_draft").reason == "A try."


def test_publishing_is_no_way_back(signed_in: Client) -> None:
    shape = own_shape()
    old, new, never = published(shape), published(shape), validated(shape)
    for version, verb, words in (
        (old, "publish", "was published earlier and replaced since. Roll back to it instead."),
        (old, "make-public", "was published earlier and replaced since. Roll back to it instead."),
        (never, "make-public", "is not published yet. Publish it, for everybody."),
    ):
        answer = signed_in.post(at(version, verb), {"public": "yes", "expected": new.version_id})
        assert (answer.status_code, words in text(answer)) == (422, True), text(answer)
        assert not acts(answer)
    assert latest(shape) == new.version_id
    assert not AuditEntry.objects.filter(verb="publish_version").exists()


def test_sending_the_form_twice_is_harmless(signed_in: Client) -> None:
    version = validated(own_shape())
    form = offers(signed_in, version, "publish", public="no")
    assert [signed_in.post(at(version, "publish"), form).status_code for _ in range(2)] == [303, 303]
    assert AuditEntry.objects.filter(verb="publish_version").count() == 1


def test_a_text_that_cannot_be_stored_is_refused_in_words(signed_in: Client) -> None:
    shape = own_shape()
    draft, new = draft_of(shape), validated(shape)
    old, current = published(shape), published(shape)
    for version, verb, field in (
        (new, "publish", "reason"),
        (current, "make-public", "reason"),
        (old, "roll-back", "reason"),
        (current, "withdraw", "reason"),
        (current, "deprecate", "message"),
        (draft, "delete", "reason"),
    ):
        answer = signed_in.post(at(version, verb), {"public": "no", field: "a\0b"})
        assert (answer.status_code, NUL in text(answer)) == (422, True), verb
    answer = signed_in.post(of(shape, "/delete"), {"reason": "a\0b"})
    assert (answer.status_code, NUL in text(answer)) == (422, True)
    assert not AuditEntry.objects.exists()


def test_publishing_for_everybody_looks_at_the_successor_again(signed_in: Client, quinn: User) -> None:
    version, better = published(own_shape()), published(own_shape("better"))
    form = offers(signed_in, version, "deprecate", message="Old.", successor="better")
    assert signed_in.post(at(version, "deprecate"), form).status_code == 303
    answer = signed_in.post(at(version, "make-public"), offers(signed_in, version, "make-public"))
    assert answer.status_code == 422
    assert "is deprecated for accounts/team-a/trainingShapes/better, which not everybody may see." in text(answer)
    publish_version(actor=actor(quinn), version=better, public=True, expected_latest=None)
    assert signed_in.post(at(version, "make-public"), offers(signed_in, version, "make-public")).status_code == 303


def test_what_is_in_work_is_listed_in_whatever_state(signed_in: Client) -> None:
    shape = own_shape()
    made = [
        make_version(shape=shape, state=state, public=False)
        for state in (VersionState.DRAFT, VersionState.VALIDATING, VersionState.REJECTED)
    ]
    shown = text(signed_in.get("/publish"))
    for version, words in zip(made, ("draft", "validating", "rejected"), strict=True):
        assert f"{version.version_id} {words}" in shown
