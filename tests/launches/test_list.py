"""The list of launches: found by text and days, sorted by age, duration and loss, counted; and what its rows repeat."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest
from django.http import QueryDict
from django.test import Client
from django.utils import timezone

from accounts.actors import user_actor
from accounts.models import User
from accounts.roles import Role
from connections.providers.states import AttemptState
from launches import search
from launches.domain.resume_launch import resume_launch
from launches.filters import LAUNCHES
from launches.models import Attempt, Launch
from launches.search import found_by, launch_search_text
from tests.launches.makers import attempt_of, make_launch, make_tiny_version, metric
from tests.launches.test_pages import names, report, run, text
from tests.makers import make_account, make_member, make_model, make_shape, sign_in

pytestmark = pytest.mark.django_db
DAY = datetime(2026, 5, 4, tzinfo=UTC)


@pytest.fixture
def owner() -> User:
    return make_member(account=make_account(account_id="local"), role=Role.LAUNCHER)


@pytest.fixture
def reader(client: Client, owner: User) -> Client:
    return sign_in(client, owner)


def asked(reader: Client, query: str = "") -> list[str]:
    answer = reader.get(f"/launches?{query}")
    assert answer.status_code == 200, query
    return names(answer)


def heads(reader: Client, query: str = "") -> dict[str, str]:
    """Where the heads of the sorting columns lead."""
    found = re.findall(
        r'<th [^>]*>\s*<a [^>]*href="([^"]*)"[^>]*>([A-Z][a-z]+)', text(reader.get(f"/launches?{query}"))
    )
    return {label: url for url, label in found}


def make_all(owner: User, **figures: tuple[float, float | None]) -> None:
    """Launches with their duration and last loss, each a day older than the one before."""
    version = make_tiny_version()
    for place, (name, (seconds, loss)) in enumerate(figures.items()):
        launch = make_launch(owner=owner, version=version, display_name=name)
        Launch.objects.filter(pk=launch.pk).update(
            run_seconds=seconds, last_loss=loss, created_at=DAY - timedelta(days=place)
        )


def test_text_is_looked_for_in_names_and_ids(reader: Client, owner: User) -> None:
    nightly = make_launch(owner=owner, display_name="nightly run 12")
    again = nightly.search_text.replace(nightly.job_id, "launch-13013013013a")  # where 13 is no figure of a name
    Launch.objects.filter(pk=nightly.pk).update(job_id="launch-13013013013a", search_text=again)
    assert nightly.job_id in nightly.search_text
    other = make_launch(owner=owner, display_name="other")
    model = make_model(account=make_account(account_id="local"), model_id="qwen3-8b", title="Qwen3 8B")
    names_of_other = launch_search_text(
        display_name="other",
        job_id="odd-one-1234",
        base_model=model.name,
        shape=make_shape(base_model=model, shape_id="qwen3-8b-policy-128k"),
    )
    Launch.objects.filter(pk=other.pk).update(job_id="odd-one-1234", search_text=names_of_other)
    for typed, found in {
        "night": ["nightly run 12"],
        "RUN 12": ["nightly run 12"],
        "run 1": ["nightly run 12"],
        "run-12": ["nightly run 12"],
        "run 987": [],
        "ght": [],  # so short a part would be in every other id
        "ightly": ["nightly run 12"],
        "12 nightly": ["nightly run 12"],
        "tiny-qwen3": ["nightly run 12"],
        "odd-one-1234": ["other"],
        "one-12": ["other"],  # an id is found by any part of it
        "qwen3 8b": ["other"],
        "Qwen3-8B": ["other"],
        "Qwen/Qwen3-8B": ["other"],
        "accounts/local/models/qwen3-8b": ["other"],
        "8b-policy": ["other"],
        "qwen 3": ["other", "nightly run 12"],
        "100%": [],
        "_": [],
        "": ["other", "nightly run 12"],
        " ": ["other", "nightly run 12"],
    }.items():
        assert asked(reader, f"q={quote(typed)}") == found, typed


def test_what_many_are_called_is_not_asked_of_the_index_and_is_found_all_the_same(
    owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, job in enumerate(("team-a-12345", "team-b-12345", "team-a-123", "a-team-12345-b", "team-a_12345")):
        launch = make_launch(owner=owner, display_name=f"run {number}")
        text = launch_search_text(
            display_name=f"run {number}", job_id=job, base_model="", shape=launch.shape_version.shape
        )
        Launch.objects.filter(pk=launch.pk).update(job_id=f"job-{number}", search_text=text)

    def found(typed: str, *newest: str) -> tuple[set[str], str]:
        """The jobs, and the SQL, where the newest launches are called so."""
        monkeypatch.setattr(search, "_newest_texts", lambda _: newest)
        rows = Launch.objects.filter(found_by(typed)).values_list("job_id", flat=True)
        return set(rows), str(rows.query)

    for typed in ("team-a-12345", "team a 12345", "eam-a-123", "-12345", "team-c-12345", "team%12345", "run 2"):
        plain, sql = found(typed)
        assert "STRPOS" not in sql
        for newest in ("team", " team a 12345 team-a-12345", "12345", " a "):
            assert found(typed, newest)[0] == plain, (typed, newest)
    jobs, sql = found("team-a-12345", "team-a-99 team a 99")
    assert jobs == {"job-0", "job-4"}
    assert "%team" not in sql
    assert "%-12345%" in sql


def test_another_accounts_launch_is_not_found(reader: Client) -> None:
    make_launch(account=make_account(account_id="elsewhere"), display_name="hidden")
    assert asked(reader, "q=hidden") == []
    assert Launch.objects.filter(found_by("hidden")).count() == 1


def test_what_is_kept_of_deleted_launches_is_found(reader: Client, owner: User) -> None:
    make_all(owner, here=(1.0, None), kept=(2.0, None), gone=(3.0, None))
    now = timezone.now()
    week = now + timedelta(days=7)
    Launch.objects.filter(display_name="kept").update(deleted_at=now, kept_until=week, purge_due_at=week)
    Launch.objects.filter(display_name="gone").update(deleted_at=now, purged_at=now)
    assert (asked(reader), asked(reader, "state=deleted")) == (["here"], ["kept"])
    assert f"{week:%Y-%m-%d}" in text(reader.get("/launches?state=deleted"))


def test_days_are_both_included(reader: Client, owner: User) -> None:
    make_all(owner, today=(0, None), before=(0, None), earlier=(0, None))
    Launch.objects.filter(display_name="before").update(created_at=DAY - timedelta(microseconds=1))
    assert asked(reader, "since=2026-05-03&until=2026-05-03") == ["before"]
    assert asked(reader, "since=2026-05-03") == ["today", "before"]
    assert asked(reader, "until=2026-05-03&state=QUEUED") == ["before", "earlier"]


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("", ["a", "b", "c", "d", "e"]),
        ("age", ["a", "b", "c", "d", "e"]),
        ("-age", ["e", "d", "c", "b", "a"]),
        ("duration", ["b", "d", "a", "c", "e"]),
        ("-duration", ["e", "c", "a", "d", "b"]),
        ("loss", ["c", "e", "a", "b", "d"]),
        ("-loss", ["a", "e", "c", "d", "b"]),  # what has none is last either way
    ],
)
def test_it_is_sorted_by_age_duration_and_loss(
    reader: Client, owner: User, monkeypatch: pytest.MonkeyPatch, sort: str, expected: list[str]
) -> None:
    make_all(owner, a=(60, 5.5), b=(0, None), c=(61, -1.0), d=(0, None), e=(3600, 0.25))
    assert asked(reader, f"sort={sort}") == expected
    monkeypatch.setattr("launches.views.launch_list.PAGE", 2)
    seen, query = [], f"sort={sort}"
    while query:
        page = text(reader.get(f"/launches?{query}"))
        seen += re.findall(r'href="/launches/[0-9a-f-]{36}">([^<]+)</a>', page)
        following = re.search(r'href="\?([^"]+)" rel="next"', page)
        query = following[1] if following else ""
    assert seen == expected


def test_the_heads_of_columns_sort_and_turn_and_keep_the_filters(reader: Client, owner: User) -> None:
    make_launch(owner=owner)
    assert heads(reader) == {"Loss": "?sort=loss", "Duration": "?sort=-duration", "Age": "?sort=-age"}
    turned = heads(reader, "owner=me&sort=-duration")
    assert turned == {"Loss": "?owner=me&sort=loss", "Duration": "?owner=me&sort=duration", "Age": "?owner=me"}
    page = text(reader.get("/launches?owner=me&sort=-duration"))
    assert re.findall('aria-sort="([a-z]+)"', page) == ["descending"]
    assert '<input type="hidden" name="sort" value="-duration" form="launch-filters">' in page


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("state=nonsense", "State: nonsense is no state; use active, over, QUEUED"),
        ("owner=lena", "Owner: lena is no owner to filter by; use me."),
        ("since=yesterday", "From: Write a day as 2026-01-31."),
        ("since=2026-05-05&until=2026-05-04", "To: The last day, 2026-05-04, is before the first, 2026-05-05."),
        ("sort=size", "Order: 'size' is no order; use age, -age, duration, -duration, loss, -loss."),
        ("q=" + "x" * 201, "Search: Ensure this value has at most 200 characters"),
        ("q=%00", "Search: Null characters are not allowed."),
    ],
)
def test_what_cannot_be_read_is_said_and_shows_nothing(reader: Client, owner: User, query: str, words: str) -> None:
    make_launch(owner=owner)
    for headers in ({}, {"HX-Request": "true"}):
        answer = reader.get(f"/launches?{query}", headers=headers)
        assert (answer.status_code, names(answer)) == (422, [])
        assert words in text(answer)
    if "yesterday" in query:
        assert 'value="yesterday"' in text(reader.get(f"/launches?{query}"))


def test_the_total_is_exact_to_a_bound(reader: Client, owner: User, monkeypatch: pytest.MonkeyPatch) -> None:
    def total(query: str = "") -> str:
        return re.search(r'role="status">([^<]*)<', text(reader.get(f"/launches?{query}")))[1]  # type: ignore[index]

    make_all(owner, a=(0, None))
    assert total() == "1 launch"
    make_all(owner, zebra=(0, None), c=(0, None))
    assert (total(), total("q=zebra&owner=me")) == ("3 launches", "1 launch")
    monkeypatch.setattr("launches.views.launch_list.COUNTED", 2)
    assert total() == "more than 2 launches"


def test_filters_survive_their_address(reader: Client) -> None:
    typed = QueryDict("q=a b%26c&state=FAILED&shape=local/x&owner=me&since=2026-01-01&until=2026-01-02&sort=-loss")
    found = LAUNCHES.read(typed)
    again = LAUNCHES.read(QueryDict(found.page_address("here")[1:]))
    assert (again.values, again.sort, again.cursor) == (found.values, "-loss", "here")
    assert len(found.in_words) == len(LAUNCHES.filters)


# What the row repeats


def test_the_last_loss_is_that_of_the_newest_attempt_that_has_one(reader: Client, owner: User) -> None:
    def row() -> list[Any]:
        launch.refresh_from_db()
        return [launch.last_loss, launch.last_step]

    launch = make_launch(owner=owner, recipe="sample-sft")
    assert row() == [None, None]
    run(launch, metrics=(metric(1, 5.0), metric(2, 4.0)))
    assert row() == [4.0, 2]
    run(launch, metrics=(metric(2, 9.0), metric(3, 3.0)))  # the second again, which changes nothing
    assert row() == [3.0, 3]
    report(launch, AttemptState.FAILED)
    resume_launch(actor=user_actor(owner), launch=launch)
    assert row() == [3.0, 3]  # the new attempt has none yet
    run(launch, metrics=(metric(1, 2.5),))
    assert row() == [2.5, 1]
    assert ">2.500<" in text(reader.get("/launches"))


def test_the_duration_is_that_of_all_attempts_that_are_over(reader: Client, owner: User) -> None:
    def duration() -> float:
        launch.refresh_from_db()
        return launch.run_seconds

    def end_after(seconds: int) -> None:
        run(launch)
        Attempt.objects.filter(pk=attempt_of(launch).pk).update(started_at=timezone.now() - timedelta(seconds=seconds))
        report(launch, AttemptState.FAILED)

    launch = make_launch(owner=owner, recipe="sample-sft")
    run(launch)
    assert duration() == 0
    end_after(3600)
    assert duration() == pytest.approx(3600, abs=30)
    resume_launch(actor=user_actor(owner), launch=launch)
    assert duration() == pytest.approx(3600, abs=30)
    report(launch, AttemptState.FAILED)  # it never ran
    assert duration() == pytest.approx(3600, abs=30)
    resume_launch(actor=user_actor(owner), launch=launch)
    end_after(60)
    assert duration() == pytest.approx(3660, abs=60)
    assert re.search(r">1h1m\d*s?<", text(reader.get("/launches")))
