"""Whatever the OpenAPI document allows, and much that it does not: no fault of ours, no answer that it does not name.

And nothing of another account, whose every name holds a canary.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from schemathesis.checks import CHECKS

from accounts.roles import Role
from accounts.scopes import Scope
from api.schema import UNDONE
from catalog.states import VersionState
from launches.models import Checkpoint
from tests.api.makers import make_key
from tests.launches.makers import NOW, make_launch
from tests.makers import make_account, make_member, make_model, make_shape, make_version

CANARY = "canary-of-team-b"
LEFT_OUT = {
    # What is well-formed can still be refused for what it says: an id that is taken, a shape that does not fit.
    "positive_data_acceptance",
    # 501 is how deployments are refused; `check` refuses every other fault.
    "not_a_server_error",
    # The keys are given from outside, so none is ever missing; test_roles.py calls everything without one.
    "missing_required_header",
    # Numbers are read from texts and true from "yes", as everywhere in JSON of protocol buffers.
    "negative_data_rejection",
    # A deleted job stays as a tombstone that can be read.
    "use_after_free",
    # What is created is looked up in a test of its own; here it may have been deleted by another example.
    "ensure_resource_availability",
}
KNOWN = {
    "account": ["team-a", "team-b", "local", "-"],
    "shape": ["mine", "drafted", "foreign", "-"],
    "version": ["latest", "aaaaaaaa", "bbbbbbbb", "cccccccc"],
    "model": ["tiny-qwen3", "foreign-model"],
    "job": ["job-a", "job-b", "job-c"],
    "deployment": ["none"],
}
QUERY = {
    "trainingShape": ["accounts/team-a/trainingShapes/mine", "accounts/team-b/trainingShapes/foreign"],
    "filter": ['display_name:"a"', "latest_validated=true", 'create_time<"2026-01-01T00:00:00Z"'],
    "orderBy": ["name", "create_time desc, name"],
    "readMask": ["name", "name,snapshot.baseModel"],
    "updateMask": ["validated", "displayName"],
}


@dataclass(frozen=True)
class World:
    """Keys by what their users are."""

    keys: dict[str, str]


@pytest.fixture(autouse=True)
def one_connection() -> Iterator[None]:
    """The requests share the test's transaction, as with Django's own test client."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.fixture
def world(db: None) -> World:
    team, other = make_account(account_id="team-a"), make_account(account_id="team-b", display_name=CANARY)
    users = {role: make_member(account=team, role=role) for role in (Role.VIEWER, Role.LAUNCHER, Role.PUBLISHER)}
    stranger = make_member(role=Role.PUBLISHER)
    model = make_model(account=make_account(account_id="local"), model_id="tiny-qwen3")
    for account, shape, drafted, job, name in (
        (team, "mine", "drafted", "job-a", "Mine"),
        (other, "foreign", "foreign-drafted", "job-b", CANARY),
    ):
        facts: dict[str, Any] = {"gpus": 0, "context": 2048, "public": False, "description": name}
        owned = make_shape(base_model=model, account=account, shape_id=shape, display_name=name)
        version = make_version(shape=owned, version_id="aaaaaaaa", **facts)
        draft = make_shape(base_model=model, account=account, shape_id=drafted, display_name=name)
        make_version(shape=draft, version_id="bbbbbbbb", state=VersionState.DRAFT, **facts)
        launch = make_launch(
            owner=users[Role.LAUNCHER] if account == team else make_member(account=other, username=CANARY),
            account=account,
            version=version,
            display_name=name,
        )
        type(launch).objects.filter(pk=launch.pk).update(job_id=job)
        Checkpoint.objects.create(launch=launch, name=f"{job}-step-1", step=1, size_bytes=1, saved_at=NOW)
    make_model(account=other, model_id="foreign-model", title=CANARY)
    scopes = {Role.VIEWER: Scope.READ, Role.LAUNCHER: Scope.LAUNCH, Role.PUBLISHER: Scope.PUBLISH}
    keys = {role.value: make_key(account=team, user=user, scope=scopes[role]) for role, user in users.items()}
    return World(keys | {"stranger": make_key(account=stranger.memberships.get().account, user=stranger)})


schema = schemathesis.openapi.from_wsgi("/api/openapi.json", get_wsgi_application())


@schema.hook
def flatmap_path_parameters(ctx: Any, path_parameters: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Mostly things that are there."""
    return _or_known(path_parameters, KNOWN)


@schema.hook
def flatmap_query(ctx: Any, query: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Often something that can be read."""
    return _or_known(query or {}, QUERY)


def _or_known(given: Any, known: dict[str, list[str]]) -> st.SearchStrategy[Any]:
    if not isinstance(given, dict):
        return st.just(given)
    return st.fixed_dictionaries(
        {name: st.sampled_from([*known.get(name, []), value]) for name, value in given.items()}
    )


def check(case: schemathesis.Case[Any], secrets: Iterable[str]) -> None:
    """The same request with each of the keys."""
    left_out: list[Any] = [CHECKS.get_one(name) for name in LEFT_OUT]
    for secret in secrets:
        headers = {"X-Api-Key": secret}
        answer = case.call(headers=headers)
        case.validate_response(answer, excluded_checks=left_out, headers=headers)
        assert answer.status_code in (*range(200, 500), UNDONE), answer.text
        assert CANARY not in answer.text, f"{case.method} {case.path} shows what is another account's: {answer.text}"
        if not 200 <= answer.status_code < 300:
            assert {"code", "message", "details"} == answer.json().keys()


@pytest.mark.e2e  # for how long it takes
@schema.parametrize()
@settings(
    max_examples=40, deadline=None, phases=[Phase.explicit, Phase.generate], suppress_health_check=list(HealthCheck)
)
def test_many_requests_of_each_kind(case: schemathesis.Case[Any], world: World) -> None:
    check(case, world.keys.values())
