"""Lists: sizes, tokens, orders, totals and masks, through the shapes, versions, models and jobs that have them."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.roles import Role
from accounts.scopes import Scope
from api import listing
from catalog.models import ShapeVersion, TrainingShape
from catalog.states import VersionState
from connections.providers.spec import TrainerMode
from tests.api.makers import Caller, make_caller
from tests.catalog.test_kept_results import published_behind
from tests.makers import (
    make_account,
    make_member,
    make_model,
    make_shape,
    make_version,
    new_shape,
    new_version,
    save_versions,
)

START = datetime(2026, 1, 1, tzinfo=UTC)
EVERYWHERE = "/v1/accounts/-/trainingShapes/-/versions"
pytestmark = pytest.mark.django_db


@pytest.fixture
def viewer() -> Caller:
    team = make_account(account_id="team-a")
    return make_caller(account=team, user=make_member(account=team, role=Role.VIEWER), scope=Scope.READ)


@pytest.fixture
def stranger() -> Caller:
    return make_caller(account=make_account(account_id="team-b"), user=stranger_user(), scope=Scope.READ)


def stranger_user() -> Any:
    """A member of team-b alone."""
    return make_member(account=make_account(account_id="team-b"), role=Role.VIEWER)


def make_versions(number: int, *, ties: int = 1, **facts: Any) -> list[ShapeVersion]:
    """Public latest versions, so many of them made at each moment."""
    model = make_model()
    made = [
        new_version(shape=new_shape(base_model=model, shape_id=f"s-{place:04}"), version_id=f"v{place:07}", **facts)
        for place in range(number)
    ]
    for place, version in enumerate(made):
        version.created_at = version.shape.created_at = START + timedelta(seconds=place // ties)
    save_versions(made)
    return made


def page(caller: Caller, path: str = EVERYWHERE, key: str = "trainingShapeVersions", **asked: Any) -> Any:
    """One page: its rows, and the whole answer."""
    query = "&".join(f"{name}={quote(str(value))}" for name, value in asked.items())
    status, body = caller.get(f"{path}?{query}")
    assert status == 200, body
    return body[key], body


def all_pages(caller: Caller, path: str = EVERYWHERE, key: str = "trainingShapeVersions", **asked: Any) -> list[str]:
    """The names on all pages, in order."""
    names, token = [], ""
    while True:
        rows, body = page(caller, path, key, pageToken=token, **asked)
        names += [row["name"] for row in rows]
        if not (token := body["nextPageToken"]):
            return names


def refused(caller: Caller, field: str, query: str, path: str = EVERYWHERE) -> str:
    """The sentence by which the request is refused, for that field."""
    status, body = caller.get(f"{path}?{query}")
    assert status == 400, body
    assert body["code"] == 3
    assert body["details"][0]["reason"] == "INVALID_ARGUMENT"
    (violation,) = body["details"][1]["fieldViolations"]
    assert violation["field"] == field
    return str(violation["description"])


def test_a_page_is_as_large_as_asked_50_by_default_and_never_larger_than_200(viewer: Caller) -> None:
    make_versions(205)
    for size, shown in (("", 50), ("0", 50), ("1", 1), ("50", 50), ("200", 200), ("9999", 200), ("1e3", 200)):
        rows, body = page(viewer, pageSize=size)
        assert (len(rows), body["totalSize"]) == (shown, 205), size
        assert body["nextPageToken"]


@pytest.mark.parametrize("size", ["-1", "many", "1.5", "٣", "99999999999"])
def test_another_page_size_is_refused(viewer: Caller, size: str) -> None:
    assert "is no page size. Use 1 to 200." in refused(viewer, "pageSize", f"pageSize={quote(size)}")


@pytest.mark.e2e  # for how long it takes
def test_pages_of_500_rows_with_ties_are_complete_and_in_order(viewer: Caller) -> None:
    made = [(version.name, place // 7) for place, version in enumerate(make_versions(500, ties=7))]
    moment = dict(made)
    up = [name for name, _ in made]
    down = up[::-1]
    orders: dict[str, list[str] | None] = {
        "name": up,
        "name desc": down,
        "create_time desc, name": sorted(up, key=lambda name: -moment[name]),
        "create_time, name desc": sorted(down, key=lambda name: moment[name]),
        # what the order leaves open is settled by the rows' own numbers, which run as the names do
        "create_time": up,
        "create_time desc": down,
        "": down,
        "update_time, create_time desc": None,
    }
    for order, expected in orders.items():
        names = all_pages(viewer, pageSize=61, orderBy=order)
        assert sorted(names) == up, order
        assert expected in (None, names), order


def test_shapes_are_ordered_by_the_time_that_they_show(viewer: Caller) -> None:
    made = make_versions(6)
    newest = START + timedelta(days=1)
    TrainingShape.objects.filter(pk=made[2].shape_id).update(created_at=newest)
    for order, place in (("", 0), ("create_time desc", 0), ("create_time", -1)):
        rows, _ = page(viewer, "/v1/accounts/-/trainingShapes", "trainingShapes", orderBy=order)
        times = [row["createTime"] for row in rows]
        assert times == sorted(times, reverse=place == 0)
        assert rows[place]["name"] == made[2].shape.name
    names = all_pages(viewer, "/v1/accounts/-/trainingShapes", "trainingShapes", pageSize=1)
    assert len(set(names)) == len(names) == 6
    later = quote('create_time>"2026-01-01T12:00:00Z"')
    rows, _ = page(viewer, f"/v1/accounts/-/trainingShapes?filter={later}&x", "trainingShapes")
    assert [row["name"] for row in rows] == [made[2].shape.name]


@pytest.mark.parametrize(
    ("order", "sentence"),
    [
        ("state", "'state' is no order"),
        ("create_time upwards", "'create_time upwards' is no order"),
        ("create_time,", "'' is no order"),
        ("name, name desc", "A field is named twice"),
        ("pk", "'pk' is no order"),
    ],
)
def test_another_order_is_refused(viewer: Caller, order: str, sentence: str) -> None:
    assert sentence in refused(viewer, "orderBy", f"orderBy={quote(order)}")


def test_a_token_is_for_the_same_question_only(viewer: Caller, stranger: Caller) -> None:
    make_versions(4)
    token = page(viewer, pageSize=2)[1]["nextPageToken"]
    assert len(page(viewer, pageSize=1, pageToken=token)[0]) == 1  # the size may change
    other = "The pageToken does not belong to this request"
    public = quote("public=true")
    assert other in refused(viewer, "pageToken", f"pageToken={token}&filter={public}")
    assert other in refused(viewer, "pageToken", f"pageToken={token}&orderBy=name")
    assert other in refused(
        viewer, "pageToken", f"pageToken={token}", "/v1/accounts/fireworks/trainingShapes/-/versions"
    )
    assert other in refused(viewer, "pageToken", f"pageToken={token}", "/v1/accounts/-/trainingShapes")
    assert other in refused(stranger, "pageToken", f"pageToken={token}")
    changed = ("B" if token[0] == "A" else "A") + token[1:]
    for wrong in (token[:-1], changed, f"{token}A", "x", "=", "é", "%00", token * 100):
        assert other in refused(viewer, "pageToken", f"pageToken={wrong}")


def test_what_is_deleted_or_made_meanwhile_is_neither_repeated_nor_skipped(viewer: Caller) -> None:
    made = make_versions(6, state=VersionState.VALIDATED)
    rows, body = page(viewer, pageSize=3)
    extra = make_version(shape=made[0].shape, latest=False)
    rest, _ = page(viewer, pageSize=10, pageToken=body["nextPageToken"])
    assert [row["name"] for row in rows + rest] == [version.name for version in reversed(made)]
    assert extra.name in all_pages(viewer)


def test_the_total_is_exact_to_a_bound_and_left_out_beyond(viewer: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    make_versions(7)
    monkeypatch.setattr(listing, "EXACT_UP_TO", 7)
    body = page(viewer, pageSize=2)[1]
    assert body["totalSize"] == 7
    assert page(viewer, pageSize=2, pageToken=body["nextPageToken"])[1]["totalSize"] == 7
    assert page(viewer, filter="public=false")[1]["totalSize"] == 0
    monkeypatch.setattr(listing, "EXACT_UP_TO", 6)
    assert "totalSize" not in page(viewer)[1]
    assert page(viewer, filter="public=false")[1]["totalSize"] == 0


def test_what_is_too_long_to_count_is_not_counted_at_each_page(viewer: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    make_versions(7)
    monkeypatch.setattr(listing, "EXACT_UP_TO", 4)
    asked: list[int] = []
    token = ""
    for _ in range(2):
        with CaptureQueriesContext(connection) as captured:
            body = page(viewer, pageSize=2, pageToken=token)[1]
        assert "totalSize" not in body
        token = body["nextPageToken"]
        asked.append(sum("COUNT" in query["sql"] for query in captured.captured_queries))
    assert asked == [1, 0]
    assert page(viewer, pageSize=2, filter="snapshot.max_supported_context_length<1")[1]["totalSize"] == 0
    monkeypatch.setattr(listing, "REMEMBERED_SECONDS", 0)
    assert "totalSize" not in page(viewer, pageSize=2, filter="public=true")[1]
    monkeypatch.setattr(listing, "EXACT_UP_TO", 7)
    assert page(viewer, pageSize=3, filter="public=true")[1]["totalSize"] == 7


def test_a_list_that_became_short_has_its_total_once_it_is_counted_anew(
    viewer: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, *_ = make_versions(4)
    monkeypatch.setattr(listing, "EXACT_UP_TO", 3)
    assert "totalSize" not in page(viewer, pageSize=2)[1]
    ShapeVersion.objects.filter(pk=first.pk).update(withdrawn_at=START, is_latest_validated=False)
    assert "totalSize" not in page(viewer, pageSize=2)[1], "as it was just now"
    later = time.monotonic() + listing.REMEMBERED_SECONDS
    monkeypatch.setattr(listing, "time", SimpleNamespace(monotonic=lambda: later))
    assert page(viewer, pageSize=2)[1]["totalSize"] == 3


def test_an_answer_is_kept_for_as_long_as_nothing_was_written(viewer: Caller, stranger: Caller) -> None:
    first, second = make_versions(2)
    mine = make_shape(shape_id="own", account=make_account(account_id="team-a"))
    make_version(shape=mine, public=False, latest=True)

    def ask(who: Caller, **asked: Any) -> tuple[list[str], int]:
        """Which versions there are, and how many queries were asked."""
        with CaptureQueriesContext(connection) as captured:
            rows, _ = page(who, **asked)
        return [row["name"].split("/")[3] for row in rows], len(captured)

    names, asked_first = ask(viewer)
    again, asked_again = ask(viewer)
    assert names == again == ["own", second.shape.shape_id, first.shape.shape_id]
    assert asked_again < asked_first
    assert ask(stranger)[0] == names[1:]
    assert [row.keys() for row in page(viewer, readMask="name")[0]] == [{"name"}] * 3
    ShapeVersion.objects.filter(pk=first.pk).update(withdrawn_at=START, is_latest_validated=False)
    assert ask(viewer)[0] == names[:2]
    make_version(shape=mine, public=False, latest=False)
    assert ask(viewer)[0] == ["own", *names[:2]]


@pytest.mark.django_db(transaction=True)
def test_an_answer_that_is_read_while_something_is_published_is_given_to_nobody_later(viewer: Caller) -> None:
    model = make_model()
    make_version(shape=make_shape(base_model=model, shape_id="there"))
    with published_behind("catalog_catalogchange", model, "meanwhile"):
        page(viewer)
    assert len(page(viewer)[0]) == 2


def test_masks_choose_fields_of_lists_and_of_one(viewer: Caller) -> None:
    (made,) = make_versions(1, display_name="One")
    rows, body = page(viewer, readMask="name,snapshot.displayName")
    assert rows == [{"name": made.name, "snapshot": {"displayName": "One"}}]
    assert set(body) == {"trainingShapeVersions", "nextPageToken", "totalSize"}
    assert viewer.get(f"/v1/{made.name}?readMask=public")[1] == {"public": True}
    assert viewer.get(f"/v1/{made.name}?readMask=snapshot.base_model")[1] == {
        "snapshot": {"baseModel": made.shape.base_model.name}
    }
    assert viewer.get(f"/v1/{made.name}?read_mask=public")[1] == {"public": True}
    assert viewer.get(f"/v1/{made.name}?readMask=*") == viewer.get(f"/v1/{made.name}")
    for wrong in ("x", "snapshot.x", "name.x", "name,,x", ".", "snapshot."):
        assert "is no field; there are" in refused(viewer, "readMask", f"readMask={wrong}", f"/v1/{made.name}")


def test_a_parameter_that_is_sent_twice_is_refused(viewer: Caller) -> None:
    assert "It was sent 2 times. Send it once." in refused(viewer, "pageSize", "pageSize=1&pageSize=2")
    assert "It was sent 2 times." in refused(viewer, "orderBy", "orderBy=name&order_by=name")
    make_versions(3)
    assert len(page(viewer, page_size=2)[0]) == 2


def test_wildcards_list_what_the_caller_may_see_and_nothing_else(viewer: Caller, stranger: Caller) -> None:
    model = make_model()
    team = make_account(account_id="team-a")
    public = make_version(shape=make_shape(base_model=model, shape_id="same"))
    private = make_version(shape=make_shape(base_model=model, account=team, shape_id="same"), public=False)
    draft = make_version(shape=private.shape, state=VersionState.DRAFT)
    lone = make_version(shape=make_shape(base_model=model, account=team), state=VersionState.DRAFT)
    everything = {public.name, private.name, draft.name, lone.name}
    assert set(all_pages(viewer)) == everything
    assert set(all_pages(stranger)) == {public.name}
    own = "/v1/accounts/team-a/trainingShapes"
    assert set(all_pages(viewer, f"{own}/-/versions")) == everything - {public.name}
    assert all_pages(stranger, f"{own}/-/versions") == []
    assert set(all_pages(viewer, "/v1/accounts/-/trainingShapes/same/versions")) == everything - {lone.name}
    assert set(all_pages(viewer, f"{own}/same/versions")) == {private.name, draft.name}
    shapes = {public.shape.name, private.shape.name}  # the lone draft is found by its name alone
    assert set(all_pages(viewer, "/v1/accounts/-/trainingShapes", "trainingShapes")) == shapes
    assert all_pages(viewer, own, "trainingShapes") == [private.shape.name]
    assert viewer.get(f"/v1/{lone.shape.name}")[0] == 200
    for path in (
        f"{own}/same",
        f"{own}/same/versions",
        f"{own}/same/versions/latest",
        f"/v1/{draft.name}",
        f"/v1/{lone.shape.name}",
    ):
        status, body = stranger.get(path)
        assert (status, body["code"]) == (404, 5), path
        assert viewer.get(path)[0] == 200, path


def test_latest_is_the_latest_validated_version(viewer: Caller) -> None:
    old = make_version()
    new = make_version(shape=old.shape)
    make_version(shape=old.shape, public=False, latest=False)
    assert viewer.get(f"/v1/{old.shape.name}/versions/latest")[1]["name"] == new.name
    drafted = make_version(state=VersionState.DRAFT, shape=make_shape(account=make_account(account_id="team-a")))
    assert viewer.get(f"/v1/{drafted.shape.name}/versions/latest")[0] == 404
    for wrong in ("-", "LATEST", "short", "a" * 9, "%00aaaaaaa", "latest/"):
        assert viewer.get(f"/v1/{old.shape.name}/versions/{wrong}")[0] == 404


def test_a_shape_shows_its_latest_version_and_its_drafts_are_not_shown(viewer: Caller) -> None:
    old = make_version(context=1024)
    make_version(shape=old.shape, context=2048)
    make_version(shape=old.shape, context=4096, state=VersionState.DRAFT)
    assert viewer.get(f"/v1/{old.shape.name}")[1]["maxSupportedContextLength"] == 2048


def test_models_are_listed_where_a_shape_for_them_can_be_seen(viewer: Caller) -> None:
    seen, unseen = make_model(), make_model(account=make_account(account_id="team-b"))
    make_version(shape=make_shape(base_model=seen), mode=TrainerMode.POLICY_TRAINER)
    make_version(shape=make_shape(base_model=unseen), public=False)
    assert all_pages(viewer, "/v1/accounts/-/models", "models") == [seen.name]
    assert viewer.get(f"/v1/{unseen.name}")[0] == 404
    assert all_pages(viewer, "/v1/accounts/team-b/models", "models") == []
    assert all_pages(viewer, "/v1/accounts", "accounts") == ["accounts/team-a"]


def test_a_page_that_is_asked_for_again_is_of_what_is_there_by_then(viewer: Caller, stranger: Caller) -> None:
    first = make_version(shape=make_shape(base_model=make_model(account=make_account(account_id="team-a"))))
    model = first.shape.base_model
    of_it, shapes = f'base_model="{model.name}"', "/v1/accounts/-/trainingShapes"
    asked = {"path": shapes, "key": "trainingShapes", "filter": of_it, "orderBy": "name"}

    def names(caller: Caller) -> list[str]:
        rows, body = page(caller, **asked)
        assert body["totalSize"] == len(rows)
        return [row["name"] for row in rows]

    assert names(viewer) == names(stranger) == [first.shape.name]
    own = make_version(shape=make_shape(base_model=model, account=make_account(account_id="team-a")), public=False)
    assert names(viewer) == sorted([first.shape.name, own.shape.name])
    assert names(stranger) == [first.shape.name]
    former, model.model_id = model.model_id, "another-id"
    model.save()
    assert names(viewer) == names(stranger) == []
    model.former_ids = [former]
    model.save()
    assert names(stranger) == [first.shape.name]
    of_its_id = make_model(account=model.account, model_id=former)
    assert names(stranger) == [], "whose id it is comes before whose it was"
    new = make_version(shape=make_shape(base_model=of_its_id))
    assert names(stranger) == [new.shape.name]
