"""Do the steps of a plan: the part that is the same whoever wrote the document, a file or a connection's catalog."""

from __future__ import annotations

from typing import Any

from django.db.models import Max, Min

from accounts.actors import Actor
from accounts.domain.create_account import create_account
from accounts.domain.record import record
from accounts.domain.rename_account import rename_account
from accounts.models import Account
from catalog.domain.arrange_models import arrange_models
from catalog.domain.catalog_lock import hold_models
from catalog.domain.create_shape import create_shape
from catalog.domain.deprecate_version import deprecate_version
from catalog.domain.import_version import import_version
from catalog.domain.plan_catalog import visible_to
from catalog.domain.restore_version import restore_version
from catalog.domain.roll_back import roll_back
from catalog.domain.shape_lock import latest_of
from catalog.files.document import Document, ModelEntry, ModelFacts, ShapeEntry
from catalog.files.plan import ID_SOURCE, Plan, PlanStep, StepKind
from catalog.models import BaseModel, ShapeVersion, TrainedModel, TrainingShape
from catalog.naming import model_search_text, shape_search_text
from catalog.states import ModelState
from wire.errors import AlreadyExists, Conflict, FailedPrecondition
from wire.names import DEPLOYMENT_SHAPES, TRAINING_SHAPES, parse_model_name, parse_shape_name

STALE = "The catalog changed since this plan was made. See what the file would do now, and decide."


def lock_catalog(account_id: str) -> Account | None:
    """The account, where it is there, and its shapes, locked: nothing changes between a plan and what it does.

    Plans are carried out one at a time, those of other accounts too: each may renumber everybody's base models.
    """
    hold_models()
    account = Account.objects.select_for_update(no_key=True).filter(account_id=account_id).first()
    list(TrainingShape.objects.select_for_update().filter(account=account).order_by("pk").values_list("pk"))
    return account


def carry_out(*, actor: Actor, account: Account | None, document: Document, plan: Plan, by: str) -> Account:
    """Bring the account to the document by the plan's steps; answers the account.

    Call it in the transaction that `lock_catalog` began. `by` says in notes and reasons who brought it. Errors: those
    of the verbs; `Conflict` where somebody whom the locks do not keep waiting did some of it.
    """
    try:
        account = _put_account(actor, account, document, plan)
        models = _put_models(actor, account, document, plan)
        shapes = _put_shapes(actor, account, document, plan, models)
    except AlreadyExists:  # made by somebody whom the locks do not keep waiting, since there was no row yet
        raise Conflict(STALE) from None
    for step in plan.steps:
        if isinstance(step.entry, ShapeEntry) and step.publishes:
            _publish(actor, document, shapes[step.entry.shape_id], step.entry, by)
    for step in plan.steps:  # once all are published, since they may be each other's successors
        if isinstance(step.entry, ShapeEntry) and (step.entry.deprecated or not step.publishes):
            _deprecate(actor, shapes[step.entry.shape_id], step.entry, by)
    for step in plan.steps:
        _record_facts(actor, account, step)
    if plan.steps:
        arrange_models()
    return account


def _put_account(actor: Actor, account: Account | None, document: Document, plan: Plan) -> Account:
    """The account as the document has it."""
    if account is None:
        name = document.display_name or document.account_id
        return create_account(actor=actor, account_id=document.account_id, display_name=name)
    if plan.counts[StepKind.CHANGE_ACCOUNT]:
        rename_account(actor=actor, account=account, display_name=document.display_name)
    return account


def _record_facts(actor: Actor, account: Account, step: PlanStep) -> None:
    """A line of the audit log for what no version keeps and no other verb has noted, as the plan has it in words."""
    models = step.kind in {StepKind.ADD_MODEL, StepKind.CHANGE_MODEL, StepKind.ORDER}
    lines = [line for line in step.lines if models or line.key == ID_SOURCE]
    if not lines:
        return
    before = {line.key: line.values[0] for line in lines if len(line.values) > 1}
    record(
        actor=actor,
        verb=step.kind.value if models else "change_id_source",
        target=step.name,
        account=account,
        before=before or None,
        after={line.key: line.values[-1] for line in lines},
    )


def _put_models(actor: Actor, account: Account, document: Document, plan: Plan) -> dict[str, BaseModel]:
    """All base models of the document by name; those of the account as the document has them."""
    known = {model.name: model for model in BaseModel.objects.filter(account=account).select_related("account")}
    changing = {step.name: step for step in plan.steps if step.kind in {StepKind.ADD_MODEL, StepKind.CHANGE_MODEL}}
    for model in document.models:
        if model.name in changing and model.facts:
            known[model.name] = _put_model(account, model, model.facts, known.get(model.name))
    if changing or any(step.kind is StepKind.ORDER and step.name == account.name for step in plan.steps):
        _place(account, [known[model.name] for model in document.models if model.facts])
    foreign = visible_to(actor, [model.name for model in document.models if model.facts is None])
    return known | {model.name: model for model in foreign}


