"""A shape as a request writes it, brought to a snapshot. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from catalog.enums import ShapeKind
from catalog.fields.launch_fields import LaunchField, every_field, newest_edition
from catalog.fields.narrowing import narrow
from catalog.fields.recipe_fields import recipe_fields
from catalog.fields.snapshot_fields import FIELDS_OF, SnapshotField, ValueKind
from catalog.fields.snapshots import Snapshot
from catalog.fields.values import kept
from connections.providers.spec import ShardingScheme, TrainerMode
from wire.casing import snake
from wire.errors import InvalidArgument, Violation, capped

WIRE_NAME = "launchFields"
NO_MODE = "TRAINER_MODE_UNSPECIFIED"
_REQUIRED = {
    ShapeKind.TRAINING: ("baseModel", "trainerMode", "acceleratorCount", "maxSupportedContextLength"),
    ShapeKind.DEPLOYMENT: ("baseModel", "acceleratorCount", "maxSupportedContextLength"),
}


def refuse_missing(body: Mapping[str, Any], kind: ShapeKind) -> None:
    """Errors: `InvalidArgument` naming every field that a new shape needs and the body lacks."""
    missing = [name for name in _REQUIRED[kind] if body.get(name) in (None, "", NO_MODE)]
    if missing:
        raise InvalidArgument([Violation(name, f"A {kind} shape needs it. Send a value.") for name in missing])


def new_snapshot(name: str, body: Mapping[str, Any], kind: ShapeKind) -> Snapshot:
    """The snapshot of a new shape; `refuse_missing` passed."""
    bare = Snapshot(
        name=name,
        base_model=body["baseModel"],
        trainer_mode=TrainerMode(body["trainerMode"]) if kind is ShapeKind.TRAINING else None,
        max_supported_context_length=body["maxSupportedContextLength"],
        accelerator_count=body["acceleratorCount"],
        node_count=1,
    )
    return changed_snapshot(bare, body)


def changed_snapshot(snapshot: Snapshot, body: Mapping[str, Any]) -> Snapshot:
    """The snapshot with what the body says; what it does not name stays. UNSPECIFIED, "" and 0 make a fact unknown.

    Errors: `InvalidArgument` for the mode, which every shape has.
    """
    if body.get("trainerMode") == NO_MODE:
        raise InvalidArgument([Violation("trainerMode", f"A shape has a mode. Use one of {', '.join(TrainerMode)}.")])
    changes = {field.key: _fact(field, body[field.wire]) for field in FIELDS_OF[snapshot.kind] if field.wire in body}
    if "trainerShardingScheme" in body:
        changes["trainer_sharding_scheme"] = _scheme(snapshot.trainer_sharding_scheme, body["trainerShardingScheme"])
    return replace(snapshot, **changes)


def narrowed_fields(
    mode: TrainerMode | None, said: Mapping[str, Any]
) -> tuple[tuple[LaunchField, ...], list[Violation]]:
    """The newest common launch fields of the mode, narrowed as `launchFields` says; and what it may not say."""
    known = every_field() | recipe_fields(mode)
    changes = {name: _change(known.get(name), change) for name, change in said.items()}
    fit = narrow(mode, newest_edition(), changes)
    paths = (".".join(filter(None, (WIRE_NAME, each.name[:80], each.part[:80]))) for each in fit.wrong)
    wrong = [Violation(path, f"{each.sentence[:400]}.") for path, each in zip(paths, fit.wrong, strict=True)]
    return fit.fields, capped(wrong, field=WIRE_NAME)


def _change(field: LaunchField | None, change: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    if field is None or change is None:
        return change
    return {part: kept(field.type, value) for part, value in change.items()}


def _fact(field: SnapshotField, given: Any) -> Any:
    if field.kind is ValueKind.CHOICE:
        return None if given == field.unspecified else field.enumeration(given)
    return given or field.unset if field.optional else given


def _scheme(known: ShardingScheme | None, body: Mapping[str, Any] | None) -> ShardingScheme | None:
    changes = {snake(name): value for name, value in (body or {}).items()}
    return None if body is None else replace(known or ShardingScheme(), **changes)
