"""What can be launched, read from the catalog."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from django.db.models import Q, QuerySet

from accounts.models import Account
from catalog.enums import Architecture
from catalog.fields.recipe_fields import of_recipes, of_shape
from catalog.fields.snapshots import Snapshot
from catalog.fields.values import read_value
from catalog.models import BaseModel, ShapeVersion, TrainedModel
from catalog.selection import ShapeRequirements
from catalog.states import ModelKind
from catalog.trained_queries import startable_fitting
from catalog.version_queries import find_linked
from connections.providers.checkpoints import CheckpointKind
from connections.providers.spec import NO_RECIPE, DatasetFile, TrainerMode
from datasets.models import Dataset
from datasets.queries import ready_datasets
from launches.choosing import choose_shape
from launches.models import Checkpoint
from launches.recipes import DATASET, EVALUATION
from launches.resolve import CONTINUE_FROM, DEPLOYMENT_REPLICAS, RECIPE, REFERENCE, StartingPoint, Subject
from wire.names import parse_checkpoint_name, parse_model_name

NOTHING_SET: Mapping[str, Any] = {}
MOST_FITTING_MODELS = 100
"""With the models that people made there are half as many more at most."""
MOST_STARTING_POINTS, MOST_SHAPES, MOST_DATASETS = 50, 12, 100


def subject_of(version: ShapeVersion, account: Account | None, inputs: Mapping[str, Any] = NOTHING_SET) -> Subject:
    """The version as `resolve` takes it, with the models that its shape fits and the account may see.

    With them the newest checkpoints and adapters of the account that it can go on from, and what the inputs ask for.
    """
    snapshot = version.frozen_snapshot
    own = version.shape.base_model
    models = fitting_models(own, snapshot, account)
    continue_from = inputs.get(CONTINUE_FROM)
    wanted = (inputs.get("base_model"), continue_from)
    found = made_models(own, snapshot, account, wanted)
    made = tuple(model.name for model in found if model.kind == ModelKind.FULL)
    fitting = (*(model.name for model in models), *made)
    beside = reference_version(version, account)
    return Subject(
        version_name=version.name,
        snapshot=snapshot,
        fields=of_shape(version.fields),
        narrowed=of_recipes(version.fields),
        mixture=own.architecture == Architecture.MOE,
        fitting_models=fitting,
        checkpoints=(
            *starting_points(snapshot, account, models, made, wanted=continue_from),
            *_adapters(found, snapshot, {*(model.name for model in models), *made}, wanted),
        ),
        renamed=_renamed(models),
        serving=_serving(snapshot, account),
        datasets=datasets_of(account, inputs.get(DATASET), inputs.get(EVALUATION))
        if account and _may_need_one(inputs)
        else (),
        reference=replace(bare_subject(beside), fitting_models=fitting) if beside else None,
    )


def asked_subject(version: ShapeVersion, account: Account, inputs: Mapping[str, Any]) -> Subject:
    """The same with what the inputs ask for alone, of which `resolve` makes the same; for who offers no choices."""
    own = version.shape.base_model
    unasked = (None, "", own.name, *own.former_names)
    asks = inputs.get(CONTINUE_FROM) or inputs.get(REFERENCE) or _may_need_one(inputs)
    if asks or inputs.get("base_model") not in unasked:
        return subject_of(version, account, inputs)
    subject = bare_subject(version)
    usual = (field.default for field in subject.fields if field.name == DEPLOYMENT_REPLICAS)
    if inputs.get(DEPLOYMENT_REPLICAS) or any(usual):
        return replace(subject, serving=_serving(subject.snapshot, account))
    return subject


def _may_need_one(inputs: Mapping[str, Any]) -> bool:
    """Whether a recipe is named that may train on a dataset: none does where nobody chooses it."""
    return inputs.get(RECIPE) not in (None, "", NO_RECIPE)


def _datasets(account: Account | None, inputs: Mapping[str, Any]) -> tuple[DatasetFile, ...]:
    if account is None or not _may_need_one(inputs):
        return ()
    return datasets_of(account, inputs.get(DATASET), inputs.get(EVALUATION))


def datasets_of(account: Account, *wanted: Any) -> tuple[DatasetFile, ...]:
    """What recipes may train on, the newest first; of very many the newest hundred, and those that are wanted."""
    ready = ready_datasets(account)
    found = list(ready[:MOST_DATASETS])
    lasts = {str(each or "").rpartition("/")[2][:63] for each in wanted} - {"", *(row.dataset_id for row in found)}
    if lasts:
        found += ready.filter(dataset_id__in=lasts)
    return files_of(found)


def files_of(datasets: Iterable[Dataset]) -> tuple[DatasetFile, ...]:
    """Those that are ready, as trainers are given them. Needs their accounts."""
    return tuple(
        DatasetFile(row.name, f"{row.uid.hex}.jsonl", row.sha256, row.format, row.rows or 0) for row in datasets
    )


def reference_version(version: ShapeVersion, account: Account | None) -> ShapeVersion | None:
    """Of a full-parameter policy's shape what its reference is launched from, by the catalog's rule; None for others.

    A forward-only shape of the same base model, else a LoRA shape, which at rank 0 is the base model alone.
    """
    own, snapshot = version.shape.base_model, version.frozen_snapshot
    if snapshot.trainer_mode is not TrainerMode.POLICY_TRAINER:
        return None
    wanted = ShapeRequirements(
        base_model=own.name,
        mode=TrainerMode.FORWARD_ONLY,
        context=snapshot.max_supported_context_length,
        account=account.account_id if account else "",
    )
    return choose_shape([account.pk] if account else [], wanted)[0]


def _serving(snapshot: Snapshot, account: Account | None) -> Snapshot | None:
    """What the deployment shape owns that the shape links, where it is here and the account may see it."""
    found = find_linked([account.pk] if account else [], snapshot)
    return found.frozen_snapshot if found else None


def _adapters(
    found: Sequence[TrainedModel], snapshot: Snapshot, names: Collection[str], wanted: Collection[Any]
) -> Iterator[StartingPoint]:
    """Those of the models that are adapters: for a LoRA shape those on one of the names; what is wanted in any case."""
    for model in found:
        fits = snapshot.trainer_mode is TrainerMode.LORA_TRAINER and model.base_model in names
        if model.kind == ModelKind.ADAPTER and (fits or model.name in wanted):
            yield StartingPoint(model.name, model.base_model, model.lora_rank)


def bare_subject(version: ShapeVersion) -> Subject:
    """The version as `resolve` takes it where nothing is set: with its shape's own base model alone. No queries."""
    own = version.shape.base_model
    return Subject(
        version_name=version.name,
        snapshot=version.frozen_snapshot,
        fields=of_shape(version.fields),
        narrowed=of_recipes(version.fields),
        mixture=own.architecture == Architecture.MOE,
        fitting_models=(own.name,),
        renamed=_renamed([own]),
    )


