"""Who there is to ask for a page, what there is to ask for, and what a request is: the words of tests/test_roles.py."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from typing import Any

from django.test import Client
from django.test.client import ClientHandler
from django.utils import timezone

from accounts.actors import SYSTEM
from accounts.domain.create_api_key import create_api_key
from accounts.domain.create_invitation import create_invitation
from accounts.models import ApiKey, Invitation, Membership, User
from accounts.roles import Role
from accounts.scopes import Scope
from catalog.domain.deprecate_version import deprecate_version
from catalog.enums import Engine, ShapeKind
from catalog.models import ShapeVersion, TrainedModel, TrainingShape
from catalog.states import VersionState
from connections.providers.states import AttemptState
from datasets.models import Dataset
from deployments.models import Deployment, UnknownSampler
from launches.models import Attempt, Checkpoint, Launch, UnknownTrainer
from tests.connections.makers import local_connection
from tests.datasets.makers import begin_dataset, make_dataset
from tests.deployments.makers import make_deployment
from tests.launches.makers import attempt_of, bring_to, make_launch
from tests.launches.weights import make_checkpoint
from tests.makers import (
    make_account,
    make_member,
    make_model,
    make_shape,
    make_trained_model,
    make_user,
    make_version,
    sign_in,
)
from tests.publishing.makers import make_validation
from tests.publishing.pages import KNOWN, at, editor_in, form_in

ANONYMOUS, STRANGER, OTHER = "anonymous", "stranger", "publisher of another account"
SUPERUSER = "superuser"
"""Who is a member of nothing; in rows that are about what superusers may, and in no others."""
PEOPLE = (ANONYMOUS, STRANGER, OTHER, *(role.value for role in Role))
OK, STOP_POLLING, SEE_OTHER, FOUND, FORBIDDEN, MISSING, UNPROCESSABLE = 200, 286, 303, 302, 403, 404, 422


@dataclass(frozen=True)
class World:
    """Account team-a with a member of each role, a private shape, and launches of its launcher; and people outside.

    `ready` has versions of another shape of the team's, by the verb that can be done to each; `sessions` the cookies of
    the people by their primary keys, `forms` what was read so far, and `handler` what answers, made once for all.
    """

    people: dict[str, User | None]
    private: ShapeVersion
    draft: ShapeVersion
    public: ShapeVersion
    ready: dict[str, ShapeVersion]
    launch: Launch
    failed: Launch
    trained: TrainedModel
    deployment: Deployment
    dataset: Dataset
    upload: Dataset
    token: str
    invitation: Invitation
    key: ApiKey
    viewer: Membership
    missing: Attempt
    unknown: UnknownTrainer
    unknown_sampler: UnknownSampler
    sessions: dict[int, SimpleCookie]
    forms: dict[str, dict[str, Any]] = field(default_factory=dict)
    handler: ClientHandler = field(default_factory=lambda: ClientHandler(enforce_csrf_checks=False))

    def browser(self, user: User | None) -> Client:
        """A new browser, in which the user is signed in."""
        client = Client(raise_request_exception=False)
        client.handler = self.handler
        if user is None:
            return client
        if user.pk not in self.sessions:
            return sign_in(client, user)
        client.cookies = SimpleCookie(self.sessions[user.pk])
        return client

    def form(self, path: str) -> dict[str, Any]:
        """What the form of the page has for the team's admin."""
        if path not in self.forms:
            page = self.browser(self.people[Role.ADMIN]).get(path)
            self.forms[path] = (editor_in if b'<form class="editor' in page.content else form_in)(page)
        return self.forms[path]

    def shape(self, version: ShapeVersion) -> str:
        """The path of the version's shape."""
        return f"/shapes/{version.shape.account.account_id}/{version.shape.shape_id}"


