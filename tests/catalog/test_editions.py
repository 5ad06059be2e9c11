"""A new edition of the common launch fields changes nothing that exists: no digest, no plan, no export, no launch."""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from accounts.actors import SYSTEM
from accounts.models import Account
from accounts.roles import Role
from catalog.domain.accept_version import accept_version
from catalog.domain.clone_shape import clone_shape
from catalog.domain.create_draft import create_draft
from catalog.domain.edit_draft import edit_draft
from catalog.fields import launch_fields
from catalog.fields.launch_fields import FieldPlaces, FieldType, LaunchField, common_fields
from catalog.fields.snapshots import canonical
from catalog.files.bundled import BUNDLED_FILES
from catalog.files.current import read_current
from catalog.files.export import write_document
from catalog.models import ShapeVersion
from catalog.states import VersionState
from catalog.verify import verify_versions
from connections.providers.spec import TrainerMode
from launches.resolve import Subject, resolve
from tests.catalog.test_catalog_code import run
from tests.launches.makers import make_launch, make_tiny_version
from tests.makers import make_account, make_member, make_shape, make_version
from wire.errors import FailedPrecondition

PUBLISHED = {
    1: "697ffa28144178144d8d161e7ee4650bcd62d2f33d564c8b8419a7577cfd6c35",
}
"""The sha256 of every edition's fields, by trainer mode: what was published once never changes."""
DICE = LaunchField("dice", "Dice", FieldType.INTEGER, "Where random numbers start.", default=0, minimum=0, maximum=9)
RANK = "tiny-qwen3-2k-lora"
NOW = launch_fields.newest_edition()
NEXT = NOW + 1


