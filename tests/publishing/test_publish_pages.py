"""The lists of the publishing pages, and a shape's versions with what can be done to each."""

from __future__ import annotations

import re
import uuid
from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import User
from accounts.roles import Role
from catalog.domain.publish_version import publish_version
from catalog.domain.withdraw_version import withdraw_version
from catalog.models import ShapeVersion
from catalog.states import VersionState
from connections.providers.states import AttemptState
from launches.models import Launch
from lists.orders import PAGE
from publishing.domain.validate_by_hand import validate_by_hand
from publishing.pages.actions import Verb, legal_verbs
from tests.connections.makers import local_connection
from tests.launches.makers import make_launch
from tests.makers import make_account, make_member, make_version, sign_in
from tests.publishing.makers import running
from tests.publishing.pages import (
    actor,
    at,
    draft_of,
    of,
    own_shape,
    published,
    runnable,
    team,
    text,
    validated,
)

pytestmark = pytest.mark.django_db


def ids(html: str) -> list[str]:
    """The versions of a list, in order."""
    return re.findall(r'aria-label="(?:Edit|Publish|New version from this): (\w{8})"', html)


def page(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200
    return answer.content.decode()


def end(launch: Launch, state: AttemptState) -> None:
    """As if it had run."""
    launch.attempts.update(state=state, finished_at=timezone.now())
    Launch.objects.filter(pk=launch.pk).update(state=state)


def test_three_lists_of_the_active_account(signed_in: Client) -> None:
    shape = own_shape()
    published(shape)
    work, waiting = draft_of(shape), validated(shape)
    foreign = make_version(state=VersionState.DRAFT)
    assert ids(page(signed_in, "/publish")) == [work.version_id]
    assert ids(page(signed_in, "/publish?show=awaiting")) == [waiting.version_id]
    shapes = page(signed_in, "/publish?show=shapes")
    assert re.findall(r'href="/publish/team-a/([\w-]+)"', shapes) == ["own"]
    for show in ("", "?show=awaiting", "?show=expired", "?show=shapes", "?show=nonsense&before=x&after=%00"):
        html = page(signed_in, f"/publish{show}")
        assert foreign.version_id not in html
        assert re.findall(r"In work <span[^>]*>(\d+)<", html) == ["1"]


def test_evidence_that_expired_is_listed_until_it_is_renewed(signed_in: Client, paula: User) -> None:
    shape, now = own_shape(), timezone.now()
    old = now - timedelta(days=91)

    def vouched(version: ShapeVersion, when: datetime) -> ShapeVersion:
        validate_by_hand(actor=actor(paula), version=version, reason="It has run since May.", now=when)
        return ShapeVersion.objects.get(pk=version.pk)

    def listed() -> list[str]:
        html = page(signed_in, "/publish?show=expired")
        assert re.findall(r"Evidence expired <span[^>]*>(\d+)<", html) == [str(html.count('/validation"'))]
        return re.findall(r"/versions/(\w{8})/validation\"", html)

    fresh, waiting, latest = vouched(draft_of(shape), now), vouched(draft_of(shape), old), vouched(draft_of(shape), old)
    superseded, withdrawn = vouched(draft_of(shape), old), vouched(draft_of(shape), old)
    validated(shape)
    for version in (superseded, latest):
        publish_version(actor=actor(paula), version=version, public=False, expected_latest=None)
    withdraw_version(actor=actor(paula), version=withdrawn, reason="")
    assert listed() == [latest.version_id, waiting.version_id]
    assert fresh.version_id not in page(signed_in, "/publish?show=expired")
    vouched(waiting, now)
    assert listed() == [latest.version_id]
    vouched(latest, now)
    assert "Nothing has expired" in page(signed_in, "/publish?show=expired")


def test_empty_lists_say_what_they_would_hold(signed_in: Client) -> None:
    assert "Nothing in work" in page(signed_in, "/publish")
    assert "Nothing is waiting" in page(signed_in, "/publish?show=awaiting")
    assert "No shape yet" in page(signed_in, "/publish?show=shapes")


@pytest.mark.parametrize("role", [Role.VIEWER, Role.LAUNCHER])
def test_members_who_may_not_publish_read_why(client: Client, role: Role) -> None:
    version = published(own_shape())
    sign_in(client, make_member(account=team(), role=role))
    for address in ("/publish", "/publish/new", of(version.shape), at(version, "withdraw")):
        answer = client.get(address)
        assert answer.status_code == 403
        assert f"Your role in team-a is {role}; this needs the right to publish. Ask an admin of team-a." in text(
            answer
        )
    assert 'data-go="p"' not in page(client, "/")
    assert "Publish…" not in page(client, "/shapes/team-a/own")


def test_publishers_find_their_way(signed_in: Client) -> None:
    published(own_shape())
    assert 'data-go="p"' in page(signed_in, "/")
    assert 'href="/publish/team-a/own"' in page(signed_in, "/shapes/team-a/own")


def test_lists_are_paged_by_key(signed_in: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    shape = own_shape()
    made = [draft_of(shape).version_id for _ in range(PAGE + 2)][::-1]
    first = page(signed_in, "/publish")
    following = re.findall(r'href="([^"]+)" rel="next"', first)[0].replace("&amp;", "&")
    assert ids(first) + ids(page(signed_in, following)) == made
    assert "First page" in page(signed_in, following)
    versions = page(signed_in, of(shape))
    seen = re.findall(r'data-version="(\w+)"', versions)
    while found := re.findall(r'href="([^"]+)" rel="next"', versions):
        versions = page(signed_in, found[0])
        seen += re.findall(r'data-version="(\w+)"', versions)
    assert seen == made


def test_shapes_are_paged_by_id(signed_in: Client) -> None:
    names = [f"s{number:03}" for number in range(PAGE + 3)]
    for name in names:
        own_shape(name)
    first = page(signed_in, "/publish?show=shapes")
    following = re.findall(r'href="([^"]+)" rel="next"', first)[0].replace("&amp;", "&")
    seen = re.findall(r'href="/publish/team-a/(s\d+)"', first + page(signed_in, following))
    assert seen == names


def test_what_can_be_done_follows_from_the_state() -> None:
    shape = own_shape()
    old, latest = published(shape), published(shape)
    old.refresh_from_db()
    verbs = {verb for version in (old, latest) for verb in legal_verbs(version)}
    assert verbs.isdisjoint({Verb.EDIT, Verb.DELETE, Verb.PUBLISH, Verb.RESTORE})
    assert legal_verbs(old)[0] is Verb.ROLL_BACK
    assert legal_verbs(latest)[0] is Verb.MAKE_PUBLIC
    assert Verb.MAKE_PUBLIC not in legal_verbs(make_version())
    assert legal_verbs(validated(shape))[0] is Verb.PUBLISH
    draft = draft_of(shape)
    assert legal_verbs(draft)[:2] == (Verb.EDIT, Verb.VALIDATE)
    draft.state = VersionState.REJECTED
    assert {Verb.EDIT, Verb.PUBLISH}.isdisjoint(legal_verbs(draft))
    old.withdrawn_at = timezone.now()
    assert set(legal_verbs(old)) == {Verb.REVISE, Verb.CLONE, Verb.VALIDATION}
    latest.deprecated_at = timezone.now()
    assert Verb.RESTORE in legal_verbs(latest)


def test_only_what_comes_next_is_filled(signed_in: Client) -> None:
    shape = own_shape()
    published(shape), published(shape), validated(shape), draft_of(shape)
    filled = re.findall(r'<a class="btn btn-sm btn-primary"[^>]*aria-label="([\w ]+): ', page(signed_in, of(shape)))
    assert filled == ["Edit", "Publish"]


def test_a_card_says_what_became_of_its_version(signed_in: Client) -> None:
    shape = own_shape()
    broken, draft = published(shape, public=True), draft_of(shape)
    ShapeVersion.objects.filter(pk=broken.pk).update(is_latest_validated=False, withdrawn_at=timezone.now())
    html = page(signed_in, of(shape))
    assert "was public" in html
    assert ", edited <time" not in html
    ShapeVersion.objects.filter(pk=draft.pk).update(note="Another word.")
    assert ", edited <time" in page(signed_in, of(shape))


def test_every_action_that_is_offered_has_its_page(signed_in: Client) -> None:
    shape = own_shape()
    published(shape), published(shape), validated(shape), draft_of(shape)
    unpublished = own_shape("own-new")
    draft_of(unpublished), draft_of(unpublished)
    both = page(signed_in, of(shape)) + page(signed_in, of(unpublished))
    links = set(re.findall(r'href="((?:/publish|/shapes)/team-a/own[^"]*)"', both))
    assert len(links) > 30
    for link in links:
        assert signed_in.get(link.replace("&amp;", "&")).status_code == 200, link


def test_launches_are_counted_without_those_of_validations(client: Client) -> None:
    version = runnable()
    user = make_member(account=team(), role=Role.PUBLISHER)
    over = [make_launch(account=team(), owner=user, version=version) for _ in range(4)]
    for launch, state in zip(over, (AttemptState.COMPLETED, AttemptState.FAILED, AttemptState.LOST), strict=False):
        end(launch, state)
    running(version=version, user=user)
    html = page(sign_in(client, user), of(version.shape))
    assert Launch.objects.filter(shape_version=version).count() == 5
    assert re.findall(r"data-launches>(\d+)<", html) == ["4"]
    assert "and 1 to validate" in html
    assert re.findall(r'data-failed><span title="([^"]+)">([^<]+)<', html) == [("2 of 3 that are over", "67%")]


def test_more_rows_cost_no_more_queries(signed_in: Client, paula: User) -> None:
    shape = own_shape()

    def counted(address: str) -> int:
        with CaptureQueriesContext(connection) as captured:
            page(signed_in, address)
        return len(captured)

    addresses = ("/publish", "/publish?show=awaiting", "/publish?show=expired", "/publish?show=shapes", of(shape))
    when = timezone.now() - timedelta(days=91)
    for version in (published(shape), validated(shape), draft_of(shape), draft_of(shape)):
        assert version.pk
    validate_by_hand(actor=actor(paula), version=version, reason="It has run since May.", now=when)
    few = [counted(address) for address in addresses]
    for number in range(5):
        more = own_shape(f"more-{number}")
        for made in (published(shape), draft_of(shape), validated(shape), published(more), draft_of(more)):
            ShapeVersion.objects.filter(pk=made.pk).update(created_by=paula)
            _launch(made, paula)
        validate_by_hand(actor=actor(paula), version=draft_of(more), reason="It has run since May.", now=when)
    assert [counted(address) for address in addresses] == few


def _launch(version: ShapeVersion, owner: User) -> None:
    """A row only: no provider here runs a shape with GPUs."""
    key = uuid.uuid4().hex
    Launch.objects.create(
        account=make_account(account_id="team-a"),
        owner=owner,
        shape_version=version,
        job_id=f"launch-{key[:12]}",
        idempotency_key=key,
        spec={},
        inputs={},
        connection=local_connection(),
    )
