"""Wherever a program may be told to ask, it is answered in a form that it reads, also where nothing is served."""

from __future__ import annotations

from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.test import Client, RequestFactory
from django.urls import resolve

from accounts.models import Account
from accounts.scopes import Scope
from api.views import UnservedView
from config.bodies import MAX_BODY
from config.errors import is_api
from launches.gateway.application import PREFIX
from tests.api.makers import make_key
from tests.api.test_hostile import refused
from tests.launches.gateway_calls import asked
from tests.makers import make_member
from tests.test_bodies import posted

pytestmark = pytest.mark.django_db
PATHS = (
    "/v1/completions",
    "/v1/accounts/local/secrets",
    "/training",
    "/training/v1",
    "/training/v1/serverless/api/v1/create_session",
    "/training/v1/rlorTrainerJobs",
    "/training/v1/trainingSessions/x",
    "/inference/v1/embeddings",
    "/inference/v1/responses",
    "/hot_load/v1/models",
    "/hot_load/",
    "/api/v1/healthz",
)
METHODS = ("get", "head", "post", "put", "patch", "delete", "options")


@pytest.fixture
def secret() -> str:
    user = make_member()
    account: Account = user.memberships.get().account
    return make_key(account=account, user=user, scope=Scope.READ)


@pytest.mark.parametrize("path", PATHS)
def test_what_is_not_served_is_refused_in_the_form_of_the_api(secret: str, path: str) -> None:
    client = Client(enforce_csrf_checks=True, raise_request_exception=False)
    for method in METHODS:
        answer = getattr(client, method)(path, headers={"X-Api-Key": secret})
        if method == "head":
            assert (answer.status_code, answer.headers["Content-Type"]) == (404, "application/json")
        else:
            assert refused(answer) == (404, 5)
        assert "no-store" in answer.headers["Cache-Control"]
    assert refused(client.post(path)) == (401, 16)
    assert refused(client.post(path, "{", content_type="text/plain", headers={"X-Api-Key": secret})) == (404, 5)


@pytest.mark.parametrize("path", ["/training/v1", "/inference/v1/embeddings", "/hot_load/v1", "/api/v1/x"])
def test_nor_is_any_other_refusal_a_page(secret: str, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    client = Client(raise_request_exception=False)
    assert refused(client.get(path, headers={"Host": "a host"})) == (400, 3)
    assert refused(client.get(f"{path}?{'a=1&' * 2_000}", headers={"X-Api-Key": secret})) in [(400, 3), (404, 5)]
    status, headers, _ = async_to_sync(posted)(1, [(b"content-length", str(MAX_BODY + 1).encode())], path)
    assert (status, headers["content-type"]) == (413, "application/json")

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("made by the test")

    monkeypatch.setattr(UnservedView, "initial", fail)
    assert refused(client.get(path, headers={"X-Api-Key": secret})) == (500, 13)


@pytest.mark.parametrize("path", ["//v1/accounts", "//training/v1/serverless", "///inference"])
def test_an_address_that_ends_in_a_slash_leads_to_no_page_either(path: str) -> None:
    request = RequestFactory().get("/")
    request.path = path  # which the test client would take for a host
    assert resolve(path).url_name == "api_nothing" and is_api(request)


@pytest.mark.parametrize("path", ["/api/docs", "/v10", "/trainings", "/launches"])
def test_people_are_answered_with_pages(path: str) -> None:
    assert not is_api(RequestFactory().get(path))


@pytest.mark.parametrize("path", [PREFIX, f"{PREFIX}a", f"{PREFIX}a/B/api", f"{PREFIX}%2F/x"])
def test_the_gateway_refuses_what_is_no_job(path: str) -> None:
    answer = asked(path)
    assert (answer.status, answer.code, answer.headers[b"content-type"]) == (404, 5, b"application/json")


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "BREW"])
def test_the_gateway_refuses_other_methods(method: str) -> None:
    assert asked(f"{PREFIX}a/b", method=method).code == 12


def test_a_fault_of_the_gateway_is_told_in_the_same_form(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: Any) -> None:
        raise RuntimeError("made by the test")

    monkeypatch.setattr("launches.gateway.admission.Admission.admit", fail)
    answer = asked(f"{PREFIX}a/b/api/v1/healthz", "slpw_x")
    assert (answer.status, answer.code) == (500, 13)
    assert b"made by the test" not in answer.body