def add_edition(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another edition: a field `dice`, and other defaults of two fields."""
    defaults: dict[str, str | int] = {"lora_rank": 32, "inactivity_timeout": "30m"}
    first = launch_fields.EDITIONS[-1]
    second = (*(replace(field, default=defaults.get(field.name, field.default)) for field in first), DICE)
    monkeypatch.setattr(launch_fields, "EDITIONS", (*launch_fields.EDITIONS, second))
    monkeypatch.setitem(launch_fields.PLACES, "dice", FieldPlaces("recipe_steps"))


@pytest.fixture
def second_edition(monkeypatch: pytest.MonkeyPatch) -> None:
    """It, for the whole of a test."""
    add_edition(monkeypatch)


def head(shape_id: str) -> ShapeVersion:
    return ShapeVersion.objects.select_related("shape__account", "shape__base_model__account").get(
        shape__shape_id=shape_id, is_latest_validated=True
    )


def names(version: ShapeVersion) -> list[str]:
    return [field.name for field in version.fields]


def rank_of(version: ShapeVersion) -> LaunchField:
    return next(field for field in version.fields if field.name == "lora_rank")


def exports() -> dict[str, str]:
    accounts = Account.objects.filter(account_id__in=["local", "fireworks"])
    return {account.account_id: write_document(read_current(account, public=True).document) for account in accounts}


@pytest.mark.parametrize("edition", range(1, launch_fields.newest_edition() + 1))
def test_an_edition_that_was_published_never_changes(edition: int) -> None:
    said = {mode: [field.as_json() for field in common_fields(mode, edition)] for mode in TrainerMode}
    found = hashlib.sha256(canonical(said).encode()).hexdigest()
    assert found == PUBLISHED[edition], "add another edition to catalog.fields.launch_fields.EDITIONS instead"


def test_nothing_that_exists_changes(bundled: None, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    before = exports()
    request.getfixturevalue("second_edition")
    assert exports() == before
    assert [found for found in verify_versions() if found.wrong] == []
    for path in BUNDLED_FILES:
        assert "Nothing to do." in run("plan_catalog", path)
    for name, text in before.items():
        (tmp_path / name).write_text(text)
        assert "Nothing to do." in run("plan_catalog", tmp_path / name)
        assert run("apply_catalog", tmp_path / name) == "Nothing to do.\n"
    out = StringIO()
    call_command("load_catalog", stdout=out)
    assert out.getvalue().count("nothing changed") == len(BUNDLED_FILES)


def test_what_was_frozen_is_launched_as_before(bundled: None, second_edition: None) -> None:
    version = head(RANK)
    subject = Subject(version.name, version.frozen_snapshot, tuple(version.fields), ())
    spec = resolve(subject, {})
    assert getattr(spec, "inactivity_timeout_seconds", None) == 3600
    (found,) = resolve(subject, {"dice": "1"})  # type: ignore[misc]
    assert found.field == "dice"


@pytest.mark.django_db
def test_a_draft_of_the_first_edition_is_edited_and_validated_as_one(request: pytest.FixtureRequest) -> None:
    shape = make_shape()
    draft = make_version(shape=shape, state=VersionState.DRAFT, public=False, latest=False, published=False)
    request.getfixturevalue("second_edition")
    edited = edit_draft(
        actor=SYSTEM,
        version=draft,
        snapshot=replace(draft.frozen_snapshot, node_count=2),
        launch_fields=draft.fields,
        note="",
        expected_digest=draft.digest,
    )
    accepted = accept_version(actor=SYSTEM, version=edited, reason="It runs elsewhere.")
    assert (accepted.fields_edition, "dice" in names(accepted)) == (NOW, False)


@pytest.mark.django_db
def test_a_new_draft_takes_the_newest_edition_and_keeps_what_was_narrowed(request: pytest.FixtureRequest) -> None:
    offered = [
        replace(field, maximum=64, default=8) if field.name == "lora_rank" else field
        for field in common_fields(TrainerMode.LORA_TRAINER)
        if field.name != "region"
    ]
    plain, narrowed = make_version(), make_version(launch_fields=offered)
    request.getfixturevalue("second_edition")
    for source, default, maximum in ((plain, 32, 128), (narrowed, 8, 64)):
        draft = clone_shape(actor=SYSTEM, source=source, account=source.shape.account, shape_id=f"of-{source.pk}")
        assert (draft.fields_edition, names(draft)[-1]) == (NEXT, "dice")
        assert (rank_of(draft).default, rank_of(draft).maximum) == (default, maximum)
        assert ("region" in names(draft)) is (source is plain)
    fresh = create_draft(
        actor=SYSTEM,
        shape=plain.shape,
        snapshot=plain.frozen_snapshot,
        launch_fields=common_fields(TrainerMode.LORA_TRAINER),
    )
    assert (fresh.fields_edition, names(fresh)[-1]) == (NEXT, "dice")


def test_a_plan_moves_to_the_newest_edition_where_it_is_asked_to(bundled: None, second_edition: None) -> None:
    path = BUNDLED_FILES[0]
    text = run("plan_catalog", path, code=2, renew_fields=True)
    assert "shapes to change: 5" in text
    assert "    Dice: not offered -> offered\n" in text
    assert "    Inactivity timeout: default: 60m -> 30m\n" in text
    fingerprint = text.rpartition("--plan ")[2].removesuffix(" --renew-fields\n")
    assert text.endswith(f"--plan {fingerprint} --renew-fields\n")
    run("apply_catalog", path, plan=fingerprint, renew_fields=True)
    assert (head(RANK).fields_edition, names(head(RANK))[-1], rank_of(head(RANK)).default) == (NEXT, "dice", 8)
    for options in ({}, {"renew_fields": True}):
        assert "Nothing to do." in run("plan_catalog", path, **options)
    assert [found for found in verify_versions() if found.wrong] == []


@pytest.mark.parametrize(
    ("change", "edition", "wrong"),
    [
        ("region: null", NOW, ""),
        ("dice: {default: 7}", NEXT, ""),
        ("dice: null", NEXT, ""),
        ("dice: {maximum: 10}", 0, "launch_fields.dice.maximum: dice: maximum 10 is above the common maximum 9"),
    ],
)
def test_what_only_the_newest_edition_has_takes_a_shape_there(
    bundled: None, second_edition: None, tmp_path: Path, change: str, edition: int, wrong: str
) -> None:
    file = tmp_path / "own.yaml"
    before, shape, after = BUNDLED_FILES[0].read_text().partition(f"id: {RANK}\n")
    file.write_text(before + shape + after.replace("launch_fields:\n", f"launch_fields:\n          {change}\n", 1))
    if wrong:
        with pytest.raises(CommandError, match=re.escape(wrong)):
            run("plan_catalog", file)
        return
    run("apply_catalog", file)
    assert head(RANK).fields_edition == edition
    assert run("apply_catalog", file) == "Nothing to do.\n"


@pytest.mark.django_db
def test_a_version_that_a_newer_slipway_wrote_is_refused_in_words_wherever_its_fields_are_read(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin = make_member(account=make_account(account_id="local"), role=Role.ADMIN)
    with monkeypatch.context() as newer:
        add_edition(newer)
        version = make_tiny_version()
    client.force_login(admin)
    told = f"Its launch fields are of edition {NEXT} of the common ones, and this Slipway knows {NOW}: a newer Slipway"
    page = client.get(f"/shapes/local/{version.shape.shape_id}")
    assert (page.status_code, told in page.text, ">Launch<" in page.text) == (200, True, False)
    pages = {
        "launch": f"/shapes/local/{version.shape.shape_id}/launch",
        "compare": f"/compare?shape=local/{version.shape.shape_id}",
        "new draft": f"/publish/local/{version.shape.shape_id}/new",
        "export": "/publish/export",
    }
    found = {name: client.get(url) for name, url in pages.items()}
    assert {name: (answer.status_code, told in answer.text) for name, answer in found.items()} == dict.fromkeys(
        pages, (422, True)
    )
    assert client.get("/").status_code == client.get(f"/publish/local/{version.shape.shape_id}").status_code == 200
    with pytest.raises(FailedPrecondition, match="a newer Slipway wrote it"):
        make_launch(version=version)
    with pytest.raises(CommandError, match="a newer Slipway wrote it"):
        call_command("export_catalog", "--account", "local")
    with pytest.raises(FailedPrecondition, match=f"edition {NEXT}"):
        common_fields(TrainerMode.LORA_TRAINER, NEXT)
