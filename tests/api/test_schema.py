"""Whatever the OpenAPI document allows, and much that it does not: no fault of ours, no answer that it does not name.

And nothing of another account: no text of it, each of which holds a canary, no resource of it by name, and no row of it
that is not afterwards as it was before.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections, connection
from django.db.models import QuerySet
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from schemathesis.checks import CHECKS

from accounts.models import Account, ApiKey, AuditEntry, Membership
from accounts.roles import Role
from accounts.scopes import Scope
from api.schema import UNDONE
from catalog.models import BaseModel, ShapeVersion, TrainingShape
from catalog.states import VersionState
from launches.models import Attempt, Checkpoint, Event, Launch
from tests.api.makers import make_key
from tests.launches.makers import NOW, make_launch
from tests.makers import make_account, make_member, make_model, make_shape, make_version

OTHER = "team-b"
CANARY = f"canary-of-{OTHER}"
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
    "account": ["team-a", OTHER, "local", "-"],
    "shape": ["mine", "drafted", "foreign", "foreign-drafted", "-"],
    "version": ["latest", "aaaaaaaa", "bbbbbbbb", "cccccccc"],
    "model": ["tiny-qwen3", "foreign-model"],
    "job": ["job-a", "job-b", "job-c"],
    "deployment": ["none"],
}
THEIRS = [
    {"account": OTHER, "model": "foreign-model", "job": "job-b", "shape": shape, "version": version}
    for shape, version in (("foreign", "aaaaaaaa"), ("foreign-drafted", "bbbbbbbb"), ("foreign", "latest"))
]
QUERY = {
    "trainingShape": ["accounts/team-a/trainingShapes/mine", f"accounts/{OTHER}/trainingShapes/foreign"],
    "filter": ['display_name:"a"', "latest_validated=true", 'create_time<"2026-01-01T00:00:00Z"'],
    "orderBy": ["name", "create_time desc, name"],
    "readMask": ["name", "name,snapshot.baseModel"],
    "updateMask": ["validated", "displayName"],
}


@dataclass(frozen=True)
class FuzzedWorld:
    """Keys by what their users are, and the other account's rows as they were made."""

    keys: dict[str, str]
    others: list[str]


@pytest.fixture(autouse=True)
def one_connection() -> Iterator[None]:
    """The requests share the test's transaction, as with Django's own test client."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.fixture
def world(db: None) -> FuzzedWorld:
    team, other = make_account(account_id="team-a"), make_account(account_id=OTHER, display_name=CANARY)
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
    keys["stranger"] = make_key(account=stranger.memberships.get().account, user=stranger)
    return FuzzedWorld(keys, rows_of_the_other())


schema = schemathesis.openapi.from_wsgi("/api/openapi.json", get_wsgi_application())


@schema.hook
def flatmap_path_parameters(ctx: Any, path_parameters: Any) -> st.SearchStrategy[Any]:
    """Mostly things that are there, and often the other account's."""
    if not isinstance(path_parameters, dict):
        return st.just(path_parameters)
    theirs = [{name: known.get(name, value) for name, value in path_parameters.items()} for known in THEIRS]
    return _or_known(path_parameters, KNOWN) | st.sampled_from(theirs)


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


def rows_of_the_other() -> list[str]:
    """All that the other account has, whole rows as JSON."""
    with connection.cursor() as cursor:
        cursor.execute(*_question_for_rows_of_the_other())
        return [row for _, row in cursor.fetchall()]


@cache
def _question_for_rows_of_the_other() -> tuple[str, list[Any]]:
    """One, because it is asked after every example: a question for each table took two fifths of the time."""
    of_account: list[QuerySet[Any, Any]] = [
        Account.objects.filter(account_id=OTHER),
        *(
            model.objects.filter(account__account_id=OTHER)
            for model in (Membership, ApiKey, AuditEntry, BaseModel, TrainingShape, Launch)
        ),
        ShapeVersion.objects.filter(shape__account__account_id=OTHER),
        *(model.objects.filter(launch__account__account_id=OTHER) for model in (Attempt, Checkpoint, Event)),
    ]
    parts = [rows.order_by().query.sql_with_params() for rows in of_account]
    each = " UNION ALL ".join(
        f"SELECT {at} AS kind, to_jsonb(t)::text AS row FROM ({sql}) t" for at, (sql, _) in enumerate(parts)
    )
    return f"{each} ORDER BY kind, row", [value for _, values in parts for value in values]


def names_in(body: Any) -> Iterator[str]:
    """The names of all the resources in an answer."""
    if isinstance(body, dict):
        yield from [body["name"]] if isinstance(body.get("name"), str) else []
    for inner in body.values() if isinstance(body, dict) else body if isinstance(body, list) else []:
        yield from names_in(inner)


def check(case: schemathesis.Case[Any], world: FuzzedWorld) -> None:
    """The same request with each of the keys."""
    left_out: list[Any] = [CHECKS.get_one(name) for name in LEFT_OUT]
    for secret in world.keys.values():
        headers = {"X-Api-Key": secret, "Accept-Encoding": "identity"}  # what is compressed is not unpacked here
        answer = case.call(headers=headers)
        case.validate_response(answer, excluded_checks=left_out, headers=headers)
        said = answer.content.decode(errors="replace")  # a tokenizer is an archive
        assert answer.status_code in (*range(200, 500), UNDONE), said
        assert CANARY not in said, f"{case.method} {case.path} shows what is another account's: {said}"
        if "application/gzip" in answer.headers.get("content-type", []):
            assert answer.status_code == 200, said
        elif 200 <= answer.status_code < 300:
            foreign = [name for name in names_in(answer.json()) if f"{name}/".startswith(f"accounts/{OTHER}/")]
            assert not foreign, f"{case.method} {case.path} shows {foreign}"
        else:
            assert {"code", "message", "details"} == answer.json().keys()
    assert rows_of_the_other() == world.others, f"{case.method} {case.path} changed what is another account's"


@pytest.mark.e2e  # for how long it takes
@schema.parametrize()
@settings(max_examples=40, phases=[Phase.explicit, Phase.generate], suppress_health_check=list(HealthCheck))
def test_many_requests_of_each_kind(case: schemathesis.Case[Any], world: FuzzedWorld) -> None:
    check(case, world)