def make_world() -> World:
    """What there is, made anew."""
    team = make_account(account_id="team-a")
    people: dict[str, User | None] = {role.value: make_member(account=team, role=role) for role in Role}
    people |= {ANONYMOUS: None, STRANGER: make_user(), OTHER: make_member(role=Role.PUBLISHER)}
    people[SUPERUSER] = make_user(superuser=True)
    model = make_model(account=make_account(account_id="local"), model_id="tiny-qwen3")  # the local provider runs it
    private = make_version(shape=make_shape(base_model=model, account=team), gpus=0, context=2048, public=False)
    invitation, token = create_invitation(actor=SYSTEM, account=team, role=Role.VIEWER, now=timezone.now())
    launcher, publisher = people[Role.LAUNCHER], people[Role.PUBLISHER]
    assert launcher and publisher
    key, _ = create_api_key(
        actor=SYSTEM, account=team, user=launcher, name="ci", scope=Scope.READ, now=timezone.now(), days=None
    )
    failed = make_launch(owner=launcher, account=team, version=private)
    bring_to(failed, AttemptState.FAILED)
    make_checkpoint(failed)
    return World(
        people=people,
        private=private,
        draft=make_version(shape=private.shape, state=VersionState.DRAFT, gpus=0, context=2048),
        public=make_version(),
        ready=_ready(make_shape(base_model=model, account=team), publisher),
        launch=make_launch(owner=launcher, account=team, version=private),
        failed=failed,
        trained=make_trained_model(account=team, created_by=launcher),
        deployment=_deployment(launcher, private.shape),
        dataset=make_dataset(account=team, owner=launcher),
        upload=begin_dataset(account=team, owner=launcher),
        token=token,
        invitation=invitation,
        key=key,
        viewer=Membership.objects.get(user=people[Role.VIEWER]),
        missing=_missing(make_launch(owner=launcher, account=team, version=private)),
        unknown=UnknownTrainer.objects.create(
            connection=local_connection(),
            account_name="team-a",
            job_id="of-no-launch",
            attempt_number=1,
            seen_at=timezone.now(),
        ),
        unknown_sampler=UnknownSampler.objects.create(
            connection=local_connection(),
            account_name="team-a",
            job_id="of-no-deployment",
            start=1,
            state="RUNNING",
            seen_at=timezone.now(),
        ),
        sessions={user.pk: sign_in(Client(), user).cookies for user in people.values() if user},
    )


def _deployment(launcher: User, trained: TrainingShape) -> Deployment:
    """Of a shape that the team's base model is served by."""
    shape = make_shape(base_model=trained.base_model, account=trained.account, kind=ShapeKind.DEPLOYMENT)
    version = make_version(shape=shape, gpus=0, engine=Engine.TRANSFORMERS, public=False)
    return make_deployment(owner=launcher, account=trained.account, version=version)


def _missing(launch: Launch) -> Attempt:
    """Of which its connection says that it does not know it."""
    attempt = attempt_of(launch)
    attempt.absent_since, attempt.absences = timezone.now(), 1
    attempt.save()
    return attempt


def _ready(shape: TrainingShape, publisher: User) -> dict[str, ShapeVersion]:
    draft: dict[str, Any] = KNOWN | {"shape": shape, "gpus": 0, "context": 2048, "state": VersionState.DRAFT}
    published: dict[str, Any] = KNOWN | {"shape": shape, "public": False}
    older, deprecated, latest = (make_version(**published) for _ in range(3))
    deprecate_version(actor=SYSTEM, version=deprecated, message="Use the newer one.")
    validating = make_validation(version=make_version(**draft), user=publisher).version
    return {
        "publish": make_version(**published, latest=False, published=False),
        "make-public": latest,
        "deprecate": latest,
        "withdraw": latest,
        "roll-back": older,
        "restore": deprecated,
        "delete": make_version(**draft),
        "stop": validating,
        "by-hand": make_version(**draft | {"gpus": 8}),
    }


def everybody(status: int) -> dict[str, int]:
    """The same answer to all."""
    return dict.fromkeys(PEOPLE, status)


def signed_in(status: int) -> dict[str, int]:
    """Sign-in first; then the same answer to all."""
    return everybody(status) | {ANONYMOUS: FOUND}


def members(status: int) -> dict[str, int]:
    """Sign-in first; for those who are not members of team-a it is not there."""
    return signed_in(status) | {STRANGER: MISSING, OTHER: MISSING}


def at_least(role: Role, status: int) -> dict[str, int]:
    """As for members, but lesser roles may not."""
    roles = list(Role)
    return members(status) | {lesser.value: FORBIDDEN for lesser in roles[: roles.index(role)]}


def superusers(status: int, *, admin: int = FORBIDDEN) -> dict[str, int]:
    """Sign-in first; superusers in person, and what an admin of an account gets."""
    return signed_in(FORBIDDEN) | {Role.ADMIN.value: admin, SUPERUSER: status}


Fields = Callable[[World, User | None], dict[str, Any]]
"""What somebody sends, made when they send it."""


@dataclass(frozen=True)
class Case:
    """One request to a URL, and the status that each person gets."""

    path: Callable[[World], str]
    expected: dict[str, int]
    method: str = "get"
    fields: Fields = lambda _, __: {}


def get(path: Callable[[World], str] | str, expected: dict[str, int]) -> Case:
    """A GET."""
    return Case(_path(path), expected)


