"""What was trained, and everybody who might want it: to list, save, load, promote, take away, rename and delete it.

One table over one set-up: members of each role, another launcher, an admin of another account, nobody; on the pages,
and by keys of each scope.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from pytest_django.fixtures import Settings

from accounts.actors import user_actor
from accounts.models import Account, User
from accounts.origins import UNKNOWN
from accounts.roles import Role
from accounts.scopes import Scope
from connections.providers.checkpoints import CheckpointKind
from connections.providers.spec import TrainerMode
from connections.providers.states import AttemptState
from launches.domain.delete_launch import delete_launch
from launches.gateway.admission import Refused, _attempt_for
from launches.models import Launch
from tests.api.makers import make_key
from tests.connections.remote import CAPABILITIES, RemoteEngine
from tests.launches.makers import bring_to, make_tiny_version
from tests.launches.weights import make_checkpoint, make_saved_launch, noted, promote, put_checkpoint, whole_files
from tests.makers import make_account, make_member, sign_in

OWNER, COLLEAGUE, STRANGER, NOBODY = "its owner", "another launcher", "an admin of another account", "nobody"
MODEL = "accounts/team-a/models/mine"
UNKNOWN_PERSON = 401


class Need(StrEnum):
    """What somebody needs for it."""

    SEE = "to be a member"
    START = "to launch"
    OWN = "to launch, of one's own, or to control any launch"


MAY: dict[str, set[Need]] = {
    OWNER: set(Need),
    COLLEAGUE: {Need.SEE, Need.START},
    Role.PUBLISHER: set(Need),
    Role.ADMIN: set(Need),
    Role.VIEWER: {Need.SEE},
}
KEYS = (
    *((OWNER, scope) for scope in (Scope.READ, Scope.LAUNCH)),
    (COLLEAGUE, Scope.LAUNCH),
    *((Role.PUBLISHER, scope) for scope in Scope),
    (Role.ADMIN, Scope.PUBLISH),
    (Role.VIEWER, Scope.READ),
)
ROLES = {OWNER: Role.LAUNCHER, COLLEAGUE: Role.LAUNCHER} | {role: role for role in Role if role is not Role.LAUNCHER}


@dataclass(frozen=True)
class Treasury:
    """A launch that trains and has saved, one that was deleted, and a model of the first, all of the owner's."""

    people: dict[str, User]
    running: Launch
    deleted: Launch