def _put_model(account: Account, entry: ModelEntry, facts: ModelFacts, model: BaseModel | None) -> BaseModel:
    parsed = parse_model_name(entry.name)
    assert parsed, "the reader takes names only"
    columns = _columns(parsed[1], facts, model.former_ids if model else [])
    if model is None:
        if TrainedModel.objects.filter(account=account, model_id=parsed[1]).exclude(state=ModelState.FAILED).exists():
            raise FailedPrecondition(f"{entry.name} is a model that was made here of a checkpoint. Delete that first.")
        return BaseModel.objects.create(account=account, position=0, **columns)
    if _update(model, columns):
        refresh_search(model)
    return model


def _columns(model_id: str, facts: ModelFacts, former_ids: list[str]) -> dict[str, Any]:
    columns = {
        "model_id": model_id,
        "title": facts.title,
        "family": facts.family,
        "section": facts.section,
        "architecture": facts.architecture or "",
        "model_type": facts.model_type,
        "parameter_count": facts.parameter_count,
        "aliases": list(facts.aliases),
        "named_here": facts.named_here,
    }
    return columns | {"search_text": model_search_text(BaseModel(**columns, former_ids=former_ids))}


def refresh_search(base_model: BaseModel) -> None:
    """Let free text find all shapes of the model under its new names, those of other accounts too."""
    shapes = list(TrainingShape.objects.select_for_update().filter(base_model=base_model).order_by("pk"))
    for shape in shapes:
        shape.search_text = shape_search_text(
            display_name=shape.display_name, shape_id=shape.shape_id, base_model=base_model
        )
    TrainingShape.objects.bulk_update(shapes, ["search_text"])


def _place(account: Account, models: list[BaseModel]) -> None:
    """Give the models their order: where the account's models began, or behind all others."""
    listed = BaseModel.objects.filter(account=account, position__gt=0).aggregate(first=Min("position"))["first"]
    start = listed or (BaseModel.objects.aggregate(last=Max("position"))["last"] or 0) + 1
    for position, model in enumerate(models, start=start):
        model.position = position
    BaseModel.objects.bulk_update(models, ["position"])


def _put_shapes(
    actor: Actor, account: Account, document: Document, plan: Plan, models: dict[str, BaseModel]
) -> dict[str, TrainingShape]:
    """All shapes of the account by id, those of the document in its order."""
    found = TrainingShape.objects.filter(account=account).select_related("account", "base_model__account")
    shapes = {shape.shape_id: shape for shape in found}
    moved = {step.name for step in plan.steps if step.kind is StepKind.ORDER}
    touched = {step.name for step in plan.steps if isinstance(step.entry, ShapeEntry)}
    for model in document.models:
        added = any(entry.shape_id not in shapes or entry.snapshot.name in touched for entry in model.shapes)
        for position, entry in enumerate(model.shapes):
            shape = shapes.get(entry.shape_id)
            if shape is None:
                shapes[entry.shape_id] = create_shape(
                    actor=actor,
                    account=account,
                    base_model=models[model.name],
                    shape_id=entry.shape_id,
                    display_name=entry.snapshot.display_name,
                    id_source=entry.id_source,
                    position=position,
                    kind=entry.snapshot.kind,
                )
            elif added or model.name in moved:
                _update(shape, {"id_source": entry.id_source, "position": position})
    return shapes


def _publish(actor: Actor, document: Document, shape: TrainingShape, entry: ShapeEntry, by: str) -> ShapeVersion:
    """A new version; or the one that is there already under the id that the entry's has to have."""
    there = shape.versions.filter(version_id=entry.version_id).first() if entry.version_id else None
    if there:
        there.shape = shape
        return roll_back(actor=actor, version=there, expected_latest=None, reason=by)
    return import_version(
        actor=actor,
        shape=shape,
        snapshot=entry.snapshot,
        launch_fields=entry.launch_fields,
        edition=entry.edition,
        public=document.public,
        note=by,
        version_id=entry.version_id,
    )


def _deprecate(actor: Actor, shape: TrainingShape, entry: ShapeEntry, by: str) -> None:
    """Warn from the head, or lift the warning, as the entry says."""
    head = latest_of(shape)
    assert head, "every shape of a plan has one by now"
    if entry.deprecated:
        successor = _shape_named(entry.deprecated.successor)
        if (head.deprecation_message, head.successor) != (entry.deprecated.message, successor):
            deprecate_version(actor=actor, version=head, message=entry.deprecated.message, successor=successor)
    elif head.deprecated_at:
        restore_version(actor=actor, version=head, reason=by)


def _shape_named(name: str) -> TrainingShape | None:
    parsed = parse_shape_name(name, TRAINING_SHAPES, DEPLOYMENT_SHAPES)
    if parsed is None:
        return None
    return TrainingShape.objects.select_related("account").get(account__account_id=parsed[0], shape_id=parsed[1])


def _update(row: BaseModel | TrainingShape, facts: dict[str, Any]) -> bool:
    """Write the facts that differ; whether there were any."""
    different = [name for name, value in facts.items() if getattr(row, name) != value]
    for name in different:
        setattr(row, name, facts[name])
    if different:
        row.save(update_fields=different)
    return bool(different)
