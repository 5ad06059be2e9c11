"""Work out what a catalog document would change. Writes nothing."""

from __future__ import annotations

from dataclasses import replace

from django.db import transaction

from accounts.actors import SYSTEM, Actor, require
from accounts.models import Account
from accounts.queries import memberships_of
from accounts.roles import Right
from catalog.enums import ShapeKind
from catalog.files.current import empty_catalog, read_current
from catalog.files.document import Document, ModelEntry, ShapeEntry
from catalog.files.plan import CurrentCatalog, Plan
from catalog.files.planning import make_plan
from catalog.files.problems import DocumentError, Problem
from catalog.model_queries import visible_models
from catalog.models import BaseModel, ShapeVersion
from catalog.rights import require_publisher
from catalog.visibility import listed
from wire.errors import NotFound, PermissionDenied
from wire.names import DEPLOYMENT_SHAPES, TRAINING_SHAPES, parse_model_name, parse_shape_name


@transaction.atomic
def plan_catalog(
    *, actor: Actor, document: Document, file: str, source: str, prune: bool = True, renew: bool = False
) -> Plan:
    """What `apply_catalog` would do, for a file whose bytes have the sha256 `file`; `prune` as there.

    `renew` brings the shapes that are there to the newest edition of the common launch fields, too.
    Errors: `NotFound`, `PermissionDenied`; `DocumentError` where the document cannot be applied here, all reasons at
    once.
    """
    account = Account.objects.filter(account_id=document.account_id).first()
    return plan_for(actor, account, of_today(document), file=file, source=source, prune=prune, renew=renew)


def of_today(document: Document) -> Document:
    """The document with base models that were renamed since under their names of today, unless it says those, too."""
    owners = {model.name: parsed for model in document.models if (parsed := parse_model_name(model.name))}
    rows = BaseModel.objects.select_related("account").filter(
        account__account_id__in={account for account, _ in owners.values()},
        former_ids__overlap=[model for _, model in owners.values()],
    )
    today = {former: row.name for row in rows if row.name not in owners for former in row.former_names}
    real = set(_names(visible_to(SYSTEM, [name for name in today if name in owners])))
    renamed = {former: name for former, name in today.items() if former not in real}
    return replace(document, models=tuple(_under(model, renamed.get(model.name)) for model in document.models))


def _under(model: ModelEntry, name: str | None) -> ModelEntry:
    if name is None:
        return model
    shapes = tuple(replace(each, snapshot=replace(each.snapshot, base_model=name)) for each in model.shapes)
    return replace(model, name=name, shapes=shapes)


def plan_for(
    actor: Actor, account: Account | None, document: Document, *, file: str, source: str, prune: bool, renew: bool
) -> Plan:
    """The plan from what the account offers now; without an account, Slipway itself would make it.

    Errors: as in `plan_catalog`; only with `prune` must the document be public.
    """
    if account:
        require_publisher(actor, account)
    elif actor.user:
        raise NotFound(f"There is no account {document.account_id} that you are a member of.")
    current = read_current(account, public=document.public) if account else empty_catalog(document.account_id)
    found = [
        *(_public_asked_for(document) if prune else []),
        *(_other_name(actor, account, document) if account else []),
        *_base_models(document, current),
        *_kinds(document, current),
        *(_other_content(account, document) if account else []),
        *_foreign_models(actor, document),
        *_successors(document, current),
    ]
    if found:
        raise DocumentError(source, found)
    return make_plan(current, document, file=file, prune=prune, renew=renew)


def _public_asked_for(document: Document) -> list[Problem]:
    if document.public:
        return []
    found = "is false" if "public" in document.place.lines else "is missing"
    sentence = f"{found}, and the file states what everybody may see and use; write public: true"
    return [document.place.problem("public", sentence)]


def _other_name(actor: Actor, account: Account, document: Document) -> list[Problem]:
    """A display name of the account that the actor may not give it."""
    if document.display_name in ("", account.display_name):
        return []
    try:
        require(actor, account, Right.MANAGE_MEMBERS)
    except PermissionDenied:
        sentence = (
            f"{document.display_name!r} would rename {account}, which its admins alone may do; write "
            f"{account.display_name!r}, or leave it out"
        )
        return [document.place.problem("display_name", sentence)]
    return []