@pytest.fixture
def treasury(
    engine: RemoteEngine, team: Account, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Treasury:
    monkeypatch.setattr("launches.api.models.FINISHED_SOON", 0)  # no worker runs here
    settings.SLIPWAY_HOME, settings.SLIPWAY_LEAST_FREE_MB = tmp_path, 0
    engine.capabilities = replace(CAPABILITIES, holds_weights=True)
    people = {who: make_member(account=team, role=role) for who, role in ROLES.items()}
    people[STRANGER] = make_member(account=make_account(account_id="team-b"), role=Role.ADMIN)
    version = make_tiny_version(mode=TrainerMode.POLICY_TRAINER)
    made: dict[str, Any] = {"owner": people[OWNER], "account": team, "version": version, "files": whole_files()}
    deleted, running = (make_saved_launch(engine, **made) for _ in range(2))
    bring_to(deleted, AttemptState.COMPLETED)
    make_checkpoint(deleted, files=noted(whole_files()), lora_rank=0)
    delete_launch(actor=user_actor(people[OWNER]), launch=deleted)
    put_checkpoint(engine, running, {}, name="step-20", kind=CheckpointKind.TRAINING)
    promote(running)
    return Treasury(people, running, deleted)


@dataclass(frozen=True)
class Asker:
    """A program with a key, or none; or a browser."""

    client: Client
    secret: str = ""


Answers = Callable[[Treasury, Asker], int]


def ask(method: str, path: str, **given: Any) -> Answers:
    """The status of a request; {running} and {deleted} in its path are those launches."""

    def answer(treasury: Treasury, asker: Asker) -> int:
        places = {"running": treasury.running.name, "deleted": treasury.deleted.name}
        pages = {"page": f"/launches/{treasury.running.uid}", "old_page": f"/launches/{treasury.deleted.uid}"}
        sent = getattr(asker.client, method)(path.format(**places, **pages), **given)
        return UNKNOWN_PERSON if sent.headers.get("Location", "").startswith("/sign-in") else int(sent.status_code)

    return answer


def promotes(launch: Callable[[Treasury], Launch]) -> Answers:
    """As the SDK does it."""

    def answer(treasury: Treasury, asker: Asker) -> int:
        body = {"output_model": "accounts/team-a/models/new", "trainer_job_id": launch(treasury).name}
        path = "/v1/accounts/team-a/checkpoints/final:promote"
        sent = asker.client.post(path, body | {"async_promotion": True}, content_type="application/json")
        return int(sent.status_code)

    return answer


def drives(treasury: Treasury, asker: Asker) -> int:
    """Saving and loading are calls to the trainer, which the gateway lets through or not, whatever they ask for."""
    try:
        _attempt_for(asker.secret, "team-a", treasury.running.job_id, UNKNOWN)
    except Refused as refused:
        return refused.http_status
    return 200


JOB = {"trainingConfig": {"baseModel": MODEL, "loraRank": 0}}
BY_KEY: dict[str, tuple[Need, Answers]] = {
    "list what it saved": (Need.SEE, ask("get", "/v1/{running}/checkpoints")),
    "list what is kept": (Need.SEE, ask("get", "/v1/{deleted}/checkpoints")),
    "save and load": (Need.OWN, drives),
    "download": (Need.OWN, ask("get", "/v1/{running}/checkpoints/final:download")),
    "download a file": (Need.OWN, ask("get", "/v1/{running}/checkpoints/final:download?path=config.json")),
    "download what is kept": (Need.OWN, ask("get", "/v1/{deleted}/checkpoints/final:download")),
    "ask for links": (Need.OWN, ask("get", "/v1/{running}/checkpoints/final:getDownloadEndpoint")),
    "ask for links to what is kept": (Need.OWN, ask("get", "/v1/{deleted}/checkpoints/final:getDownloadEndpoint")),
    "promote": (Need.OWN, promotes(lambda treasury: treasury.running)),
    "promote what is kept": (Need.OWN, promotes(lambda treasury: treasury.deleted)),
    "see the model": (Need.SEE, ask("get", f"/v1/{MODEL}")),
    "download the model": (Need.OWN, ask("get", f"/v1/{MODEL}:download")),
    "ask for links to the model": (Need.OWN, ask("get", f"/v1/{MODEL}:getDownloadEndpoint")),
    "start from the model": (
        Need.START,
        ask("post", "/v1/accounts/team-a/rlorTrainerJobs?connection=far", data=JOB, content_type="application/json"),
    ),
    "rename the model": (
        Need.OWN,
        ask("patch", f"/v1/{MODEL}", data={"displayName": "Ours"}, content_type="application/json"),
    ),
    "delete the model": (Need.OWN, ask("delete", f"/v1/{MODEL}")),
    "delete the launch": (Need.OWN, ask("delete", "/v1/{running}")),
}
ON_PAGES: dict[str, tuple[Need, Answers]] = {
    "list what it saved": (Need.SEE, ask("get", "{page}")),
    "list what is kept": (Need.SEE, ask("get", "{old_page}")),
    "see a checkpoint": (Need.SEE, ask("get", "{page}/saves/sampler/final")),
    "download": (Need.OWN, ask("get", "{page}/saves/sampler/final/archive")),
    "download a file": (Need.OWN, ask("get", "{page}/saves/sampler/final/files/config.json")),
    "download what is kept": (Need.OWN, ask("get", "{old_page}/saves/sampler/final/archive")),
    "ask about promoting": (Need.OWN, ask("get", "{page}/checkpoints/final/promote")),
    "promote": (Need.OWN, ask("post", "{page}/checkpoints/final/promote", data={"model_id": "new"})),
    "promote what is kept": (Need.OWN, ask("post", "{old_page}/checkpoints/final/promote", data={"model_id": "new"})),
    "see the model": (Need.SEE, ask("get", "/models/team-a/mine")),
    "download the model": (Need.OWN, ask("get", "/models/team-a/mine/archive")),
    "download a file of the model": (Need.OWN, ask("get", "/models/team-a/mine/files/config.json")),
    "read what is signed": (Need.SEE, ask("get", "/models/team-a/mine/manifest")),
    "rename the model": (Need.OWN, ask("post", "/models/team-a/mine/rename", data={"display_name": "Ours"})),
    "ask about deleting the model": (Need.OWN, ask("get", "/models/team-a/mine/delete")),
    "delete the model": (Need.OWN, ask("post", "/models/team-a/mine/delete")),
    "delete what is kept": (Need.OWN, ask("post", "{old_page}/checkpoints/discard")),
    "delete the launch": (Need.OWN, ask("post", "{page}/delete")),
}


def with_key(secret: str) -> Asker:
    return Asker(Client(headers={"X-Api-Key": secret} if secret else {}), secret)


def with_session(cookies: SimpleCookie | None = None) -> Asker:
    client = Client()
    client.cookies = SimpleCookie(cookies or {})
    return Asker(client)


def undone(answers: Answers, treasury: Treasury, asker: Asker) -> int:
    """What the request did is undone, so that all find the same."""
    with transaction.atomic():
        found = answers(treasury, asker)
        transaction.set_rollback(True)
    return found


@pytest.mark.django_db
def test_by_keys_of_each_scope(treasury: Treasury, team: Account, subtests: pytest.Subtests) -> None:
    people, home = treasury.people, make_account(account_id="elsewhere")
    make_member(account=home, role=Role.ADMIN, user=people[OWNER])
    elsewhere = make_key(account=home, user=people[OWNER])
    stranger = make_key(account=people[STRANGER].memberships.get().account, user=people[STRANGER])
    keys = {(who, scope): make_key(account=team, user=people[who], scope=scope) for who, scope in KEYS}
    for what, (need, answers) in BY_KEY.items():
        expected = {
            (who, scope): 200 if need in MAY[who] and (need is Need.SEE or scope is not Scope.READ) else 403
            for who, scope in keys
        }
        with subtests.test(what):
            assert {key: undone(answers, treasury, with_key(secret)) for key, secret in keys.items()} == expected
            outside = [undone(answers, treasury, with_key(secret)) for secret in (stranger, elsewhere, "")]
            assert outside == [404, 404, 401]


@pytest.mark.django_db
def test_on_the_pages(treasury: Treasury, subtests: pytest.Subtests) -> None:
    sessions = {who: sign_in(Client(), user).cookies for who, user in treasury.people.items()}
    for what, (need, answers) in ON_PAGES.items():
        with subtests.test(what):
            found = {who: undone(answers, treasury, with_session(its)) for who, its in sessions.items()}
            assert found.pop(STRANGER) == 404
            assert undone(answers, treasury, with_session()) == UNKNOWN_PERSON
            done = {who: 200 if status in (302, 303) else status for who, status in found.items()}
            assert done == {who: 200 if need in needs else 403 for who, needs in MAY.items()}


@pytest.mark.django_db
def test_a_signed_link_is_for_whoever_has_it(treasury: Treasury, team: Account) -> None:
    owner = with_key(make_key(account=team, user=treasury.people[OWNER], scope=Scope.LAUNCH))
    for name in (f"{treasury.running.name}/checkpoints/final", f"{treasury.deleted.name}/checkpoints/final", MODEL):
        links = owner.client.get(f"/v1/{name}:getDownloadEndpoint").json()["filenameToSignedUrls"]
        path = f"/downloads/{links['config.json'].partition('/downloads/')[2]}"
        for client in (Client(), sign_in(Client(), treasury.people[STRANGER])):
            answer: Any = client.get(path)
            assert (answer.status_code, b"".join(answer.streaming_content)) == (200, whole_files()["config.json"])
