"""References to other jobs' checkpoints in load calls to another control plane."""

from __future__ import annotations

import asyncio
import json
from collections.abc import MutableMapping
from typing import Any

import pytest
from django.db import OperationalError

from accounts.origins import UNKNOWN
from connections.kinds import CONTROL_PLANE
from connections.models import Connection
from connections.sealing import seal
from launches.gateway import loading
from launches.gateway.admission import Admitted, Refused
from launches.gateway.application import Gateway, GatewayRequest
from launches.gateway.exchange import Body, CallerGone, CutOff, NoAnswer
from launches.gateway.loading import LARGEST, ids_there, may_name, model_there, translated_body
from launches.gateway.pool import Endpoint
from launches.models import Attempt, Launch
from tests.connections.remote import make_connection
from tests.launches.makers import attempt_of, make_launch
from tests.makers import make_account


@pytest.mark.parametrize(
    ("target", "names"),
    [
        (b"/api/v1/load_weights", True),
        (b"/api/v1/load_weights/?x=1", True),
        (b"//api/v1/%6coad%5Fweights", True),
        (b"/api/v1/Load_Weights;x=1", True),
        (b"/api/v1/create_model", True),
        (b"/api/v1/save_weights", False),
        (b"/api/v1/forward_backward?load_weights", False),
        (b"/api/v1/load_weights/more", False),
    ],
)
def test_a_call_that_names_something_is_known_however_its_path_is_written(target: bytes, names: bool) -> None:
    assert may_name(target) == names


def translate(monkeypatch: pytest.MonkeyPatch, *pieces: bytes, whole: bool = True, **fields: str) -> Any:
    """What is passed on, where a job is there under its own id in capitals."""

    async def ids(_: int, jobs: set[str]) -> dict[str, str]:
        return {job: job.upper() for job in jobs}

    async def model(_: int, base_model: str) -> str:
        return base_model.replace("team-a", "north") if "team-a" in base_model else ""

    monkeypatch.setattr(loading, "_ids_there", ids)
    monkeypatch.setattr(loading, "_model_there", model)
    messages = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
    if whole:
        messages[-1]["more_body"] = False
    messages.append({"type": "http.disconnect"})

    async def receive() -> MutableMapping[str, Any]:
        return messages.pop(0)

    async def run() -> Any:
        body = Body(receive, None, announced=True)
        given = [(name.replace("_", "-").encode(), value.encode()) for name, value in fields.items()]
        sent = await translated_body(body, given, 1)
        [(data, more)] = [piece async for piece in sent.pieces()]
        assert (more, sent.length, messages) == (False, str(len(data)).encode(), [])  # and the hang-up was heard
        return json.loads(data)

    return asyncio.run(run())


def test_every_reference_is_brought_to_the_ids_there_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = {"model_id": "m", "path": " cross_job://job-1/step-1", "optimizer": True, "seq_id": 3, "more": ["a", None]}
    raw = json.dumps(asked).encode()
    expected = asked | {"path": "cross_job://JOB-1/step-1"}
    assert translate(monkeypatch, raw[:9], raw[9:]) == expected
    assert translate(monkeypatch, b'{"path": "step-1"}') == {"path": "step-1"}
    assert translate(monkeypatch, b'{"path": "cross_job://a/x", "path": "mine"}') == {"path": "mine"}
    nested = translate(monkeypatch, b'{"x": [{"y": "CROSS_JOB://a/x/y"}]}')
    assert nested == {"x": [{"y": "cross_job://A/x/y"}]}


