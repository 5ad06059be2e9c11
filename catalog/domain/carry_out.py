"""Do the steps of a plan: the part that is the same whoever wrote the document, a file or a connection's catalog."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db.models import Max, Min

from accounts.actors import Actor
from accounts.domain.create_account import create_account
from accounts.domain.record import entry_of, record_all
from accounts.domain.rename_account import rename_account
from accounts.models import Account, AuditEntry
from catalog.domain.arrange_models import arrange_models
from catalog.domain.catalog_lock import hold_models
from catalog.domain.create_shape import create_shapes
from catalog.domain.deprecate_version import deprecate_version
from catalog.domain.import_version import ImportedVersion, import_versions
from catalog.domain.plan_catalog import visible_to
from catalog.domain.restore_version import restore_version
from catalog.domain.roll_back import roll_back
from catalog.domain.shape_lock import latest_of_each
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
    entries = [(step.entry, step.publishes) for step in plan.steps if isinstance(step.entry, ShapeEntry)]
    publishing = [(shapes[entry.shape_id], entry) for entry, publishes in entries if publishes]
    _publish(actor, publishing, public=document.public, by=by)
    warned = [(shapes[entry.shape_id], entry) for entry, publishes in entries if entry.deprecated or not publishes]
    _deprecate(actor, warned, by)  # once all are published, since they may be each other's successors
    record_all(fact for step in plan.steps for fact in _facts_of(actor, account, step))
    if plan.steps:
        trained = TrainingShape.objects.filter(account=account).values_list("base_model", flat=True)
        arrange_models({*trained, *(model.pk for model in models.values())})
    return account


def _put_account(actor: Actor, account: Account | None, document: Document, plan: Plan) -> Account:
    """The account as the document has it."""
    if account is None:
        name = document.display_name or document.account_id
        return create_account(actor=actor, account_id=document.account_id, display_name=name)
    if plan.counts[StepKind.CHANGE_ACCOUNT]:
        rename_account(actor=actor, account=account, display_name=document.display_name)
    return account


def _facts_of(actor: Actor, account: Account, step: PlanStep) -> Iterator[AuditEntry]:
    """A line of the audit log for what no version keeps and no other verb has noted, as the plan has it in words."""
    models = step.kind in {StepKind.ADD_MODEL, StepKind.CHANGE_MODEL, StepKind.ORDER}
    lines = [line for line in step.lines if models or line.key == ID_SOURCE]
    if not lines:
        return
    before = {line.key: line.values[0] for line in lines if len(line.values) > 1}
    yield entry_of(
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
    new, changed = [], []
    for model in document.models:
        added = any(entry.shape_id not in shapes or entry.snapshot.name in touched for entry in model.shapes)
        for position, entry in enumerate(model.shapes):
            shape = shapes.get(entry.shape_id)
            if shape is None:
                shapes[entry.shape_id] = shape = TrainingShape(
                    kind=entry.snapshot.kind, base_model=models[model.name], shape_id=entry.shape_id
                )
                shape.display_name = entry.snapshot.display_name
                new.append(shape)
            elif not (added or model.name in moved) or (shape.id_source, shape.position) == (entry.id_source, position):
                continue
            else:
                changed.append(shape)
            shape.id_source, shape.position = entry.id_source, position
    create_shapes(actor=actor, account=account, shapes=new)
    TrainingShape.objects.bulk_update(changed, ["id_source", "position"])
    return shapes


def _publish(actor: Actor, publishing: list[tuple[TrainingShape, ShapeEntry]], *, public: bool, by: str) -> None:
    """New versions; or those that are there already under the ids that the entries' have to have."""
    named = {(shape.pk, entry.version_id): shape for shape, entry in publishing if entry.version_id}
    rows = ShapeVersion.objects.filter(shape__in=named.values(), version_id__in=[version for _, version in named])
    there = {key: row for row in rows if (key := (row.shape_id, row.version_id)) in named}
    for key, row in there.items():
        row.shape = named[key]
        roll_back(actor=actor, version=row, expected_latest=None, reason=by)
    imported = [
        ImportedVersion(shape, entry.snapshot, entry.launch_fields, entry.edition, entry.version_id)
        for shape, entry in publishing
        if (shape.pk, entry.version_id) not in there
    ]
    import_versions(actor=actor, imported=imported, public=public, note=by)


def _deprecate(actor: Actor, warned: list[tuple[TrainingShape, ShapeEntry]], by: str) -> None:
    """Warn from the heads, or lift the warnings, as the entries say."""
    heads = latest_of_each([shape for shape, _ in warned])
    for shape, entry in warned:
        head = heads.get(shape.pk)
        assert head, "every shape of a plan has one by now"
        if entry.deprecated:
            successor = _shape_named(entry.deprecated.successor)
            if (head.deprecation_message, head.successor_id) != (entry.deprecated.message, successor and successor.pk):
                deprecate_version(actor=actor, version=head, message=entry.deprecated.message, successor=successor)
        elif head.deprecated_at:
            restore_version(actor=actor, version=head, reason=by)


def _shape_named(name: str) -> TrainingShape | None:
    parsed = parse_shape_name(name, TRAINING_SHAPES, DEPLOYMENT_SHAPES)
    if parsed is None:
        return None
    return TrainingShape.objects.select_related("account").get(account__account_id=parsed[0], shape_id=parsed[1])


def _update(row: BaseModel, facts: dict[str, Any]) -> bool:
    """Write the facts that differ; whether there were any."""
    different = [name for name, value in facts.items() if getattr(row, name) != value]
    for name in different:
        setattr(row, name, facts[name])
    if different:
        row.save(update_fields=different)
    return bool(different)
