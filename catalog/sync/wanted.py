"""What an account here should offer, once it follows a connection: the document that says so. Pure.

What the account has and no sync of the connection brought stays as it is. A line that the rules refuse is left out, and
what is here of it stays as it is, too.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from catalog.enums import IdSource
from catalog.fields.checks import problems
from catalog.fields.narrowing import newest_fit
from catalog.fields.snapshots import ADDED, Snapshot
from catalog.files.document import Deprecation, Document, ModelEntry, ModelFacts, ShapeEntry
from catalog.files.plan import CurrentCatalog
from catalog.sync.filed import SAID
from catalog.sync.offers import OfferedShape, RefusedLine
from catalog.sync.reading import LeftOut, RenamedThere, read_facts
from connections.providers.spec import TrainerMode
from wire.names import parse_model_name

NOT_OFFERED = "Not offered by "
"""How the deprecations begin that a sync writes, and lifts again."""
_MODES: tuple[TrainerMode | None, ...] = (*TrainerMode, None)


@dataclass(frozen=True)
class KnownVersion:
    """A version that is here and is not its shape's latest. `is_open`: it was published, and not withdrawn since."""

    snapshot: Snapshot
    is_open: bool


@dataclass(frozen=True)
class Standing:
    """How an account here stands to a connection.

    brought    by shape, whether a sync of the connection found it there the last time
    elsewhere  shapes that another connection offers, too
    older      versions that are not the latest, by shape and id
    models     base models of other accounts that are here
    """

    current: CurrentCatalog
    brought: Mapping[str, bool]
    elsewhere: frozenset[str] = frozenset()
    older: Mapping[tuple[str, str], KnownVersion] | None = None
    models: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Wanted:
    """The document, and of which shapes it says what: those `offered` there, those `missing`, those left out."""

    document: Document
    offered: tuple[str, ...]
    missing: tuple[str, ...]
    refused: tuple[RefusedLine, ...]


def want(
    standing: Standing,
    offered: Iterable[OfferedShape],
    *,
    listed: set[str],
    facts: Mapping[str, ModelFacts],
    source: str,
    today: date,
) -> Wanted:
    """The document for an account of which `source` offers that; `listed` also has what was not readable.

    `facts` are what is said there of base models.
    """
    there = {shape.shape_id: shape for shape in standing.current.document.shapes}
    entries, refused = dict(there), []
    offered = tuple(offered)
    heirs = _heirs(standing, offered)
    taken: dict[str, OfferedShape] = {}
    for shape in offered:
        try:
            entries[shape.shape_id] = _entry(standing, shape, there.get(shape.shape_id), heirs)
        except LeftOut as error:
            name = f"{shape.snapshot.name}/versions/{shape.version_id}" if shape.version_id else shape.snapshot.name
            refused.append(RefusedLine(name, str(error), error.renames))
        else:
            taken[shape.shape_id] = shape
    missing = tuple(shape_id for shape_id, was in standing.brought.items() if was and shape_id not in listed)
    for shape_id in missing:
        entry = there.get(shape_id)
        if entry is None or entry.id_source is IdSource.OWN or shape_id in standing.elsewhere:
            continue
        if entry.deprecated is None:
            message = f"{NOT_OFFERED}{source} since {today.isoformat()}."
            successor = _successor(entry, [entries[each] for each in taken])
            entries[shape_id] = replace(entry, deprecated=Deprecation(message, successor))
    document = _arranged(standing.current.document, _succeeded(entries), taken, facts)
    return Wanted(document, tuple(taken), missing, tuple(refused))


def _heirs(standing: Standing, offered: Sequence[OfferedShape]) -> dict[str, str]:
    """By base model here what it may be called there now: all shapes of it that are offered agree on one other name."""
    said: defaultdict[str, set[str]] = defaultdict(set)
    for shape in offered:
        if named := standing.current.base_models.get(shape.shape_id):
            said[named].add(shape.snapshot.base_model)
    trained = {shape.snapshot.base_model for shape in offered}
    return {
        named: name
        for named, (name, *others) in ((each, sorted(names)) for each, names in said.items())
        if not others and named not in trained and named.rpartition("/")[0] == name.rpartition("/")[0]
    }


