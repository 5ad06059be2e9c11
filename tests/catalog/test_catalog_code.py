"""The catalog as a file: what export, plan, apply and verify do, through their commands."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from accounts.actors import SYSTEM
from accounts.models import Account, AuditEntry
from catalog.domain.deprecate_version import deprecate_version
from catalog.domain.withdraw_version import withdraw_version
from catalog.models import BaseModel, ShapeVersion, TrainingShape
from tests.catalog.test_document import GOOD
from tests.makers import make_account, make_model, make_shape, make_version

pytestmark = pytest.mark.django_db

PUBLIC = GOOD.replace("account: team-a", "account: team-a\npublic: true")
SECOND = """\
      - id: small-16k
        trainer_mode: POLICY_TRAINER
        max_supported_context_length: 16384
        gpus: 4
"""
TABLES = (Account, BaseModel, TrainingShape, ShapeVersion, AuditEntry)


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A file with one public shape of team-a."""
    return write(tmp_path / "own.yaml", PUBLIC)


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def run(command: str, *arguments: object, code: int = 0, **options: Any) -> str:
    """What the command prints; it has to end with the exit code."""
    out = StringIO()
    try:
        call_command(command, *arguments, stdout=out, **options)
    except SystemExit as ended:
        assert ended.code == code
    else:
        assert code == 0
    return out.getvalue()


def plan(path: Path, *, code: int = 2) -> dict[str, Any]:
    found = json.loads(run("plan_catalog", path, code=code, json=True))
    assert isinstance(found, dict)
    return found


def steps(path: Path) -> dict[str, str]:
    return {step["name"].split("/")[-1]: step["kind"] for step in plan(path)["steps"]}


def export(account: str = "team-a") -> str:
    return run("export_catalog", account=account)


def everything() -> list[Any]:
    return [list(table.objects.order_by("pk").values()) for table in TABLES]


def head(shape_id: str) -> ShapeVersion:
    return ShapeVersion.objects.get(shape__shape_id=shape_id, is_latest_validated=True)


def test_a_file_is_planned_applied_and_then_there_is_nothing_to_do(own: Path) -> None:
    before = everything()
    text = run("plan_catalog", own, code=2)
    assert "accounts/team-a: accounts to add: 1, base models to add: 1, shapes to add: 1" in text
    assert "+ account accounts/team-a\n    Display name: team-a\n" in text
    assert "+ shape accounts/team-a/trainingShapes/small-8k\n" in text
    assert "    Context: 8,192 tokens (8k)\n" in text
    assert everything() == before
    run("apply_catalog", own, plan=plan(own)["fingerprint"])
    version = head("small-8k")
    assert (version.is_public, version.note) == (True, f"by file, {plan(own, code=0)['file_sha256'][:12]}")
    assert AuditEntry.objects.get(verb="apply_catalog").target == "accounts/team-a"
    after = everything()
    assert run("apply_catalog", own) == "Nothing to do.\n"
    assert run("plan_catalog", own) == "accounts/team-a is as the file says. Nothing to do.\n"
    assert everything() == after


def test_each_kind_of_step_with_its_fields(own: Path) -> None:
    write(own, PUBLIC + SECOND)
    run("apply_catalog", own)
    third = SECOND.replace("small-16k", "small-32k").replace("16384", "32768")
    write(own, PUBLIC.replace("title: Small", "title: Smaller").replace("gpus: 2", "gpus: 8") + third)
    found = plan(own)
    kinds = {(step["name"].split("/")[-1], step["kind"], step["new_version"]) for step in found["steps"]}
    assert kinds == {
        ("small", "change_model", False),
        ("small-8k", "change", True),
        ("small-32k", "add", True),
        ("small-16k", "deprecate", False),
    }
    assert found["counts"] == {
        "add_account": 0, "change_account": 0, "add_model": 0, "change_model": 1, "order": 0,
        "add": 1, "change": 1, "deprecate": 1, "restore": 0,
    }  # fmt: skip
    change = next(step for step in found["steps"] if step["kind"] == "change")
    assert change["fields"] == [{"field": "accelerator_count", "label": "GPUs per node", "before": "2", "after": "8"}]
    run("apply_catalog", own)
    assert head("small-16k").deprecation_message == "No longer in the catalog file."
    assert ShapeVersion.objects.filter(shape__shape_id="small-8k").count() == 2
    # The file's next state takes it back; the deprecation is lifted without a new version.
    write(own, PUBLIC.replace("title: Small", "title: Smaller").replace("gpus: 2", "gpus: 8") + SECOND + third)
    assert steps(own) == {"small-16k": "restore"}
    run("apply_catalog", own)
    assert head("small-16k").deprecated_at is None
    assert ShapeVersion.objects.filter(shape__shape_id="small-16k").count() == 1


