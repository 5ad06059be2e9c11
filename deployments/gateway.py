"""`/inference/v1/...` and `/hot_load/...`: what leads through the gateway of the launches to a deployment's sampler.

Where to is said by `model` in the body of what asks for completions, by the field `fireworks-deployment` of the rest.
So of these bodies the whole is read first; they are passed on as they came.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from dataclasses import replace
from functools import partial
from typing import Any

from accounts.actors import Actor, key_actor, right_to_control
from accounts.origins import Origin, origin_in
from accounts.roles import Right
from api.outages import RETRY_SECONDS
from connections.opened import open_provider, runs_elsewhere
from connections.providers.base import Provider
from connections.providers.capabilities import Credential
from connections.providers.catalogs import NamesModels
from connections.providers.errors import ProviderError
from connections.sealing import Unsealable, unseal
from deployments.domain.note_load import note_asker
from deployments.domain.note_unheard import note_unheard
from deployments.domain.wake_deployment import ASLEEP, wake_deployment
from deployments.elsewhere import NAMED, WITHHELD, NamesThere
from deployments.listed import models_answer
from deployments.models import Deployment
from deployments.queries import living_deployments
from deployments.states import DeploymentState
from deployments.tokens import sampler_token
from launches.gateway import headers
from launches.gateway.admission import (
    Admitted,
    Answered,
    LookUp,
    Refused,
    authenticated,
    demand,
    demand_address,
    endpoint_at,
)
from launches.gateway.application import Gateway, GatewayRequest, body_of
from launches.gateway.exchange import Body, Receive
from launches.gateway.loading import parsed, whole_body
from launches.models import Attempt
from wire.names import deployment_name, is_id
from wire.status import Code

LISTED, HOT_LOADED = "/inference/v1/models", "/hot_load/v1/models/hot_load"
ASKED = ("/inference/v1/completions", "/inference/v1/chat/completions")
METHODS = {LISTED: ("GET",), HOT_LOADED: ("GET", "POST")} | dict.fromkeys(ASKED, ("POST",))
"""By path, what a sampler answers."""
TRAINER_JOB = b"x-slipway-trainer-job"
LARGEST_PROMPT = 8 * 1024 * 1024
"""Bytes of the body of what asks for completions: a million tokens by their ids."""
A_NAME = "the name of a deployment, accounts/ACCOUNT/deployments/ID"


def leads_to_sampler(scope: MutableMapping[str, Any]) -> bool:
    """Whether a request goes to a sampler; the list of models of no deployment in particular is Slipway's own."""
    names = {name.lower() for name, _ in scope["headers"]}
    return scope["path"] in METHODS and (scope["path"] != LISTED or NAMED in names)


async def read_sampler_request(gateway: Gateway, scope: MutableMapping[str, Any], receive: Receive) -> GatewayRequest:
    """What a request to a sampler asks for; its path is one of METHODS. Errors: `Refused`, `CallerGone`, `CutOff`."""
    path, method, fields = scope["path"], scope["method"], scope["headers"]
    if method not in METHODS[path]:
        raise Refused(Code.UNIMPLEMENTED, f"Use {' or '.join(METHODS[path])}.")
    secret, origin, body = headers.secret_in(fields), origin_in(scope), body_of(scope, receive)
    account = await gateway.admission.account_of(secret, origin)
    named = {name.lower(): value for name, value in fields}.get(NAMED, b"").decode("latin-1")
    if path in ASKED:
        with gateway.place(account):
            body, named = await _told_by_model(body, fields, named)
    elif not named:
        raise Refused(Code.INVALID_ARGUMENT, f"Send {A_NAME}, in the field {NAMED.decode()}.")
    found = _parse(named)
    if found is None:
        field = "model" if path in ASKED else NAMED.decode()
        raise Refused(Code.INVALID_ARGUMENT, f"{field} is {named[:200]!r}. Send {A_NAME}.")
    return GatewayRequest(
        secret,
        *found,
        path.encode(),
        origin,
        body,
        deployment_name(*found),
        b"",
        "sampler",
        _look_up_for(path, method),
        RETRY_SECONDS,  # where it does not answer it has ended, idle or not; the look at it that follows says which
        note_unheard,
    )


async def _told_by_model(body: Body, fields: Iterable[tuple[bytes, bytes]], named: str) -> tuple[Body, str]:
    """The body as it came, and its model; or what is `named`, where the model names no deployment."""
    came = await whole_body(body, fields, LARGEST_PROMPT)
    asked = parsed(came)
    model = asked.get("model") if isinstance(asked, dict) else None
    model = model if isinstance(model, str) else ""
    return body.replaced(came), model if _parse(model) or not named else named


def _parse(model: str) -> tuple[str, str] | None:
    """Account and id of the deployment in `DEPLOYMENT`, `MODEL#DEPLOYMENT` or `DEPLOYMENT#SNAPSHOT`."""
    for name in model.split("#"):
        match name.split("/"):
            case ["accounts", account, "deployments", deployment] if is_id(account) and is_id(deployment):
                return account, deployment
    return None


def _look_up_for(path: str, method: str) -> LookUp:
    if path == LISTED:
        return look_up_to_list
    if method == "GET":
        return look_up_to_see
    return look_up_to_load if path == HOT_LOADED else look_up_to_ask


