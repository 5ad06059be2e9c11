"""`:promote` there, and what its operation answers. The model's id there is made as those of jobs are (`names.py`)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from connections.providers.attempts import NEWEST_ATTEMPT, Reference
from connections.providers.control_plane.account import AccountThere
from connections.providers.control_plane.refusals import FINAL_FOR_A_SUBMISSION, Obstacle, RemoteRefusal, clean
from connections.providers.errors import Rejected, Retryable
from connections.providers.promotions import PromotionThere
from connections.providers.trainer_files.values import number
from wire.names import account_name, job_name, model_name

_OPERATION = re.compile(r"accounts/[a-z0-9-]{1,63}/operations/[A-Za-z0-9_-]{1,200}")
_ENDS = {"FAILED": "It failed there.", "DELETED": "It was deleted there."}
_LASTING = FINAL_FOR_A_SUBMISSION | {Obstacle.CONFLICT}
MOST_MODULES, LONGEST_MODULE = 100, 120


def promote(
    there: AccountThere, reference: Reference, checkpoint: str, *, model: str, base_model: str
) -> PromotionThere:
    """Errors: `Gone`, `Rejected`, `Retryable`."""
    there.path_of(reference)  # refuses what is no job
    body: dict[str, Any] = {
        "output_model": name_there(there, reference.account, model),
        "trainer_job_id": job_name(there.account, there.id_of(reference)),
        "async_promotion": True,
        **({"base_model": base_model} if base_model else {}),
    }
    path = f"/v1/{account_name(there.account)}/checkpoints/{checkpoint}:promote"
    try:
        try:
            said = there.client.call("POST", path, body=body)
        except RemoteRefusal as refused:
            if refused.obstacle is not Obstacle.INPUT:
                raise
            del body["async_promotion"]  # which not every control plane knows
            said = there.client.call("POST", path, body=body)
    except RemoteRefusal as refused:
        raise Rejected(str(refused)) if refused.is_said and refused.obstacle in _LASTING else refused from None
    return _read(body["output_model"], said)


def look(there: AccountThere, name: str, operation: str) -> PromotionThere | None:
    """None where the operation is not known. Errors: `Retryable`."""
    if not _OPERATION.fullmatch(operation):
        return None
    try:
        return _read(name, {"operation": there.client.call("GET", f"/v1/{operation}")})
    except RemoteRefusal as refused:
        if refused.obstacle is Obstacle.MISSING and refused.is_said:
            return None
        raise


def name_there(there: AccountThere, account: str, model: str) -> str:
    """The model's resource name there: of this Slipway, the account and its id here. Errors: `Retryable`."""
    return model_name(there.account, there.id_of(Reference(account, model, NEWEST_ATTEMPT)))


def _read(name: str, said: Mapping[str, Any]) -> PromotionThere:
    """Of an operation or a model as it was answered: hostile until it is read. Errors: `Retryable`."""
    operation = said.get("operation")
    told = operation if isinstance(operation, Mapping) else {}
    error, over = told.get("error"), told.get("done") is True
    if over and isinstance(error, Mapping):
        return PromotionThere(name, done=True, failure=clean(error.get("message")) or _ENDS["FAILED"])
    model = told.get("response") if over else said.get("model")
    if isinstance(model, Mapping):
        return _model(name, model)
    known = told.get("name")
    if over:
        return PromotionThere(name, done=True)
    if not isinstance(known, str) or not _OPERATION.fullmatch(known):
        raise Retryable("It does not say by what to ask how far the promotion is. This is tried again.")
    return PromotionThere(name, known)


def _model(name: str, said: Mapping[str, Any]) -> PromotionThere:
    state = str(said.get("state"))
    details = said.get("peftDetails")
    peft = details if isinstance(details, Mapping) else {}
    modules = peft.get("targetModules")
    named = [clean(each)[:LONGEST_MODULE] for each in modules[:MOST_MODULES]] if isinstance(modules, list) else []
    return PromotionThere(
        name,
        done=state not in ("UPLOADING", "CREATING"),
        failure=_ENDS.get(state, ""),
        lora_rank=number(peft.get("r")) or 0,
        target_modules=tuple(filter(None, named)),
    )
