"""Promote a checkpoint: make a model of the account of what a launch saved for sampling."""

from __future__ import annotations

from typing import Any

from django.db import transaction

from accounts.actors import Actor, require, right_to_control
from catalog.domain.start_promotion import PromotionSource, start_promotion
from catalog.models import TrainedModel
from connections.providers.checkpoints import CheckpointFile, CheckpointKind
from connections.providers.spec import TrainerSpec
from launches.domain.append_event import append_event
from launches.domain.mirror_checkpoints import refresh_checkpoints
from launches.live.wake import wake
from launches.models import Checkpoint, Launch
from launches.retention import require_kept
from wire.errors import FailedPrecondition, InvalidArgument, NotFound, Violation


def promote_checkpoint(
    *,
    actor: Actor,
    launch: Launch,
    checkpoint: str,
    model_id: str = "",
    display_name: str = "",
    base_model: str = "",
    merged: bool = False,
) -> TrainedModel:
    """The model, which a worker makes from here on; what the same checkpoint became under that id before.

    An adapter stays one, or is `merged` into its base.
    `base_model`, where it is told, has to be what the launch trained. The provider is asked first, so that a checkpoint
    can be promoted once its save was answered. Errors: as in `start_promotion`; `NotFound` for a checkpoint that is not
    there, `FailedPrecondition` where it is being written, or cannot be promoted.
    """
    require(actor, launch.account, right_to_control(actor, launch))
    spec = TrainerSpec.from_json(launch.spec)
    if base_model not in ("", spec.base_model, spec.adapter):
        sentence = f"{base_model[:200]} is not what {launch.name} trained. Use {spec.base_model}, or leave it out."
        raise InvalidArgument([Violation("base_model", sentence)])
    refresh_checkpoints(launch)
    return _promote(actor, launch, spec, checkpoint, model_id=model_id, display_name=display_name, merged=merged)


@transaction.atomic
def _promote(actor: Actor, launch: Launch, spec: TrainerSpec, name: str, **asked: Any) -> TrainedModel:
    locked = (
        Launch.objects.select_for_update(of=("self",))
        .select_related("account", "connection", "shape_version__shape__account")
        .get(pk=launch.pk)
    )
    found = find_promotable(locked, name)
    rank = spec.lora_rank if found.lora_rank is None else found.lora_rank
    source = PromotionSource(
        name=found.resource_name,
        connection=locked.connection,
        job_id=locked.known_as[1],
        checkpoint=found.name,
        base_model=spec.base_model,
        lora_rank=rank,
        files=tuple(CheckpointFile(**file) for file in found.files),
        provenance=_provenance(locked, spec, found),
        elsewhere=found.promotable_there,
        size_bytes=found.size_bytes,
    )
    model, is_new = start_promotion(actor=actor, account=locked.account, source=source, **asked)
    if is_new:
        how = ", merged into its base model" if model.merged_from else ""
        message = f"Checkpoint {found.name} promoted to {model.model_id}{how}"
        append_event(locked, kind="promoted", message=message, actor=actor, data={"model": model.name})
        wake(locked)
    return model


def find_promotable(launch: Launch, name: str) -> Checkpoint:
    """The sampler checkpoint of that name. Errors: `NotFound`; `FailedPrecondition` where it makes no model."""
    there = {checkpoint.kind: checkpoint for checkpoint in launch.checkpoints.filter(name=name)}
    found = there.get(CheckpointKind.SAMPLER)
    if found is None and there:
        raise FailedPrecondition(
            f"{launch.name}/checkpoints/{name} is to train on from. Save it for sampling, and promote that."
        )
    if found is None:
        raise NotFound(f"There is no {launch.name}/checkpoints/{name[:200]}.")
    require_kept(launch.kept_until, f"{launch.name}/checkpoints/{name}")
    if launch.known_as[0] != launch.account.account_id:
        raise FailedPrecondition(
            f"{launch.name} was adopted from account {launch.known_as[0]}, under which its checkpoints lie. "
            "Download it, or train in this account."
        )
    if found.writing:
        raise FailedPrecondition(f"{launch.name}/checkpoints/{name} is being written. Promote it once that is done.")
    if not found.promotable:
        raise FailedPrecondition(
            f"{launch.name}/checkpoints/{name} cannot be promoted: where it lies nobody says which files it has, "
            "or that a model can be made of it."
        )
    return found


def _provenance(launch: Launch, spec: TrainerSpec, found: Checkpoint) -> dict[str, Any]:
    """In names, which outlive what they name."""
    return {
        "launch": launch.name,
        "launch_uid": str(launch.uid),
        "shape_version": spec.training_shape_version,
        "requested_name": found.requested_name,
        "step": found.step,
        "saved_at": found.saved_at.isoformat(),
        "trainer_mode": spec.trainer_mode,
        "precision": found.precision,
        "lora_alpha": found.lora_alpha,
        "connection": launch.connection.name,
    }
