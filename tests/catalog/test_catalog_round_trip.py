"""Export, read and apply say the same of every catalog that the verbs can make."""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import replace
from typing import Any, Literal

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.actors import SYSTEM
from accounts.models import Account
from catalog.domain.accept_version import accept_version
from catalog.domain.apply_catalog import apply_catalog
from catalog.domain.create_draft import create_draft
from catalog.domain.create_shape import create_shape
from catalog.domain.deprecate_version import deprecate_version
from catalog.domain.plan_catalog import plan_catalog
from catalog.domain.publish_version import publish_version
from catalog.domain.restore_version import restore_version
from catalog.domain.roll_back import roll_back
from catalog.domain.withdraw_version import withdraw_version
from catalog.enums import AcceleratorType, Architecture, Engine, IdSource, ShapeKind, WeightPrecision
from catalog.fields.checks import problems
from catalog.fields.launch_fields import FieldType, LaunchField, common_fields
from catalog.fields.narrowing import NARROWED, Widened
from catalog.fields.snapshots import Snapshot
from catalog.files.current import read_current
from catalog.files.export import write_document
from catalog.files.reader import read_document
from catalog.models import BaseModel, ShapeVersion, TrainingShape
from connections.providers.spec import ShardingScheme, TrainerMode
from tests.makers import make_account, make_model, make_version, narrow_field
from wire.errors import Refusal

UNSEEN: list[Literal["Cc", "Cf", "Cs", "Zl", "Zp"]] = ["Cc", "Cf", "Cs", "Zl", "Zp"]
TEXT = st.text(st.characters(exclude_categories=UNSEEN), min_size=1)
LINES = st.text(st.characters(exclude_categories=UNSEEN, include_characters="\n\t"), min_size=1)
"""What a snapshot may hold; the words below are what YAML reads as something else, or writes with care."""
TRICKY = st.sampled_from(
    ["", "null", "yes", "1", "1e5", "0.383.0", "2024-01-01", "<<", "- a", "a: b", " a ", "#", "~", "\xa0", "é\u0301"]
)
TITLE = TEXT.filter(str.strip)
FEW = st.integers(1, 4)
SMALL = st.integers(0, 7)
TAGS = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", fullmatch=True)
VERBS = ("publish", "publish privately", "deprecate", "deprecate", "deprecate", "restore", "withdraw", "roll back")


@st.composite
def launch_fields(draw: st.DrawFn, mode: TrainerMode) -> list[LaunchField]:
    """Fields that a publisher may have narrowed."""
    fields = []
    for common in common_fields(mode):
        field = common
        for part in draw(st.lists(st.sampled_from(NARROWED), max_size=2)):
            with suppress(Widened, TypeError):
                field = narrow_field(field, {part: draw(part_of(field, part))})
        if draw(st.integers(0, 5)):
            fields.append(field)
    return fields


def part_of(field: LaunchField, part: str) -> st.SearchStrategy[Any]:
    """A value that the part of the field might have; many fit."""
    if part == "help":
        return LINES
    figures: st.SearchStrategy[Any] = st.integers(0, 200)
    if field.type is FieldType.NUMBER:
        figures = st.floats(1e-9, 1.0) | st.sampled_from([1, 1.0])
    if part in ("minimum", "maximum"):
        return figures
    values: st.SearchStrategy[Any] = {
        FieldType.TEXT: TEXT | TRICKY,
        FieldType.DURATION: st.sampled_from(["10m", "1h30m", "3h", "90s"]),
    }.get(field.type, figures)
    return values if part == "default" else st.lists(values, max_size=3)


@st.composite
def versions(draw: st.DrawFn) -> tuple[dict[str, Any], list[LaunchField]]:
    """Facts of a snapshot that passes the checks, and its launch fields."""
    mode = draw(st.sampled_from([*TrainerMode, None]))
    schemes = st.none() | st.builds(ShardingScheme, FEW, FEW, FEW, FEW, st.booleans())
    scheme = draw(schemes) if mode else None
    degrees = list(vars(scheme).values())[:4] if scheme else []
    text = TEXT | TRICKY
    facts = {
        "trainer_mode": mode,
        "max_supported_context_length": 12 * draw(st.integers(1, 10**6)),
        "accelerator_count": math.prod(degrees) * draw(FEW) if scheme else draw(SMALL),
        "node_count": draw(FEW),
        "display_name": draw(text),
        "description": draw(LINES | TRICKY | st.just("\n\n")),
        "model_type": draw(st.none() | text),
        "parameter_count": draw(st.none() | st.integers(1, 9) | st.integers(1, 10**15)),
        "accelerator_type": draw(st.sampled_from(AcceleratorType)),
        "trainer_sharding_scheme": scheme,
        "base_model_weight_precision": draw(st.sampled_from(WeightPrecision)),
        "trainer_image_tag": draw(TAGS),
        "deployment_shape_version": draw(st.none() | st.just("accounts/x/deploymentShapes/d/versions/gyiqbrd6")),
        "deployment_image_tag": draw(st.none() | TAGS),
    }
    if mode is None:
        others = ("trainer_image_tag", "deployment_shape_version")
        served = {"engine": draw(st.sampled_from(Engine)), "deployment_image_tag": draw(TAGS)}
        return facts | dict.fromkeys(others) | served, []
    return facts, draw(launch_fields(mode))


