"""Requests that nobody means well: every refusal is `google.rpc.Status`, and none of them is a fault of ours."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client

from accounts.roles import Role
from accounts.scopes import Scope
from api.parsing import LARGEST_BODY
from tests.api.makers import make_key
from tests.makers import make_account, make_member, make_model

SHAPES = "/v1/accounts/team-a/trainingShapes?trainingShapeId=s"
JOBS = "/v1/accounts/team-a/rlorTrainerJobs"
pytestmark = pytest.mark.django_db


@pytest.fixture
def headers() -> dict[str, str]:
    team = make_account(account_id="team-a")
    make_model(account=team, model_id="m")
    user = make_member(account=team, role=Role.PUBLISHER)
    return {"X-Api-Key": make_key(account=team, user=user, scope=Scope.PUBLISH)}


def refused(answer: Any) -> tuple[int, int]:
    """HTTP status and code of a refusal, which is well-formed and says something."""
    assert answer.headers["Content-Type"] == "application/json", answer.content[:200]
    body = json.loads(answer.content)
    assert set(body) == {"code", "message", "details"}
    assert body["message"]
    assert len(answer.content) < 20_000
    return answer.status_code, body["code"]


def shape(**changes: Any) -> str:
    """A body that would make a shape but for the changes."""
    plain = {
        "baseModel": "accounts/team-a/models/m",
        "trainerMode": "LORA_TRAINER",
        "acceleratorCount": 0,
        "maxSupportedContextLength": 2048,
    }
    return json.dumps(plain | changes)


BODIES: dict[str, bytes | str] = {
    "empty text": b"",
    "no JSON": b"{",
    "not UTF-8": b'{"displayName": "\xff\xfe"}',
    "UTF-16": '{"displayName": "x"}'.encode("utf-16"),
    "NUL byte": b"\x00",
    "NaN": b'{"nodeCount": NaN}',
    "Infinity": b'{"maxSupportedContextLength": -Infinity}',
    "nested lists": b"[" * 200_000,
    "nested objects": b'{"a":' * 100_000,
    "5,000 digits": b'{"nodeCount": ' + b"9" * 5_000 + b"}",
    "too large": b'{"description": "' + b"x" * LARGEST_BODY + b'"}',
    "a list": b"[]",
    "null": b"null",
    "many unknown fields": json.dumps({f"field{number}": 1 for number in range(50_000)}),
    "many unknown fields inside": json.dumps({"trainingConfig": {f"field{number}": 1 for number in range(50_000)}}),
    "half a surrogate pair as a name": rb'{"\ud800": 1}',
    "half a surrogate pair": shape(displayName="x").replace('"x"', r'"\ud800"'),
    "half a surrogate pair as a choice": shape(trainerMode="x").replace('"x"', r'"\ud800"'),
    "NUL in a text": shape(displayName="a\0b"),
    "a name written backwards": shape(displayName="Good\u202egnp.exe"),
    "a number beyond all": shape(nodeCount=1).replace('"nodeCount": 1', '"nodeCount": 1e999'),
    "4,000 digits": shape(nodeCount=1).replace('"nodeCount": 1', f'"nodeCount": {"9" * 4_000}'),
    "beyond 32 bit": shape(acceleratorCount=2**31, nodeCount=2**31),
    "beyond 64 bit": shape(parameterCount=str(2**64)),
    "negative": shape(maxSupportedContextLength=-1),
    "a list for a text": shape(displayName=["x"]),
    "an object for a number": shape(nodeCount={"value": 1}),
    "a text for an object": shape(trainerShardingScheme="tensor"),
    "unknown inside": shape(trainerShardingScheme={"dataParallelism": 2}),
    "zero degrees": shape(trainerShardingScheme={"tensorParallelism": 0}),
    "a long name": shape(displayName="x" * 64),
    "a long description": shape(description="x" * 2001),
    "an unknown choice": shape(acceleratorType="TPU"),
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_bodies_that_are_no_shape_are_refused(client: Client, headers: dict[str, str], body: bytes | str) -> None:
    for path in (SHAPES, JOBS):
        answer = client.post(path, body, content_type="application/json", headers=headers)
        assert refused(answer) == (400, 3), answer.content


def test_many_parameters_that_nobody_knows_are_refused_in_few_words(client: Client, headers: dict[str, str]) -> None:
    query = "&".join(f"parameter{number}=x" for number in range(900))
    answer = client.post(f"{JOBS}?{query}", "{}", content_type="application/json", headers=headers)
    assert refused(answer) == (400, 3)
    assert "and 880 more names that cannot be used" in answer.json()["message"]


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "a" * 300]
)
def test_other_content_types_are_refused(client: Client, headers: dict[str, str], kind: str) -> None:
    answer = client.post(SHAPES, b"a=b", content_type=kind, headers=headers)
    assert refused(answer) == (415, 3)
    assert "Send JSON, with the header Content-Type: application/json." in answer.json()["message"]


@pytest.mark.parametrize("accepted", ["text/html", "application/xml", "nonsense", "*/*;q=0", ""])
def test_answers_are_json_whatever_is_accepted(client: Client, headers: dict[str, str], accepted: str) -> None:
    answer = client.get("/v1/accounts", headers=headers | {"Accept": accepted})
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json")


@pytest.mark.parametrize(
    "path",
    [
        "/v1",
        "/v1/",
        "/v1/nothing",
        "/v1/accounts/",
        "/v1/accounts/team-a/",
        "/v1/accounts/%00",
        "/v1/accounts/%FF%FE/trainingShapes/x",
        "/v1/accounts/team-a%0A/trainingShapes/x",
        "/v1/accounts/team-a/trainingShapes/%ED%A0%80",
        "/v1/accounts/team-a/trainingShapes/a%2Fb",
        "/v1/accounts/team-a/trainingShapes/-",
        "/v1/accounts/-/rlorTrainerJobs/x",
        "/v1/accounts/team-a/rlorTrainerJobs/%00",
        "/v1/accounts/team-a/rlorTrainerJobs/x%0A",
        "/v1/accounts/team-a/rlorTrainerJobs/x/checkpoints/",
        "/v1/accounts/-/deploymentShapes/%00/versions/x",
        "/v1/accounts/team-a/models/%F0%9F%9A%A2",
        "/v1/accounts/" + "x" * 5_000,
    ],
)
def test_paths_that_lead_nowhere_are_not_found(client: Client, headers: dict[str, str], path: str) -> None:
    for method in ("get", "post", "put", "options", "delete"):
        answer = getattr(client, method)(path, headers=headers)
        assert refused(answer)[0] in (404, 405), (method, answer.content)
    assert refused(client.get(path, headers=headers)) == (404, 5)
    assert refused(client.get(path)) == (401, 16)


@pytest.mark.parametrize("method", ["put", "options", "trace", "patch", "delete"])
def test_other_methods_are_not_implemented(client: Client, headers: dict[str, str], method: str) -> None:
    answer = getattr(client, method)("/v1/accounts", headers=headers)
    assert refused(answer) == (405, 12)
    assert "GET" in answer.headers["Allow"]


@pytest.mark.parametrize(
    "query",
    [
        "filter=%00",
        "filter=%FF",
        'filter=base_model%3D"%00"',
        "filter=" + "x" * 3_000,
        "filter=max_supported_context_length>99999999999999999999",
        "orderBy=%00",
        "pageToken=%00",
        "pageToken=%FF",
        "readMask=%00",
        "readMask=" + "name," * 60,
        "pageSize=%00",
        "pageSize=1&pageSize=1",
        "filter=create_time%3D'0001-01-01T00:00:00'",
    ],
)
def test_query_parameters_that_cannot_be_read_are_refused(client: Client, headers: dict[str, str], query: str) -> None:
    answer = client.get(f"/v1/accounts/-/trainingShapes?{query}", headers=headers)
    assert refused(answer) == (400, 3)


@pytest.mark.parametrize(
    "query",
    [
        "filter=max_supported_context_length>9223372036854775807",
        "filter=max_supported_context_length<-9223372036854775807",
        "filter=parameter_count%3D9223372036854775807",
        "filter=create_time>'0001-01-01T00:00:00%2B14:00' AND create_time<'9999-12-31T23:59:59-14:00'",
        "filter=create_time>'9999-12-31T00:00:00%2B23:59'",
        "filter=create_time<'0001-01-01T00:00:00%2B23:59'",
        "filter=display_name:'%25_\\\\'",
        "filter=display_name:'\u202e'",
    ],
)
def test_what_is_far_out_but_legal_is_answered(client: Client, headers: dict[str, str], query: str) -> None:
    answer = client.get(f"/v1/accounts/-/trainingShapes?{query}", headers=headers)
    assert (answer.status_code, answer.json()["totalSize"]) == (200, 0)


def test_what_is_refused_before_any_view_is_refused_in_the_same_form(headers: dict[str, str]) -> None:
    client = Client(raise_request_exception=False)
    assert refused(client.get("/v1/accounts", headers=headers | {"Host": "a host"})) == (400, 3)
    assert refused(client.get("/v1/accounts?" + "a=1&" * 2_000, headers=headers)) == (400, 3)
    page = client.get("/", headers={"Host": "a host"})
    assert (page.status_code, page.headers["Content-Type"].partition(";")[0]) == (400, "text/html")


def test_a_fault_of_ours_is_told_in_the_same_form(headers: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("made by the test")

    monkeypatch.setattr("api.accounts.answer_list", fail)
    answer = Client(raise_request_exception=False).get("/v1/accounts", headers=headers)
    assert refused(answer) == (500, 13)
    assert b"made by the test" not in answer.content
    assert answer.headers["X-Request-Id"]


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"X-Api-Key": ""},
        {"X-Api-Key": "slpw_é"},
        {"X-Api-Key": "x" * 10_000},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer "},
        {"Authorization": "Basic YTpi"},
        {"Authorization": "\x00"},
    ],
)
def test_keys_that_are_none_are_unauthenticated(client: Client, given: dict[str, str]) -> None:
    answer = client.get("/v1/accounts", headers=given)
    assert refused(answer) == (401, 16)
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_both_headers_carry_a_key(client: Client, headers: dict[str, str]) -> None:
    secret = headers["X-Api-Key"]
    for given in ({"Authorization": f"Bearer {secret}"}, {"Authorization": f"bearer  {secret} "}, headers):
        assert client.get("/v1/accounts", headers=given).status_code == 200


def test_where_both_headers_carry_a_key_it_is_the_first_that_counts(client: Client, headers: dict[str, str]) -> None:
    team = make_account(account_id="team-b")
    other = make_key(account=team, user=make_member(account=team), scope=Scope.READ)
    mine, theirs = headers["X-Api-Key"], {"Authorization": f"Bearer {other}"}
    answer = client.get("/v1/accounts", headers={"X-Api-Key": mine} | theirs).json()
    assert "team-b" not in str(answer)
    assert client.get("/v1/accounts/team-b", headers={"X-Api-Key": mine} | theirs).status_code == 404
    assert refused(client.get("/v1/accounts", headers={"X-Api-Key": "slpw_wrong"} | theirs)) == (401, 16)
    assert client.get("/v1/accounts/team-b", headers={"X-Api-Key": ""} | theirs).status_code == 200


@pytest.mark.parametrize(
    "path", ["/v1/accounts", "/v1", "/v1/nothing/here", "/v1/accounts/-/trainingShapes?pageSize=x"]
)
@pytest.mark.parametrize("with_key", [True, False])
def test_no_cache_stores_an_answer(path: str, with_key: bool) -> None:
    account = make_account()
    headers = (
        {"X-Api-Key": make_key(account=account, user=make_member(account=account), scope=Scope.READ)}
        if with_key
        else {}
    )
    answer = Client().get(path, headers=headers)
    assert set(answer.headers["Cache-Control"].split(", ")) == {"private", "no-store"}