def test_a_base_model_is_brought_to_its_name_there(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = {"base_model": "accounts/team-a/models/tiny", "lora_config": {"base_model": "accounts/team-a/models/tiny"}}
    there = translate(monkeypatch, json.dumps(asked).encode())
    assert there == asked | {"base_model": "accounts/north/models/tiny"}
    for other in ({"base_model": "accounts/other/models/x"}, {"base_model": 3}, ["base_model"]):
        assert translate(monkeypatch, json.dumps(other).encode()) == other


@pytest.mark.django_db
def test_the_connection_knows_what_a_base_model_is_called_there() -> None:
    config = {"url": "http://127.0.0.1:9", "account": "team", "accounts": "local=north", "following": "off"}
    far = Connection.objects.create(name="far", kind=CONTROL_PLANE, config=config, secret=seal("a key"))
    here, elsewhere = make_launch(), make_launch()
    Launch.objects.filter(pk=elsewhere.pk).update(connection=far)
    pks = [attempt_of(launch).pk for launch in (here, elsewhere)]
    names = [model_there(pk, "accounts/local/models/tiny") for pk in pks]
    assert names == ["", "accounts/north/models/tiny"]
    assert model_there(pks[1], "accounts/of-nobody/models/tiny") == ""


def test_what_cannot_be_read_is_refused_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    for raw, words in (
        (b"{", "has to be JSON"),
        (b"[" * 50_000, "has to be JSON"),
        (b"[" * 900 + b"]" * 900, "has to be JSON"),
        (b" " * (LARGEST + 1), "at most 64 KiB"),
        (json.dumps([f"cross_job://j{number}/x" for number in range(9)]).encode(), "name at most 8"),
    ):
        with pytest.raises(Refused, match=words):
            translate(monkeypatch, raw)
    with pytest.raises(Refused, match="without Content-Encoding"):
        translate(monkeypatch, b"{}", content_encoding="gzip")
    with pytest.raises(CutOff):
        translate(monkeypatch, b"{", whole=False)
    with pytest.raises(CallerGone):
        translate(monkeypatch, whole=False)


def test_a_database_that_cannot_be_asked_is_no_fault_of_the_call(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> None:
        raise OperationalError("the connection is lost")

    monkeypatch.setattr(loading, "ids_there", away)
    with pytest.raises(Refused, match="cannot ask its database") as told:
        asyncio.run(loading._ids_there(1, ["job-1"]))
    assert (told.value.http_status, told.value.retry_after) == (503, 2)


@pytest.mark.parametrize(
    ("target", "refused"),
    [
        (b"/../../other/./job", True),
        (b"/api/v1/.", True),
        (b"/%2e%2E/x", True),
        (b"/.%252e/x", True),
        (b"/..;/x", True),
        (b"/a%2Fb", True),
        (b"/a%252fb", True),
        (b"/\\..", True),
        (b"/a%5cb", True),
        (b"/api/v1/x.y/..z?a=../%2f", False),
        (b"//api/v1/healthz", False),
        (b"/", False),
    ],
)
def test_where_the_connections_secret_goes_along_paths_stay_below_the_job(
    monkeypatch: pytest.MonkeyPatch, target: bytes, refused: bool
) -> None:
    async def connect(*_: object, **__: object) -> None:
        raise NoAnswer("It is asked.", repeatable=True)

    async def never() -> dict[str, object]:
        raise AssertionError("no body is read")

    gateway, body = Gateway(), Body(never, None, announced=False)
    asked = GatewayRequest("", "team-a", "job-1", target, UNKNOWN, body, "job-1", b"")
    monkeypatch.setattr(gateway, "_connect", connect)
    for elsewhere in (7, None):
        expected = Refused if refused and elsewhere else NoAnswer
        with pytest.raises(expected) as told:
            admitted = Admitted(Endpoint("127.0.0.1", 9), b"", attempt_elsewhere=elsewhere)
            asyncio.run(gateway._forward(asked, {"headers": []}, None, admitted))  # type: ignore[arg-type]
        if isinstance(told.value, Refused):
            assert told.value.http_status == 400 and "job-1 does not run on this Slipway" in told.value.message


@pytest.mark.django_db
def test_a_job_is_known_by_its_id_here_within_its_account_and_connection() -> None:
    far, farther = make_connection(), make_connection(name="farther")

    def there(connection: Connection, remote_id: str, **given: Any) -> Launch:
        launch = make_launch(**given)
        Launch.objects.filter(pk=launch.pk).update(connection=connection)
        Attempt.objects.filter(launch=launch).update(remote_id=remote_id)
        return launch

    mine, other = there(far, "s1-mine"), there(far, "s1-other")
    waiting, away = there(far, ""), there(farther, "s1-away")
    strangers = there(far, "s1-stranger", account=make_account(account_id="team-x"))
    pk = attempt_of(mine).pk
    assert ids_there(pk, {other.job_id, mine.job_id}) == {other.job_id: "s1-other", mine.job_id: "s1-mine"}
    assert ids_there(pk, {"s1-other"}) == {"s1-other": "s1-other"}  # somebody kept what it is called there
    for job in (strangers.job_id, "s1-stranger", "of-nobody", "no/id", ""):
        with pytest.raises(
            Refused, match=r"^There is no job accounts/local/rlorTrainerJobs/.* that this API key is for"
        ):
            ids_there(pk, {job})
    with pytest.raises(Refused, match="lie on Farther, and what is asked is on Far,"):
        ids_there(pk, {away.job_id})
    with pytest.raises(Refused, match="was never on Far"):
        ids_there(pk, {waiting.job_id})