STEP = st.tuples(st.sampled_from(VERBS), SMALL, SMALL, LINES)
ALIASES = st.lists(TITLE.map(lambda name: name[:120]), max_size=2, unique=True)
MODEL = st.tuples(TITLE, TITLE, st.sampled_from(["", *Architecture]), st.none() | TEXT, SMALL, ALIASES)


@pytest.mark.e2e  # for how long it takes
@pytest.mark.django_db
@settings(max_examples=25, suppress_health_check=list(HealthCheck))
@given(
    st.lists(MODEL, min_size=1, max_size=4),
    st.lists(st.tuples(SMALL, st.sampled_from(IdSource), SMALL, versions()), min_size=2, max_size=5),
    st.lists(STEP, min_size=3, max_size=12),
)
def test_every_catalog_round_trips(models: list[Any], shapes: list[Any], steps: list[Any]) -> None:
    with transaction.atomic():
        account = make_account(account_id="team-a")
        make(account, models, shapes)
        for verb, number, other, words in steps:
            with suppress(Refusal):
                happen(account, verb, number, other, words)
        check(account)
        transaction.set_rollback(True)


def make(account: Account, models: list[Any], shapes: list[Any]) -> None:
    """Models of the account and one of another, and a validated version of each shape."""
    mine = [
        make_model(
            account=account,
            title=title[:120],
            family=family[:63],
            section=family[:5],
            architecture=architecture,
            model_type=kind and kind[:63],
            parameter_count=count or None,
            position=count,
            aliases=aliases,
        )
        for title, family, architecture, kind, count, aliases in models
    ]
    foreign = make_version().shape.base_model
    for number, (which, source, position, (facts, fields)) in enumerate(shapes):
        shape = create_shape(
            actor=SYSTEM,
            account=account,
            base_model=[*mine, foreign][which % (len(mine) + 1)],
            shape_id=f"shape-{number}",
            id_source=source,
            position=position,
            kind=ShapeKind.TRAINING if facts["trainer_mode"] else ShapeKind.DEPLOYMENT,
        )
        for changes in ({}, {"node_count": facts["node_count"] + 1}):
            snapshot = Snapshot(name=shape.name, base_model=shape.base_model.name, **(facts | changes))
            if not problems(snapshot, fields):
                draft = create_draft(actor=SYSTEM, shape=shape, snapshot=snapshot, launch_fields=fields)
                accept_version(actor=SYSTEM, version=draft, reason="by hand")
                if position < 6:  # most of them; what the others become is left to the steps
                    publish_version(actor=SYSTEM, version=draft, public=True, expected_latest=None)


def happen(account: Account, verb: str, number: int, other: int, words: str) -> None:
    """One verb on one of the account's versions."""
    found = list(ShapeVersion.objects.filter(shape__account=account).select_related("shape__account").order_by("pk"))
    shapes = list(TrainingShape.objects.select_related("account").order_by("pk"))
    if not found:
        return
    version = found[(number * 8 + other) % len(found)]
    if verb.startswith("publish"):
        publish_version(actor=SYSTEM, version=version, public=verb == "publish", expected_latest=None)
    elif verb == "deprecate":
        successor = shapes[other % len(shapes)] if other else None
        deprecate_version(actor=SYSTEM, version=version, message=words, successor=successor)
    elif verb == "restore":
        restore_version(actor=SYSTEM, version=version)
    elif verb == "withdraw":
        withdraw_version(actor=SYSTEM, version=version)
    else:
        roll_back(actor=SYSTEM, version=version, expected_latest=None)


def check(account: Account) -> None:
    """The same bytes twice; nothing to do; and from nothing to the same bytes."""
    text = exported(account)
    assert exported(account) == text
    document = read_document(text, source="export")
    there = read_current(account, public=True).document
    assert document == replace(there, models=tuple(model for model in there.models if model.shapes))
    assert plan_catalog(actor=SYSTEM, document=document, file="f", source="export").steps == ()
    forget(account)
    apply_catalog(actor=SYSTEM, document=document, file="f", source="export")
    assert exported(account) == text
    assert apply_catalog(actor=SYSTEM, document=document, file="f", source="export").steps == ()


def exported(account: Account) -> str:
    """The account's file."""
    return write_document(read_current(account, public=True).document)


def forget(account: Account) -> None:
    """Delete the account's catalog, as if this were another database."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE catalog_shapeversion DISABLE TRIGGER USER")
        ShapeVersion.objects.filter(shape__account=account).delete()
        TrainingShape.objects.filter(account=account).delete()
        BaseModel.objects.filter(account=account).delete()
        cursor.execute("ALTER TABLE catalog_shapeversion ENABLE TRIGGER USER")
