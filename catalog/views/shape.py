"""A shape's page: what it owns, what its users may set, and how to use it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

from django.conf import settings
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from accounts.models import Account
from accounts.requests import SlipwayRequest
from accounts.roles import Role, allows, publishing_right
from catalog.enums import ARCHITECTURE_LABELS, MODE_LABELS, MODE_MEANINGS, PUBLIC_ACCOUNT, Architecture, IdSource
from catalog.fields.facts import Fact, parameters, shape_facts
from catalog.fields.launch_fields import FieldType, LaunchField
from catalog.fields.snapshots import Snapshot
from catalog.fields.texts import limits_text, part_text
from catalog.models import ShapeVersion
from catalog.places import whereabouts
from catalog.rows import rows_for_template
from catalog.shape_queries import Row, linking, siblings
from catalog.usage import LORA_RANK, PUBLIC_URL, Example, Snippet, snippets
from catalog.version_queries import find_linked, find_newest, find_version, other_versions, successor_of
from catalog.views.access import catalog_reader, member_of
from connections.queries import usable_connections

LINK = "deployment_shape_version"


@require_safe
@catalog_reader
def shape(request: SlipwayRequest, account: str, shape_id: str) -> HttpResponse:
    """`/shapes/<account>/<shape_id>`: the latest validated version, else the newest that the reader may see.

    `?version=` shows another one.
    """
    mine = member_of(request)
    asked = request.GET.get("version", "")
    version = find_version(mine, account, shape_id, asked) if asked else find_newest(mine, account, shape_id)
    if version is None:
        raise Http404(f"no shape {account}/{shape_id} that you may see")
    snapshot, fields = version.frozen_snapshot, [] if version.unreadable else version.fields
    connections = tuple(usable_connections(request.standing.account))
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
        "facts": _facts(mine, snapshot),
        "place": next(whereabouts([snapshot], connections)) if snapshot.trainer_mode else None,
        "fields": [_field(field, snapshot.base_model) for field in fields],
        "snippets": _snippets(version),
        "siblings": rows_for_template(_siblings(mine, version), connections),
        "versions": other_versions(mine, version),
        "latest": version if version.is_latest_validated else find_version(mine, account, shape_id),
        "successor": successor_of(mine, version),
        "is_member": version.shape.account_id in mine,
        "may_publish": _may_publish(request, version.shape.account),
        "may_clone": _may_publish(request, request.standing.account),
    }
    return render(request, "catalog/shape.html", context)


def _facts(mine: Collection[int], snapshot: Snapshot) -> list[Fact]:
    """What the shape owns; the deployment shape that it links leads to its page where it is here."""
    linked = find_linked(mine, snapshot)
    if linked is None:
        return shape_facts(snapshot)
    url = reverse("shape", args=[linked.shape.account.account_id, linked.shape.shape_id])
    page = f"{url}?version={linked.version_id}"
    return [replace(fact, url=page) if fact.key == LINK else fact for fact in shape_facts(snapshot)]


def _siblings(mine: Collection[int], version: ShapeVersion) -> list[Row]:
    """Other shapes of the base model; of a deployment shape those that link it."""
    return siblings(mine, version.shape) if version.trainer_mode else linking(mine, version)


def _snippets(version: ShapeVersion) -> list[Snippet]:
    """Code that uses the version; none where it cannot be launched."""
    if not version.is_launchable or version.unreadable:
        return []
    snapshot, pinned = version.frozen_snapshot, not version.is_latest_validated
    if snapshot.trainer_mode is None:
        return []
    public = version.shape.account.account_id == PUBLIC_ACCOUNT
    rank = next((field.default for field in version.fields if field.name == "lora_rank"), None)
    example = Example(
        shape=version.name if pinned else version.shape.name,
        base_model=snapshot.base_model,
        mode=snapshot.trainer_mode,
        lora_rank=rank if isinstance(rank, int) else LORA_RANK,
        context=snapshot.max_supported_context_length,
        base_url=PUBLIC_URL if public else settings.SLIPWAY_URL,
    )
    note = "Pins the version that this page shows." if pinned else "Resolves to the latest validated version."
    return [Snippet("name", "Resource name", note, example.shape), *snippets(example)]


def _may_publish(request: SlipwayRequest, account: Account | None) -> bool:
    """Whether the reader publishes shapes of this account."""
    if account is None or not request.user.is_authenticated:
        return False
    roles = {membership.account_id: Role(membership.role) for membership in request.standing.memberships}
    return allows(roles.get(account.pk), publishing_right(account.account_id))


def _architecture(version: ShapeVersion) -> str:
    architecture = version.shape.base_model.architecture
    return ARCHITECTURE_LABELS[Architecture(architecture)] if architecture else ""


def _field(field: LaunchField, base_model: str) -> dict[str, Any]:
    return {
        "label": field.label,
        "help": field.help,
        "default": base_model if field.type is FieldType.MODEL else part_text(field, "default"),
        "range": limits_text(field),
        "choices": part_text(field, "choices"),
    }
