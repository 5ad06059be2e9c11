"""The pages that ask before something is done: what they say it touches, what they do, and what they keep."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import AuditEntry, User
from accounts.roles import Role
from catalog.domain.publish_version import publish_version
from catalog.models import ShapeVersion, TrainingShape
from catalog.states import VersionState
from connections.providers.states import AttemptState
from launches.models import Launch
from publishing.impact import impact_of
from publishing.pages.actions import Verb
from tests.launches.makers import make_launch
from tests.makers import make_account, make_member, make_shape, make_version, sign_in
from tests.publishing.makers import running
from tests.publishing.pages import (
    actor,
    at,
    draft_of,
    form_in,
    of,
    own_shape,
    published,
    publisher,
    runnable,
    team,
    text,
    validated,
)

pytestmark = pytest.mark.django_db
DELETE = re.compile(r'<button class="btn btn-danger[^"]*" type="submit">')


def fresh(version: ShapeVersion) -> ShapeVersion:
    return ShapeVersion.objects.select_related("shape__account", "successor").get(pk=version.pk)


def confirm(client: Client, version: ShapeVersion, verb: str, **typed: str) -> str:
    """Open the page, send its form as a browser would, and return the page that it leads to."""
    opened = client.get(at(version, verb))
    assert opened.status_code == 200
    answer = client.post(at(version, verb), form_in(opened) | typed)
    assert (answer.status_code, answer.headers.get("Location")) == (303, of(version.shape)), text(answer)
    return of_page(client, version)


def done(page: str) -> str:
    """What the page says was done."""
    return str(re.findall(r'notice-success" role="status">.*?data-text>([^<]*)<', page, re.DOTALL)[0])


def touches(page: str) -> set[str]:
    """What stands in the way of it, by name."""
    return set(re.findall(r"<dd [^>]*data-(kept|validating|successor-of)>", page))


def of_page(client: Client, version: ShapeVersion) -> str:
    """The page of the version's shape, as it is written."""
    return client.get(of(version.shape)).content.decode()


def test_a_version_is_published_made_public_and_rolled_back(signed_in: Client) -> None:
    shape = own_shape()
    first, second = published(shape), validated(shape, gpus=2)
    assert second.version_id in done(confirm(signed_in, second, "publish", public="no", reason="Faster."))
    assert (fresh(second).is_latest_validated, fresh(second).is_public) == (True, False)
    assert AuditEntry.objects.latest("pk").reason == "Faster."
    assert first.version_id in done(confirm(signed_in, first, "roll-back"))
    assert (fresh(first).is_latest_validated, fresh(second).is_latest_validated) == (True, False)
    assert first.version_id in done(confirm(signed_in, first, "make-public"))
    assert fresh(first).is_public


def test_the_way_to_a_version_newer_than_the_latest_is_forward(signed_in: Client) -> None:
    shape = own_shape()
    first, second = published(shape), published(shape)
    assert way_to(signed_in, first) == "Roll back"
    assert marks(signed_in, first) == ["replaced"] and marks(signed_in, second) == ["latest"]
    confirm(signed_in, first, "roll-back")
    assert way_to(signed_in, second) == "Roll forward"
    assert marks(signed_in, first) == ["latest"] and marks(signed_in, second) == ["replaced"]
    refused = text(signed_in.post(at(second, "publish"), {"public": "no", "expected": first.version_id}))
    assert "replaced since. Roll forward to it instead." in refused
    signed_in.get(at(second, "publish"))
    assert "It was published before: roll forward to it." in text(signed_in.get(of(shape)))
    confirm(signed_in, second, "roll-back")
    assert AuditEntry.objects.latest("pk").verb == "roll_forward"


def way_to(client: Client, version: ShapeVersion) -> str:
    """The first two words of the only link of the page that makes a version the latest again: it leads to this one."""
    [(address, label)] = re.findall(r'href="([^"]+/roll-back)"[^>]*>(.*?)</a>', of_page(client, version), re.DOTALL)
    assert address == at(version, "roll-back")
    return " ".join(re.sub(r"<[^>]+>", " ", label).split()[:2])


def marks(client: Client, version: ShapeVersion) -> list[str]:
    """The chips of the version's card, but for who may see it."""
    card = of_page(client, version).split(f'data-version="{version.version_id}"')[1].split("</p>")[0]
    chips = re.findall(r'<span class="chip[^"]*"[^>]*><svg.*?</svg>([^<]*)</span>', card)
    return [chip for chip in chips if chip != "public"]


def test_publishing_asks_who_may_see_it(signed_in: Client) -> None:
    version = validated(own_shape())
    answer = signed_in.post(at(version, "publish"), {"expected": "", "reason": "kept"})
    assert answer.status_code == 422
    assert "Nothing is chosen. Choose who may see it." in text(answer)
    assert form_in(answer)["reason"] == "kept"
    confirm(signed_in, version, "publish", public="yes")
    assert fresh(version).is_public
    more = signed_in.get(at(validated(version.shape), "publish"))
    assert form_in(more)["public"] == "yes"
    assert re.search(r'name="public" value="no" disabled', more.content.decode())


