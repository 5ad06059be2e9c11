"""A launch that is interrupted goes on by itself: a recipe always, a loop where asked, and neither for ever."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from django.db import close_old_connections, connections
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.actors import SYSTEM, user_actor
from accounts.roles import Role
from connections.domain.pause_connection import pause_connection
from connections.kinds import SLURM
from connections.providers.checkpoints import CheckpointRecord
from connections.providers.states import AttemptState, Reason
from launches.domain.apply_report import apply_report
from launches.domain.cancel_launch import cancel_launch
from launches.domain.choose_going_on import choose_going_on
from launches.domain.claim_attempt import AttemptClaim, claim_attempt
from launches.domain.create_launch import create_launch
from launches.domain.go_on import MOST_IN_VAIN
from launches.domain.resume_launch import resume_launch
from launches.models import Launch
from launches.poll import Report
from launches.validation_runs import ValidationRun
from tests.connections.remote import make_connection
from tests.launches.makers import NOW, attempt_of, make_launch, make_tiny_version, seen
from tests.makers import make_account, make_member, sign_in

pytestmark = pytest.mark.django_db
Change = Callable[[Launch], object]


def claim_of(launch: Launch) -> AttemptClaim:
    claim = claim_attempt(attempt_of(launch).pk, now=timezone.now())
    assert claim is not None
    return claim


def interrupted(launch: Launch, reason: Reason = Reason.PREEMPTED, *, step: int = 0) -> Launch:
    """Let its newest attempt end so; with a step, a checkpoint of it was saved, from which the next one starts."""
    saved = (CheckpointRecord(f"step-{step}", step, 1, NOW),) if step else None
    ended = seen(AttemptState.FAILED, reason=reason).observation
    apply_report(claim_of(launch), Report(ended, checkpoints=saved), now=timezone.now())
    launch.refresh_from_db()
    return launch


def last_line(launch: Launch) -> str:
    return launch.events.latest("sequence").message


def ask(launch: Launch) -> None:
    choose_going_on(actor=user_actor(launch.owner), launch=launch, goes_on=True)


def cancel(launch: Launch) -> None:
    cancel_launch(actor=user_actor(launch.owner), launch=launch)


def pause(launch: Launch) -> None:
    pause_connection(actor=SYSTEM, connection=launch.connection, reason="Moving house.", now=timezone.now())


@pytest.mark.parametrize(
    ("recipe", "before", "reason", "goes_on"),
    [
        ("sample-sft", None, Reason.PREEMPTED, True),
        ("sample-sft", None, Reason.NODE_FAIL, True),
        ("sample-sft", None, Reason.BOOT_FAIL, True),
        ("sample-sft", None, Reason.EXIT_CODE, False),
        ("sample-sft", None, Reason.TIME_LIMIT, False),
        ("sample-sft", None, Reason.HOST_STOPPED, False),
        ("sample-sft", cancel, Reason.PREEMPTED, False),
        ("sample-sft", pause, Reason.PREEMPTED, False),
        ("none", None, Reason.PREEMPTED, False),
        ("none", ask, Reason.PREEMPTED, True),
    ],
)
def test_who_goes_on(recipe: str, before: Change | None, reason: Reason, goes_on: bool) -> None:
    launch = make_launch(recipe=recipe)
    if before:
        before(launch)
    interrupted(launch, reason)
    assert (launch.attempt_count, launch.state) == ((2, "QUEUED") if goes_on else (1, "FAILED"))
    assert launch.attempts.get(number=1).reason == reason
    if goes_on:
        assert last_line(launch).startswith("Goes on by itself as attempt 2")
    if before is pause:
        assert "Moving house" in last_line(launch)


def test_the_form_chooses_it_where_something_but_this_machine_may_interrupt(client: Client) -> None:
    version, owner = make_tiny_version(), make_member(account=make_account(account_id="local"))
    sign_in(client, owner)
    form = reverse("launch_new", args=[version.shape.account.account_id, version.shape.shape_id])
    assert "When interrupted" not in client.get(form).content.decode()
    make_connection(name="cluster", kind=SLURM, config={"shared": "/shared"})
    assert "waits for Resume" in client.get(form).content.decode()
    sent = {"version": version.version_id, "account": "local", "connection": "cluster"}
    for recipe, wish, goes_on in (("none", "go-on", True), ("sample-sft", "wait", False), ("none", "", False)):
        asked = sent | {"idempotency_key": f"{recipe}-{wish}", "recipe": recipe, "when_interrupted": wish}
        assert client.post(form, asked).status_code == 303
        assert Launch.objects.latest("pk").goes_on is goes_on
    refused = client.post(form, sent | {"idempotency_key": "x", "when_interrupted": "never"})
    assert refused.status_code == 422 and "neither go-on nor wait" in refused.content.decode()


def test_what_was_deleted_or_measures_does_not_go_on() -> None:
    deleted = make_launch()
    Launch.objects.filter(pk=deleted.pk).update(deleted_at=NOW)  # and nothing else, such as that it was cancelled
    assert interrupted(deleted).attempt_count == 1

    version = make_tiny_version()
    publisher = make_member(account=version.shape.account, role=Role.PUBLISHER)
    measuring = create_launch(
        actor=user_actor(publisher),
        account=version.shape.account,
        version=version,
        inputs={},
        idempotency_key="measures",
        validation_run=ValidationRun(steps=5),
    )
    assert (interrupted(measuring).attempt_count, measuring.state) == (1, "FAILED")


def test_it_goes_on_for_as_long_as_it_gets_further() -> None:
    launch = make_launch()
    for number in range(1, MOST_IN_VAIN + 3):
        interrupted(launch, step=20 * number)
        assert (launch.state, launch.interruptions) == ("QUEUED", 0), number
        newest = attempt_of(launch)
        newest.resume_from = f"step-{20 * number}"
        newest.save(update_fields=["resume_from"])
    for number in range(1, MOST_IN_VAIN + 1):
        before = attempt_of(launch).resume_from
        interrupted(launch)
        assert f"{number} of {MOST_IN_VAIN} times without a new checkpoint" in last_line(launch)
        newest = attempt_of(launch)
        newest.resume_from = before
        newest.save(update_fields=["resume_from"])
    assert interrupted(launch).state == "FAILED"
    assert last_line(launch).startswith("Does not go on by itself: it was interrupted 4 times in a row")

    resume_launch(actor=user_actor(launch.owner), launch=launch)
    assert interrupted(launch).state == "QUEUED", "a person has looked"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("_", range(3))
def test_a_cancel_at_the_same_moment_leaves_one_attempt_that_ends(_: int) -> None:
    launch = make_launch()
    claim = claim_of(launch)
    ended = seen(AttemptState.FAILED, reason=Reason.NODE_FAIL)

    def run(act: Callable[[], object]) -> None:
        close_old_connections()
        try:
            act()
        finally:
            connections.close_all()

    acts = [
        *(partial(apply_report, claim, ended, now=timezone.now()) for _ in range(3)),
        partial(cancel_launch, actor=user_actor(launch.owner), launch=launch),
    ]
    with ThreadPoolExecutor(len(acts)) as pool:
        list(pool.map(run, acts))
    launch.refresh_from_db()
    first = launch.attempts.get(number=1)
    assert first.state == "FAILED"
    newest = attempt_of(launch)
    outcome = (launch.attempt_count, newest.state, first.cancel_requested_at is not None)
    assert outcome in {(1, "FAILED", True), (2, "CANCELLING", False)}
    sequences = list(launch.events.order_by("sequence").values_list("sequence", flat=True))
    assert sequences == list(range(1, launch.last_event + 1))


def test_the_page_says_so_and_takes_another_wish(client: Client) -> None:
    launch = make_launch()
    launch.connection = make_connection(name="cluster", kind=SLURM, config={"shared": "/shared"})
    launch.save()
    sign_in(client, launch.owner)
    page, choose = reverse("launch", args=[launch.uid]), reverse("launch_going_on", args=[launch.uid])
    assert f"at most {MOST_IN_VAIN} times in a row" in client.get(page).content.decode()
    client.post(choose, {"goes_on": "no"})
    assert "it waits for Resume" in client.get(page).content.decode()
    assert interrupted(launch).state == "FAILED"
    client.post(choose, {"goes_on": "yes"})
    resume_launch(actor=user_actor(launch.owner), launch=launch)
    interrupted(launch)
    assert f"1 of {MOST_IN_VAIN} times" in client.get(page).content.decode()
    earlier = client.get(page, {"attempt": "1"}).content.decode()
    assert "Resume it" not in earlier, "it went on since"