def starting_points(
    snapshot: Snapshot,
    account: Account | None,
    models: Sequence[BaseModel],
    made: Sequence[str] = (),
    *,
    wanted: Any = None,
) -> tuple[StartingPoint, ...]:
    """Checkpoints for training, of the same mode and of one of the models, the newest first; the wanted one, too.

    `made` are the names of models that people made.
    """
    if account is None or snapshot.trainer_mode is TrainerMode.FORWARD_ONLY:
        return ()
    renamed = _renamed(models)
    found = Checkpoint.objects.filter(
        launch__account=account,
        launch__adopted_job="",  # of an adopted one they lie under another name, which trainers do not know
        kind=CheckpointKind.TRAINING,
        writing=False,
        launch__spec__trainer_mode=snapshot.trainer_mode,
        launch__spec__base_model__in=[*(model.name for model in models), *renamed, *made],
    ).select_related("launch__account", "launch__connection")
    newest = list(found.order_by("-saved_at", "-pk")[:MOST_STARTING_POINTS])
    if isinstance(wanted, str) and (parsed := parse_checkpoint_name(wanted)):
        owner, job, name = parsed
        asked_for = found.filter(launch__account__account_id=owner, launch__job_id=job, name=name)
        newest += asked_for.exclude(pk__in=[one.pk for one in newest])
    return tuple(_starting_point(checkpoint, renamed) for checkpoint in newest)