def test_a_deprecation_is_written_with_its_successor_and_both_stay_on_the_same_page(own: Path) -> None:
    warned = PUBLIC + "        deprecated: {message: Too small., successor: accounts/team-a/trainingShapes/small-16k}\n"
    write(own, warned + SECOND)
    run("apply_catalog", own)
    assert (head("small-8k").deprecation_message, head("small-8k").successor) == (
        "Too small.",
        TrainingShape.objects.get(shape_id="small-16k"),
    )
    write(own, warned.replace("Too small.", "Far too small.").replace("gpus: 2", "gpus: 3") + SECOND)
    change = plan(own)["steps"][0]
    assert (change["kind"], [line["field"] for line in change["fields"]]) == (
        "change",
        ["accelerator_count", "deprecated"],
    )
    run("apply_catalog", own)
    assert head("small-8k").deprecation_message == "Far too small."
    write(own, export())
    assert plan(own, code=0)["steps"] == []


def test_order_of_shapes_is_part_of_the_file(own: Path) -> None:
    write(own, PUBLIC + SECOND)
    run("apply_catalog", own)
    first = PUBLIC[PUBLIC.index("      - id") :]
    write(own, PUBLIC.replace(first, SECOND + first))
    found = plan(own)["steps"]
    assert [(step["kind"], step["fields"][0]["before"], step["fields"][0]["after"]) for step in found] == [
        ("order", "small-8k, small-16k", "small-16k, small-8k")
    ]
    run("apply_catalog", own)
    assert plan(own, code=0)["steps"] == []


def test_a_stale_plan_is_refused_and_changes_nothing(own: Path) -> None:
    run("apply_catalog", own)
    write(own, PUBLIC.replace("gpus: 2", "gpus: 8"))
    reviewed = plan(own)["fingerprint"]
    deprecate_version(actor=SYSTEM, version=head("small-8k"), message="Do not use it.")
    before = everything()
    with pytest.raises(CommandError, match="changed since this plan was made"):
        run("apply_catalog", own, plan=reviewed)
    assert everything() == before
    run("apply_catalog", own, plan=plan(own)["fingerprint"])
    assert (head("small-8k").gpus, head("small-8k").deprecated_at) == (8, None)


def test_another_file_is_another_plan(own: Path) -> None:
    reviewed = plan(own)["fingerprint"]
    write(own, PUBLIC + "# a remark\n")
    with pytest.raises(CommandError, match="changed since"):
        run("apply_catalog", own, plan=reviewed)


def test_private_shapes_drafts_and_withdrawn_versions_are_no_part_of_it(own: Path) -> None:
    run("apply_catalog", own)
    model = BaseModel.objects.get()
    make_version(shape=make_shape(base_model=model, shape_id="private"), public=False)
    make_version(shape=make_shape(base_model=model, shape_id="draft"), state="DRAFT")
    gone = make_version(shape=make_shape(base_model=model, shape_id="gone"))
    withdraw_version(actor=SYSTEM, version=gone)
    assert plan(own, code=0)["steps"] == []
    assert all(name not in export() for name in ("private", "draft", "gone"))
    write(own, PUBLIC + SECOND.replace("small-16k", "private"))
    (step,) = plan(own)["steps"]
    assert (step["kind"], step["note"][:21]) == ("add", "It is there already, ")
    run("apply_catalog", own)
    assert head("private").is_public


def test_a_shape_for_the_model_of_another_account(own: Path) -> None:
    text = (
        "account: team-a\npublic: true\nmodels:\n  - model: accounts/fireworks/models/shared\n"
        + PUBLIC[PUBLIC.index("    shapes") :]
    )
    write(own, text)
    make_account(account_id="team-a")
    with pytest.raises(CommandError, match=r"own.yaml:4: models\[0\].model: there is no model accounts/fireworks"):
        run("plan_catalog", own)
    make_model(model_id="shared", model_type="qwen3", parameter_count=9)
    run("apply_catalog", own)
    assert head("small-8k").frozen_snapshot.model_type is None
    assert "title" not in export()
    write(own, export())
    assert plan(own, code=0)["steps"] == []