def _entry(standing: Standing, shape: OfferedShape, before: ShapeEntry | None, heirs: Mapping[str, str]) -> ShapeEntry:
    """The shape as it is offered. Errors: `LeftOut`."""
    named = standing.current.base_models.get(shape.shape_id)
    if named is not None and before is None:
        raise LeftOut("There is a shape of that name here which not everybody sees, or which was withdrawn.")
    if named not in (None, shape.snapshot.base_model):
        may_be_new = "" if named not in heirs else " It may be the same model under a new name; a superuser says so."
        raise RenamedThere(
            f"It trains {shape.snapshot.base_model} there and {named} here: a shape keeps its base model. What is here "
            f"stays as it is.{may_be_new}",
            (named, heirs[named]) if named in heirs else None,
        )
    if before and before.id_source is IdSource.OWN:
        if _told(before.snapshot, shape.snapshot) == before.snapshot:  # a launch names no version there
            return before
        raise LeftOut(
            "This Slipway has a shape of that name of its own, which no sync changes. Map that account to another one "
            "here."
        )
    owner = parse_model_name(shape.snapshot.base_model)
    if owner and owner[0] != shape.account and shape.snapshot.base_model not in standing.models:
        raise LeftOut(f"Its base model {shape.snapshot.base_model} is of another account, and not here.")
    if before and before.snapshot.kind is not shape.snapshot.kind:
        raise LeftOut(f"There is a {before.snapshot.kind} shape of that id here. Map that account to another one here.")
    known = (standing.older or {}).get((shape.shape_id, shape.version_id))
    if known and not known.is_open:
        raise LeftOut("That version was withdrawn here, or was never published.")
    is_latest = before is not None and standing.current.versions[shape.shape_id] == shape.version_id
    there = before.snapshot if before and is_latest else known and known.snapshot
    if there and _told(there, shape.snapshot) != there:
        raise LeftOut("It says something else than the version of that id here; a version never changes.")
    if shape.filed:
        return _filed(shape.filed, before)
    return _same(before) if before and is_latest else _new(shape, before)


def _filed(said: ShapeEntry, before: ShapeEntry | None) -> ShapeEntry:
    """All that a file says; of launch fields only where it narrows them."""
    entry = replace(said, id_source=IdSource.PUBLISHED if said.id_source is IdSource.OWN else said.id_source)
    if before is None:
        return entry
    if not said.changes and before.snapshot.trainer_mode is said.snapshot.trainer_mode:
        entry = replace(entry, launch_fields=before.launch_fields, edition=before.edition)
    return replace(entry, deprecated=said.deprecated or _kept_warning(before))


def _succeeded(entries: Mapping[str, ShapeEntry]) -> dict[str, ShapeEntry]:
    """Without successors that are said there and are not here."""
    names = {entry.snapshot.name for entry in entries.values()}
    return {
        shape_id: replace(entry, deprecated=replace(entry.deprecated, successor=""))
        if entry.deprecated and entry.deprecated.message.startswith(SAID) and entry.deprecated.successor not in names
        else entry
        for shape_id, entry in entries.items()
    }


def _same(before: ShapeEntry) -> ShapeEntry:
    """The version is here: only the warning that it was not offered goes."""
    return replace(before, deprecated=_kept_warning(before), id_source=IdSource.PUBLISHED)