def test_facts_that_users_need_are_asked_for(signed_in: Client) -> None:
    version = validated(own_shape(), trainer_image_tag=None)
    answer = signed_in.post(at(version, "publish"), {"public": "no", "expected": ""})
    assert answer.status_code == 422
    assert "trainer_image_tag: It is unknown. Say which trainer image it runs." in text(answer)
    assert f"/new?from={version.version_id}" in answer.content.decode()


@pytest.mark.parametrize("verb", ["publish", "withdraw"])
def test_what_somebody_published_meanwhile_is_shown_first(signed_in: Client, verb: str) -> None:
    shape = own_shape()
    first, mine, theirs = published(shape, gpus=1), validated(shape, gpus=2), validated(shape, gpus=4)
    target = mine if verb == "publish" else first
    form = form_in(signed_in.get(at(target, verb))) | {"public": "no", "reason": "My reason."}
    publish_version(actor=actor(publisher("quinn")), version=theirs, public=False, expected_latest=first.version_id)

    answer = signed_in.post(at(target, verb), form)
    assert answer.status_code == 409
    assert f"The latest validated version is {theirs.version_id} now; it was {first.version_id}" in text(answer)
    assert f"GPUs per node 4 {target.gpus}" in text(answer)
    again = form_in(answer)
    kept = {name: value for name, value in form.items() if name in again}
    renewed = {name: again[name] for name in ("expected", "csrfmiddlewaretoken")}
    assert again == kept | renewed
    assert (again["reason"], again["expected"]) == ("My reason.", theirs.version_id)
    assert fresh(theirs).is_latest_validated
    assert signed_in.post(at(target, verb), again).status_code == 303
    assert (fresh(mine).is_latest_validated, bool(fresh(first).withdrawn_at)) == (verb == "publish", verb == "withdraw")


def test_a_deprecation_has_a_message_and_a_successor_and_can_be_lifted(signed_in: Client) -> None:
    version = published(own_shape())
    better = published(own_shape("better"))
    hidden = published(make_shape(), public=False)
    for typed, sentence in (
        ({}, "It is empty. Say why, and what to use instead."),
        ({"message": "x" * 501}, "It has 501 characters; the limit is 500. Shorten it by 1."),
        ({"message": "Old.", "successor": "no-such"}, "'no-such' is no published shape that you may see"),
        ({"message": "Old.", "successor": hidden.shape.name}, "is no published shape that you may see"),
        ({"message": "Old.", "successor": "own"}, "It is the same shape, and this version is its latest."),
    ):
        answer = signed_in.post(at(version, "deprecate"), typed)
        assert (answer.status_code, sentence in text(answer)) == (422, True), typed
        assert form_in(answer)["message"] == typed.get("message", "")
    confirm(signed_in, version, "deprecate", message="Old <b>one</b>.", successor="better")
    assert (fresh(version).deprecation_message, fresh(version).successor) == ("Old <b>one</b>.", better.shape)
    for address in ("/shapes/team-a/own", "/shapes/team-a/own/launch", of(version.shape)):
        html = signed_in.get(address).content.decode()
        assert "Old &lt;b&gt;one&lt;/b&gt;." in html, address
    opened = form_in(signed_in.get(at(version, "deprecate")))
    assert (opened["message"], opened["successor"]) == ("Old <b>one</b>.", "team-a/better")
    confirm(signed_in, version, "restore")
    assert fresh(version).deprecated_at is None


def test_a_withdrawal_says_what_the_shape_falls_back_to(signed_in: Client) -> None:
    shape = own_shape()
    first, second = published(shape), published(shape)
    page = signed_in.get(at(second, "withdraw")).content.decode()
    assert resolves(page) == [second.version_id, first.version_id]
    confirm(signed_in, second, "withdraw", reason="Broken.")
    assert (fresh(first).is_latest_validated, bool(fresh(second).withdrawn_at)) == (True, True)
    assert resolves(signed_in.get(at(first, "withdraw")).content.decode()) == [first.version_id, "no version"]


def resolves(page: str) -> list[str]:
    """What the shape's name leads to now, and afterwards."""
    return re.findall(r'class="id[^"]*">([^<]+)<', page.partition("data-resolves>")[2].partition("</dd>")[0])


def test_a_draft_and_a_shape_are_deleted(signed_in: Client) -> None:
    shape = own_shape()
    draft = draft_of(shape)
    assert draft.version_id in done(confirm(signed_in, draft, "delete"))
    answer = signed_in.post(of(shape, "/delete"), form_in(signed_in.get(of(shape, "/delete"))))
    assert (answer.status_code, answer.headers["Location"]) == (303, "/publish")
    assert not TrainingShape.objects.filter(pk=shape.pk).exists()
    assert "own" in done(signed_in.get("/publish").content.decode())


