"""The playground: what is asked of a sampler, what is shown of its answer, and what happens where there is none."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator, Sequence
from html import unescape
from typing import Any

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries
from pytest_django.fixtures import Settings

from accounts.actors import Actor
from accounts.models import Account, User
from accounts.roles import Role
from catalog.models import ShapeVersion
from catalog.states import ModelKind
from connections.models import Connection
from connections.sealing import seal
from deployments import asking, chat_templates
from deployments.models import Deployment
from deployments.offers import find_serving
from deployments.tokens import sampler_token
from deployments.views import playground
from tests.connections.remote import RemoteEngine, registered
from tests.deployments.engine import SERVING, FarEngine, Samplers
from tests.deployments.makers import make_deployment
from tests.launches.gateway_parts import Call, StandIn
from tests.launches.makers import make_launch
from tests.makers import make_account, make_member, make_trained_model, sign_in
from wire.client_address import read_networks

pytestmark = pytest.mark.django_db
FORM = {"prompt": "Once", "as": "text", "temperature": "0.5", "max_tokens": "8", "top_p": "0.9", "seed": "7"}
ROWS = [
    {"token": " upon", "token_id": 5, "logprob": -0.01, "top_logprobs": [{"token": " upon", "logprob": -0.01}]},
    {"token": "<b>\n", "token_id": 6, "logprob": -4.0, "top_logprobs": [{"token": " a", "logprob": -0.5}]},
    {"token": 7, "logprob": "much"},
]


class Sampler(StandIn):
    """A sampler that answers what it is told to, by the model that it is asked as."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.answers: dict[str, tuple[int, dict[str, Any]]] = {}
        super().__init__(script=self.reply)

    def reply(self, call: Call) -> None:
        body = json.loads(call.body())
        self.asked.append(body)
        status, told = self.answers.get(body["model"], (200, answer()))
        call.answer(json.dumps(told).encode(), status=b"%d x" % status)


def answer(identity: str | None = "step-7", text: str = " upon<b>") -> dict[str, Any]:
    return {
        "snapshot_identity": identity,
        "choices": [{"text": text, "finish_reason": "length", "logprobs": {"content": ROWS}}],
        "perf_metrics": {"server-time-to-first-token": "0.25"},
    }


@pytest.fixture
def sampler() -> Iterator[Sampler]:
    standing_in = Sampler()
    yield standing_in
    standing_in.close()


@pytest.fixture
def row(team: Account, lena: User, version: ShapeVersion, samplers: Samplers, sampler: Sampler) -> Deployment:
    """A deployment that answers."""
    near = Connection.objects.get(name="near")
    facts: dict[str, Any] = {"state": "READY", "endpoint": sampler.endpoint, "running": True, "ready_replicas": 1}
    return make_deployment(owner=lena, account=team, version=version, connection=near, **facts)


@pytest.fixture
def browser(client: Client, lena: User) -> Client:
    return sign_in(client, lena)


def address(row: Deployment) -> str:
    return f"/deployments/{row.uid}/try"


class Shown:
    """What stands on the page."""

    def __init__(self, response: Any) -> None:
        self.status, self.html = response.status_code, response.content.decode()
        self.text = " ".join(unescape(re.sub(r"<[^>]*>", " ", self.html)).split())
        self.identities = re.findall(r"data-identity>([^<]*)<", self.html)
        self.looks = re.findall(r'<span class="tok tok-(\d)" title="(\S+ %)', self.html)
        self.starts = "data-starting" in self.html

    def code(self, name: str) -> str:
        return unescape(self.html.partition(f'<pre id="{name}"')[2].partition(">")[2].partition("</pre>")[0])

    def value(self, name: str) -> str:
        if name == "prompt":
            return unescape(self.html.partition('name="prompt"')[2].partition(">\n")[2].partition("</textarea>")[0])
        if name == "as":
            return unescape(self.html.partition(" selected>")[0].rpartition('value="')[2].partition('"')[0])
        return unescape(self.html.partition(f'name="{name}"')[2].partition('value="')[2].partition('"')[0])


