"""A run that was resumed: its curve, tiles, list figures and table are one series over all of its attempts."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.actors import user_actor
from accounts.models import User
from accounts.roles import Role
from connections.providers.states import AttemptState, Reason
from launches.domain.resume_launch import resume_launch
from launches.models import Launch
from launches.series import curve_of, records_by_attempt
from tests.launches.makers import make_launch, metric
from tests.launches.test_pages import report, run, text, url
from tests.makers import make_account, make_member, sign_in

pytestmark = pytest.mark.django_db
ROW = re.compile(r'<tr><td class="num">(\d+)</td><td class="num">([\d.]+)</td>|<tr><th [^>]*>(Attempt \d+)</th>')
RESUME = 'action="{}"'


@pytest.fixture
def owner() -> User:
    return make_member(account=make_account(account_id="local"), role=Role.LAUNCHER)


@pytest.fixture
def signed_in(client: Client, owner: User) -> Client:
    return sign_in(client, owner)


def train(launch: Launch, steps: Iterable[int], *, loss: float) -> None:
    """Run the newest attempt with a record of each step, numbered from 1."""
    records = tuple(replace(metric(number, loss), step=step) for number, step in enumerate(steps, 1))
    run(launch, metrics=records)


def stop(launch: Launch, state: AttemptState = AttemptState.FAILED) -> None:
    """End the newest attempt."""
    report(launch, state, reason=Reason.HOST_STOPPED if state is AttemptState.FAILED else Reason.DONE)


def resume(launch: Launch) -> None:
    resume_launch(actor=user_actor(launch.owner), launch=launch)


def resumed_at_21(owner: User) -> Launch:
    """33 steps, of which 20 were saved, then four more from there."""
    launch = make_launch(owner=owner, display_name="resumed", recipe="none")
    train(launch, range(1, 34), loss=5.0)
    stop(launch)
    resume(launch)
    train(launch, range(21, 25), loss=3.0)
    return launch


def series(client: Client, launch: Launch, query: str = "") -> list[tuple[int, int]]:
    """Attempt and step of each point of the curve."""
    records = client.get(url("launch_metrics", launch, query)).json()["records"]
    return [(record["attempt"], record["step"]) for record in records]


def tile(page: str, label: str) -> str:
    found = re.search(rf"<dt [^>]*>{label}</dt><dd [^>]*>([^<]*)</dd>", page)
    assert found
    return found[1]


@pytest.mark.parametrize("query", ["", "?attempt=1"])
def test_where_attempts_overlap_the_later_one_counts(signed_in: Client, owner: User, query: str) -> None:
    launch = resumed_at_21(owner)
    assert series(signed_in, launch, query) == [*((1, step) for step in range(1, 21)), *((2, s) for s in range(21, 25))]
    page = text(signed_in.get(url("launch", launch, query)))
    assert (tile(page, "Step"), tile(page, "Loss per token")) == ("24", "3.0000")
    assert "37 records of 2 attempts" in page
    assert "Attempt 2 began at step 21. Where attempts overlap, the later one counts." in page
    rows = [head or (int(step), float(loss)) for step, loss, head in ROW.findall(page)]
    steps = [*((step, 3.0) for step in range(24, 20, -1)), *((step, 5.0) for step in range(20, 0, -1))]
    assert rows == ["Attempt 2", *steps[:4], "Attempt 1", *steps[4:]]


def test_a_page_that_has_the_first_attempt_is_sent_the_second(signed_in: Client, owner: User) -> None:
    launch = resumed_at_21(owner)
    later = [(2, step) for step in range(21, 25)]
    assert series(signed_in, launch, "?after=1.33") == later
    assert series(signed_in, launch, "?after=2.2") == later[2:]
    assert series(signed_in, launch, "?after=2.4") == []
    for nonsense in ("", "x", "1", "9999999999.1", ".", "-1.-1"):
        assert series(signed_in, launch, f"?after={nonsense}")[-1:] == [(2, 24)]


def test_a_resumed_run_shows_what_it_has_before_its_first_new_step(signed_in: Client, owner: User) -> None:
    launch = make_launch(owner=owner, display_name="resumed", recipe="none")
    train(launch, range(1, 61), loss=4.0)
    stop(launch, AttemptState.COMPLETED)
    resume(launch)
    for over in (False, True):  # queued, then over without a record of its own
        if over:
            run(launch)
            stop(launch, AttemptState.COMPLETED)
        page = text(signed_in.get(url("launch", launch)))
        assert (tile(page, "Step"), tile(page, "Loss per token")) == ("60", "4.0000")
        assert tile(page, "Tokens per second") == "5,120"
        assert "No step" not in page
        assert len(series(signed_in, launch)) == 60
        listed = text(signed_in.get(reverse("launches")))
        assert re.search(r'<td class="num [^"]*">4\.000</td>\s*<td class="num [^"]*">60</td>', listed)


def test_an_attempt_that_began_anew_counts_from_its_beginning(signed_in: Client, owner: User) -> None:
    launch = resumed_at_21(owner)
    stop(launch)
    resume(launch)
    train(launch, range(11, 13), loss=2.0)
    assert series(signed_in, launch) == [*((1, step) for step in range(1, 11)), (3, 11), (3, 12)]
    assert "Attempt 3 began at step 11." in text(signed_in.get(url("launch", launch)))


def test_a_long_series_is_thinned_and_keeps_where_attempts_began(owner: User) -> None:
    launch = make_launch(owner=owner, recipe="none")
    train(launch, range(1, 3_001), loss=5.0)
    stop(launch)
    resume(launch)
    train(launch, range(2_002, 5_001), loss=4.0)
    records = [(number, record.step) for number, record in curve_of(records_by_attempt(launch), after=(0, 0))]
    assert 2_000 <= len(records) <= 4_000
    assert (2, 2_002) in records and records[-1] == (2, 5_000)
    assert [step for _, step in records] == sorted({step for _, step in records})


def test_many_attempts_cost_what_one_costs(
    signed_in: Client, owner: User, django_assert_num_queries: Callable[..., Any]
) -> None:
    launch = resumed_at_21(owner)
    for address, queries in ((url("launch", launch), 13), (reverse("launches"), 8), (url("launch_metrics", launch), 6)):
        with django_assert_num_queries(queries):
            signed_in.get(address)
    for _ in range(4):
        stop(launch)
        resume(launch)
        train(launch, (24, 25), loss=1.0)
    for address, queries in ((url("launch", launch), 13), (reverse("launches"), 8), (url("launch_metrics", launch), 6)):
        with django_assert_num_queries(queries):
            signed_in.get(address)


# Nothing left to resume


def test_a_recipe_that_ran_to_its_end_is_not_resumed(signed_in: Client, owner: User) -> None:
    launch = run(make_launch(owner=owner, recipe="sample-sft"))
    stop(launch, AttemptState.COMPLETED)
    page = text(signed_in.get(url("launch", launch)))
    assert "Resume" not in page
    refused = signed_in.post(url("launch_resume", launch))
    assert refused.status_code == 422
    assert (
        "Its recipe has run to its end, so there is nothing left to resume. Extend it by some steps, or clone it."
        in text(refused)
    )


@pytest.mark.parametrize(
    ("recipe", "state"),
    [("none", AttemptState.COMPLETED), ("sample-sft", AttemptState.FAILED), ("sample-sft", AttemptState.CANCELLED)],
)
def test_what_may_have_something_left_is_resumed(
    signed_in: Client, owner: User, recipe: str, state: AttemptState
) -> None:
    launch = run(make_launch(owner=owner, recipe=recipe))
    stop(launch, state)
    assert f'action="{url("launch_resume", launch)}"' in text(signed_in.get(url("launch", launch)))
    assert signed_in.post(url("launch_resume", launch)).status_code == 302