def test_what_launches_refer_to_is_not_deleted(client: Client) -> None:
    version = runnable()
    user = make_member(account=team(), role=Role.PUBLISHER)
    make_launch(account=team(), owner=user, version=version)
    sign_in(client, user)
    page = client.get(of(version.shape, "/delete")).content.decode()
    assert touches(page) == {"kept"} and not DELETE.search(page)
    answer = client.post(of(version.shape, "/delete"))
    assert answer.status_code == 422
    assert "Launches refer to" in text(answer) and "successor" not in text(answer)
    running(version=version, user=user)
    assert "2 launches, 1 of them to validate" in text(client.get(of(version.shape, "/delete")))


def test_a_shape_that_is_a_successor_is_not_deleted(signed_in: Client) -> None:
    shape, old = own_shape("newer"), published(own_shape("older"))
    published(shape)
    confirm(signed_in, old, "deprecate", message="Use the newer one.", successor="newer")
    assert re.search(r'Use <a class="link" href="/shapes/team-a/newer">team-a/newer</a>', of_page(signed_in, old))
    page = signed_in.get(of(shape, "/delete")).content.decode()
    assert touches(page) == {"successor-of"} and not DELETE.search(page)
    refused = text(signed_in.post(of(shape, "/delete"), {}))
    assert "names accounts/team-a/trainingShapes/newer as its successor" in refused
    assert "Launches refer" not in refused


def test_a_shape_that_is_being_validated_is_not_deleted(signed_in: Client) -> None:
    draft = draft_of(own_shape())
    ShapeVersion.objects.filter(pk=draft.pk).update(state=VersionState.VALIDATING)
    page = signed_in.get(of(draft.shape, "/delete")).content.decode()
    assert touches(page) == {"validating"} and not DELETE.search(page)


def test_a_verb_that_is_not_possible_leads_back_in_words(signed_in: Client) -> None:
    shape = own_shape()
    draft, latest = draft_of(shape), published(shape)
    for version, verb, remedy in (
        (draft, "publish", "Validate it first."),
        (draft, "withdraw", "It was never published: validate it first."),
        (latest, "roll-back", "It is the latest version already."),
        (latest, "delete", "It is validated: withdraw it instead."),
    ):
        answer = signed_in.get(at(version, verb))
        assert (answer.status_code, answer.headers["Location"]) == (302, of(shape))
        assert f"not possible for {version.version_id} as it stands now. {remedy}" in text(signed_in.get(of(shape)))
        assert signed_in.post(at(version, verb), {"public": "no"}).status_code == 422, verb
    assert signed_in.get(at(latest, "edit-all")).status_code == 404


def test_the_impact_names_members_and_only_counts_others(client: Client) -> None:
    version = runnable()
    version.shape.versions.update(is_public=True)
    ann = make_member(account=team(), role=Role.PUBLISHER, username="ann")
    bob = make_member(account=team(), role=Role.LAUNCHER, username="bob")
    eve = make_member(account=make_account(account_id="team-e"), username="eve")
    for owner, account in ((ann, team()), (bob, team()), (bob, team()), (eve, make_account(account_id="team-e"))):
        make_launch(owner=owner, account=account, version=version)
    old = make_launch(owner=ann, account=team(), version=version)
    Launch.objects.filter(pk=old.pk).update(created_at=timezone.now() - timedelta(days=31))
    running = Launch.objects.filter(owner=bob).first()
    assert running
    running.attempts.update(state=AttemptState.RUNNING)
    Launch.objects.filter(pk=running.pk).update(state=AttemptState.RUNNING)
    copy = make_version(shape=own_shape("copy"), state=VersionState.DRAFT)
    ShapeVersion.objects.filter(pk=copy.pk).update(based_on=version)

    page = sign_in(client, ann).get(at(version, "withdraw"))
    shown = text(page)
    assert "bob (2), ann (1)" in shown
    assert "and 1 person of 1 other account" in shown
    assert "eve" not in page.content.decode()
    assert "team-e" not in page.content.decode()
    assert re.findall(r"data-(?:running|waiting)>(\d+)<", page.content.decode()) == ["1", "4"]
    assert f"copy {copy.version_id}" in shown


def test_much_costs_as_many_queries_as_little(paula: User) -> None:
    version = runnable()

    def counted() -> list[int]:
        numbers = []
        for verb, of_version in ((Verb.PUBLISH, version), (Verb.WITHDRAW, version), (Verb.DELETE, None)):
            with CaptureQueriesContext(connection) as captured:
                impact_of(verb, version.shape, of_version, now=timezone.now())
            numbers.append(len(captured))
        return numbers

    little = counted()
    for _ in range(4):
        make_launch(owner=make_member(account=team()), account=team(), version=version)
        make_launch(version=version, account=make_account())
        ShapeVersion.objects.filter(pk=draft_of(own_shape(f"d{Launch.objects.count()}")).pk).update(based_on=version)
    assert counted() == little