def _base_models(document: Document, current: CurrentCatalog) -> list[Problem]:
    """Shapes that would change their base model."""
    return [
        shape.place.problem(
            "id",
            f"{shape.snapshot.name} trains {current.base_models[shape.shape_id]}; a shape keeps its base model, so "
            f"choose another id for {model.name}",
        )
        for model in document.models
        for shape in model.shapes
        if current.base_models.get(shape.shape_id, model.name) != model.name
    ]


def _kinds(document: Document, current: CurrentCatalog) -> list[Problem]:
    """Shapes whose id is that of a shape of the other kind."""
    return [
        shape.place.problem("id", f"{shape.shape_id} is a {there} shape of the account; choose another id")
        for shape in document.shapes
        if (there := current.kinds.get(shape.shape_id, shape.snapshot.kind)) != shape.snapshot.kind
    ]


def _other_content(account: Account, document: Document) -> list[Problem]:
    """Versions that are named by their id and are there with other content."""
    named = {(shape.shape_id, shape.version_id): shape for shape in document.shapes if shape.version_id}
    rows = ShapeVersion.objects.filter(shape__account=account, version_id__in={version for _, version in named})
    return [
        shape.place.problem("version", f"{version.version_id} is there and says otherwise; a new version has a new id")
        for version in rows.select_related("shape__base_model__account")
        if (shape := named.get((version.shape.shape_id, version.version_id)))
        and replace(version.frozen_snapshot, base_model=version.shape.base_model.name) != shape.snapshot
    ]


def _foreign_models(actor: Actor, document: Document) -> list[Problem]:
    """Models of other accounts that are not there, or that the actor may not know of."""
    there = _names(visible_to(actor, [model.name for model in document.models if model.facts is None]))
    return [
        model.place.problem("model", f"there is no model {model.name} that you may see; write one of your catalog")
        for model in document.models
        if model.facts is None and model.name not in there
    ]


def visible_to(actor: Actor, model_names: list[str]) -> list[BaseModel]:
    """The models of these resource names that the actor may make shapes for; Slipway itself sees all."""
    parsed = [found for name in model_names if (found := parse_model_name(name))]
    if not parsed:
        return []
    seen = BaseModel.objects.select_related("account")
    if actor.user:
        seen = visible_models([membership.account_id for membership in memberships_of(actor.user)])
    wanted = seen.filter(account__account_id__in={a for a, _ in parsed}, model_id__in={m for _, m in parsed})
    return [model for model in wanted if model.name in set(model_names)]


def _names(models: list[BaseModel]) -> set[str]:
    return {model.name for model in models}


def _successors(document: Document, current: CurrentCatalog) -> list[Problem]:
    """Successors that not everybody who sees the deprecated shape would find."""
    pointing = [shape for shape in document.shapes if shape.deprecated and shape.deprecated.successor]
    offered = {shape.snapshot.name for shape in (*document.shapes, *current.document.shapes)}
    missing = {_successor(shape) for shape in pointing} - offered
    offered |= {version.shape.name for version in _public(missing)}
    return [
        shape.place.problem(
            "deprecated.successor",
            f"there is no public shape {_successor(shape)}, here or in the file; name one that all users of this see",
        )
        for shape in pointing
        if _successor(shape) not in offered
    ]


def _successor(shape: ShapeEntry) -> str:
    return shape.deprecated.successor if shape.deprecated else ""


def _public(shape_names: set[str]) -> list[ShapeVersion]:
    both = (TRAINING_SHAPES, DEPLOYMENT_SHAPES)
    parsed = [found for name in shape_names if (found := parse_shape_name(name, *both))]
    wanted = listed((), *ShapeKind).filter(
        shape__account__account_id__in={account for account, _ in parsed}, shape__shape_id__in={s for _, s in parsed}
    )
    return list(wanted.select_related("shape__account")) if parsed else []
