"""What a deployment is asked to serve: its shape's base model, another one that fits, a model or a checkpoint.

Each by its resource name. Whole models take the base model's place; adapters, and whatever a launch saved for sampling,
are loaded on their base before the first answer.
"""

from __future__ import annotations

from dataclasses import dataclass

from accounts.models import Account
from catalog.models import ShapeVersion, TrainedModel
from catalog.states import ModelKind, ModelState
from catalog.trained_queries import find_trained
from connections.models import Connection
from connections.providers.checkpoints import CheckpointKind
from launches.models import Checkpoint
from launches.retention import require_kept
from launches.subjects import fitting_models
from wire.errors import InvalidArgument, NotFound, Violation
from wire.names import CROSS_JOB, parse_checkpoint_name

FIELD = "base_model"


@dataclass(frozen=True)
class ServedWeights:
    """`name` as it was asked for; `base_model` is what is loaded first, and `snapshot` on it, "" for nothing.

    `lora_rank` is of an adapter; `model` is the row that must not be deleted meanwhile, `connection` where alone the
    weights lie.
    """

    name: str
    base_model: str
    snapshot: str = ""
    lora_rank: int = 0
    model: TrainedModel | None = None
    connection: Connection | None = None


def find_served(version: ShapeVersion, account: Account, name: str) -> ServedWeights:
    """What the account calls so, for samplers of the version. Errors: `InvalidArgument`."""
    if parsed := parse_checkpoint_name(name):
        return _of_checkpoint(version, account, name, *parsed)
    if (base := _base_model(version, account, name)) is not None:
        return ServedWeights(base, base)
    model = find_trained([account.pk], name)
    if model is None:
        raise _refused(
            f"{name[:200]!r} is not what the shape serves. Use {version.shape.base_model.name}, a model or a "
            f"checkpoint of {account.account_id} that was trained from it."
        )
    _require_here(model)
    if model.kind == ModelKind.ADAPTER:
        base = _base_of(version, account, model.base_model, what=name)
        return ServedWeights(name, base, snapshot=name, lora_rank=model.lora_rank, model=model)
    return ServedWeights(name, _base_of(version, account, name, what=name), model=model)


def hold_served(model: TrainedModel | None) -> None:
    """Let who deletes the model wait for the caller's transaction. Errors: `InvalidArgument` where it is gone."""
    rows = TrainedModel.objects.select_for_update(no_key=True, of=("self",))
    if model and not rows.filter(pk=model.pk).exists():
        raise _refused(f"There is no model {model.model_id} any more; somebody deleted it.")


def _of_checkpoint(
    version: ShapeVersion, account: Account, name: str, owner: str, job: str, saved: str
) -> ServedWeights:
    rows = Checkpoint.objects.select_related("launch__account", "launch__connection")
    found = rows.filter(
        launch__account=account, launch__account__account_id=owner, launch__job_id=job, name=saved,
        kind=CheckpointKind.SAMPLER,
    ).first()  # fmt: skip
    if found is None:
        raise _refused(f"There is no {name[:200]!r} that was saved for sampling. Use one that its job's page lists.")
    launch = found.launch
    try:
        require_kept(launch.kept_until, name)
    except NotFound as error:
        raise _refused(f"{error.message} Use a model that was promoted, or another checkpoint.") from None
    if found.writing:
        raise _refused(f"{name} is being written. Use it once that is done.")
    if launch.known_as[0] != account.account_id:
        raise _refused(f"{name} lies under account {launch.known_as[0]}, from which its job was adopted. Promote it.")
    rank = found.lora_rank or launch.spec["lora_rank"] if found.is_adapter else 0
    base = _base_of(version, account, launch.spec["base_model"], what=name)
    snapshot = f"{CROSS_JOB}{launch.known_as[1]}/{found.name}"
    return ServedWeights(name, base, snapshot=snapshot, lora_rank=rank, connection=launch.connection)


def _base_model(version: ShapeVersion, account: Account, name: str) -> str | None:
    """Today's name of a base model of the catalog that fits the shape."""
    own = version.shape.base_model
    if name in (own.name, *own.former_names):
        return own.name
    fitting = (model for model in fitting_models(own, version.frozen_snapshot, account) if model.pk != own.pk)
    return next((model.name for model in fitting if name in (model.name, *model.former_names)), None)


def _base_of(version: ShapeVersion, account: Account, name: str, *, what: str) -> str:
    """`name` is of the shape's base model, of one of its size, or of a whole model of the account that began there."""
    if (base := _base_model(version, account, name)) is not None:
        return base
    own, snapshot = version.shape.base_model, version.frozen_snapshot
    model = find_trained([account.pk], name)
    if model and model.kind == ModelKind.FULL:
        alike = (model.model_type, model.parameter_count) == (snapshot.model_type, snapshot.parameter_count)
        known = snapshot.model_type is not None and snapshot.parameter_count is not None
        if model.root_model in (own.name, *own.former_names) or (known and alike):
            _require_here(model)
            return model.name
    trained = "" if what == name else f", which was trained from {name},"
    raise _refused(
        f"{what}{trained} does not fit: {version.shape.shape_id} serves {own.name}, and what is of its type and size. "
        f"Use a deployment shape of {_root(model, name)}."
    )


def _root(model: TrainedModel | None, name: str) -> str:
    return model.root_model if model else name


def _require_here(model: TrainedModel) -> None:
    if model.state != ModelState.READY:
        raise _refused(f"{model.name} is {model.state}. Use it once it is READY.")
    if model.elsewhere is not None:
        where = model.connection or "its connection"
        raise _refused(f"{model.name} stays at {where}, as {model.name_elsewhere}. Use a model whose files are here.")


def _refused(sentence: str) -> InvalidArgument:
    return InvalidArgument([Violation(FIELD, sentence)])
