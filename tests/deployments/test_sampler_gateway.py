"""Who reaches a deployment's sampler through the gateway, with what, and what a request to one scaled to 0 does."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.utils import timezone
from pytest_django.fixtures import Settings

from accounts.models import Account, AuditEntry, User
from accounts.roles import Role
from accounts.scopes import Scope
from catalog.models import ShapeVersion
from connections.models import Connection
from connections.sealing import seal
from deployments.gateway import HOT_LOADED, LISTED, read_sampler_request
from deployments.models import Deployment
from deployments.states import DeploymentState
from deployments.tokens import sampler_token
from launches.gateway.application import Gateway
from launches.models import Attempt, Launch
from tests.connections.remote import registered
from tests.deployments.engine import SERVING, FarEngine, Samplers
from tests.deployments.makers import make_deployment
from tests.launches.gateway_calls import Answer, Message
from tests.launches.gateway_parts import PATIENCE, Call, StandIn, make_key
from tests.launches.makers import make_launch
from tests.makers import make_account, make_member
from wire.client_address import read_networks

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.e2e]  # for how long it takes
NAME = "accounts/team-a/deployments/dep"
COMPLETIONS, CHAT = "/inference/v1/completions", "/inference/v1/chat/completions"
NAMED = (b"fireworks-deployment", NAME.encode())


@pytest.fixture
def sampler() -> Iterator[StandIn]:
    standing_in = StandIn()
    yield standing_in
    standing_in.close()


@pytest.fixture
def row(team: Account, lena: User, version: ShapeVersion, samplers: Samplers, sampler: StandIn) -> Deployment:
    """A deployment that serves, of a trainer that was attached."""
    near = Connection.objects.get(name="near")
    trainer = make_launch(owner=lena, account=team)
    facts: dict[str, Any] = {
        "state": DeploymentState.READY,
        "endpoint": sampler.endpoint,
        "running": True,
        "connection": near,
    }
    return make_deployment(owner=lena, account=team, version=version, trainer=trainer, **facts)


def asked(
    path: str,
    secret: str,
    body: bytes = b"",
    fields: tuple[tuple[bytes, bytes], ...] = (),
    method: str = "",
    *,
    hangs_up_after: bytes = b"",
    gateway: Gateway | None = None,
) -> Answer:
    """The answer of a gateway (by default of a new one) to a caller who may hang up once that piece came."""
    length = [(b"content-length", str(len(body)).encode())] if body else []
    scope = {
        "type": "http", "method": method or ("POST" if body else "GET"), "path": path, "raw_path": path.encode(),
        "query_string": b"", "headers": [*fields, *length, (b"authorization", f"Bearer {secret}".encode())],
    }  # fmt: skip

    async def test() -> Answer:
        answer, messages = Answer(), asyncio.Queue[Message]()
        messages.put_nowait({"type": "http.request", "body": body, "more_body": False})

        async def take(message: Any) -> None:
            await answer.take(message)
            if hangs_up_after and message.get("body") == hangs_up_after:
                messages.put_nowait({"type": "http.disconnect"})

        await (gateway or Gateway())(scope, messages.get, take, read=read_sampler_request)
        return answer

    return async_to_sync(test)()


def prompt(model: Any = NAME) -> bytes:
    return json.dumps({"model": model, "prompt": [1, 2], "max_tokens": 4}).encode()


def test_what_is_asked_reaches_the_sampler_with_its_own_credential(
    row: Deployment, sampler: StandIn, lena: User, subtests: pytest.Subtests
) -> None:
    secret = make_key(lena, row.account)
    base = row.spec["base_model"]
    for path, body, fields in [
        (COMPLETIONS, prompt(), ()),
        (CHAT, prompt(), ()),
        (COMPLETIONS, prompt(f"{base}#{NAME}"), ()),
        (COMPLETIONS, prompt(f"{NAME}#step-1"), ()),
        (COMPLETIONS, prompt(base), (NAMED,)),
        (LISTED, b"", (NAMED,)),
        (HOT_LOADED, b"", (NAMED,)),
        (HOT_LOADED, b'{"identity": "step-1"}', (NAMED, (b"X-Slipway-Trainer-Job", b"another"))),
    ]:
        with subtests.test(path=path, body=body):
            answer = asked(path, secret, body, fields)
            assert (answer.status, answer.body) == (200, b"%d bytes" % len(body))
            call = sampler.next_call()
            assert call.line.split()[1] == path.encode()
            assert call.values(b"x-api-key") == [sampler_token(row).encode()]
            assert call.values(b"x-slipway-trainer-job") == [row.spec["trainer_job"].encode()]
            assert call.values(b"authorization") == []


def test_who_may_ask_and_who_may_load(row: Deployment, sampler: StandIn, subtests: pytest.Subtests) -> None:
    team, elsewhere = row.account, make_account()
    viewer, launcher, publisher = (
        make_member(account=team, role=role) for role in (Role.VIEWER, Role.LAUNCHER, Role.PUBLISHER)
    )
    stranger = make_member(account=elsewhere, role=Role.ADMIN)
    people = {
        "nobody": ("", (401, 401, 401)),
        "a stranger": (make_key(stranger, elsewhere), (404, 404, 404)),
        "the owner elsewhere": (make_key(make_member(account=elsewhere, user=row.owner), elsewhere), (404, 404, 404)),
        "a viewer": (make_key(viewer, team, scope=Scope.READ), (403, 403, 200)),
        "another launcher": (make_key(launcher, team), (200, 403, 200)),
        "a publisher": (make_key(publisher, team), (200, 200, 200)),
        "the owner": (make_key(row.owner, team), (200, 200, 200)),
        "the owner, to read": (make_key(row.owner, team, scope=Scope.READ), (403, 403, 200)),
    }
    for who, (secret, expected) in people.items():
        with subtests.test(who=who):
            told = (
                asked(COMPLETIONS, secret, prompt()).status,
                asked(HOT_LOADED, secret, b'{"identity": "x"}', (NAMED,)).status,
                asked(HOT_LOADED, secret, fields=(NAMED,)).status,
            )
            assert told == expected


def test_what_names_no_deployment_is_refused_in_words(row: Deployment, lena: User, subtests: pytest.Subtests) -> None:
    secret = make_key(lena, row.account)
    for path, body, fields, method, status, words in [
        (COMPLETIONS, prompt("gpt"), (), "", 400, "model is 'gpt'. Send the name of a deployment"),
        (COMPLETIONS, prompt(7), (), "", 400, "model is ''"),
        (COMPLETIONS, b"[]", (), "", 400, "model is ''"),
        (COMPLETIONS, b"{", (), "", 400, "has to be JSON"),
        (COMPLETIONS, prompt(), ((b"content-encoding", b"gzip"),), "", 400, "without Content-Encoding"),
        (COMPLETIONS, b"", (), "PUT", 501, "Use POST."),
        (COMPLETIONS, prompt(NAME + "x"), (), "", 404, "There is no deployment"),
        (LISTED, b"", (), "", 400, "in the field fireworks-deployment"),
        (HOT_LOADED, b"", ((NAMED[0], b"dep"),), "", 400, "fireworks-deployment is 'dep'"),
    ]:
        with subtests.test(path=path, body=body):
            answer = asked(path, secret, body, fields, method)
            assert (answer.status, words in json.loads(answer.body)["message"]) == (status, True), answer.body


def test_pieces_come_as_they_are_made_and_who_hangs_up_ends_the_computation(
    row: Deployment, sampler: StandIn, lena: User
) -> None:
    ended: list[bool] = []

    def stream(call: Call) -> None:
        call.body()
        call.wire.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n")
        ended.append(call.wire.ends())

    sampler.script = stream
    answer = asked(COMPLETIONS, make_key(lena, row.account), prompt(), hangs_up_after=b"first")
    call = sampler.next_call()
    assert call.over.wait(PATIENCE)
    assert (answer.status, answer.body, ended) == (200, b"first", [True])


def test_a_body_of_any_length_is_not_kept(row: Deployment, lena: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deployments.gateway.LARGEST_PROMPT", 20)
    assert asked(COMPLETIONS, make_key(lena, row.account), prompt()).status == 413


def test_a_sampler_that_is_not_there_is_told_apart(
    row: Deployment, lena: User, sampler: StandIn, subtests: pytest.Subtests
) -> None:
    secret, rows = make_key(lena, row.account), Deployment.objects.filter(pk=row.pk)
    cases: list[tuple[dict[str, Any], int, str]] = [
        (
            {"state": "CREATING", "endpoint": "", "detail": "Preparing"},
            503,
            "does not listen yet (CREATING). Preparing",
        ),
        ({"state": "UPDATING", "stop_asked": True}, 503, "does not listen yet (UPDATING)"),
        ({"state": "FAILED", "endpoint": "", "detail": "It ended with 1."}, 400, "failed: It ended with 1."),
        ({"state": "READY", "replicas": 0, "max_replicas": 0}, 400, "Raise its maxReplicaCount"),
        ({"state": "DELETING"}, 404, "is being deleted"),
    ]
    for facts, status, words in cases:
        with subtests.test(facts=facts):
            rows.update(**{"endpoint": sampler.endpoint, "stop_asked": False, "detail": ""} | facts)
            answer = asked(COMPLETIONS, secret, prompt())
            assert (answer.status, words in json.loads(answer.body)["message"]) == (status, True), answer.body
            assert (b"retry-after" in answer.headers) == (status == 503)
    later = timezone.now() + timedelta(seconds=9)
    rows.update(state="READY", replicas=1, max_replicas=1, endpoint=sampler.endpoint, next_check_at=later)
    sampler.close()
    unheard = asked(COMPLETIONS, secret, prompt())
    assert (unheard.status, b"retry-after" in unheard.headers) == (503, True), "idled out, and not looked at since"
    assert rows.get().next_check_at <= timezone.now(), "it is looked at now, so that the next request starts it"


def test_a_silent_sampler_is_asked_for_once_in_a_moment(
    row: Deployment, lena: User, sampler: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret, other, gateway = make_key(lena, row.account), make_key(lena, row.account), Gateway()
    noted: list[str] = []
    monkeypatch.setattr("deployments.gateway.note_unheard", lambda _, deployment: noted.append(deployment))
    monkeypatch.setattr("launches.gateway.silence.SILENT_SECONDS", PATIENCE)
    sampler.close()
    first, second = (asked(COMPLETIONS, secret, prompt(), gateway=gateway) for _ in range(2))
    assert (first.status, len(noted)) == (503, 1)
    assert (second.status, second.body, second.headers) == (503, first.body, first.headers)
    assert asked(COMPLETIONS, other, prompt(), gateway=gateway).status == 503
    assert len(noted) == 2, "of another caller nothing is known"
    assert asked(LISTED, "slipway_unknown", fields=(NAMED,), gateway=gateway).status == 401


def test_a_request_brings_back_what_was_scaled_to_zero(row: Deployment, lena: User) -> None:
    rows = Deployment.objects.filter(pk=row.pk)
    rows.update(replicas=0, running=False, endpoint="")
    secret = make_key(lena, row.account)
    seen = asked(HOT_LOADED, secret, fields=(NAMED,))
    assert (seen.status, rows.get().replicas) == (503, 0), "to look is no request"
    told = asked(COMPLETIONS, secret, prompt())
    assert (told.status, "a cold start" in json.loads(told.body)["message"]) == (503, True)
    assert b"retry-after" in told.headers
    woken = rows.get()
    assert (woken.state, woken.replicas) == ("UPDATING", 1)
    assert woken.events[-1]["message"] == "Updating: A request came: a cold start."
    assert woken.events[-1]["by"].startswith(lena.get_username())
    again = asked(COMPLETIONS, secret, prompt())
    assert (again.status, "does not listen yet (UPDATING)" in json.loads(again.body)["message"]) == (503, True)
    assert AuditEntry.objects.filter(verb="wake_deployment", target=NAME).count() == 1


THERE = "accounts/there/deployments/s7k2f-team-a-dep-abcdefghij"


@pytest.fixture
def far(row: Deployment, sampler: StandIn, monkeypatch: pytest.MonkeyPatch, settings: Settings) -> Iterator[Deployment]:
    """The same deployment, run by another control plane under another name."""
    settings.SLIPWAY_CONNECTION_NETWORKS = read_networks("127.0.0.0/8")
    Connection.objects.filter(pk=row.connection_id).update(secret=seal("fw_of_the_connection"))
    Deployment.objects.filter(pk=row.pk).update(remote_name=THERE)
    with registered(monkeypatch, SERVING, FarEngine(address=sampler.endpoint)):
        yield row


def test_a_deployment_elsewhere_is_asked_by_its_name_there_and_answers_by_its_own(
    far: Deployment, sampler: StandIn, lena: User, subtests: pytest.Subtests
) -> None:
    secret, base = make_key(lena, far.account), far.spec["base_model"]
    base_there = base.replace("accounts/team-a/", "accounts/there/")
    told: list[Any] = []

    def echo(call: Call) -> None:
        body = call.body()
        told.append(json.loads(body) if body else None)
        text = {"model": told[-1] and told[-1].get("model"), "base": base_there, "said": f'"{base_there}"', "by": THERE}
        call.answer(json.dumps(text).encode(), b"x-of: " + THERE.encode())

    sampler.script = echo
    source = (b"x-fireworks-hot-load-source-url", b"https://of.the.caller")
    for path, body, fields, model in [
        (COMPLETIONS, prompt(), (), THERE),
        (CHAT, prompt(f"{NAME}#step-1"), (), f"{THERE}#step-1"),
        (COMPLETIONS, prompt(f"{base}#{NAME}"), (), f"{base_there}#{THERE}"),
        (COMPLETIONS, prompt(base), (NAMED,), f"{base_there}#{THERE}"),
        (HOT_LOADED, b'{"identity": "step-1"}', (NAMED, source, (b"fireworks-model", base.encode())), None),
    ]:
        with subtests.test(path=path, body=body):
            answer = asked(path, secret, body, fields)
            call, sent = sampler.next_call(), told[-1]
            assert (sent or {}).get("model") == model
            if model:
                assert {name: sent[name] for name in ("prompt", "max_tokens")} == {"prompt": [1, 2], "max_tokens": 4}
            assert call.values(b"fireworks-deployment") == [THERE.encode()]
            assert call.values(b"fireworks-model") == [base_there.encode()]
            assert call.values(b"x-api-key") == [b"fw_of_the_connection"]
            assert call.values(b"accept-encoding") == [b"identity"]
            assert not call.values(b"x-slipway-trainer-job") and not call.values(source[0])
            said = json.loads(answer.body)
            assert (said["by"], said["base"], said["said"]) == (NAME, base, f'"{base_there}"')
            asked_as = json.loads(body).get("model")
            assert said["model"] == (f"{base}#{NAME}" if asked_as == base else asked_as)
            assert answer.headers[b"x-of"] == NAME.encode()


def test_the_connections_key_opens_no_other_deployment_there(
    far: Deployment, sampler: StandIn, lena: User, subtests: pytest.Subtests
) -> None:
    secret = make_key(lena, far.account)
    for model in (f"{NAME}#accounts/there/deployments/other", f"accounts/there/models/x#{NAME}", f"{NAME}#{THERE}x"):
        with subtests.test(model=model):
            answer = asked(COMPLETIONS, secret, prompt(model))
            assert (answer.status, "is not at Near" in json.loads(answer.body)["message"]) == (400, True), answer.body
    for model in ("fireworks/x", "gpt", " accounts/there/models/x", "Accounts/there/models/x", f"{NAME}x"[9:]):
        with subtests.test(model=model):
            answer = asked(COMPLETIONS, secret, prompt(model), (NAMED,))
            assert (answer.status, "is not at Near" in json.loads(answer.body)["message"]) == (400, True), answer.body
    for model in (f"{NAME}#a#b", f"{NAME}#{NAME}", f"{NAME}#cross_job://job/a/b", f"{far.spec['base_model']}#x#{NAME}"):
        with subtests.test(model=model):
            assert asked(COMPLETIONS, secret, prompt(model)).status == 400
    assert sampler.calls.empty()
    bodies: list[bytes] = []

    def keep(call: Call) -> None:
        bodies.append(call.body())
        call.answer(b"{}")

    sampler.script = keep
    twice = b'{"model": "accounts/there/deployments/other", "model": "%s", "prompt": [1]}' % NAME.encode()
    assert asked(COMPLETIONS, secret, twice).status == 200
    assert bodies == [b'{"model":"%s","prompt":[1]}' % THERE.encode()], "whoever reads it reads one model"
    sampler.script = lambda call: call.answer(b"{}", status=b"401 Unauthorized")
    refused = asked(COMPLETIONS, secret, prompt())
    assert (refused.status, "Near, where the sampler of" in json.loads(refused.body)["message"]) == (502, True)


def test_a_hot_load_elsewhere_names_no_job_of_another_account(
    far: Deployment, sampler: StandIn, lena: User, subtests: pytest.Subtests
) -> None:
    """The account there is shared: what the connection's key opens is more than what the caller may have."""
    secret, told = make_key(lena, far.account), []

    def echo(call: Call) -> None:
        told.append(json.loads(call.body()))
        call.answer(json.dumps(told[-1]).encode())

    sampler.script = echo
    theirs = make_launch(owner=make_member(account=make_account()), account=make_account())
    assert far.trainer
    for launch, there in ((far.trainer, "s7k2f-mine"), (theirs, "s7k2f-theirs")):
        Launch.objects.filter(pk=launch.pk).update(connection=far.connection)
        Attempt.objects.filter(launch=launch).update(remote_id=there)
    mine = f"cross_job://{far.trainer.job_id}/step-1"
    body = {"identity": mine, "incremental_snapshot_metadata": {"previous_snapshot_identity": mine}}
    answer = asked(HOT_LOADED, secret, json.dumps(body).encode(), (NAMED,))
    there = "cross_job://s7k2f-mine/step-1"
    assert told.pop() == {"identity": there, "incremental_snapshot_metadata": {"previous_snapshot_identity": there}}
    assert json.loads(answer.body) == body, "it is answered as it was asked"
    asked(COMPLETIONS, secret, prompt(f"{NAME}#{mine}"))
    assert told.pop()["model"] == f"{THERE}#{there}"
    for identity in (
        f"cross_job://{theirs.job_id}/step-1", "cross_job://s7k2f-theirs/step-1", " CROSS_JOB://s7k2f-theirs/step-1",
        "accounts/there/models/theirs", " Accounts/there/models/theirs", "fireworks/theirs", f"{mine}/../../theirs",
    ):  # fmt: skip
        with subtests.test(identity=identity):
            refused = asked(HOT_LOADED, secret, json.dumps({"identity": identity}).encode(), (NAMED,))
            assert refused.status == 404, refused.body
    for nonsense in (b"[]", b"{}", b'{"identity": 7}', b"{"):
        assert asked(HOT_LOADED, secret, nonsense, (NAMED,)).status == 400
    assert told == []


