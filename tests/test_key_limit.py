"""How much one key may ask: of the API and of samplers, each by itself, and nobody else pays for it."""

from __future__ import annotations

from typing import Any

import pytest
from asgiref.sync import async_to_sync
from pytest_django.fixtures import Settings

from config.key_limit import limited
from tests.launches.gateway_calls import Answer, sending


@pytest.fixture
def ask(settings: Settings) -> Any:
    """Asks a process that serves a key two requests to the API, and one to samplers, in a minute."""
    settings.SLIPWAY_KEY_PER_MINUTE, settings.SLIPWAY_INFERENCE_PER_MINUTE = 2, 1

    @limited
    async def application(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"served"})

    def ask(path: str, *fields: tuple[bytes, bytes]) -> Answer:
        answer = Answer()
        scope = {"type": "http", "method": "GET", "path": path, "headers": list(fields)}
        async_to_sync(application)(scope, sending(b""), answer.take)
        return answer

    return ask


def test_a_key_is_told_when_to_come_again_whatever_field_carries_it(ask: Any) -> None:
    key, same, other = (b"x-api-key", b"slpw_a"), (b"authorization", b"Bearer slpw_a"), (b"x-api-key", b"slpw_b")
    assert [ask("/v1/accounts", *[fields]).status for fields in (key, same)] == [200, 200]
    refused = ask("/v1/accounts/a/rlorTrainerJobs", key)
    assert (refused.status, refused.code) == (429, 8)
    assert 0 < int(refused.headers[b"retry-after"]) <= 30
    assert b"more than 2 requests a minute" in refused.body
    assert ask("/v1/accounts", other).status == 200
    assert [ask("/inference/v1/completions", key).status for _ in range(2)] == [200, 429]
    assert {ask(path, key).status for path in ("/", "/training/v1/rlorTrainerJobs/a/b/api/v1/forward") * 3} == {200}
    assert {ask("/v1/accounts").status for _ in range(4)} == {200}, "without a key another limit holds"