def test_an_answer_is_shown_token_by_token_and_the_code_makes_the_same_request(
    row: Deployment, sampler: Sampler, browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = browser.get(address(row))
    assert (page.status_code, sampler.asked) == (200, []), "to open it asks nothing"
    asked: list[str] = []

    def plain(_: RemoteEngine, name: str) -> dict[str, bytes]:
        asked.append(name)
        return {"merges.txt": b""}

    monkeypatch.setattr(RemoteEngine, "tokenizer", plain)
    for _ in range(2):  # what the connection said is known for minutes
        assert b"by the model" in browser.get(address(row)).content
    assert asked == []
    chat_templates._kept.clear()
    assert [b"has no chat template" in browser.get(address(row)).content for _ in range(2)] == [True, True]
    assert asked == [row.spec["base_model"]]
    shown = Shown(browser.post(address(row), FORM))
    call = sampler.next_call()
    assert call.line.startswith(b"POST /inference/v1/completions ")
    assert call.values(b"x-api-key") == [sampler_token(row).encode()]
    (body,) = sampler.asked
    assert body == {
        "model": row.name, "prompt": "Once", "max_tokens": 8, "temperature": 0.5, "top_p": 0.9, "seed": 7,
        "logprobs": True, "top_logprobs": 5,
    }  # fmt: skip
    assert shown.identities == ["step-7"]
    assert shown.looks == [("4", "99 %"), ("0", "1.8 %")]
    assert "First token after 0.25 s." in shown.text
    assert "&lt;b&gt;↵" in shown.html and "<b>" not in shown.html
    assert " style=" not in shown.html.partition('id="playground"')[2]
    curl = shown.code("try-curl").replace("curl --fail-with-body -sS", "printf '%s'").replace("-d '", "'", 1)
    assert json.loads("{" + subprocess.check_output(["sh", "-c", curl], text=True).partition("{")[2]) == body
    said: dict[str, Any] = {}
    exec(shown.code("try-python").partition("asked = ")[0], said)
    assert said["body"] == body
    chat = Shown(browser.post(address(row), FORM | {"as": "chat", "seed": ""}))
    assert sampler.next_call().line.startswith(b"POST /inference/v1/chat/completions ")
    assert sampler.asked[-1]["messages"] == [{"role": "user", "content": "Once"}]
    assert "seed" not in sampler.asked[-1]
    assert chat.identities == ["step-7"]


def test_an_answer_is_shown_no_longer_than_it_can_be_and_whatever_it_says(
    row: Deployment, sampler: Sampler, browser: Client
) -> None:
    told, huge = answer("i" * 9999, "x" * 99_999), 10**400
    odd = [{"token": "odd", "logprob": huge}, {"token": "t" * 9999, "logprob": -1.0}]
    told["choices"][0]["logprobs"]["content"] = [*odd, *([ROWS[0] | {"top_logprobs": ROWS[:1] * 9}] * 999)]
    for first in (huge, "nan", "-inf", str(huge)):
        sampler.answers[row.name] = (200, told | {"perf_metrics": {"server-time-to-first-token": first}})
        page = Shown(browser.post(address(row), FORM))
        assert (page.status, "First token" in page.text, len(page.looks)) == (200, False, 511)
    assert len(page.html) < 2_000_000
    assert "Shown are the first 512 of 1,001 tokens" in page.text
    told["choices"][0]["logprobs"] = None
    sampler.answers[row.name] = (200, told)
    assert "Shown are the first 20,000 of 99,999 characters" in Shown(browser.post(address(row), FORM)).text


def test_what_is_wrong_is_said_at_its_field_and_nothing_is_lost(
    row: Deployment, sampler: Sampler, browser: Client, subtests: pytest.Subtests
) -> None:
    for field, value, words in [
        ("prompt", "", "Say what it is to go on from"),
        ("prompt", "x" * 20_001, "20,001 characters; the playground takes 20,000"),
        ("max_tokens", "513", "'513' is not a whole number from 1 to 512."),
        ("temperature", "nan", "is not a number from 0"),
        ("top_p", "0", "is not a number above 0"),
        ("seed", "-1", "is not a whole number, or nothing"),
        ("as", "song", "is neither text nor chat"),
    ]:
        with subtests.test(field=field, value=value[:9]):
            page = Shown(browser.post(address(row), FORM | {field: value}))
            assert (page.status, words in page.text) == (422, True)
            assert {name: page.value(name) for name in FORM} == FORM | {field: value}
    assert sampler.asked == []


def test_the_base_model_answers_beside_it(
    row: Deployment,
    sampler: Sampler,
    browser: Client,
    team: Account,
    lena: User,
    version: ShapeVersion,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    base, both = row.spec["base_model"], FORM | {"compare": "on"}
    sampler.answers[base] = (200, answer(None))

    def shown() -> Shown:
        return Shown(browser.post(address(row), both))

    assert shown().identities == ["step-7", base]
    assert {body["model"] for body in sampler.asked} == {row.name, base}
    sampler.answers[row.name] = (200, answer(None))
    assert "both are the base model's" in shown().text
    sampler.answers[base] = (404, {"error": {"message": "There is no model."}})
    alone = shown()
    assert "took the base model's place" in alone.text
    assert f"/deployments/try?serve={base.replace('/', '%2F')}" in alone.html
    facts: dict[str, Any] = {"connection": row.connection, "state": "READY", "ready_replicas": 1}
    other = make_deployment(
        owner=lena, account=team, version=version, deployment_id="plain", endpoint=sampler.endpoint, **facts
    )
    sampler.answers[row.name], sampler.answers[other.name] = (200, answer()), (200, answer(None))
    limits: list[float] = []

    def noted(questions: Sequence[asking.Question], *, actor: Actor, until: float) -> list[asking.SamplerAnswer]:
        limits.append(until)
        return asking.ask(questions, actor=actor, until=until)

    monkeypatch.setattr(playground, "ask", noted)
    second = shown()
    assert (second.identities, "Answered by plain." in second.text) == (["step-7", base], True)
    assert (len(limits), len(set(limits))) == (2, 1), "one limit for the page, however often it asks"
    Deployment.objects.filter(pk=other.pk).update(endpoint="", state="CREATING")
    waits = shown()
    assert (waits.identities, waits.starts, '"only": "base"' in waits.html) == (["step-7"], True, True)
    sampler.asked.clear()
    Deployment.objects.filter(pk=other.pk).update(endpoint=sampler.endpoint, state="READY")
    alone = Shown(browser.post(address(row), both | {"only": "base"}))
    assert (alone.identities, [body["model"] for body in sampler.asked]) == ([base], [other.name])


def test_elsewhere_the_base_model_is_asked_of_a_deployment_of_its_own_alone(
    row: Deployment, sampler: Sampler, browser: Client, team: Account, lena: User, version: ShapeVersion,
    monkeypatch: pytest.MonkeyPatch, settings: Settings,
) -> None:  # fmt: skip
    settings.SLIPWAY_CONNECTION_NETWORKS = read_networks("127.0.0.0/8")
    Connection.objects.filter(pk=row.connection_id).update(secret=seal("fw_of_the_connection"))
    Deployment.objects.filter(pk=row.pk).update(remote_name="accounts/there/deployments/s7k2f-dep")
    trained = make_deployment(
        owner=lena, account=team, version=version, deployment_id="trained", connection=row.connection, state="READY",
        trainer=make_launch(owner=lena, account=team),
    )  # fmt: skip
    with registered(monkeypatch, SERVING, FarEngine(address=sampler.endpoint)):
        Shown(browser.post(address(row), FORM | {"compare": "on"}))
        assert find_serving(team, trained.serves) in (None, row), "what its trainer loaded is not known"
    assert [body["model"] for body in sampler.asked] == ["accounts/there/deployments/s7k2f-dep"]


def test_one_that_does_not_answer_yet_is_asked_again_by_itself(
    row: Deployment, sampler: Sampler, browser: Client, subtests: pytest.Subtests
) -> None:
    rows, prompt = Deployment.objects.filter(pk=row.pk), {"HX-Request": "true"}
    for facts in (
        {"replicas": 0, "running": False, "endpoint": ""},
        {"state": "CREATING", "endpoint": "", "ready_replicas": 0},
        {"state": "UPDATING", "stop_asked": True, "ready_replicas": 0},
    ):
        with subtests.test(facts=facts):
            rows.update(**{"state": "READY", "replicas": 1, "stop_asked": False, "endpoint": sampler.endpoint} | facts)
            page = Shown(browser.post(address(row), FORM, headers=prompt))
            assert (page.status, page.starts, page.value("prompt")) == (202, True, "Once")
            assert 'hx-trigger="load delay:3s"' in page.html and "<html" not in page.html
            assert rows.get().replicas == 1
    loading = (503, {"error": {"message": "The model is being loaded."}})
    rows.update(state="CREATING", endpoint=sampler.endpoint, stop_asked=False)
    sampler.answers[row.name] = loading
    assert Shown(browser.post(address(row), FORM)).starts
    sampler.answers.clear()
    rows.update(state="READY", ready_replicas=1)
    page = Shown(browser.post(address(row), FORM))
    assert (page.status, page.identities) == (200, ["step-7"])
    assert "hx-trigger" not in page.html.partition('id="answers"')[2]


def test_what_goes_wrong_is_told_and_waits_no_longer_than_said(
    row: Deployment, sampler: Sampler, browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def told() -> str:
        return unescape(Shown(browser.post(address(row), FORM)).html.partition("data-text>")[2].partition("</div>")[0])

    sampler.answers[row.name] = (400, {"error": {"message": "This model has no chat template."}})
    assert told() == "This model has no chat template."
    sampler.answers[row.name] = (200, {})
    assert told() == "Its sampler answered 200, and not in words."
    monkeypatch.setattr(asking, "LARGEST_ANSWER", 1)
    assert told() == "The answer broke off. Ask again."
    monkeypatch.setattr(asking, "SECONDS", 0.2)
    ended: list[bool] = []

    def hold(call: Call) -> None:
        call.body()
        ended.append(call.wire.ends())

    sampler.script = hold
    assert "so it was broken off: ask for fewer tokens" in told()
    while not sampler.next_call().over.wait(0) and not ended:
        pass
    assert ended == [True], "the computation ends"
    monkeypatch.setattr(asking, "MOST_OF_ONE", 0)
    assert "pages of yours wait for samplers already" in told()
    monkeypatch.undo()
    assert asking._places_of == {}, "each place is given back"
    monkeypatch.setattr(asking._places, "acquire", lambda **_: False)
    assert "wait for samplers already" in told()
    monkeypatch.undo()
    Deployment.objects.filter(pk=row.pk).update(state="FAILED", detail="It ended with 1.", endpoint="")
    assert "failed: It ended with 1." in told()
    sampler.close()
    Deployment.objects.filter(pk=row.pk).update(state="READY", endpoint=sampler.endpoint)
    away = Shown(browser.post(address(row), FORM))
    assert (away.starts, "The sampler of accounts/team-a/deployments/dep does not answer." in away.text) == (True, True)


def test_trying_a_model_finds_its_deployment_or_makes_one(
    browser: Client, samplers: Samplers, version: ShapeVersion, team: Account, lena: User
) -> None:
    base = version.snapshot["baseModel"]
    model = make_trained_model(account=team, model_id="thin", base_model=base, root_model=base)
    page = Shown(browser.get(f"/deployments/try?serve={model.name}"))
    assert "sampler version abcd1234 , no GPU Runs on Near While" in page.text
    made = browser.post("/deployments/try", {"serve": model.name})
    row = Deployment.objects.get()
    assert (made.status_code, made["Location"]) == (303, address(row))
    assert (row.deployment_id, row.serves, row.min_replicas, row.max_replicas) == ("thin", model.name, 0, 1)
    assert f'href="{address(row)}"' in Shown(browser.get(f"/deployments/try?serve={model.name}")).html
    again = browser.post("/deployments/try", {"serve": model.name})
    assert (again["Location"], Deployment.objects.count()) == (address(row), 1)
    Deployment.objects.update(loaded="another")  # by a hot load: it answers as something else now
    browser.post("/deployments/try", {"serve": model.name})
    assert Deployment.objects.latest("pk").deployment_id == "thin-2"
    whole = make_trained_model(account=team, model_id="whole", kind=ModelKind.FULL)
    none = browser.get(f"/deployments/try?serve={whole.name}")
    assert "No deployment shape that you see" in none.content.decode()
    assert browser.post("/deployments/try", {"serve": whole.name}).status_code == 422
    samplers.reasons = ("It has no room.",)
    assert "It has no room." in browser.get(f"/deployments/try?serve={base}").content.decode()
    theirs = make_trained_model(account=make_account(account_id="team-b"))
    for name in (theirs.name, "", "accounts/team-a/models/none", f"{base}/x"):
        assert browser.get("/deployments/try", {"serve": name}).status_code == 404


def test_what_a_deployment_serves_is_said_where_it_is_deleted(
    browser: Client, samplers: Samplers, version: ShapeVersion, team: Account, lena: User
) -> None:
    base, near = version.snapshot["baseModel"], Connection.objects.get(name="near")
    model = make_trained_model(account=team, model_id="thin", base_model=base, root_model=base, created_by=lena)
    told = browser.get("/models/team-a/thin/deployments").content.decode()
    assert "none" in told
    row = make_deployment(owner=lena, account=team, version=version, connection=near, serves=model.name)
    assert str(row.uid) in browser.get("/models/team-a/thin/deployments").content.decode()
    refused = browser.post("/models/team-a/thin/delete")
    assert (refused.status_code, "is served by accounts/team-a/deployments/dep" in refused.content.decode()) == (
        422,
        True,
    )
    launch = make_launch(owner=lena, account=team)
    Deployment.objects.update(serves=f"{launch.name}/checkpoints/final", model=None)
    assert str(row.uid) in browser.get(f"/launches/{launch.uid}/deployments").content.decode()
    assert browser.post("/models/team-a/thin/delete").status_code == 303


def test_who_may_ask(row: Deployment, client: Client, sampler: Sampler) -> None:
    stranger, viewer = make_member(account=make_account()), make_member(account=row.account, role=Role.VIEWER)
    for user, expected in ((stranger, 404), (viewer, 403)):
        sign_in(client, user)
        assert client.get(address(row)).status_code == expected
        assert client.post(address(row), FORM).status_code == expected
    assert sampler.asked == []


def test_it_takes_as_many_queries_whatever_there_is(
    row: Deployment, browser: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_max_num_queries(12):
        browser.post(address(row), FORM)