def test_a_stream_from_elsewhere_stays_one(far: Deployment, sampler: StandIn, lena: User) -> None:
    ended: list[bool] = []
    half = THERE.encode()[:20]

    def stream(call: Call) -> None:
        call.body()
        call.wire.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        for piece in (b"first" + half, THERE.encode()[20:] + b".", b"more"):
            call.wire.send(b"%x\r\n%s\r\n" % (len(piece), piece))
        ended.append(call.wire.ends())

    sampler.script = stream
    answer = asked(COMPLETIONS, make_key(lena, far.account), prompt(), hangs_up_after=b"more")
    call = sampler.next_call()
    assert call.over.wait(PATIENCE)
    assert (answer.status, answer.body, ended) == (200, b"first" + NAME.encode() + b".more", [True])


def test_what_one_elsewhere_serves_is_told_from_here(far: Deployment, sampler: StandIn, lena: User) -> None:
    answer = asked(LISTED, make_key(lena, far.account), b"", (NAMED,))
    (model,) = json.loads(answer.body)["data"]
    assert (answer.status, model["id"], model["root"]) == (200, NAME, far.serves)
    stranger = make_account()
    key = make_key(make_member(account=stranger, role=Role.ADMIN), stranger)
    assert asked(LISTED, key, b"", (NAMED,)).status == 404
    assert sampler.calls.empty()


def test_the_key_of_a_connection_goes_to_no_address_that_it_had_before(
    far: Deployment, sampler: StandIn, lena: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    for moved in ("https://moved.example", sampler.endpoint[:-1]):
        with registered(monkeypatch, SERVING, FarEngine(address=moved)):
            answer = asked(COMPLETIONS, make_key(lena, far.account), prompt())
            told = json.loads(answer.body)["message"]
            assert (answer.status, "at another address than its connection has now" in told) == (503, True)
    assert sampler.calls.empty()