def look_up_to_see(secret: str, account: str, deployment: str, origin: Origin) -> Admitted:
    """The sampler, for who may see the deployment; it is not brought back for that. Errors: `Refused`."""
    row, actor = _find(secret, account, deployment, origin)
    demand(actor, row.account, Right.VIEW)
    return _admitted(row)


def look_up_to_list(secret: str, account: str, deployment: str, origin: Origin) -> Admitted:
    """The same; of one elsewhere it is told from here what it serves, since its control plane would list all it has.

    Errors: `Refused`, `Answered`.
    """
    row, actor = _find(secret, account, deployment, origin)
    demand(actor, row.account, Right.VIEW)
    if runs_elsewhere(row.connection):
        raise Answered(models_answer([row]))
    return _admitted(row)


def look_up_to_ask(secret: str, account: str, deployment: str, origin: Origin) -> Admitted:
    """The sampler, for who may use machines of the account. Errors: `Refused`."""
    return admit_to_ask(*_find(secret, account, deployment, origin))


def admit_to_ask(row: Deployment, actor: Actor) -> Admitted:
    """The sampler of the deployment, which is brought back where it was scaled to 0. Errors: `Refused`."""
    demand(actor, row.account, Right.LAUNCH)
    _wake(row, actor)
    return _admitted(row, NamesThere.translate)


def look_up_to_load(secret: str, account: str, deployment: str, origin: Origin) -> Admitted:
    """The sampler, for who may control the deployment. Errors: `Refused`."""
    return admit_to_load(*_find(secret, account, deployment, origin))


def admit_to_load(row: Deployment, actor: Actor) -> Admitted:
    """The sampler of the deployment, which is brought back where it was scaled to 0. Errors: `Refused`."""
    demand(actor, row.account, right_to_control(actor, row))
    _wake(row, actor)
    admitted = _admitted(row, NamesThere.translate_load)
    note_asker(actor=actor, deployment=row)
    return admitted


def _find(secret: str, account: str, deployment: str, origin: Origin) -> tuple[Deployment, Actor]:
    """A deployment of an account that the key is not for is not there. Errors: `Refused`."""
    key = authenticated(secret, origin)
    rows = living_deployments(key.account).filter(account__account_id=account, deployment_id=deployment)
    if (row := rows.first()) is None:
        name = deployment_name(account, deployment)[:200]
        raise Refused(Code.NOT_FOUND, f"There is no deployment {name} that this API key is for.")
    return row, key_actor(key)


def _wake(row: Deployment, actor: Actor) -> None:
    """Errors: `Refused` where the deployment was scaled to 0, and now comes back."""
    if row.state in ASLEEP and row.max_replicas and not row.replicas:
        wake_deployment(actor=actor, deployment=row)
        told = f"{row.name} was scaled to 0 and is started again, a cold start: repeat the request."
        raise Refused(Code.UNAVAILABLE, told, retry_after=RETRY_SECONDS)


def _admitted(row: Deployment, translate: Callable[[NamesThere, Body], Awaitable[Body]] | None = None) -> Admitted:
    """Where its sampler listens; `translate` is for a body that goes to another control plane. Errors: `Refused`."""
    if row.state == DeploymentState.DELETING:
        raise Refused(Code.NOT_FOUND, f"{row.name} is being deleted.")
    if row.state == DeploymentState.FAILED:
        told = f"{row.name} failed: {row.detail} Update it to try again."
        raise Refused(Code.FAILED_PRECONDITION, told)
    if not row.max_replicas:
        raise Refused(Code.FAILED_PRECONDITION, f"{row.name} may have no replica. Raise its maxReplicaCount.")
    if not row.replicas:
        told = f"{row.name} was scaled to 0. A request for completions or a hot load brings it back by a cold start."
        raise Refused(Code.UNAVAILABLE, told, retry_after=RETRY_SECONDS)
    if row.stop_asked or not row.endpoint:
        told = f"The sampler of {row.name} does not listen yet ({row.state}). {row.detail}".rstrip()
        raise Refused(Code.UNAVAILABLE, told, retry_after=RETRY_SECONDS)
    endpoint = endpoint_at(row.endpoint, f"sampler of {row.name}")
    try:
        provider = open_provider(row.connection)
        if provider.capabilities.credential is Credential.CONNECTION_SECRET:
            demand_address(row.endpoint, provider, f"sampler of {row.name}")
            names = _names_there(row, provider)
            return Admitted(
                replace(endpoint, is_own=False),
                unseal(row.connection.secret).encode(),
                str(row.connection),
                fields=names.fields,
                withheld=WITHHELD,
                renamed=names.renamed,
                translate=partial(translate, names) if translate else None,
            )
    except (ProviderError, Unsealable) as error:
        raise Refused(Code.UNAVAILABLE, f"The connection {row.connection} cannot be used: {error}") from error
    job = row.sampler_spec.trainer_job
    fields = ((TRAINER_JOB, job.encode()),) if job else ()
    return Admitted(endpoint, sampler_token(row).encode(), str(row.connection), fields=fields)


def _names_there(row: Deployment, provider: Provider) -> NamesThere:
    base_model: str = row.spec["base_model"]
    there = provider.model_there(base_model) if isinstance(provider, NamesModels) else base_model
    jobs = Attempt.objects.filter(launch=row.trainer_id).exclude(remote_id="").order_by("-number")
    job = row.trainer.job_id if row.trainer else ""
    job_there = jobs.values_list("remote_id", flat=True).first() or ""
    return NamesThere(row.name, row.remote_name, base_model, there, row.account, row.connection, job, job_there)
