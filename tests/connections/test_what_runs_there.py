"""What runs on a connection: shown, cancelled where it waits, and in the way of retiring it."""

from __future__ import annotations

import pytest
from django.test import Client
from django.utils import timezone

from accounts.actors import SYSTEM, user_actor
from accounts.models import Account, AuditEntry
from accounts.roles import Role
from connections.domain.lend_connection import lend_connection
from connections.domain.pause_connection import pause_connection
from connections.models import Connection
from connections.providers.states import AttemptState
from deployments.domain.retire_connection import retire_connection
from launches.domain.cancel_waiting import cancel_waiting
from launches.domain.resume_launch import resume_launch
from launches.models import Launch, UnknownTrainer
from tests.accounts.races import before_commit
from tests.connections.elsewhere import make_connection
from tests.launches.makers import bring_to, make_launch, make_tiny_version
from tests.makers import make_account, make_member, make_user, sign_in
from wire.errors import FailedPrecondition

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("elsewhere")]
CANCEL = 'href="/connections/north/cancel-waiting"'
DANGER = 'class="btn btn-danger" type="submit"'
ROWS = '<table class="data'


def launch_on(row: Connection, state: AttemptState = AttemptState.QUEUED, **given: object) -> Launch:
    """A launch that was accepted for the connection, and came to that state there."""
    launch = make_launch(**given)  # type: ignore[arg-type]
    if state != AttemptState.QUEUED:
        bring_to(launch, state)
    launch.connection = row
    launch.save(update_fields=["connection"])
    return launch


def test_what_is_not_over_is_shown_oldest_first_with_whose_it_is(client: Client, team: Account) -> None:
    row = make_connection()
    launch_on(row, AttemptState.COMPLETED, display_name="Over long ago")
    launch_on(row, AttemptState.RUNNING, display_name="First light")
    launch_on(row, display_name="Second light", account=team)
    root = sign_in(client, make_user(superuser=True))
    page = root.get("/connections/north/launches").content.decode()
    assert "1 runs, 1 waits." in page and "Over long ago" not in page
    assert page.index("First light") < page.index("Second light") and CANCEL in page
    part = root.get("/connections/north/launches", headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in part and "First light" in part
    running = root.get("/connections-running").content.decode()
    assert '<span hx-swap-oob="innerHTML:#running-north">1 runs, 1 waits</span>' in running
    assert '<span hx-swap-oob="innerHTML:#running-local">nothing</span>' in running
    assert 'id="running-north"' in root.get("/connections").content.decode()

    lend_connection(actor=SYSTEM, connection=row, for_everyone=True, accounts=[])
    admin = sign_in(Client(), make_member(account=team, role=Role.ADMIN))
    page = admin.get("/connections/north/launches").content.decode()
    assert "Second light" in page and "First light" not in page and CANCEL not in page
    assert '#running-north">1 waits<' in admin.get("/connections-running").content.decode()


def test_an_empty_one_says_so(client: Client) -> None:
    row = make_connection()
    pause_connection(actor=SYSTEM, connection=row, reason="New disks", now=timezone.now())
    root = sign_in(client, make_user(superuser=True))
    assert ROWS not in root.get("/connections/north/launches").content.decode()
    launch_on(row)
    assert ROWS in root.get("/connections/north/launches").content.decode()


def test_what_waits_is_cancelled_and_what_began_runs_on(client: Client, team: Account) -> None:
    row = make_connection()
    running, waiting = launch_on(row, AttemptState.RUNNING), launch_on(row, account=team)
    elsewhere = make_launch()
    root = make_user(superuser=True)
    pages = sign_in(client, root)
    assert DANGER in pages.get("/connections/north/cancel-waiting").content.decode()
    answer = pages.post("/connections/north/cancel-waiting", follow=True)
    assert "notice-success" in answer.content.decode()
    assert DANGER not in pages.get("/connections/north/cancel-waiting").content.decode()
    states = {launch: Launch.objects.get(pk=launch.pk).state for launch in (running, waiting, elsewhere)}
    assert list(states.values()) == [AttemptState.RUNNING, AttemptState.CANCELLING, AttemptState.QUEUED]
    entry = AuditEntry.objects.get(verb="cancel_launch")
    assert (entry.account, entry.actor, entry.target) == (team, root, waiting.name)
    assert waiting.events.latest("sequence").actor == root
    assert cancel_waiting(actor=SYSTEM, connection=row) == 0


def test_one_with_launches_that_are_not_over_is_not_retired(client: Client) -> None:
    row = make_connection()
    launch = launch_on(row, AttemptState.RUNNING)
    over = launch_on(row, AttemptState.COMPLETED)
    UnknownTrainer.objects.create(
        connection=row, account_name="gone", job_id="forgotten", attempt_number=1, seen_at=timezone.now()
    )
    pages = sign_in(client, make_user(superuser=True))
    assert DANGER not in pages.get("/connections/north/retire").content.decode()
    answer = pages.post("/connections/north/retire")
    assert answer.status_code == 422
    assert "1 launch there is not over, and nobody could reach them any more." in answer.content.decode()
    assert Connection.objects.get(pk=row.pk).secret == row.secret != ""

    Launch.objects.filter(pk=launch.pk).update(connection=Connection.objects.get(name="local"))
    assert DANGER in pages.get("/connections/north/retire").content.decode()
    answer = pages.post("/connections/north/retire", follow=True)
    assert "notice-success" in answer.content.decode()
    assert pages.get("/connections/north").status_code == 404
    over.refresh_from_db()
    assert over.connection == row and not UnknownTrainer.objects.exists()


def test_nothing_is_resumed_on_one_that_takes_no_launches(client: Client) -> None:
    row = make_connection()
    launch = launch_on(row, AttemptState.FAILED)
    pause_connection(actor=SYSTEM, connection=row, reason="New disks", now=timezone.now())
    with pytest.raises(FailedPrecondition, match=r"north takes no launches. It is paused: New disks"):
        resume_launch(actor=user_actor(launch.owner), launch=launch)
    page = sign_in(client, launch.owner).get(f"/launches/{launch.uid}").content.decode()
    assert 'title="north takes no launches. It is paused: New disks"' in page  # the button says so before it is pressed
    retire_connection(actor=SYSTEM, connection=row, now=timezone.now())
    with pytest.raises(FailedPrecondition, match=r"It was retired."):
        resume_launch(actor=user_actor(launch.owner), launch=launch)


@pytest.mark.django_db(transaction=True)
def test_who_launches_while_it_is_paused_or_retired_waits_and_reads_so() -> None:
    """What was offered before it was closed is not accepted afterwards."""
    now = timezone.now()
    local, north = Connection.objects.get(name="local"), make_connection()
    version, owner = make_tiny_version(), make_member(account=make_account(account_id="local"))
    launch = launch_on(north, AttemptState.FAILED, owner=owner)
    assert (
        before_commit(
            lambda: pause_connection(actor=SYSTEM, connection=local, reason="New disks", now=now),
            lambda: make_launch(owner=owner, version=version),
        )
        == "This machine takes no launches. It is paused: New disks"
    )
    assert (
        before_commit(
            lambda: retire_connection(actor=SYSTEM, connection=north, now=now),
            lambda: resume_launch(actor=user_actor(owner), launch=launch),
        )
        == "north takes no launches. It was retired."
    )
    assert Launch.objects.count() == 1