def _new(shape: OfferedShape, before: ShapeEntry | None) -> ShapeEntry:
    """The entry of a version to be made. Errors: `LeftOut` where the rules refuse it."""
    mode = shape.snapshot.trainer_mode
    fit = newest_fit(mode, {})
    fields, edition = fit.fields, fit.edition
    if before and before.snapshot.trainer_mode is mode:  # who narrowed them here did it for the shape
        fields, edition = before.launch_fields, before.edition
    if found := problems(shape.snapshot, fields, edition):
        raise LeftOut(" ".join(f"{violation.field}: {violation.description}" for violation in found))
    return ShapeEntry(
        shape.shape_id,
        IdSource.PUBLISHED,
        shape.snapshot,
        fields,
        _kept_warning(before) if before else None,
        edition=edition,
        version_id=shape.version_id,
    )


def _told(known: Snapshot, said: Snapshot) -> Snapshot:
    """What is said now, without what nobody knew to ask for when the version was brought."""
    later: dict[str, Any] = {name: getattr(known, name) for name in ADDED if not getattr(known, name)}
    return replace(said, **later)


def _kept_warning(before: ShapeEntry) -> Deprecation | None:
    """A publisher's warning stays; that of a sync is lifted."""
    warned = before.deprecated
    return None if warned and warned.message.startswith((NOT_OFFERED, SAID)) else warned


def _successor(gone: ShapeEntry, offered: Iterable[ShapeEntry]) -> str:
    """The shape of the same model and mode to propose, the shortest that is long enough or the longest; "" for none."""
    alike = [
        entry.snapshot
        for entry in offered
        if (entry.snapshot.base_model, entry.snapshot.trainer_mode)
        == (gone.snapshot.base_model, gone.snapshot.trainer_mode)
        and entry.deprecated is None
    ]
    length = gone.snapshot.max_supported_context_length
    enough = [each for each in alike if each.max_supported_context_length >= length]
    if enough:
        return min(enough, key=lambda each: (each.max_supported_context_length, each.gpus, each.name)).name
    return max(alike, key=lambda each: each.max_supported_context_length).name if alike else ""


def _arranged(
    current: Document,
    entries: Mapping[str, ShapeEntry],
    taken: Mapping[str, OfferedShape],
    facts: Mapping[str, ModelFacts],
) -> Document:
    """What is there in its order, what is new behind it."""
    there = {shape.shape_id for shape in current.shapes}
    fresh = sorted((entries[each] for each in taken if each not in there), key=_order)
    added: defaultdict[str, list[ShapeEntry]] = defaultdict(list)
    for entry in fresh:
        added[entry.snapshot.base_model].append(entry)
    kept = [
        replace(
            model,
            facts=_better(model.facts, facts.get(model.name)) if model.facts else None,
            shapes=(*(entries[shape.shape_id] for shape in model.shapes), *added.pop(model.name, ())),
        )
        for model in current.models
    ]
    new = [_model(current.account_id, name, tuple(shapes), facts.get(name)) for name, shapes in added.items()]
    return replace(current, public=True, models=(*kept, *new))


def _order(entry: ShapeEntry) -> tuple[str, int, int, str]:
    snapshot = entry.snapshot
    place = _MODES.index(snapshot.trainer_mode)
    return snapshot.base_model, place, snapshot.max_supported_context_length, entry.shape_id


def _model(account: str, name: str, shapes: tuple[ShapeEntry, ...], said: ModelFacts | None) -> ModelEntry:
    parsed = parse_model_name(name)
    if parsed is None or parsed[0] != account:
        return ModelEntry(name, None, shapes)
    snapshot, facts = shapes[0].snapshot, said or read_facts(name, None)
    facts = replace(
        facts,
        model_type=facts.model_type or snapshot.model_type,
        parameter_count=facts.parameter_count or snapshot.parameter_count,
    )
    return ModelEntry(name, facts, shapes)


def _better(facts: ModelFacts, said: ModelFacts | None) -> ModelFacts:
    """What is known here stays; a title that was made here gives way to one that is said."""
    if said is None:
        return facts
    if facts.named_here and not said.named_here:
        facts = replace(facts, title=said.title, named_here=False)
    return replace(
        facts,
        model_type=facts.model_type or said.model_type,
        parameter_count=facts.parameter_count or said.parameter_count,
    )
