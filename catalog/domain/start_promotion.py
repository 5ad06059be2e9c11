"""Make a model of a checkpoint: write the row; a worker copies the files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import count
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from accounts.actors import Actor, require
from accounts.domain.record import record
from accounts.models import Account
from accounts.roles import Right
from catalog.domain.rename_trained_model import refuse_display_name
from catalog.hints import PROMOTE
from catalog.models import BaseModel, TrainedModel
from catalog.naming import trained_search_text
from catalog.states import ModelKind, ModelState
from catalog.weights import ADAPTER_CONFIG, CONFIG, sorted_out
from connections.models import Connection
from connections.opened import merges
from connections.providers.checkpoints import CheckpointFile
from queues.hints import hint_on_commit
from wire.errors import AlreadyExists, FailedPrecondition, InvalidArgument, Violation
from wire.names import model_name, near_id, parse_model_name, refuse_id


@dataclass(frozen=True)
class PromotionSource:
    """The sampler checkpoint that becomes a model, as the account knows it.

    `name` is its resource name; where its bytes are is told by connection, job and checkpoint. What is made `elsewhere`
    stays at the connection, and nobody here knows its files.
    """

    name: str
    connection: Connection
    job_id: str
    checkpoint: str
    base_model: str
    lora_rank: int
    files: tuple[CheckpointFile, ...]
    provenance: Mapping[str, Any]
    elsewhere: bool = False
    size_bytes: int = 0


@transaction.atomic
def start_promotion(
    *,
    actor: Actor,
    account: Account,
    source: PromotionSource,
    model_id: str = "",
    display_name: str = "",
    merged: bool = False,
) -> tuple[TrainedModel, bool]:
    """The model, CREATING, which a worker takes from there; and whether it is new.

    An adapter that is `merged` is folded into its base, and so becomes a full model; what is whole is taken as it is.
    The same checkpoint to the same id answers what there is, where that was made in the same way. Without an id one is
    made of the display name, else of job and checkpoint. The id of one that failed is free. Errors: `NotFound`,
    `PermissionDenied`, `InvalidArgument`, `AlreadyExists` for an id that is taken by something else,
    `FailedPrecondition` where the checkpoint holds no model.
    """
    require(actor, account, Right.LAUNCH)
    display_name = refuse_display_name(display_name)
    if model_id and (sentence := refuse_id(model_id, what="model id")):
        raise InvalidArgument([Violation("model_id", f"{sentence}.")])
    taken, left_out = sorted_out(source.files)
    kind = _kind_of(source, taken)
    merged = merged and kind is ModelKind.ADAPTER
    if merged and source.elsewhere:
        raise FailedPrecondition(f"{source.connection} makes the model, and does not merge. Promote it as an adapter.")
    if merged and not merges(source.connection):
        raise FailedPrecondition(
            f"{source.connection} merges no adapters. Promote it as an adapter, which a launch can go on from; whoever "
            "needs a whole model merges what is downloaded (peft's merge_and_unload)."
        )
    account = Account.objects.select_for_update(no_key=True).get(pk=account.pk)
    chosen, found = _place(account, source, model_id, display_name, merged=merged)
    if found is not None:
        return found, False
    now, files = timezone.now(), [asdict(file) for file in taken]
    made = TrainedModel(
        account=account,
        model_id=chosen,
        display_name=display_name,
        kind=ModelKind.FULL if merged else kind,
        base_model=source.base_model,
        lora_rank=source.lora_rank if kind is ModelKind.ADAPTER and not merged else 0,
        provenance=dict(source.provenance)
        | {"checkpoint": source.name, "by": actor.label, "at": now.isoformat()}
        | (_merging(source) if merged else {}),
        files=[] if merged else files,
        merged_from=files if merged else [],
        left_out=left_out,
        elsewhere={} if source.elsewhere else None,
        size_bytes=source.size_bytes if source.elsewhere else sum(file.size_bytes for file in taken),
        connection=source.connection,
        job_id=source.job_id,
        checkpoint=source.checkpoint,
        created_by=actor.user,
        **_base_facts(source.base_model),
    )
    made.search_text = trained_search_text(made)
    made.save(force_insert=True)
    record(
        actor=actor,
        verb="promote_checkpoint",
        target=made.name,
        account=account,
        after={"checkpoint": source.name, "files": {file.path: file.sha256 for file in taken}}
        | ({"merged": True} if merged else {}),
    )
    hint_on_commit(PROMOTE, made.pk)
    return made, True


def _kind_of(source: PromotionSource, taken: list[CheckpointFile]) -> ModelKind:
    paths = {file.path for file in taken}
    if source.elsewhere:
        return ModelKind.ADAPTER if source.lora_rank else ModelKind.FULL
    if not source.files:
        raise FailedPrecondition(
            f"{source.name} does not say what it holds: a trainer of a release before saved it. Save it again."
        )
    weights = any(path.endswith(".safetensors") for path in paths)
    if weights and ADAPTER_CONFIG in paths:
        return ModelKind.ADAPTER
    if weights and CONFIG in paths:
        return ModelKind.FULL
    raise FailedPrecondition(
        f"{source.name} holds no model: {CONFIG} or {ADAPTER_CONFIG} is needed, and weights as safetensors. "
        "Save it for sampling again."
    )


def _merging(source: PromotionSource) -> dict[str, Any]:
    sentence = f"merged from the adapter {source.name} on base {source.base_model}"
    return {"merged": sentence, "lora_rank": source.lora_rank}


def _place(
    account: Account, source: PromotionSource, model_id: str, display_name: str, *, merged: bool
) -> tuple[str, TrainedModel | None]:
    """The id, and the model that was made of the same checkpoint under it before."""
    made = TrainedModel.objects.select_related("account")
    for candidate in [model_id] if model_id else _free_ids(source, display_name, merged):
        there = made.filter(account=account, model_id=candidate).first()
        if there is not None and there.state == ModelState.FAILED:
            there.delete()
            return candidate, None
        if there is not None and _is_same(there, source, merged):
            return candidate, there
        base = BaseModel.objects.filter(named(candidate), account=account).exists()
        if there is None and not base:
            return candidate, None
        if model_id:
            whose = _made_of(there) if there else "a base model of the catalog"
            name = model_name(account.account_id, model_id)
            raise AlreadyExists(f"{name} is there already, {whose}. Choose another id, or delete that one first.")
    raise AssertionError("there is always another id")


def _made_of(there: TrainedModel) -> str:
    how = " as an adapter" if there.kind == ModelKind.ADAPTER else ", merged into its base" if there.merged_from else ""
    return f"made of {there.provenance['checkpoint']}{how}"


def _free_ids(source: PromotionSource, display_name: str, merged: bool) -> Iterator[str]:
    how = "-merged" if merged else ""
    first = near_id(display_name) or near_id(f"{source.job_id}-{source.checkpoint}{how}")
    yield first
    for number in count(2):
        yield f"{first[: 63 - len(str(number)) - 1].rstrip('-')}-{number}"


def _is_same(made: TrainedModel, source: PromotionSource, merged: bool) -> bool:
    """By the digests, too: a name may have been given again once the checkpoint was deleted."""
    taken, _ = sorted_out(source.files)
    is_of_it = made.provenance["checkpoint"] == source.name and set(made.sources) == set(taken)
    return is_of_it and bool(made.merged_from) == merged


def _base_facts(base_model: str) -> dict[str, Any]:
    """Type and size of what was trained, and what that goes back to: a shape that fits the one fits the other."""
    account, model_id = parse_model_name(base_model) or ("", "")
    found = BaseModel.objects.filter(named(model_id), account__account_id=account).select_related("account")
    if base := found.first():
        return {"root_model": base.name, "model_type": base.model_type, "parameter_count": base.parameter_count}
    made = TrainedModel.objects.filter(account__account_id=account, model_id=model_id).first()
    if made is None:
        return {"root_model": base_model}
    return {"root_model": made.root_model, "model_type": made.model_type, "parameter_count": made.parameter_count}


def named(model_id: str) -> Q:
    """Base models that have the id, or had it before."""
    return Q(model_id=model_id) | Q(former_ids__contains=[model_id])
