"""A shape's page: what it owns, what its users may set, and how to use it."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts.requests import SlipwayRequest
from accounts.roles import Role, allows, publishing_right
from catalog import queries
from catalog.enums import ARCHITECTURE_LABELS, MODE_LABELS, MODE_MEANINGS, PUBLIC_ACCOUNT, Architecture, IdSource
from catalog.facts import parameters, shape_facts
from catalog.labels import duration_label
from catalog.launch_fields import FieldType, LaunchField
from catalog.models import ShapeVersion
from catalog.rows import dressed
from catalog.usage import snippets
from catalog.views.access import catalog_reader, member_of


@require_safe
@catalog_reader
def shape(request: SlipwayRequest, account: str, shape_id: str) -> HttpResponse:
    """`/shapes/<account>/<shape_id>`; `?version=` shows another version than the latest validated one."""
    mine = member_of(request)
    version = queries.find_version(mine, account, shape_id, request.GET.get("version", ""))
    if version is None:
        raise Http404(f"no shape {account}/{shape_id} that you may see")
    snapshot, fields = version.frozen_snapshot, version.fields
    address = None if account == PUBLIC_ACCOUNT else settings.SLIPWAY_URL
    context = {
        "section": "catalog",
        "version": version,
        "shape": version.shape,
        "model": version.shape.base_model,
        "snapshot": snapshot,
        "mode_label": MODE_LABELS[snapshot.trainer_mode],
        "mode_meaning": MODE_MEANINGS[snapshot.trainer_mode],
        "architecture": _architecture(version),
        "unconfirmed": version.shape.id_source == IdSource.DERIVED,
        "parameters": parameters(snapshot),
        "facts": shape_facts(snapshot),
        "fields": [_field(field, snapshot.base_model) for field in fields],
        "snippets": snippets(snapshot, fields, address=address),
        "siblings": [dressed(row) for row in queries.siblings(mine, version.shape)],
        "versions": queries.other_versions(mine, version),
        "is_member": version.shape.account_id in mine,
        "may_publish": _may_publish(request, version),
    }
    return render(request, "catalog/shape.html", context)


def _may_publish(request: SlipwayRequest, version: ShapeVersion) -> bool:
    """Whether the reader publishes shapes of this account."""
    if not request.user.is_authenticated:
        return False
    roles = {membership.account_id: Role(membership.role) for membership in request.standing.memberships}
    account = version.shape.account
    return allows(roles.get(account.pk), publishing_right(account.account_id))


def _architecture(version: ShapeVersion) -> str:
    architecture = version.shape.base_model.architecture
    return ARCHITECTURE_LABELS[Architecture(architecture)] if architecture else ""


def _field(field: LaunchField, base_model: str) -> dict[str, Any]:
    return {
        "label": field.label,
        "help": field.help,
        "default": base_model if field.type is FieldType.MODEL else _written(field, field.default),
        "range": _range(field),
        "choices": ", ".join(str(choice) for choice in field.choices),
    }


def _range(field: LaunchField) -> str:
    """The limits in words."""
    if field.type is FieldType.TEXT:
        return f"up to {field.maximum} characters" if field.maximum else ""
    if field.minimum is None and field.maximum is None:
        return ""
    return f"{_written(field, field.minimum)} to {_written(field, field.maximum)}"


def _written(field: LaunchField, value: str | int | float | None) -> str:
    if value is None or value == "":
        return ""
    if field.type is FieldType.DURATION and not isinstance(value, str):
        return duration_label(int(value))
    return f"{value:g}" if isinstance(value, float) else str(value)