def post(path: Callable[[World], str] | str, expected: dict[str, int], **fields: str) -> Case:
    """A POST of these fields."""
    return Case(_path(path), expected, "post", lambda _, __: fields)


def send(path: Callable[[World], str] | str, expected: dict[str, int], fields: Fields) -> Case:
    """A POST of fields that have to be made for it."""
    return Case(_path(path), expected, "post", fields)


def fill_in(path: Callable[[World], str] | str, expected: dict[str, int], **typed: str) -> Case:
    """A POST of what the page's own form has for the team's admin, and what is typed into it."""
    return send(path, expected, lambda world, _: world.form(_path(path)(world)) | typed)


def _path(path: Callable[[World], str] | str) -> Callable[[World], str]:
    return (lambda _: path) if isinstance(path, str) else path


def of_private_shape(end: str) -> Callable[[World], str]:
    """A path below the private shape's page."""
    return lambda world: world.shape(world.private) + end


def of_public_shape(end: str) -> Callable[[World], str]:
    """A path below the public shape's page."""
    return lambda world: world.shape(world.public) + end


def of_private_version(end: str) -> Callable[[World], str]:
    """A path below the private shape's version."""
    return lambda world: f"{world.shape(world.private)}/versions/{world.private.version_id}{end}"


def of_public_version(end: str) -> Callable[[World], str]:
    """A path below the public shape's version."""
    return lambda world: f"{world.shape(world.public)}/versions/{world.public.version_id}{end}"


def of_publishing(end: str) -> Callable[[World], str]:
    """A path below the private shape's page among the publishing pages."""
    return lambda world: f"/publish/team-a/{world.private.shape.shape_id}{end}"


def of_draft(end: str) -> Callable[[World], str]:
    """A path below the page of the private shape's draft."""
    return lambda world: of_publishing(f"/versions/{world.draft.version_id}{end}")(world)


def of_ready(verb: str) -> Callable[[World], str]:
    """The page that asks whether to do the verb to the version that is ready for it."""
    return lambda world: at(world.ready[verb], verb)


def of_validation(verb: str) -> Callable[[World], str]:
    """Where the verb is done to the validation of the version that is ready for it."""
    return lambda world: f"{world.shape(world.ready[verb])}/versions/{world.ready[verb].version_id}/validation/{verb}"


def of_launch(end: str) -> Callable[[World], str]:
    """A path below the launch's page."""
    return lambda world: f"/launches/{world.launch.uid}{end}"


def of_deployment(end: str) -> Callable[[World], str]:
    """A path below the deployment's page."""
    return lambda world: f"/deployments/{world.deployment.uid}{end}"


def of_dataset(end: str) -> Callable[[World], str]:
    """A path below the page of the launcher's dataset that is READY."""
    return lambda world: f"/datasets/{world.dataset.uid}{end}"


def saved_by(launch: Launch) -> Checkpoint:
    """A checkpoint of the launch that is still being written."""
    facts = {"step": 1, "size_bytes": 0, "saved_at": timezone.now(), "writing": True}
    return Checkpoint.objects.get_or_create(launch=launch, name="step-1", defaults=facts)[0]


def of_saved(end: str) -> Callable[[World], str]:
    """A path below the page of the checkpoint that the launch is writing."""
    return lambda world: f"/launches/{world.launch.uid}/saves/training/{saved_by(world.launch).name}{end}"


def of_member(end: str) -> Callable[[World], str]:
    """A path below the members page, of team-a's viewer."""
    return lambda world: f"/members/{world.viewer.pk}{end}"


def of_invitation(end: str) -> Callable[[World], str]:
    """A path below the members page, of the open invitation."""
    return lambda world: f"/members/invitations/{world.invitation.pk}{end}"


def of_key(end: str) -> Callable[[World], str]:
    """A path below the page of API keys, of the launcher's key."""
    return lambda world: f"/keys/{world.key.pk}{end}"


def of_unknown_sampler(end: str) -> Callable[[World], str]:
    """A path below the page of samplers that do not match."""
    return lambda world: f"/deployments/unknown/{world.unknown_sampler.pk}{end}"


def of_unknown(end: str) -> Callable[[World], str]:
    """A path below the page of trainers that are not known, of the one of team-a."""
    return lambda world: f"/launches/unknown/{world.unknown.pk}{end}"


def of_missing(end: str) -> Callable[[World], str]:
    """Of the launch that is not found where it runs."""
    return lambda world: f"/launches/missing/{world.missing.pk}{end}"
