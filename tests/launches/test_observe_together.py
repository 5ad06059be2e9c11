"""A connection whose attempts are looked at in one go: what costs what, and what its silence means."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from types import SimpleNamespace

import pytest
from celery import current_app
from django.conf import settings
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.actors import SYSTEM, user_actor
from accounts.domain.ask_about_versions import ask_about_versions
from accounts.models import AuditEntry
from accounts.roles import Role
from accounts.scopes import Scope
from connections.domain.note_answer import note_failure
from connections.domain.refresh_capacity import refresh_capacity
from connections.models import Connection
from connections.providers.attempts import NEWEST_ATTEMPT, Observation, Reference
from connections.providers.checkpoints import CheckpointRecord
from connections.providers.errors import Retryable, Unreachable
from connections.providers.states import AttemptState, Reason
from connections.providers.telemetry import LogChunk
from launches.domain import note_unknown_trainers as noting
from launches.domain import observe_connection as observing
from launches.domain import reconcile_launches as reconciling
from launches.domain.advance_launch import advance_launch
from launches.domain.cancel_launch import cancel_launch
from launches.domain.keep_version import keep_version
from launches.domain.observe_connection import observe_connection
from launches.domain.reconcile_launches import reconcile_launches
from launches.domain.resume_launch import resume_launch
from launches.domain.sweep_launches import sweep_launches
from launches.gateway.admission import Refused, _endpoint_of
from launches.models import Attempt, Launch, UnknownTrainer
from launches.other_versions import otherwise_resolved
from launches.tasks import reconcile_all
from queues.hints import room
from tests.api.makers import make_caller
from tests.connections.remote import RemoteEngine, make_connection, registered
from tests.launches.makers import attempt_of, make_launch
from tests.makers import make_account, make_member, make_version, sign_in
from wire.errors import FailedPrecondition, PermissionDenied
from wire.names import parse_version_name
from wire.times import rfc3339

pytestmark = pytest.mark.django_db


def running(count: int) -> list[Launch]:
    """Launches that the engine runs, and that are due."""
    version, owner = make_version(gpus=8), make_member(account=make_account(account_id="local"))
    launches = [make_launch(version=version, owner=owner) for _ in range(count)]
    for launch in launches:
        advance_launch(attempt_of(launch).pk)
    make_due()
    return launches


def make_due() -> None:
    Attempt.objects.update(next_check_at=timezone.now() - timedelta(seconds=10))


def messages(launch: Launch) -> list[str]:
    return list(launch.events.order_by("sequence").values_list("message", flat=True))


def say(engine: RemoteEngine, launch: Launch, observation: Observation) -> None:
    engine.jobs[Reference(launch.account.account_id, launch.job_id, 1)] = observation


def test_what_is_as_it_was_costs_one_call_and_the_same_queries_for_many(far: Connection, engine: RemoteEngine) -> None:
    counts = []
    for more in (2, 20):
        running(more)
        engine.calls.clear()
        with CaptureQueriesContext(
            database,
        ) as queries:
            observe_connection(far.pk)
        counts.append(len(queries))
        assert engine.calls == ["observe_many"]
    assert counts[0] == counts[1]
    assert not Attempt.objects.filter(next_check_at__lte=timezone.now()).exists()


def test_what_changed_is_applied_and_moves_the_launch(far: Connection, engine: RemoteEngine) -> None:
    first, second = running(2)
    say(engine, first, Observation(AttemptState.RUNNING, ready=True, endpoint="https://far/x", remote_id="r-1"))
    say(engine, second, Observation(AttemptState.FAILED, reason=Reason.EXIT_CODE, detail="It broke."))
    assert observe_connection(far.pk) == 2
    seen = attempt_of(first)
    assert (seen.state, seen.ready, seen.endpoint, seen.remote_id) == ("RUNNING", True, "https://far/x", "r-1")
    assert (attempt_of(second).state, attempt_of(second).detail) == ("FAILED", "It broke.")


def test_a_worker_that_begins_is_told_who_answered(
    far: Connection, engine: RemoteEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers, starts = running(2)
    say(engine, answers, Observation(AttemptState.RUNNING, ready=True))
    say(engine, starts, Observation(AttemptState.RUNNING))
    observe_connection(far.pk)
    told: list[Reference] = []
    monkeypatch.setattr(engine, "recall", told.extend, raising=False)
    make_due()
    observe_connection(far.pk)
    assert told == [attempt_of(answers).reference]


def test_what_has_files_is_read_while_it_runs_and_to_the_end_before_its_outcome(
    far: Connection, engine: RemoteEngine, empty_queue: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    (launch,) = running(1)
    engine.capabilities = replace(engine.capabilities, has_files=True)
    monkeypatch.setattr(engine, "logs", lambda _, after: LogChunk("line\n", 5) if after < 5 else LogChunk("", after))
    for state in (AttemptState.RUNNING, AttemptState.COMPLETED):
        say(engine, launch, Observation(state))
        make_due()
        before = attempt_of(launch).state
        observe_connection(far.pk)
        assert (attempt_of(launch).state, room(10)) == (before, 9)  # but for a hint nothing happened
        advance_launch(attempt_of(launch).pk)
        assert (attempt_of(launch).state, attempt_of(launch).log_tail) == (state, "line\n")
        with current_app.connection_for_write() as connection:
            connection.default_channel.queue_purge(settings.CELERY_TASK_DEFAULT_QUEUE)


def test_checkpoints_of_what_runs_are_listed_by_and_by_where_there_are_no_files(
    far: Connection, engine: RemoteEngine, empty_queue: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    launches = running(3)
    for launch in launches:
        say(engine, launch, Observation(AttemptState.RUNNING, ready=True))
        engine.saved["local", launch.job_id] = [CheckpointRecord("ten", 10, 1, timezone.now())]
    observe_connection(far.pk)
    hinted: list[int] = []
    monkeypatch.setattr(observing, "hint", lambda _task, row: hinted.append(row))
    make_due()
    observe_connection(far.pk)
    (pk,) = hinted  # of a thousand, too
    advance_launch(pk)
    assert [launch.checkpoints.count() for launch in launches if attempt_of(launch).pk == pk] == [1]
    assert Attempt.objects.filter(next_check_at__lte=timezone.now()).count() == 0


def test_running_is_starting_until_it_answers_and_silent_since_it_does_no_more(
    far: Connection, engine: RemoteEngine, client: Client
) -> None:
    (launch,) = running(1)
    pages = sign_in(client, launch.owner)
    caller = make_caller(account=launch.account, user=launch.owner, scope=Scope.LAUNCH)

    def look(observation: Observation) -> tuple[str, str, str]:
        """The list, the page, and what the API says of it."""
        say(engine, launch, observation)
        make_due()
        observe_connection(far.pk)
        _, job = caller.get(f"/v1/{launch.name}")
        shown = [pages.get(path).content.decode() for path in ("/launches", f"/launches/{launch.uid}")]
        return shown[0], shown[1], job["status"]["message"]

    runs = Observation(AttemptState.RUNNING, endpoint="https://far/x")
    for said in look(runs):
        assert "starting" in said
    for said in look(replace(runs, ready=True)):
        assert not any(words in said for words in ("starting", "not answering", "has not answered"))
    lost = look(runs)
    since = attempt_of(launch).silent_since
    assert since is not None
    assert "not answering</span>" in lost[0] and "not answering since" in lost[1]
    assert lost[2] == f"The trainer has not answered since {rfc3339(since)}."
    look(replace(runs, detail="Hm."))
    look(Observation(AttemptState.PENDING, remote_state="RE_QUEUEING"))  # a state never goes back here
    assert (attempt_of(launch).silent_since, attempt_of(launch).state) == (since, "RUNNING")
    assert "not answering" not in "".join(look(replace(runs, ready=True)))
    look(runs)
    look(Observation(AttemptState.FAILED))
    assert attempt_of(launch).silent_since is None
    kinds = [kind for kind in launch.events.values_list("kind", flat=True) if kind in ("ready", "silent")]
    assert sorted(kinds) == ["ready", "ready", "silent", "silent"]


def test_an_engine_state_that_nobody_knows_is_shown_and_runs_nothing(far: Connection, engine: RemoteEngine) -> None:
    (launch,) = running(1)
    say(engine, launch, Observation(AttemptState.PENDING, detail="It dreams.", remote_state="DREAMING"))
    observe_connection(far.pk)
    assert (attempt_of(launch).state, attempt_of(launch).remote_state) == ("PENDING", "DREAMING")


def test_when_an_engine_expects_to_start_it_is_shown(far: Connection, engine: RemoteEngine, client: Client) -> None:
    (launch,) = running(1)
    start = timezone.now() + timedelta(hours=2)
    say(engine, launch, Observation(AttemptState.PENDING, detail="It waits for 8 GPUs.", estimated_start=start))
    observe_connection(far.pk)
    page = sign_in(client, launch.owner).get(f"/launches/{launch.uid}").content.decode()
    assert "It waits for 8 GPUs." in page
    assert f'Expected to start <time datetime="{start.isoformat()[:16]}' in page


def test_an_empty_answer_decides_nothing_and_each_is_asked_for_by_itself(
    far: Connection, engine: RemoteEngine, empty_queue: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, gone = running(2)
    del engine.jobs[Reference("local", gone.job_id, 1)]
    hinted: list[int] = []
    monkeypatch.setattr(observing, "hint", lambda _task, row: hinted.append(row))
    held, engine.jobs = engine.jobs, {}
    observe_connection(far.pk)
    assert {attempt_of(each).state for each in (kept, gone)} == {"PENDING"}
    assert sorted(hinted) == sorted([attempt_of(kept).pk, attempt_of(gone).pk])
    monkeypatch.setattr(observing, "room", lambda most: min(most, 1))
    observe_connection(far.pk)
    assert len(hinted) == 3  # no more than workers have room for
    engine.jobs = held
    for pk in hinted[:2]:
        advance_launch(pk)
    assert (attempt_of(kept).state, attempt_of(gone).state) == ("PENDING", "PENDING")
    for _ in range(engine.capabilities.looks_before_lost - 1):
        assert attempt_of(gone).state == "PENDING"
        make_due()
        advance_launch(attempt_of(gone).pk)
    assert (attempt_of(gone).state, attempt_of(gone).reason) == ("LOST", Reason.UNKNOWN_TO_PROVIDER)


def test_what_is_found_again_was_never_lost(far: Connection, engine: RemoteEngine) -> None:
    (launch,) = running(1)
    held, engine.jobs = engine.jobs, {}
    for count in (1, 2):
        make_due()
        delay = advance_launch(attempt_of(launch).pk)
        seen = attempt_of(launch)
        assert (seen.state, seen.absences, seen.absent_since is None) == ("PENDING", count, False)
        assert delay == timedelta(seconds=10 * 2**count)
    assert f"Asked 2 times; after {engine.capabilities.looks_before_lost} times in a row" in seen.detail
    engine.jobs = held
    make_due()
    observe_connection(far.pk)
    found = attempt_of(launch)
    assert (found.state, found.absences, found.absent_since, found.detail) == ("PENDING", 0, None, "")
    assert [line for line in messages(launch) if "ound" in line] == [
        f"Not found on Far: It knows no {launch.job_id}.",
        "Found again on Far",
    ]


def test_silence_is_the_connections_and_nothing_of_its_launches_changes(far: Connection, engine: RemoteEngine) -> None:
    (launch,) = running(1)
    before, events = attempt_of(launch), launch.events.count()
    engine.away = "No route to far."
    observe_connection(far.pk)
    far.refresh_from_db()
    assert far.unreachable_since is not None
    assert far.last_error == "No route to far."
    assert far.next_try_at is not None
    after = attempt_of(launch)
    assert (after.state, after.observed_at, after.failures) == (before.state, before.observed_at, 0)
    assert launch.events.count() == events

    engine.calls.clear()
    make_due()
    assert observe_connection(far.pk) == 0  # it is left alone for a while
    delay = advance_launch(attempt_of(launch).pk)
    assert delay is not None
    assert engine.calls == []

    Connection.objects.update(next_try_at=timezone.now())
    engine.away = ""
    make_due()
    assert observe_connection(far.pk) == 1
    there = Connection.objects.get(pk=far.pk)
    assert (there.unreachable_since, there.failures, there.next_try_at) == (None, 0, None)


def test_a_key_that_is_refused_is_a_state_of_the_connection_until_it_is_taken(
    far: Connection, engine: RemoteEngine
) -> None:
    (launch,) = running(1)
    engine.locked = "far refuses (401): revoked."
    now = timezone.now()
    refresh_capacity(connection=far, now=now)
    far.refresh_from_db()
    assert (far.refused_since, far.unreachable_since, far.last_error) == (now, None, "far refuses (401): revoked.")
    assert f"{now:%Y-%m-%d %H:%M} UTC" in far.closed_because
    with pytest.raises(FailedPrecondition, match=r"Far: Its key was not accepted .* superuser has to put another in"):
        make_launch(version=launch.shape_version, owner=launch.owner)

    for look in (lambda: observe_connection(far.pk), lambda: advance_launch(attempt_of(launch).pk)):
        Connection.objects.update(next_try_at=None)
        make_due()
        look()
        far.refresh_from_db()
        assert (far.refused_since, attempt_of(launch).state) == (now, "PENDING")

    engine.away, far.next_try_at = "No route.", None
    refresh_capacity(connection=far, now=timezone.now() + timedelta(hours=1))
    far.refresh_from_db()
    assert not far.is_reachable and far.refused_since == now  # of the key there is no news
    engine.away, engine.locked, far.next_try_at = "", "", None
    refresh_capacity(connection=far, now=timezone.now())
    there = Connection.objects.get(pk=far.pk)
    assert (there.refused_since, there.failures, there.last_error, there.closed_because) == (None, 0, "", "")


def test_a_refusal_of_all_leaves_the_connection_alone_for_a_while_too(
    far: Connection, engine: RemoteEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    (launch,) = running(1)
    refusals: list[str] = []

    def refuse(_: object) -> None:
        refusals.append("asked")
        raise Retryable("The key is refused (401).")

    monkeypatch.setattr(engine, "observe_many", refuse)
    for _ in range(3):
        observe_connection(far.pk)
    assert refusals == ["asked"]
    assert Connection.objects.get(pk=far.pk).last_error == "The key is refused (401)."
    assert attempt_of(launch).state == "PENDING"


def test_an_accepted_launch_waits_for_a_connection_that_is_away_and_is_due_once_it_answers(
    far: Connection, engine: RemoteEngine
) -> None:
    (other,) = running(1)
    engine.away = "No route to far."
    launch = make_launch(version=other.shape_version, owner=other.owner)
    advance_launch(attempt_of(launch).pk)
    assert attempt_of(launch).state == "QUEUED"
    far.refresh_from_db()
    assert far.failures == 1
    engine.away = ""
    Connection.objects.update(next_try_at=timezone.now())
    make_due()
    advance_launch(attempt_of(other).pk)
    assert attempt_of(launch).next_check_at <= timezone.now()
    advance_launch(attempt_of(launch).pk)
    assert attempt_of(launch).state == "PENDING"


def test_each_failure_in_a_row_leaves_it_alone_for_longer_up_to_two_minutes(far: Connection) -> None:
    now, pauses, error = timezone.now(), [], Unreachable("No.")
    for _ in range(9):
        until = note_failure(connection=far, error=error, now=now)
        assert note_failure(connection=far, error=error, now=now) == until  # two that find the same count once
        pauses.append((until - now).total_seconds())
        now = until
    assert pauses[0] < 3
    assert all(longer > shorter for shorter, longer in pairwise(pauses[:6]))
    assert max(pauses) <= 150


def test_the_newest_reason_is_the_one_that_is_shown(far: Connection) -> None:
    now = timezone.now()
    for reason in ("It is away.", "It is somewhere else, where connections may not go."):
        note_failure(connection=far, error=Unreachable(reason), now=now)
    far.refresh_from_db()
    assert (far.failures, far.last_error) == (1, "It is somewhere else, where connections may not go.")


def test_one_worker_looks_at_a_time(far: Connection, engine: RemoteEngine) -> None:
    running(1)
    engine.calls.clear()
    Connection.objects.update(observing_until=timezone.now() + timedelta(seconds=30))
    assert observe_connection(far.pk) == 0
    Connection.objects.update(observing_until=timezone.now())  # its worker died
    assert observe_connection(far.pk) == 1


def test_what_was_asked_to_end_is_not_only_looked_at(far: Connection, engine: RemoteEngine) -> None:
    (launch,) = running(1)
    cancel_launch(actor=user_actor(launch.owner), launch=launch)
    make_due()
    assert observe_connection(far.pk) == 0
    advance_launch(attempt_of(launch).pk)
    assert attempt_of(launch).state == "CANCELLED"


def test_the_sweep_hints_a_connection_once_and_others_one_by_one(
    far: Connection, engine: RemoteEngine, empty_queue: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from launches.domain import sweep_launches as sweeping

    running(3)
    queued = make_launch()
    make_due()
    hinted: list[tuple[str, int]] = []
    monkeypatch.setattr(sweeping, "hint", lambda task, row: hinted.append((task, row)))
    sweep_launches()
    assert hinted == [("launches.observe", far.pk), ("launches.advance", attempt_of(queued).pk)]


def test_the_sweep_hints_no_more_than_workers_have_not_taken_yet(
    empty_queue: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from launches.domain import sweep_launches as sweeping

    monkeypatch.setattr(sweeping, "MOST_AT_ONCE", 3)
    for _ in range(5):
        make_launch()
    make_due()
    assert [sweep_launches(), sweep_launches()] == [3, 0]  # no worker takes any
    assert room(10) == 7


def test_what_an_engine_lists_without_attempts_is_the_newest_one_and_nobody_unknown(
    far: Connection, engine: RemoteEngine
) -> None:
    first, over = running(2)
    Attempt.objects.filter(launch=over).update(state="CANCELLED", finished_at=timezone.now())
    Attempt.objects.filter(launch=first).update(remote_id="cut-short-1")
    engine.jobs = {
        Reference("", "cut-short-1", NEWEST_ATTEMPT): Observation(AttemptState.RUNNING),
        Reference("local", over.job_id, NEWEST_ATTEMPT): Observation(AttemptState.RUNNING),
        Reference("local", "of-nobody", NEWEST_ATTEMPT): Observation(AttemptState.RUNNING),
    }
    assert reconcile_launches(far.pk) == 1  # what is over here, and runs there still
    assert list(UnknownTrainer.objects.values_list("job_id", flat=True)) == ["of-nobody"]
    Attempt.objects.filter(launch=first).update(state="FAILED", finished_at=timezone.now())
    Attempt.objects.create(launch=first, number=2)  # resumed just now: it has not heard the engine's id yet
    engine.jobs = {Reference("", "cut-short-1", NEWEST_ATTEMPT): Observation(AttemptState.RUNNING)}
    assert reconcile_launches(far.pk) == 0
    assert not UnknownTrainer.objects.exists()


def test_what_one_trainer_or_connection_says_keeps_nobody_from_the_others(
    far: Connection, engine: RemoteEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ValueError("Nobody reads that.")

    first, second = (Reference("gone", job, 1) for job in ("job-a", "job-b"))
    engine.jobs = dict.fromkeys((first, second), Observation(AttemptState.RUNNING))
    monkeypatch.setattr(engine, "kept_submission", broken)
    reconcile_launches(far.pk)
    assert set(UnknownTrainer.objects.values_list("job_id", flat=True)) == {"job-a", "job-b"}
    UnknownTrainer.objects.filter(job_id="job-a").update(end_requested_at=timezone.now())
    reconcile_launches(far.pk)
    assert [engine.jobs[each].state for each in (first, second)] == ["CANCELLED", "RUNNING"]
    monkeypatch.setattr(engine, "list_references", broken)
    assert reconcile_launches(far.pk) == 0


def test_a_connection_that_hangs_keeps_no_other_from_being_compared_and_decides_nothing(
    far: Connection, engine: RemoteEngine, empty_queue: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    near_engine = RemoteEngine()
    with registered(monkeypatch, "near-kind", near_engine):
        near = make_connection(name="near", kind="near-kind")
        reconcile_all()
        assert room(10) == 10 - Connection.objects.count()  # a hint each
        (launch,) = running(1)
        lost = Reference("gone", "job-a", 1)
        near_engine.jobs[lost] = Observation(AttemptState.RUNNING)
        known = UnknownTrainer.objects.create(
            connection=far, account_name="gone", job_id="of-far", attempt_number=1, seen_at=timezone.now()
        )
        before = attempt_of(launch)
        meanwhile: list[int] = []

        def hang() -> None:
            """What other workers do until this one gives up."""
            asked.append("far")
            meanwhile.extend(reconcile_launches(pk) for pk in (far.pk, near.pk))
            raise Unreachable("It did not answer within 15 s.")

        asked: list[str] = []
        with monkeypatch.context() as patched:
            patched.setattr(engine, "list_references", hang)
            assert reconcile_launches(far.pk) == 0
            assert reconcile_launches(far.pk) == 0  # it is left alone for a while
        assert (asked, near_engine.calls.count("list_references")) == (["far"], 1)
        assert set(UnknownTrainer.objects.values_list("job_id", flat=True)) == {"job-a", known.job_id}
        far.refresh_from_db()
        assert (far.last_error, far.failures, far.comparing_until) == ("It did not answer within 15 s.", 1, None)
        assert (attempt_of(launch).state, attempt_of(launch).observed_at) == (before.state, before.observed_at)
        Connection.objects.update(next_try_at=None, comparing_until=timezone.now())  # or its worker died
    reconcile_launches(far.pk)
    assert not UnknownTrainer.objects.filter(connection=far).exists()


def test_what_takes_too_long_to_compare_goes_on_with_others_the_next_time(
    far: Connection, engine: RemoteEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.jobs = {Reference("gone", f"job-{number}", 1): Observation(AttemptState.RUNNING) for number in range(3)}
    monkeypatch.setattr(reconciling, "time", SimpleNamespace(monotonic=lambda: 0.0))
    monkeypatch.setattr(reconciling, "COMPARE_SECONDS", 1.5)
    for seen in (1, 2, 3):
        monkeypatch.setattr(noting, "time", SimpleNamespace(monotonic=iter([1, 2]).__next__))
        reconcile_launches(far.pk)
        assert UnknownTrainer.objects.count() == seen
    UnknownTrainer.objects.filter(job_id="job-1").update(end_requested_at=timezone.now())
    monkeypatch.setattr(noting, "time", SimpleNamespace(monotonic=iter([1, 2]).__next__))
    reconcile_launches(far.pk)  # who was asked to end comes first
    assert engine.jobs[Reference("gone", "job-1", 1)].state == "CANCELLED"


def test_what_was_lost_and_is_there_again_is_shown_and_not_ended(far: Connection, engine: RemoteEngine) -> None:
    (launch,) = running(1)
    Attempt.objects.filter(launch=launch).update(state="LOST", finished_at=timezone.now())
    engine.calls.clear()
    assert reconcile_launches(far.pk) == 0
    assert "cancel" not in engine.calls
    assert UnknownTrainer.objects.get().job_id == launch.job_id


def test_a_version_that_the_engine_resolved_otherwise_is_told(far: Connection, engine: RemoteEngine) -> None:
    (launch,) = running(1)
    other = "accounts/fireworks/trainingShapes/x/versions/zzzz9999"
    say(engine, launch, Observation(AttemptState.CREATING, remote_version=other))
    observe_connection(far.pk)
    (told,) = launch.events.filter(kind="warning")
    expected = launch.spec["training_shape_version"].rpartition("/")[2]
    assert told.message == f"Far resolved the shape to version zzzz9999; the launch form showed {expected}"
    make_due()
    observe_connection(far.pk)
    assert launch.events.filter(kind="warning").count() == 1


def test_a_version_is_the_same_where_its_shape_is_the_same_whatever_account_it_is_told_under() -> None:
    launch = make_launch()
    name = launch.spec["training_shape_version"]
    _, shape, version = parse_version_name(name) or ("", "", "")
    table = {
        "": "",
        name: "",
        f"accounts/there/trainingShapes/{shape}/versions/{version}": "",
        f"accounts/there/trainingShapes/x/versions/{version}": f"trainingShapes/x/versions/{version}; the launch form",
    }
    for told, words in table.items():
        said = otherwise_resolved(launch, Attempt(remote_version=told))
        assert words in said and bool(words) == bool(said)


def test_where_the_account_asks_the_trainer_of_another_version_waits_for_a_yes(
    far: Connection, engine: RemoteEngine, client: Client
) -> None:
    (launch,) = running(1)
    ask_about_versions(actor=SYSTEM, account=launch.account, asks=True)
    other = make_version(shape=launch.shape_version.shape, gpus=16)
    pages = sign_in(client, launch.owner)
    caller = make_caller(account=launch.account, user=launch.owner, scope=Scope.LAUNCH)

    def admitted() -> str:
        """What the gateway says of a call to the trainer; "" where it takes it."""
        try:
            rows = Attempt.objects.select_related("launch__account", "launch__connection").filter(launch=launch)
            _endpoint_of(rows.latest("number"))
        except Refused as refused:
            return refused.message
        return ""

    runs = Observation(AttemptState.RUNNING, ready=True, endpoint="https://far/x", remote_version=other.name)
    say(engine, launch, runs)
    observe_connection(far.pk)
    waits = f"Far resolved the shape to version {other.version_id}; the launch form showed"
    page = pages.get(f"/launches/{launch.uid}").content.decode()
    assert "Keep this version" in page and waits in page and "waits for a yes" in page and "data-difference" in page
    assert "waits for a yes" in pages.get("/launches").content.decode()
    assert waits in admitted() and waits in caller.get(f"/v1/{launch.name}")[1]["status"]["message"]

    stranger = make_member(account=launch.account, role=Role.VIEWER)
    with pytest.raises(PermissionDenied):
        keep_version(actor=user_actor(stranger), launch=launch)
    assert f'name="version" value="{other.name}"' in page
    changed = pages.post(f"/launches/{launch.uid}/keep", {"version": f"{other.name[:-8]}zzzz9999"})
    assert changed.status_code == 409 and "of another version by now" in changed.content.decode() and admitted()
    assert pages.post(f"/launches/{launch.uid}/keep", {"version": other.name}).status_code == 302
    assert admitted() == "" and AuditEntry.objects.filter(verb="keep_version").count() == 1
    page = pages.get(f"/launches/{launch.uid}").content.decode()
    assert waits in page and "Keep this version" not in page and "waits for a yes" not in page
    keep_version(actor=user_actor(launch.owner), launch=launch)  # a second click changes nothing
    assert launch.events.filter(kind="agreed").count() == 1

    say(engine, launch, Observation(AttemptState.FAILED, remote_version=other.name))
    make_due()
    observe_connection(far.pk)
    with pytest.raises(FailedPrecondition, match="no version to keep"):
        keep_version(actor=user_actor(launch.owner), launch=launch)
    attempt = resume_launch(actor=user_actor(launch.owner), launch=launch)
    engine.jobs[attempt.reference] = runs
    advance_launch(attempt.pk)
    assert attempt_of(launch).state == "RUNNING" and admitted() == ""  # that version was agreed to
    engine.jobs[attempt.reference] = replace(runs, remote_version=f"{other.name[:-8]}zzzz9999")
    make_due()
    observe_connection(far.pk)
    assert "zzzz9999" in admitted()
    assert "not in the catalog here (yet)" in pages.get(f"/launches/{launch.uid}").content.decode()


def test_what_is_free_is_kept_with_its_time_and_stays_while_it_is_silent(far: Connection, engine: RemoteEngine) -> None:
    now = timezone.now()
    refresh_capacity(connection=far, now=now)
    far.refresh_from_db()
    assert (far.free, far.capacity_at) == ("8 of 16 H100 80GB free, 1 out of service, 3 waiting", now)
    engine.away = "No route to far."
    refresh_capacity(connection=far, now=now + timedelta(seconds=15))
    far.refresh_from_db()
    assert far.capacity_at == now
    assert far.unreachable_since == now + timedelta(seconds=15)
