"""The list of launches, a launch's page, its panel and records, and its buttons, through their URLs."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django.fixtures import Settings

from accounts.actors import SYSTEM, user_actor
from accounts.models import Account, User
from accounts.roles import Role
from connections.providers.attempts import Observation
from connections.providers.checkpoints import CheckpointRecord
from connections.providers.states import AttemptState, Reason
from connections.providers.telemetry import LogChunk, MetricRecord
from launches.domain.apply_report import apply_report
from launches.domain.cancel_launch import cancel_launch
from launches.domain.claim_attempt import claim_attempt
from launches.domain.delete_launch import delete_launch
from launches.domain.resume_launch import resume_launch
from launches.models import Attempt, Event, Launch
from launches.poll import Report
from launches.tokens import trainer_token
from tests.launches.makers import attempt_of, make_launch, make_tiny_version, metric
from tests.makers import make_account, make_member, sign_in

pytestmark = pytest.mark.django_db
ENDPOINT = "http://127.0.0.1:45678"
EVIL = "<script>alert(1)</script>"
STATE = re.compile(r'data-state="([A-Z]+)"')
READS = ("launch", "launch_panel", "launch_metrics", "launch_clone")
ACTS = ("launch_cancel", "launch_resume", "launch_delete")


@pytest.fixture
def owner(local: Account) -> User:
    return make_member(account=local, role=Role.LAUNCHER)


@pytest.fixture
def signed_in(client: Client, owner: User) -> Client:
    return sign_in(client, owner)


def report(
    launch: Launch,
    state: AttemptState,
    *,
    log: str = "",
    metrics: tuple[MetricRecord, ...] = (),
    checkpoints: tuple[CheckpointRecord, ...] = (),
    **facts: Any,
) -> None:
    """Let the provider say it, through the same verb as the worker."""
    attempt = attempt_of(launch)
    Attempt.objects.filter(pk=attempt.pk).update(next_check_at=timezone.now())
    claim = claim_attempt(attempt.pk, now=timezone.now())
    assert claim is not None
    chunk = LogChunk(log, attempt.log_offset + len(log.encode())) if log else None
    seen = Report(Observation(state=state, **facts), log=chunk, metrics=metrics, checkpoints=checkpoints)
    apply_report(claim, seen, now=timezone.now())


def run(launch: Launch, **facts: Any) -> Launch:
    """Bring it to RUNNING, ready, with what else is said."""
    report(launch, AttemptState.RUNNING, ready=True, endpoint=ENDPOINT, **facts)
    return launch


def url(name: str, launch: Launch, query: str = "") -> str:
    return reverse(name, args=[launch.uid]) + query


def text(response: Any) -> str:
    return unescape(response.content.decode())


def test_the_page_shows_where_a_launch_stands(signed_in: Client, owner: User) -> None:
    launch = run(
        make_launch(owner=owner, display_name="mine", recipe="sample-sft"),
        log="step 1 done\n",
        metrics=(metric(1, 5.25),),
    )
    page = text(signed_in.get(url("launch", launch)))
    assert STATE.findall(page) == ["RUNNING"]
    assert 'data-ready="true"' in page
    for shown in (
        "mine",
        launch.job_id,
        "step 1 done",
        "5.2500",
        ENDPOINT,
    ):
        assert shown in page
    assert re.search(r'data-as-of="fresh">as of <time datetime="[^"]+" data-style="relative">', page)


def test_an_id_that_is_the_title_is_not_repeated_below_it(signed_in: Client, owner: User) -> None:
    for name in ("", "mine"):
        launch = make_launch(owner=owner, display_name=name)
        head = text(signed_in.get(url("launch", launch))).split('<header class="page-head')[1].split("</header>")[0]
        assert len(re.findall(f">{launch.job_id}<", head)) == 1, name
        assert head.count(f'data-copy="{launch.job_id}"') == 1, name


def as_of(page: str) -> str:
    """What the page says of when it was last seen."""
    return str(re.findall(r'data-as-of="([a-z]+)"', page)[0])


def test_a_launch_that_nobody_has_looked_at_says_so(signed_in: Client, owner: User) -> None:
    page = text(signed_in.get(url("launch", make_launch(owner=owner))))
    assert (STATE.findall(page), as_of(page)) == (["QUEUED"], "unseen")


def test_an_old_observation_is_called_old(signed_in: Client, owner: User) -> None:
    launch = run(make_launch(owner=owner))
    assert as_of(text(signed_in.get(url("launch", launch)))) == "fresh"
    Attempt.objects.filter(launch=launch).update(observed_at=timezone.now() - timedelta(seconds=31))
    page = text(signed_in.get(url("launch", launch)))
    assert as_of(page) == "stale" and "notice-warning" in page


def test_a_failure_is_told_with_its_reason_and_the_end_of_its_log(signed_in: Client, owner: User) -> None:
    launch = run(make_launch(owner=owner))
    report(
        launch, AttemptState.FAILED, reason=Reason.EXIT_CODE, detail="The trainer ended with exit code 1.\nTraceback: x"
    )
    page = text(signed_in.get(url("launch", launch)))
    assert STATE.findall(page) == ["FAILED"]
    assert "it ended with an error" in page
    assert "Whose fault it is, nobody can tell yet." in page and "launch a clone; else resume" in page
    assert "Traceback: x" in page
    assert trainer_token(launch) not in page


def test_what_users_and_trainers_write_is_escaped(signed_in: Client, owner: User) -> None:
    launch = make_launch(owner=owner, display_name=EVIL)
    run(launch, log=EVIL + "\n", detail=EVIL)
    Event.objects.filter(launch=launch).update(message=EVIL, actor_label=EVIL)
    for address in (url("launch", launch), url("launch_panel", launch), reverse("launches")):
        response = signed_in.get(address)
        assert EVIL.encode() not in response.content
        assert b"&lt;script&gt;" in response.content


def test_the_panel_is_the_same_as_in_the_page_and_carries_the_sequence(signed_in: Client, owner: User) -> None:
    launch = run(make_launch(owner=owner))
    launch.refresh_from_db()
    panel = text(signed_in.get(url("launch_panel", launch)))
    assert panel.startswith('<div id="panel"')
    assert f'data-sequence="{launch.last_event}"' in panel
    assert STATE.findall(panel) == ["RUNNING"]


def test_a_log_that_the_page_has_is_not_sent_again(signed_in: Client, owner: User) -> None:
    launch = run(make_launch(owner=owner), log="a long log\n")
    whole = text(signed_in.get(url("launch_panel", launch)))
    mark = re.search(r'data-mark="([^"]+)"', whole)
    assert mark and "a long log" in whole
    again = text(signed_in.get(url("launch_panel", launch, f"?log={mark[1]}")))
    assert "a long log" not in again and "data-keep>" in again
    report(launch, AttemptState.RUNNING, ready=True, endpoint=ENDPOINT, log="and more\n")
    assert "a long log\nand more" in text(signed_in.get(url("launch_panel", launch, f"?log={mark[1]}")))


def test_records_come_from_where_the_page_stands(signed_in: Client, owner: User) -> None:
    launch = run(make_launch(owner=owner), metrics=tuple(metric(number) for number in range(1, 6)))
    answer = signed_in.get(url("launch_metrics", launch, "?after=1.3")).json()
    assert [(record["attempt"], record["number"]) for record in answer["records"]] == [(1, 4), (1, 5)]
    assert set(answer["records"][0]) == {
        "attempt",
        "number",
        "step",
        "loss",
        "learningRate",
        "gradNorm",
        "tokens",
        "seconds",
        "peakMemoryBytes",
    }


def test_a_long_curve_is_thinned_but_keeps_its_end(signed_in: Client, owner: User) -> None:
    launch = run(make_launch(owner=owner), metrics=tuple(metric(number) for number in range(1, 4_502)))
    records = signed_in.get(url("launch_metrics", launch)).json()["records"]
    assert 2_000 <= len(records) <= 4_000
    assert records[-1]["number"] == 4_501
    json.dumps(records, allow_nan=False)


def test_both_attempts_can_be_seen(signed_in: Client, owner: User) -> None:
    launch = run(make_launch(owner=owner), log="first log\n", metrics=(metric(1),))
    report(launch, AttemptState.FAILED, reason=Reason.HOST_STOPPED, detail="Slipway was stopped.")
    resume_launch(actor=user_actor(owner), launch=launch)
    run(launch, log="second log\n", resumed_from="step-20")
    newest, first = text(signed_in.get(url("launch", launch))), text(signed_in.get(url("launch", launch, "?attempt=1")))
    assert "second log" in newest and "first log" not in newest
    assert "The platform's fault, not yours." in first and "Resume it" not in first, "it went on since"
    assert "fault" not in newest
    assert "first log" in first and "second log" not in first
    assert STATE.findall(newest) == STATE.findall(first) == ["RUNNING"]
    assert "went on from checkpoint" in newest
    assert signed_in.get(url("launch", launch, "?attempt=3")).status_code == 404
    assert [
        record["number"] for record in signed_in.get(url("launch_metrics", launch, "?attempt=1")).json()["records"]
    ] == [1]


def test_a_long_timeline_is_paged(signed_in: Client, owner: User) -> None:
    launch = make_launch(owner=owner)
    Event.objects.bulk_create(
        Event(
            launch=launch,
            sequence=number,
            attempt_number=1,
            kind="progress",
            message=f"line {number}.",
            actor_label="Slipway",
        )
        for number in range(2, 452)
    )
    page = text(signed_in.get(url("launch", launch)))
    assert page.count('class="event"') == 200
    assert "line 451." in page and "line 252." in page and "line 251." not in page
    older = re.search(r'href="([^"]+)#timeline-title">Older events', page)
    assert older
    assert "line 251." in text(signed_in.get(older[1]))


def test_checkpoints_have_size_and_time(signed_in: Client, owner: User) -> None:
    saved = CheckpointRecord("step-20", 20, 3 * 1024 * 1024, timezone.now())
    page = text(signed_in.get(url("launch", run(make_launch(owner=owner), checkpoints=(saved,)))))
    assert "3.0\xa0MB" in page
    assert "step-20" in page


# Who may do what


def test_another_accounts_launch_is_not_there(client: Client, owner: User) -> None:
    launch = run(make_launch(owner=owner))
    sign_in(client, make_member(account=make_account(), role=Role.ADMIN))
    for name in READS:
        assert client.get(url(name, launch)).status_code == 404
    for name in ACTS:
        assert client.post(url(name, launch)).status_code == 404
    assert launch.job_id not in text(client.get(reverse("launches")))
    assert (
        client.get(
            f"{reverse('launch_new', args=['local', launch.shape_version.shape.shape_id])}?clone={launch.uid}"
        ).status_code
        == 404
    )
    launch.refresh_from_db()
    assert (launch.state, launch.deleted_at) == ("RUNNING", None)


def test_an_unknown_launch_is_not_there(signed_in: Client) -> None:
    assert signed_in.get(reverse("launch", args=[uuid.uuid4()])).status_code == 404


def test_signed_out_every_url_asks_to_sign_in(client: Client, owner: User) -> None:
    launch = make_launch(owner=owner)
    for name in READS:
        assert client.get(url(name, launch)).status_code == 302
    for name in ACTS:
        assert client.post(url(name, launch)).status_code == 302
    assert client.get(reverse("launches")).status_code == 302
    launch.refresh_from_db()
    assert launch.state == "QUEUED"


@pytest.mark.parametrize("role", [Role.VIEWER, Role.LAUNCHER])
def test_those_who_may_not_control_it_see_no_token_and_no_live_button(
    client: Client, local: Account, owner: User, role: Role
) -> None:
    launch = run(make_launch(owner=owner))
    sign_in(client, make_member(account=local, role=role))
    for name in ("launch", "launch_panel"):
        page = text(client.get(url(name, launch)))
        assert trainer_token(launch) not in page
        assert "/cancel" not in page and "/delete" not in page
        assert f"Your role in local is {role}" in page
    for name in ACTS:
        response = client.post(url(name, launch))
        assert response.status_code == 403
        assert "Ask an admin of local." in text(response)
    launch.refresh_from_db()
    assert (launch.state, launch.deleted_at) == ("RUNNING", None)


def test_who_may_control_it_finds_its_address_through_slipway(
    client: Client, local: Account, owner: User, settings: Settings
) -> None:
    settings.SLIPWAY_URL = "https://slipway.example"
    launch = run(make_launch(owner=owner))
    address = f"https://slipway.example/training/v1/rlorTrainerJobs/local/{launch.job_id}"
    assert address in text(sign_in(client, owner).get(url("launch", launch)))
    other = sign_in(Client(), make_member(account=local, role=Role.LAUNCHER))
    assert address not in text(other.get(url("launch", launch)))


@pytest.mark.parametrize("role", [Role.PUBLISHER, Role.ADMIN])
def test_publishers_and_admins_control_any_launch(client: Client, local: Account, owner: User, role: Role) -> None:
    launch = run(make_launch(owner=owner))
    sign_in(client, make_member(account=local, role=role))
    assert trainer_token(launch) in text(client.get(url("launch", launch)))
    assert client.post(url("launch_cancel", launch)).status_code == 302
    launch.refresh_from_db()
    assert launch.state == "CANCELLING"


def test_the_token_is_kept_out_of_caches(signed_in: Client, owner: User) -> None:
    launch = run(make_launch(owner=owner))
    for name in ("launch", "launch_panel"):
        response = signed_in.get(url(name, launch))
        assert trainer_token(launch) in text(response)
        assert "no-store" in response["Cache-Control"]


@pytest.mark.parametrize("name", ACTS)
def test_acting_takes_a_post_with_the_csrf_token(owner: User, name: str) -> None:
    launch = make_launch(owner=owner)
    client = sign_in(Client(enforce_csrf_checks=True), owner)
    assert client.get(url(name, launch)).status_code == 405
    assert client.post(url(name, launch)).status_code == 403
    launch.refresh_from_db()
    assert launch.state == "QUEUED"


# Buttons


def test_cancel_resume_and_delete(signed_in: Client, owner: User) -> None:
    launch = run(make_launch(owner=owner))
    assert signed_in.post(url("launch_cancel", launch))["Location"] == url("launch", launch)
    report(launch, AttemptState.CANCELLED, reason=Reason.USER)
    assert f"asked for by {owner.get_username()}<" in text(signed_in.get(url("launch", launch)))
    assert signed_in.post(url("launch_resume", launch)).status_code == 302
    launch.refresh_from_db()
    assert (launch.state, launch.attempt_count) == ("QUEUED", 2)
    assert signed_in.post(url("launch_delete", launch))["Location"] == reverse("launches")
    page = text(signed_in.get(url("launch", launch)))
    assert STATE.findall(page) == ["DELETED"]
    assert re.search(f"This launch was deleted <time [^>]*>[^<]*</time> by {owner.get_username()}\\.", page)
    assert not any(f'action="{url(name, launch)}"' in page for name in ACTS)
    assert trainer_token(launch) not in page
    assert launch.job_id not in text(signed_in.get(reverse("launches"))).split("toasts")[0].split('id="launches"')[1]


def test_what_is_not_legal_now_is_refused_on_the_page(signed_in: Client, owner: User) -> None:
    launch = run(make_launch(owner=owner))
    response = signed_in.post(url("launch_resume", launch))
    assert response.status_code == 422
    assert "is RUNNING; only one that has ended" in text(response)
    assert "It has not ended yet" in text(response)
    report(launch, AttemptState.COMPLETED, reason=Reason.DONE)
    response = signed_in.post(url("launch_cancel", launch))
    assert response.status_code == 422
    assert "nothing to cancel" in text(response)


def test_who_asked_for_the_end_is_named_be_it_a_colleague_or_slipway(signed_in: Client, owner: User) -> None:
    admin = make_member(account=owner.memberships.get().account, role=Role.ADMIN)
    for actor, name in ((user_actor(admin), admin.get_username()), (SYSTEM, "Slipway")):
        launch = run(make_launch(owner=owner))
        cancel_launch(actor=actor, launch=launch)
        asked = f"{name} asked for the end; the provider has not confirmed it yet."
        assert asked in text(signed_in.get(url("launch", launch)))
        report(launch, AttemptState.CANCELLED, reason=Reason.USER)
        assert f"asked for by {name}<" in text(signed_in.get(url("launch", launch)))


def test_resume_says_from_which_checkpoint(signed_in: Client, owner: User) -> None:
    launch = run(make_launch(owner=owner))
    saved = CheckpointRecord("step-40", 40, 1, timezone.now())
    report(launch, AttemptState.FAILED, reason=Reason.EXIT_CODE, checkpoints=(saved,))
    assert re.search(
        r'from its newest checkpoint, <span class="id">step-40</span>', text(signed_in.get(url("launch", launch)))
    )


# The list


def names(response: Any) -> list[str]:
    return re.findall(r'href="/launches/[0-9a-f-]{36}">([^<]+)</a>', text(response))


def test_the_list_is_filtered_by_state_shape_and_owner(signed_in: Client, owner: User, local: Account) -> None:
    version, other = make_tiny_version(), make_tiny_version()
    run(make_launch(owner=owner, version=version, display_name="running"))
    make_launch(owner=owner, version=other, display_name="queued")
    make_launch(owner=make_member(account=local), version=other, display_name="theirs")
    assert names(signed_in.get(reverse("launches"))) == ["theirs", "queued", "running"]
    shape = f"local/{other.shape.shape_id}"
    for query, expected in [
        ("state=RUNNING", ["running"]),
        ("state=active", ["theirs", "queued", "running"]),
        ("state=over", []),
        (f"shape={shape}", ["theirs", "queued"]),
        ("owner=me", ["queued", "running"]),
        (f"shape={shape}&owner=me&state=QUEUED", ["queued"]),
        ("state=nonsense", []),
        ("shape=local/nonsense", []),
    ]:
        assert names(signed_in.get(f"{reverse('launches')}?{query}")) == expected, query


def test_an_empty_list_tells_what_to_do(signed_in: Client) -> None:
    assert 'class="empty"' in text(signed_in.get(reverse("launches")))
    empty = text(signed_in.get(f"{reverse('launches')}?state=FAILED&owner=me"))
    assert 'class="empty"' in empty
    assert "state Failed, owner me" in empty


@pytest.mark.parametrize("shape", ["%00", "%00/x", "a/%00", "a", "a/b/c", "/"])
def test_a_filter_that_names_no_shape_finds_nothing(signed_in: Client, owner: User, shape: str) -> None:
    make_launch(owner=owner)
    page = signed_in.get(f"{reverse('launches')}?shape={shape}")
    assert page.status_code == 200
    assert names(page) == []


def test_the_list_is_of_the_active_account_only(client: Client, owner: User, local: Account) -> None:
    other = make_account(account_id="zeta")
    make_launch(owner=owner, account=other, version=make_tiny_version(), display_name="elsewhere")
    make_launch(owner=owner, display_name="here")
    sign_in(client, owner)
    assert names(client.get(reverse("launches"))) == ["here"]
    client.post(reverse("switch_account"), {"account": "zeta"})
    assert names(client.get(reverse("launches"))) == ["elsewhere"]


def test_htmx_gets_the_rows_alone(signed_in: Client, owner: User) -> None:
    make_launch(owner=owner, display_name="one")
    response = signed_in.get(reverse("launches"), headers={"HX-Request": "true"})
    assert text(response).startswith('<div id="launches"')
    assert names(response) == ["one"]


def test_pages_follow_one_another_without_gap_or_repetition(signed_in: Client, owner: User, local: Account) -> None:
    version = make_tiny_version()
    for number in range(51):
        make_launch(owner=owner, version=version, display_name=f"n{number}")
    first = signed_in.get(reverse("launches"))
    following = re.search(r'href="(\?before=[^"]+)"', text(first))
    assert following
    delete_launch(actor=user_actor(owner), launch=Launch.objects.get(display_name="n1"))  # the mark of the page goes
    second = signed_in.get(reverse("launches") + following[1])
    assert names(first) == [f"n{number}" for number in range(50, 0, -1)]
    assert names(second) == ["n0"]


def test_a_shapes_launches_are_those_of_my_accounts(signed_in: Client, owner: User, local: Account) -> None:
    version = make_tiny_version()
    make_launch(owner=owner, version=version, display_name="mine")
    stranger = make_member(account=make_account(account_id="elsewhere"))
    make_launch(owner=stranger, account=make_account(account_id="elsewhere"), version=version, display_name="theirs")
    address = reverse("shape_launches", args=["local", version.shape.shape_id])
    assert names(signed_in.get(address)) == ["mine"]
    fragment = signed_in.get(address, headers={"HX-Request": "true"})
    assert text(fragment).startswith('<div id="shape-launches"')
    assert signed_in.get(reverse("shape_launches", args=["local", "nonsense"])).status_code == 404


# What a page costs

LIST_QUERIES = 8  # session, user, memberships, shapes of the filter, vanished ones, launches, newest attempts, total
PAGE_QUERIES = 13


def test_the_list_costs_the_same_with_1_and_with_200_launches(
    signed_in: Client, owner: User, django_assert_num_queries: Callable[..., Any]
) -> None:
    version = make_tiny_version()
    run(make_launch(owner=owner, version=version), metrics=(metric(1),))
    with django_assert_num_queries(LIST_QUERIES):
        signed_in.get(reverse("launches"))
    template = Launch.objects.get()
    for number in range(200):
        template.pk, template.uid, template.job_id, template.idempotency_key = (
            None,
            uuid.uuid4(),
            f"j{number}",
            f"k{number}",
        )
        template._state.adding = True
        template.save()
        Attempt.objects.create(launch=template, number=1)
    with django_assert_num_queries(LIST_QUERIES):
        assert len(names(signed_in.get(reverse("launches")))) == 50


@pytest.mark.parametrize("name", ["launch", "launch_panel"])
def test_a_page_costs_the_same_with_few_and_with_many_events(
    signed_in: Client, owner: User, name: str, django_assert_num_queries: Callable[..., Any]
) -> None:
    launch = run(make_launch(owner=owner), metrics=(metric(1),), log="x\n")
    with django_assert_num_queries(PAGE_QUERIES):
        signed_in.get(url(name, launch))
    Event.objects.bulk_create(
        Event(
            launch=launch, sequence=number, attempt_number=1, kind="progress", message="m", actor=owner, actor_label="x"
        )
        for number in range(100, 300)
    )
    saved = tuple(CheckpointRecord(f"step-{n}", n, 1, timezone.now()) for n in range(1, 20))
    report(
        launch,
        AttemptState.RUNNING,
        ready=True,
        endpoint=ENDPOINT,
        metrics=tuple(metric(n) for n in range(2, 200)),
        checkpoints=saved,
    )
    with django_assert_num_queries(PAGE_QUERIES):
        signed_in.get(url(name, launch))
