"""What a connection says of its shapes and models, read into the values of the catalog here. Pure.

Hostile until it is read: one that cannot be read, or breaks a rule of the catalog, is left out with the reason, and
keeps none of the others waiting.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from catalog.enums import Architecture, ShapeKind, known_or_text
from catalog.fields.snapshot_fields import FIELDS_OF, MAX_PARAMETERS, SCHEME, SCHEME_FIELDS, SnapshotField, ValueKind
from catalog.fields.snapshots import Snapshot
from catalog.files.document import ModelFacts
from catalog.sync.offers import NOT_PUBLIC, Offered, OfferedShape, RefusedLine
from catalog.sync.titles import spell
from connections.providers.catalogs import RemoteCatalog, RemoteModel, RemoteVersion
from connections.providers.spec import ShardingScheme
from wire.names import DEPLOYMENT_SHAPES, TRAINING_SHAPES, parse_model_name, parse_version_name, shape_name
from wire.numbers import read_whole
from wire.texts import unseen_in

LONGEST_TITLE, LONGEST_TYPE = 120, 63
_ENUM = re.compile(r"[A-Z0-9_]{1,32}")
_AT_LEAST_ONE = frozenset({"node_count", *(field.key for field in SCHEME_FIELDS)})
"""Counts of which the wire's 0 says that nothing is said."""


class LeftOut(ValueError):
    """Why a line of the catalog there is not brought here, in a sentence; `renames` as in `RefusedLine`."""

    renames: tuple[str, str] | None = None


class RenamedThere(LeftOut):
    """Its base model is another one there than here."""

    def __init__(self, sentence: str, renames: tuple[str, str] | None) -> None:
        super().__init__(sentence)
        self.renames = renames


def read_listed(catalog: RemoteCatalog) -> Offered:
    """What is listed, line by line."""
    shapes: dict[str, list[OfferedShape]] = {account: [] for account in catalog.accounts}
    listed: dict[str, set[str]] = {account: set() for account in catalog.accounts}
    refused = []
    for remote in catalog.versions:
        named = parse_version_name(remote.name, TRAINING_SHAPES, DEPLOYMENT_SHAPES)
        if named and named[0] not in shapes:
            refused.append(
                RefusedLine(remote.name, f"It is of {named[0]}, which the connection's Catalogs do not name.")
            )
            continue
        if named:
            listed[named[0]].add(named[1])
        try:
            shape = read_version(remote)
        except LeftOut as error:
            refused.append(RefusedLine(remote.name[:200], str(error)))
        else:
            shapes[shape.account].append(shape)
    facts = {model.name: read_facts(model.name, model) for model in catalog.models}
    return Offered(shapes, listed, tuple(refused), facts)


def read_version(remote: RemoteVersion) -> OfferedShape:
    """The shape with its version. Errors: `LeftOut`."""
    parsed = parse_version_name(remote.name, TRAINING_SHAPES, DEPLOYMENT_SHAPES)
    if parsed is None or not parsed[2]:
        raise LeftOut("It is no name of a version.")
    if not remote.public:
        raise LeftOut(NOT_PUBLIC)
    if parse_model_name(remote.base_model) is None:
        raise LeftOut(f"Its base model {_shown(remote.base_model)} is no name of a model.")
    account, shape_id, version_id = parsed
    kind = next(each for each in ShapeKind if f"/{each.collection}/" in remote.name)
    trains, fields = kind is ShapeKind.TRAINING, FIELDS_OF[kind]
    owned = {
        field.key: _read(field, remote.snapshot) for field in fields if field.key == field.head and not field.fixed
    }
    snapshot = Snapshot(
        name=shape_name(account, shape_id, kind.collection),
        base_model=remote.base_model,
        trainer_mode=owned.pop("trainer_mode", None),
        trainer_sharding_scheme=_scheme(remote.snapshot) if trains else None,
        **owned,
    )
    return OfferedShape(account, shape_id, version_id, snapshot)


def read_facts(name: str, remote: RemoteModel | None) -> ModelFacts:
    """What is known of a base model: what is said, and for the rest what its id spells."""
    said = remote.said if remote else {}
    details = said.get("baseModelDetails")
    details = details if isinstance(details, Mapping) else {}
    moe = details.get("moe")
    architecture = (Architecture.MOE if moe else Architecture.DENSE) if isinstance(moe, bool) else None
    model_id = name.rpartition("/")[2]
    spelled = spell(model_id, architecture)
    title = _text(said.get("displayName"), LONGEST_TITLE)
    title = "" if title == model_id else title
    return ModelFacts(
        title=title or spelled.title[:LONGEST_TITLE],
        family=spelled.family[:63],
        section=spelled.section[:120],
        architecture=spelled.architecture,
        model_type=_text(details.get("modelType"), LONGEST_TYPE) or None,
        parameter_count=_count(details.get("parameterCount")),
        named_here=not title,
    )


def _scheme(said: Mapping[str, Any]) -> ShardingScheme | None:
    inner = said.get("trainerShardingScheme")
    if inner is None:
        return None
    if not isinstance(inner, Mapping):
        raise LeftOut("Its sharding scheme is no object.")
    return ShardingScheme(**{field.key.removeprefix(f"{SCHEME}."): _read(field, said) for field in SCHEME_FIELDS})


def _read(field: SnapshotField, said: Mapping[str, Any]) -> Any:
    """The field's value; its limits are the affair of `catalog.fields.checks`. Errors: `LeftOut`."""
    given: Any = said
    for part in field.wire.split("."):
        given = given.get(part) if isinstance(given, Mapping) else None
    match field.kind:
        case ValueKind.FLAG:
            return given is True
        case ValueKind.WHOLE:
            return _whole(field, given)
        case ValueKind.CHOICE:
            return _choice(field, given)
    if given in (None, ""):
        return field.unset
    if not isinstance(given, str):
        raise LeftOut(f"{field.label} {_shown(given)} is no text.")
    return given


def _whole(field: SnapshotField, given: Any) -> int | None:
    number = 0 if given in (None, "") else read_whole(given)
    if number is None:
        raise LeftOut(f"{field.label} {_shown(given)} is no whole number.")
    if field.key in _AT_LEAST_ONE:
        return number or 1
    if number == 0 and field.minimum:
        if not field.optional:
            raise LeftOut(f"It does not say its {field.label.lower()}.")
        return None
    return number


def _choice(field: SnapshotField, given: Any) -> str | None:
    """A value that this release does not know yet stays as text; but of a mode everything depends."""
    if given in (None, "") or str(given).endswith("_UNSPECIFIED"):
        if field.optional:
            return None
        raise LeftOut(f"It does not say its {field.label.lower()}.")
    if not isinstance(given, str) or not _ENUM.fullmatch(given):
        raise LeftOut(f"{field.label} {_shown(given)} is no value of the wire.")
    value = known_or_text(field.enumeration, given)
    if not field.optional and value not in field.choices:
        raise LeftOut(f"This release knows no {field.label.lower()} {given}; it knows {', '.join(field.choices)}.")
    return value


def _text(given: Any, longest: int) -> str:
    """A text of theirs on one line, "" where it is none or too long."""
    text = given.strip() if isinstance(given, str) else ""
    return text if text and len(text) <= longest and not unseen_in(text) else ""


def _count(given: Any) -> int | None:
    number = read_whole(given)
    return number if number and 0 < number <= MAX_PARAMETERS else None


def _shown(given: Any) -> str:
    return repr(str(given)[:60])
