"""Loading documents: that it is idempotent, what a change does, and that a bad file changes nothing."""

from __future__ import annotations

from importlib import import_module
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command

from catalog.models import BaseModel, ShapeVersion, TrainingShape
from tests.catalog.test_document import GOOD, complaints
from tests.makers import make_version


def load(*files: Path, **options: Any) -> str:
    out = StringIO()
    call_command("load_catalog", *files, stdout=out, **options)
    return out.getvalue()


@pytest.fixture
def own(tmp_path: Path) -> Path:
    path = tmp_path / "own.yaml"
    path.write_text(GOOD)
    return path


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.mark.django_db
def test_if_empty_leaves_a_catalog_alone() -> None:
    make_version()
    assert "nothing was loaded" in load(if_empty=True)
    assert TrainingShape.objects.count() == 1


@pytest.mark.django_db
def test_a_changed_fact_is_a_new_version_and_the_old_one_stays(own: Path) -> None:
    load(own)
    first = ShapeVersion.objects.get()
    edit(own, "8192", "16384")
    assert "team-a: 1 base model, 1 shape; shapes changed: 1; 1 version published." in load(own)
    first.refresh_from_db()
    latest = ShapeVersion.objects.get(is_latest_validated=True)
    assert (first.max_context, first.is_latest_validated) == (8192, False)
    assert (latest.max_context, latest.pk != first.pk) == (16384, True)


@pytest.mark.django_db
def test_a_changed_title_is_no_new_version_and_is_found_by_search(own: Path) -> None:
    load(own)
    edit(own, "title: Small", "title: Smallest Ever")
    assert "0 versions published" in load(own)
    assert TrainingShape.objects.get().search_text == " small 8 k  smallest ever  small  own "


@pytest.mark.django_db
def test_a_new_model_takes_its_place_in_its_section(own: Path) -> None:
    load(own)
    first = GOOD[GOOD.index("  - model") :]
    other = first.replace("models/small", "models/smaller").replace("small-8k", "smaller-8k")
    foreign = other.replace("smaller", "foreign").replace("family: Own", "family: Other")
    own.write_text(GOOD + foreign)
    load(own)
    own.write_text(GOOD.replace("models:\n", "models:\n" + other) + foreign)
    load(own)
    assert list(BaseModel.objects.order_by("position").values_list("model_id", flat=True)) == [
        "smaller",
        "small",
        "foreign",
    ]
    assert "nothing changed" in load(own)


@pytest.mark.django_db
def test_a_bad_file_changes_nothing_and_names_line_and_field(own: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text(GOOD.replace("gpus: 2", "gpus: two"))
    with pytest.raises(CommandError, match=r"bad.yaml:10: models\[0\].shapes\[0\].gpus: 'two' is no whole number"):
        load(own, bad)
    assert not BaseModel.objects.exists()


@pytest.mark.django_db
def test_a_shape_keeps_its_base_model_and_the_whole_load_is_undone(own: Path) -> None:
    load(own)
    edit(own, "models/small\n    title: Small", "models/other\n    title: Other")
    with pytest.raises(CommandError, match="a shape keeps its base model"):
        load(own)
    assert BaseModel.objects.count() == 1


@pytest.mark.django_db
def test_a_public_shape_is_superseded_only_by_a_public_version(own: Path) -> None:
    edit(own, "account: team-a", "account: team-a\npublic: true")
    load(own)
    edit(own, "public: true", "public: false")
    edit(own, "8192", "16384")
    with pytest.raises(CommandError, match="only a public version can be its latest"):
        load(own)
    assert ShapeVersion.objects.get().max_context == 8192


@pytest.mark.django_db
def test_a_file_that_is_not_there_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"none\.yaml: cannot be read"):
        load(tmp_path / "none.yaml")


@pytest.mark.django_db
def test_other_names_of_a_model_are_read_exported_and_planned(own: Path) -> None:
    load(own)
    version = ShapeVersion.objects.get()
    edit(own, "title: Small", "title: Small\n    aliases: [Owner/Tiny-1.5B, petit]")
    assert "base models changed: 1; 0 versions published" in load(own)
    assert (load(own).count("nothing changed"), ShapeVersion.objects.get().digest) == (1, version.digest)
    assert BaseModel.objects.get().aliases == ["Owner/Tiny-1.5B", "petit"]
    assert " owner tiny 1 .5 b  petit " in TrainingShape.objects.get().search_text
    edit(own, "account: team-a", "account: team-a\npublic: true")
    load(own)
    out = StringIO()
    call_command("export_catalog", account="team-a", stdout=out)
    assert "  aliases:\n  - Owner/Tiny-1.5B\n  - petit\n" in out.getvalue()
    edit(own, "aliases: [Owner/Tiny-1.5B, petit]", "aliases: [petit]")
    with pytest.raises(SystemExit) as ended:
        call_command("plan_catalog", own, stdout=out)
    assert (ended.value.code, "Aliases: Owner/Tiny-1.5B, petit -> petit" in out.getvalue()) == (2, True)


@pytest.mark.parametrize(
    ("aliases", "complaint"),
    [
        ("petit", "models[0].aliases: 'petit' is no list of up to 20 texts"),
        ("[a, 7]", "own.yaml:5: models[0].aliases[1]: 7 is no text of 1 to 120 characters; put it in quotes"),
        ('[""]', "models[0].aliases[0]: '' is no text"),
        (f"[{', '.join('abcdefghijklmnopqrstu')}]", "is no list of up to 20 texts"),
        ("[{a: b}]", "models[0].aliases[0]: {'a': 'b'} is no single value"),
    ],
)
def test_other_names_that_cannot_be_read_are_refused(aliases: str, complaint: str) -> None:
    assert complaint in complaints(GOOD.replace("title: Small", f"title: Small\n    aliases: {aliases}"))


@pytest.mark.django_db
def test_rows_of_an_older_release_get_their_search_texts() -> None:
    shape = make_version().shape
    wanted = shape.search_text
    TrainingShape.objects.update(search_text="as it was")
    BaseModel.objects.update(search_text="")
    import_module("catalog.migrations.0007_search_by_names").write_search_texts(apps, None)
    shape.refresh_from_db()
    assert (shape.search_text, shape.base_model.search_text in wanted) == (wanted, True)