def test_a_shape_may_say_more_of_its_model_than_the_model_does(own: Path) -> None:
    more = PUBLIC.replace("family: Own", "family: Own\n    model_type: qwen3\n    parameter_count: 7")
    write(own, more + "        model_type: null\n        parameter_count: 9\n" + SECOND)
    run("apply_catalog", own)
    assert [
        (head(name).frozen_snapshot.model_type, head(name).frozen_snapshot.parameter_count)
        for name in ("small-8k", "small-16k")
    ] == [(None, 9), ("qwen3", 7)]
    write(own, export())
    assert plan(own, code=0)["steps"] == []


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("public: true", "public: false", "own.yaml:2: public: is false, and the file states what everybody may see"),
        ("public: true\n", "", "own.yaml:1: public: is missing, and the file states what everybody may see"),
        (
            "gpus: 2",
            "gpus: 2\n        deprecated: {message: Old., successor: accounts/x/trainingShapes/none}",
            "own.yaml:12: models[0].shapes[0].deprecated.successor: there is no public shape accounts/x/",
        ),
        (
            "models/small",
            "models/other",
            "own.yaml:8: models[0].shapes[0].id: accounts/team-a/trainingShapes/small-8k trains "
            "accounts/team-a/models/small; a shape keeps its base model",
        ),
    ],
)
def test_what_cannot_be_applied_here_is_told_and_changes_nothing(own: Path, old: str, new: str, complaint: str) -> None:
    run("apply_catalog", own)
    before = everything()
    write(own, PUBLIC.replace(old, new))
    for command in ("plan_catalog", "apply_catalog"):
        with pytest.raises(CommandError) as caught:
            run(command, own)
        assert complaint in str(caught.value)
    assert everything() == before


def test_the_source_of_a_new_id_is_part_of_the_plan(own: Path) -> None:
    write(own, PUBLIC.replace("gpus: 2", "gpus: 2\n        id_source: published"))
    assert "    Source of the id: published\n" in run("plan_catalog", own, code=2)


def test_every_error_of_a_file_is_told_at_once(own: Path) -> None:
    write(
        own,
        PUBLIC.replace("gpus: 2", "gpus: many").replace("8192", "0")
        + SECOND.replace("gpus: 4", "gpus: 4\n        gpu: 1"),
    )
    with pytest.raises(CommandError) as caught:
        run("apply_catalog", own)
    assert [line.split(": ")[0].split(":")[1] for line in str(caught.value).splitlines()[1:]] == ["10", "11", "16"]
    assert not TrainingShape.objects.exists()


def test_an_account_that_is_not_there_has_nothing_to_export() -> None:
    with pytest.raises(CommandError, match="There is no account 'nobody'"):
        export("nobody")


def test_export_is_told_whose_catalog_it_writes() -> None:
    with pytest.raises(CommandError, match="the following arguments are required: --account"):
        run("export_catalog")


def test_export_writes_to_a_file(own: Path, tmp_path: Path) -> None:
    run("apply_catalog", own)
    run("export_catalog", account="team-a", output=tmp_path / "out.yaml")
    assert (tmp_path / "out.yaml").read_text() == export()
    with pytest.raises(CommandError, match="cannot be written"):
        run("export_catalog", account="team-a", output=tmp_path / "none" / "out.yaml")


def test_verifying_names_every_version_that_somebody_changed(own: Path) -> None:
    write(own, PUBLIC + SECOND)
    run("apply_catalog", own)
    assert run("verify_catalog") == "2 versions checked; all are what was published.\n"
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE catalog_shapeversion DISABLE TRIGGER USER")
        cursor.execute(
            "UPDATE catalog_shapeversion SET snapshot = jsonb_set(snapshot, '{acceleratorCount}', '1') WHERE id = %s",
            [head("small-8k").pk],
        )
        cursor.execute("ALTER TABLE catalog_shapeversion ENABLE TRIGGER USER")
    out = StringIO()
    with pytest.raises(CommandError, match="2 versions checked; 1 are not"):
        call_command("verify_catalog", stdout=out)
    assert out.getvalue().startswith(f"{head('small-8k').name}: its content has the digest ")
    assert "small-16k" not in out.getvalue()
