"""docs/CATALOG.md says what the reader, the plan and the commands do."""

from __future__ import annotations

import re
from dataclasses import fields
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command

from accounts.actors import SYSTEM
from catalog.domain.plan_catalog import plan_catalog
from catalog.files.document import ModelFacts
from catalog.files.export import write_document
from catalog.files.plan import StepKind
from catalog.files.planning import GONE_MESSAGE
from catalog.files.reader import KEYS, read_document
from catalog.files.scan import MAX_BYTES, MAX_NODES
from tests.makers import make_model
from wire.casing import camel

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "CATALOG.md").read_text()
EXAMPLE = re.findall(r"```yaml\n(.*?)```", PAGE, flags=re.DOTALL)[0]


@pytest.mark.django_db
def test_the_example_can_be_applied_and_comes_back(tmp_path: Path) -> None:
    make_model(model_id="qwen3p5-9b")
    path = tmp_path / "example.yaml"
    path.write_text(EXAMPLE)
    call_command("apply_catalog", path, stdout=StringIO())
    out = StringIO()
    call_command("export_catalog", account="team-a", stdout=out)
    assert read_document(out.getvalue(), source="export") == read_document(EXAMPLE, source="example")
    assert write_document(read_document(EXAMPLE, source="example")) == out.getvalue()


def test_every_key_is_explained() -> None:
    explained = set(re.findall(r"`(\w+)`", PAGE))
    keys = {*KEYS.values(), *(field.name for field in fields(ModelFacts))}
    assert keys - explained == set()
    assert {kind.value for kind in StepKind} - explained == set()


def test_every_key_that_is_not_the_fields_own_name_is_translated() -> None:
    for field, key in KEYS.items():
        assert key == field or f"| `{key}` | `{camel(field)}` |" in PAGE


@pytest.mark.django_db
def test_every_key_of_the_plan_is_explained() -> None:
    make_model(model_id="qwen3p5-9b")
    document = read_document(EXAMPLE, source="example")
    plan = plan_catalog(actor=SYSTEM, document=document, file="0" * 64, source="example").as_json()
    step = plan["steps"][0]
    for key in (*plan, *plan["counts"], *step, *step["fields"][0]):
        assert f"`{key}`" in PAGE


def test_the_limits_are_the_codes() -> None:
    assert f"up to {MAX_BYTES // 1024**2} MiB and {MAX_NODES:,} keys and values" in PAGE
    assert GONE_MESSAGE in PAGE
