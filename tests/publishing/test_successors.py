"""What a deprecated version's users are sent to: a shape, or one version; and why something cannot be it."""

from __future__ import annotations

import pytest
from django.test import Client
from django.utils import timezone

from catalog.models import ShapeVersion
from catalog.states import VersionState
from catalog.version_queries import successor_of
from tests.publishing.pages import at, draft_of, form_in, of, own_shape, published, text
from tests.publishing.test_confirm_pages import confirm, fresh

pytestmark = pytest.mark.django_db


def test_a_successor_may_be_a_version_of_the_same_shape_or_one_that_was_replaced(signed_in: Client) -> None:
    shape, other = own_shape(), own_shape("better")
    old, new = published(shape), published(shape)
    before, after = published(other), published(other)
    replaced = f"/shapes/team-a/better?version={before.version_id}"
    for version, typed, leads_to, written in (
        (new, old.version_id, f"/shapes/team-a/own?version={old.version_id}", old.version_id),
        (old, "own", "/shapes/team-a/own", "team-a/own"),
        (old, f"team-a/own/versions/{new.version_id}", f"/shapes/team-a/own?version={new.version_id}", new.version_id),
        (old, f"better/versions/{before.version_id}", replaced, f"team-a/better/versions/{before.version_id}"),
        (old, before.name, replaced, f"team-a/better/versions/{before.version_id}"),
        (old, "better", "/shapes/team-a/better", "team-a/better"),
    ):
        answer = signed_in.post(at(version, "deprecate"), {"message": "Old.", "successor": typed})
        assert answer.status_code == 303, text(answer)
        form = form_in(signed_in.get(at(version, "deprecate")))
        assert form["successor"] == written
        page = f"/shapes/team-a/own?version={version.version_id}"
        assert f'href="{leads_to}"' in signed_in.get(page).content.decode().split("Deprecated")[1], typed
        launch = signed_in.get(page.replace("own?", "own/launch?")).content.decode()
        path, mark, query = leads_to.partition("?")
        assert f'data-carries="{path}/launch{mark}{query}"' in launch
        confirm(signed_in, version, "restore")
        assert (fresh(version).successor, fresh(version).successor_version) == (None, None)
    assert fresh(after).is_latest_validated


def test_a_successor_that_makes_no_sense_is_refused_with_the_true_reason(signed_in: Client) -> None:
    shape, other = own_shape(), own_shape("better")
    version, draft, rejected = published(shape), draft_of(shape), draft_of(shape)
    gone, warned = published(other), published(other)
    ShapeVersion.objects.filter(pk=rejected.pk).update(state=VersionState.REJECTED)
    ShapeVersion.objects.filter(pk=gone.pk).update(withdrawn_at=timezone.now())
    confirm(signed_in, warned, "deprecate", message="Old.")
    empty = own_shape("empty")
    draft_of(empty)
    public = published(own_shape("shared"), public=True)
    for target, typed, sentence in (
        (version, version.version_id, "It is this version itself. Name another one."),
        (version, draft.version_id, f"{draft.name} is draft, so nobody can launch it."),
        (version, rejected.version_id, f"{rejected.name} is rejected, so nobody can launch it."),
        (version, gone.name, f"{gone.name} was withdrawn, so nobody can launch it any more."),
        (version, warned.name, f"{warned.name} is deprecated itself."),
        (version, "empty", "has no published version, so there is nothing to use instead."),
        (version, "better/versions/abcd1234", "'better/versions/abcd1234' is no version that you may see."),
        (version, "abcd1234", "'abcd1234' is no published shape that you may see."),
        (version, "No Id!", "is no published shape that you may see."),
        (public, version.name, f"{version.name} is not public, so not all users of this one may see it."),
        (public, "own", "has no version that all users of this one may see."),
    ):
        answer = signed_in.post(at(target, "deprecate"), {"message": "Old.", "successor": typed})
        assert (answer.status_code, sentence in text(answer)) == (422, True), (typed, text(answer))
        assert form_in(answer)["successor"] == typed
        assert fresh(target).deprecated_at is None


def test_where_the_successor_can_no_longer_be_launched_its_shape_takes_its_place(signed_in: Client) -> None:
    shape, other = own_shape(), own_shape("better")
    old, before, after = published(shape), published(other), published(other)
    confirm(signed_in, old, "deprecate", message="Old.", successor=before.name)
    found = successor_of([old.shape.account_id], fresh(old))
    assert found and found.name == before.name
    confirm(signed_in, before, "withdraw")
    found = successor_of([old.shape.account_id], fresh(old))
    assert found and (found.name, found.version) == (other.name, after)
    confirm(signed_in, after, "withdraw")
    assert successor_of([old.shape.account_id], fresh(old)) is None


def test_a_shape_whose_versions_point_to_one_another_is_deleted(signed_in: Client) -> None:
    shape = own_shape()
    old, new = published(shape), published(shape)
    confirm(signed_in, old, "deprecate", message="Old.", successor=new.version_id)
    form = form_in(signed_in.get(of(shape, "/delete")))
    assert signed_in.post(of(shape, "/delete"), form).status_code == 303
    assert not ShapeVersion.objects.filter(shape=shape).exists()
