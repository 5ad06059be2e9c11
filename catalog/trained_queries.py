"""Reads of the models that people made, for the accounts (primary keys) that the reader is a member of."""

from __future__ import annotations

import functools
import operator
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet

from accounts.models import Account, AuditEntry
from catalog.models import TrainedModel
from catalog.search import patterns
from catalog.states import ModelKind, ModelState
from connections.models import Connection
from lists.orders import PAGE, Order, page_of
from lists.pages import Page
from wire.manifests import ModelManifest
from wire.names import parse_model_name

NEWEST_FIRST = Order(("-created_at", "-pk"))
MOST_STARTS = 100


def trained_models(member_of: Collection[int]) -> QuerySet[TrainedModel]:
    """All of them, with their accounts."""
    return TrainedModel.objects.filter(account__in=list(member_of)).select_related("account")


def is_being_promoted(account: Account, connection: Connection, job_id: str) -> bool:
    """Whether a model is made right now of what the job saved there."""
    making = TrainedModel.objects.filter(finished_at=None, account=account, connection=connection, job_id=job_id)
    return making.exists()


def was_deleted(manifest: ModelManifest) -> bool:
    """Whether the model was deleted since that was signed: files of it are left of a process that died just then."""
    since = datetime.fromisoformat(manifest.provenance["at"])
    return AuditEntry.objects.filter(verb="delete_model", target=manifest.name, created_at__gte=since).exists()


def list_trained(
    member_of: Collection[int], wanted: Q, order: Order, cursor: str = "", *, size: int = PAGE
) -> Page[TrainedModel]:
    """A page of them in that order. Errors: `NoSuchPage`."""
    rows = trained_models(member_of).filter(wanted).select_related("created_by").defer("files", "search_text")
    return page_of(rows, order, cursor, size=size)


def trained_found(text: str) -> Q:
    """Models in whose names all of the text occurs, by whichever spelling or as it stands."""
    wanted = [Q(search_text__contains=each) for each in patterns(text)]
    spelled = functools.reduce(operator.and_, wanted) if wanted else Q(pk__in=[])
    return spelled | Q(search_text__contains=text.strip().lower())


def find_trained(member_of: Collection[int], name: str) -> TrainedModel | None:
    """The one of that resource name, if it may be seen."""
    parsed = parse_model_name(name)
    if parsed is None:
        return None
    rows = trained_models(member_of).select_related("created_by", "connection")
    return rows.filter(account__account_id=parsed[0], model_id=parsed[1]).first()


def named_trained(member_of: Collection[int], names: Collection[str]) -> dict[str, TrainedModel]:
    """By resource name those of the named ones that may be seen."""
    parsed = [each for each in map(parse_model_name, names) if each]
    wanted = [Q(account__account_id=account, model_id=model_id) for account, model_id in parsed]
    rows = trained_models(member_of).filter(functools.reduce(operator.or_, wanted, Q(pk__in=[])))
    return {model.name: model for model in rows}


def startable_fitting(
    account: Account,
    base_models: Collection[str],
    *,
    model_type: str | None,
    parameter_count: int | None,
    wanted: Collection[Any] = (),
) -> Sequence[TrainedModel]:
    """What a launch from a shape for the base model of those names can start from: ready, here, and it began there, or
    has the same type and size. The newest first; then what has a wanted name, an adapter where it does not fit, too.
    """
    fits = Q(root_model__in=list(base_models))
    if model_type is not None and parameter_count is not None:
        fits |= Q(model_type=model_type, parameter_count=parameter_count)
    here = TrainedModel.objects.filter(account=account, state=ModelState.READY, elsewhere__isnull=True)
    rows = here.select_related("account")
    newest = list(rows.filter(fits).order_by(*NEWEST_FIRST.columns)[:MOST_STARTS])
    parsed = [parse_model_name(name) for name in wanted if isinstance(name, str)]
    ids = {model_id for owner, model_id in filter(None, parsed) if owner == account.account_id}
    if missing := ids - {model.model_id for model in newest}:
        newest += rows.filter(fits | Q(kind=ModelKind.ADAPTER), model_id__in=missing)
    return newest
