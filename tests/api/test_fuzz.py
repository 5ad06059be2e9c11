"""Every list with every parameter, and every body, given what nobody means: answered or refused, never a fault of ours.

What is refused is told in our own words: those of the language and of the framework below are named here.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.roles import Role
from tests.api.makers import Caller, make_caller
from tests.api.test_hostile import JOBS, SHAPES, shape
from tests.launches.makers import make_launch, make_tiny_version
from tests.makers import make_account, make_member, make_model

pytestmark = pytest.mark.django_db
LISTS = (
    "/v1/accounts",
    "/v1/accounts/-/models",
    "/v1/accounts/-/trainingShapes",
    "/v1/accounts/-/trainingShapes/-/versions",
    "/v1/accounts/team-a/rlorTrainerJobs",
    "/v1/accounts/team-a/rlorTrainerJobs/job-a/checkpoints",
)
PARAMETERS = ("pageSize", "pageToken", "filter", "orderBy", "readMask")
BLANK = ("%20", "%09%0A")
VALUES = ("%00", "%FF", "x" * 5_000, "9" * 5_000, "-1", "1e400", ",", "%20,%20")
FOREIGN_WORDS = (
    *("Python", "sys.", "int_max_str", "dictionary", "Traceback", "JSONDecode", "line 1 column", "Ensure th"),
    *("This field", "Not a valid", "A valid", "Must be a", "dict", "NoneType", "literal", "codec", "None "),
)


@pytest.fixture
def caller() -> Caller:
    team = make_account(account_id="team-a")
    user = make_member(account=team, role=Role.PUBLISHER)
    launch = make_launch(owner=user, account=team)
    type(launch).objects.filter(pk=launch.pk).update(job_id="job-a")
    return make_caller(account=team, user=user)


def in_our_words(body: Any) -> None:
    text = json.dumps(body, ensure_ascii=False)
    assert not [word for word in FOREIGN_WORDS if word in text], text


@pytest.mark.e2e  # for how long it takes
@pytest.mark.parametrize("path", LISTS)
def test_a_list_answers_or_refuses_any_value_of_any_parameter(caller: Caller, path: str) -> None:
    for name in PARAMETERS:
        for value in VALUES:
            status, body = caller.get(f"{path}?{name}={value}")
            assert status in (200, 400), (name, value, body)
            in_our_words(body)


@pytest.mark.parametrize("path", LISTS)
def test_a_blank_parameter_is_as_if_left_out(caller: Caller, path: str) -> None:
    wanted = caller.get(path)
    assert wanted[0] == 200
    for name in PARAMETERS:
        assert [caller.get(f"{path}?{name}={value}") for value in BLANK] == [wanted] * len(BLANK)


TEXTS = st.text(max_size=12) | st.sampled_from([" ", "\0", "create_time", "name desc", '"', "a=1", "=", "AND"])


@pytest.mark.e2e  # for how long it takes
@settings(max_examples=100, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(LISTS), st.dictionaries(st.sampled_from(PARAMETERS), TEXTS))
def test_any_text_in_any_parameter(caller: Caller, path: str, query: dict[str, str]) -> None:
    given = "&".join(f"{name}={quote(text)}" for name, text in query.items())
    assert caller.get(f"{path}?{given}")[0] in (200, 400)


@pytest.mark.parametrize("value", [8, 8.0, "8", "8.0", 8e0])
def test_a_whole_number_may_be_written_in_all_ways_of_json(caller: Caller, value: object) -> None:
    body = json.loads(shape()) | {"acceleratorCount": value, "parameterCount": value, "nodeCount": value}
    body["baseModel"] = "accounts/none/models/m"
    assert [v["field"] for v in violations(caller.post(SHAPES, body))] == ["baseModel"]
    job = {"trainingConfig": {"loraRank": value, "maxContextLength": value, "baseModel": "accounts/a/models/b"}}
    status, refusal = caller.post(JOBS, job)
    assert (status, refusal["details"][0]["reason"]) == (400, "NO_TRAINING_SHAPE_FITS")
    assert caller.get(f"/v1/accounts/-/models?pageSize={value}")[0] == 200
    assert caller.get(f"/v1/accounts/-/trainingShapes?filter=node_count={value}")[0] == 200


def violations(answer: tuple[int, Any]) -> list[dict[str, str]]:
    status, body = answer
    assert status == 400, body
    in_our_words(body)
    return list(body["details"][-1]["fieldViolations"])


WRONG: dict[str, tuple[str, object, str]] = {
    "no object": ("trainingConfig", "x", '"x" is no JSON object. Use an object with any of baseModel, loraRank,'),
    "no whole number": ("nodeCount", 1.5, "1.5 is no whole number. Use a whole number."),
    "true is no number": ("nodeCount", True, "true is no whole number. Use a whole number."),
    "no boolean": ("forwardOnly", "perhaps", '"perhaps" is neither true nor false. Use true or false.'),
    "no text": ("dataset", [1], "[…] is no text. Send another one, or leave it out."),
    "NUL": ("dataset", "a\0", '"a\\u0000" holds a character that no text may hold. Send another one, or leave it out.'),
}


@pytest.mark.parametrize(("field", "value", "sentence"), WRONG.values(), ids=WRONG)
def test_a_wrong_field_is_told_with_its_value_and_what_to_send(
    caller: Caller, field: str, value: object, sentence: str
) -> None:
    found = violations(caller.post(JOBS, {field: value}))
    assert [each["field"] for each in found] == [field]
    assert found[0]["description"].startswith(sentence)


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        ("maxContextLength", -1, "-1 is below the limit of 0. Use 0 to 100,000,000."),
        ("maxContextLength", 10**9, "1000000000 is above the limit of 100,000,000. Use 0 to 100,000,000."),
        ("customImageTag", "x" * 129, "It has 129 characters; the limit is 128. Shorten it."),
        ("acceleratorType", "", "It is blank. Send another one, or leave it out."),
    ],
)
def test_a_limit_is_told(caller: Caller, path: str, value: object, sentence: str) -> None:
    found = violations(caller.post(JOBS, {"trainingConfig": {path: value}}))
    assert found == [{"field": f"trainingConfig.{path}", "description": sentence}]


def test_null_and_a_value_that_is_none_of_the_fields(caller: Caller) -> None:
    found = violations(caller.post(SHAPES, {"trainerMode": "LORA", "acceleratorCount": None}))
    told = {each["field"]: each["description"] for each in found}
    assert told["trainerMode"].startswith('"LORA" is none of its values. Use one of TRAINER_MODE_UNSPECIFIED, POLICY')
    assert told["acceleratorCount"] == "null is no whole number. Use a whole number."


DOORS = [("post", SHAPES), ("post", JOBS), ("post", f"{JOBS}/job-a:cancel"), ("post", f"{JOBS}/job-a:resume")]
SECRET = '{"displayName": "a", "displayName": "b", "trainingConfig": {"loraRank": 8, "loraRank": {"x": 1}}}'


@pytest.mark.parametrize(("method", "path"), DOORS, ids=[path for _, path in DOORS])
def test_a_key_that_is_there_twice_is_refused(caller: Caller, method: str, path: str) -> None:
    answer = send(caller, method, path, SECRET)
    assert [(each["field"], each["description"]) for each in violations(answer)] == [
        ("loraRank", "It is there twice, as 8 and {…}. Send it once."),
        ("displayName", 'It is there twice, as "a" and "b". Send it once.'),
    ]


def send(caller: Caller, method: str, path: str, body: str | bytes) -> tuple[int, Any]:
    headers = {"X-Api-Key": caller.secret or ""}
    answer = getattr(Client(), method)(path, body, content_type="application/json", headers=headers)
    return answer.status_code, answer.json()


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ("{", "The body is no JSON: it ends too early (line 1, column 2). Send a JSON object, such as {}."),
        ("{'a': 1}", "The body is no JSON: reading stops at \"'a': 1}\" (line 1, column 2). Send a JSON object"),
        (b"\xff", "The body is not UTF-8 from byte 1 on. Send JSON as UTF-8."),
        ('{"a": NaN}', "The body holds NaN, which JSON does not have. Send a number, or leave the field out."),
        ('{"a": ' + "9" * 5_000 + "}", "The body has a number of 5,000 characters. Send one that fits its field."),
        ("[" * 200_000, "The body's JSON is nested too deeply. Send a flatter one."),
        ("[]", "body: It is not a JSON object."),
    ],
)
def test_a_body_that_is_no_json_is_refused_in_our_words(caller: Caller, body: str | bytes, sentence: str) -> None:
    for _, path in DOORS:
        status, refusal = send(caller, "post", path, body)
        assert (status, refusal["code"]) == (400, 3)
        assert refusal["message"].startswith(sentence)
        in_our_words(refusal)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
NAMES = ["displayName", "trainingConfig", "nodeCount", "baseModel", "trainerMode", "trainerShardingScheme", "dataset"]
INNER = st.dictionaries(st.sampled_from(["loraRank", "baseModel", "tensorParallelism", "maxContextLength"]), JSON)


@settings(max_examples=15, suppress_health_check=list(HealthCheck))
@given(st.dictionaries(st.sampled_from(NAMES), JSON | INNER, max_size=4))
def test_any_body_is_taken_or_refused_in_our_words(caller: Caller, body: dict[str, Any]) -> None:
    for path in (SHAPES, JOBS):
        status, answer = caller.post(path, body)
        assert status == 400, answer


@pytest.mark.parametrize("wrong", ["Qwen3.5", "a_b", "x" * 64, "\u0430dmin"])
def test_ids_of_every_kind_are_refused_with_the_rule(caller: Caller, wrong: str) -> None:
    rule = "use 1 to 63 characters of a-z, 0-9 and hyphen, starting and ending with a letter or digit"
    shapes, model = SHAPES.removesuffix("=s"), f"accounts/team-a/models/{wrong}"
    mine = json.loads(shape()) | {"baseModel": make_model(account=make_account(account_id="team-a")).name}
    for path, body, field in (
        (
            f"{JOBS}?rlorTrainerJobId={quote(wrong)}&trainingShape={make_tiny_version().shape.name}",
            {},
            "rlorTrainerJobId",
        ),
        (f"{JOBS}?trainingShape=accounts/team-a/trainingShapes/{quote(wrong)}", {}, "trainingShape"),
        (f"{JOBS}?trainingShape=accounts/{quote(wrong)}/trainingShapes/x", {}, "trainingShape"),
        (JOBS, {"trainingConfig": {"baseModel": model}}, "trainingConfig.baseModel"),
        (f"{shapes}={quote(wrong)}", mine, "trainingShapeId"),
        (SHAPES, json.loads(shape()) | {"baseModel": model}, "baseModel"),
    ):
        found = violations(caller.post(path, body))
        assert [each["field"] for each in found] == [field]
        assert rule in found[0]["description"]
