"""The shape of a job that names none: what the request wants and what there is, brought to the catalog's rule."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from accounts.models import Account
from api.refusals import invalid
from catalog.model_queries import find_model
from catalog.models import ShapeVersion
from catalog.selection import ShapeRequirements, near_misses
from catalog.states import ModelKind
from catalog.trained_queries import find_trained
from connections.providers.spec import TrainerMode
from launches.api.bodies import WIRE, value_at
from launches.choosing import choose_shape
from launches.resolve import CONTINUE_FROM, no_rank
from wire.errors import FailedPrecondition
from wire.names import MODEL_FORM, refuse_name

_STARTS = (WIRE[CONTINUE_FROM], WIRE["base_model"])


def choose_version(account: Account, mine: list[int], body: Mapping[str, Any]) -> ShapeVersion:
    """The version that the account's job runs on.

    Errors: `InvalidArgument` for the base model; `FailedPrecondition` with the near misses where no shape will do.
    """
    wanted = _wanted(account, mine, body)
    found, candidates = choose_shape(mine, wanted)
    if found:
        return found
    misses = "; ".join(f"{miss.shape}: {miss.fails}" for miss in near_misses(wanted, candidates))
    context = f" with {wanted.context:,} tokens of context" if wanted.context else ""
    image = f" on image {wanted.image[:80]}" if wanted.image else ""
    raise FailedPrecondition(
        f"No training shape fits {wanted.base_model} as {wanted.mode}{context}{image}. "
        + (f"Near misses: {misses}. Change what you ask for, or name one." if misses else "There is none for it."),
        reason="NO_TRAINING_SHAPE_FITS",
    )


def _wanted(account: Account, mine: list[int], body: Mapping[str, Any]) -> ShapeRequirements:
    start = next((str(given) for given in map(partial(value_at, body), _STARTS) if given), "")
    if sentence := refuse_name(start, MODEL_FORM, what="base model"):
        raise invalid(WIRE["base_model"], f"{sentence}. Or name a shape.")
    made, name, rank = find_trained(mine, start), start, value_at(body, WIRE["lora_rank"])
    goes_on = made is not None and made.kind == ModelKind.ADAPTER and rank is None
    mode = TrainerMode.POLICY_TRAINER if no_rank(rank) and not goes_on else TrainerMode.LORA_TRAINER
    model = made or find_model(mine, name)
    return ShapeRequirements(
        base_model=made.root_model if made else model.name if model else name,
        mode=TrainerMode.FORWARD_ONLY if body.get("forwardOnly") else mode,
        context=value_at(body, WIRE["max_context_length"]) or 0,
        model_type=model.model_type if model else None,
        parameter_count=model.parameter_count if model else None,
        image=value_at(body, WIRE["custom_image_tag"]) or "",
        account=account.account_id,
    )