def _renamed(models: Sequence[BaseModel]) -> dict[str, str]:
    """By their former names those that they have now."""
    return {former: model.name for model in models for former in model.former_names}


def _starting_point(checkpoint: Checkpoint, renamed: Mapping[str, str]) -> StartingPoint:
    launch = checkpoint.launch
    base_model = launch.spec["base_model"]
    rank = launch.spec["lora_rank"] if checkpoint.lora_rank is None else checkpoint.lora_rank
    return StartingPoint(
        checkpoint.resource_name,
        renamed.get(base_model, base_model),
        rank,
        checkpoint.step,
        launch.connection.name,
        launch.display_name,
    )


def fitting_models(own: BaseModel, snapshot: Snapshot, account: Account | None) -> tuple[BaseModel, ...]:
    """The shape's own base model first, then models of the same type and parameter count, where both are known."""
    if snapshot.model_type is None or snapshot.parameter_count is None:
        return (own,)
    alike = (
        BaseModel.objects.filter(model_type=snapshot.model_type, parameter_count=snapshot.parameter_count)
        .filter(Q(account=account) | Q(account=own.account_id))
        .exclude(pk=own.pk)
        .select_related("account")
        .order_by("position", "id")[: MOST_FITTING_MODELS - 1]
    )
    return (own, *alike)


def made_models(
    own: BaseModel, snapshot: Snapshot, account: Account | None, wanted: Collection[Any] = ()
) -> Sequence[TrainedModel]:
    """Models that the account made and that the shape takes, the newest first; then adapters that are wanted."""
    names = (own.name, *own.former_names)
    if account is None:
        return ()
    return startable_fitting(
        account, names, model_type=snapshot.model_type, parameter_count=snapshot.parameter_count, wanted=wanted
    )


def shapes_for(listed: QuerySet[ShapeVersion], model: TrainedModel) -> list[ShapeVersion]:
    """Of the latest versions of shapes those that a launch from the model can take; the smallest first, twelve at most.

    The other way round than `made_models`; an adapter takes a LoRA shape that offers its rank.
    """
    fits = for_models_like(model.root_model, model.model_type, model.parameter_count)
    rows = listed.filter(fits, deprecated_at__isnull=True).select_related("shape__account")
    rows = rows.order_by("gpus", "max_context", "shape__shape_id", "pk")
    if model.kind == ModelKind.FULL:
        return list(rows[:MOST_SHAPES])
    lora = rows.filter(trainer_mode=TrainerMode.LORA_TRAINER)[:MOST_FITTING_MODELS]
    return [version for version in lora if _offers_rank(version, model.lora_rank)][:MOST_SHAPES]


def for_models_like(base_model: str, model_type: str | None, parameter_count: int | None) -> Q:
    """Versions whose shape is for the base model of that name, or for models of that type and size, both known."""
    account, model_id = parse_model_name(base_model) or ("", "")
    named = Q(shape__base_model__model_id=model_id) | Q(shape__base_model__former_ids__contains=[model_id])
    fits = named & Q(shape__base_model__account__account_id=account)
    if model_type is not None and parameter_count is not None:
        fits |= Q(snapshot__modelType=model_type, snapshot__parameterCount=parameter_count)
    return fits


def _offers_rank(version: ShapeVersion, rank: int) -> bool:
    ranks = [] if version.unreadable else [field for field in version.fields if field.name == "lora_rank"]
    try:
        return [read_value(field, rank) for field in ranks] == [rank]
    except ValueError:
        return False
