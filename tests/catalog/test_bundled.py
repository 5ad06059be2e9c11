"""What the bundled catalog says, once it is loaded."""

from __future__ import annotations

from collections import Counter
from io import StringIO
from pathlib import Path

from django.core.management import call_command

from accounts.models import Account, AuditEntry
from catalog.enums import IdSource
from catalog.files.bundled import BUNDLED_FILES
from catalog.models import BaseModel, ShapeVersion, TrainingShape
from connections.providers.spec import TrainerMode
from tests.catalog.test_catalog_round_trip import forget


def test_the_public_shapes_as_their_document_has_them(bundled: None) -> None:
    versions = ShapeVersion.objects.filter(shape__account__account_id="fireworks").select_related("shape__base_model")
    assert Counter(version.shape.base_model.family for version in versions) == {
        "Qwen": 30, "Gemma": 6, "Kimi": 6, "Nemotron": 5, "Llama": 3, "Ministral": 3, "GLM": 2,
    }  # fmt: skip
    assert Counter(version.trainer_mode for version in versions) == {
        TrainerMode.LORA_TRAINER: 21, TrainerMode.POLICY_TRAINER: 17, TrainerMode.FORWARD_ONLY: 17,
    }  # fmt: skip
    assert BaseModel.objects.filter(account__account_id="fireworks").count() == 21
    assert all(version.is_public and version.is_latest_validated for version in versions)


def test_facts_that_the_document_does_not_have_are_not_invented(bundled: None) -> None:
    versions = ShapeVersion.objects.filter(shape__account__account_id="fireworks")
    assert sum(version.accelerator_type is not None for version in versions) == 7
    for version in versions:
        snapshot = version.frozen_snapshot
        assert snapshot.trainer_image_tag is None
        assert snapshot.deployment_shape_version is None
        assert snapshot.parameter_count is None
    assert TrainingShape.objects.filter(id_source=IdSource.DERIVED).count() == 13


def test_nodes_of_eight_gpus_are_marked_as_assumed(bundled: None) -> None:
    version = ShapeVersion.objects.get(shape__shape_id="kimi-2p5-text-only-256k-4b200")
    assert (version.frozen_snapshot.node_count, version.gpus) == (4, 32)
    assert "assumed" in version.frozen_snapshot.description


def test_the_local_shapes_need_no_gpu(bundled: None) -> None:
    versions = ShapeVersion.objects.filter(shape__account__account_id="local").order_by(
        "shape__base_model__position", "shape__position"
    )
    assert [(v.shape.shape_id, v.gpus, v.max_context) for v in versions] == [
        ("tiny-qwen3-chat-2k", 0, 2048), ("tiny-qwen3-chat-2k-lora", 0, 2048), ("tiny-qwen3-chat-sampler", 0, 2048),
        ("tiny-qwen3-2k", 0, 2048), ("tiny-qwen3-2k-lora", 0, 2048), ("tiny-qwen3-2k-forward", 0, 2048),
        ("tiny-qwen3-sampler", 0, 2048),
    ]  # fmt: skip
    models = BaseModel.objects.filter(account__account_id="local").order_by("position")
    assert [model.name for model in models] == [
        "accounts/local/models/tiny-qwen3-chat", "accounts/local/models/tiny-qwen3",
    ]  # fmt: skip
    assert {model.model_type for model in models} == {"qwen3"}


def test_a_local_shape_that_trains_links_the_samplers_of_its_model(bundled: None) -> None:
    versions = ShapeVersion.objects.filter(shape__account__account_id="local").select_related("shape__base_model")
    samplers = {v.shape.base_model_id: v.name for v in versions if v.trainer_mode is None}
    linked = {v.shape.shape_id: v for v in versions if v.trainer_mode}
    assert linked.pop("tiny-qwen3-2k-forward").frozen_snapshot.deployment_shape_version is None
    for version in linked.values():
        assert version.frozen_snapshot.deployment_shape_version == samplers[version.shape.base_model_id]
        assert {f.name: f.maximum for f in version.fields}["deployment_replica_count"] == 1


def test_models_stand_by_family_and_section_local_ones_first(bundled: None) -> None:
    order = list(BaseModel.objects.order_by("position").values_list("account__account_id", "family", "section"))
    assert order[0][0] == "local"
    families = [family for account, family, _ in order if account == "fireworks"]
    assert list(dict.fromkeys(families)) == ["Qwen", "Gemma", "Llama", "Kimi", "GLM", "Ministral", "Nemotron"]
    for key in ({(a, f) for a, f, _ in order}, set(order)):
        runs = [tuple(row[: len(next(iter(key)))]) for row in order]
        assert sum(1 for i, run in enumerate(runs) if i == 0 or runs[i - 1] != run) == len(key)


def test_loading_again_changes_nothing(bundled: None) -> None:
    tables = (BaseModel, TrainingShape, ShapeVersion, AuditEntry)
    before = [list(table.objects.order_by("pk").values()) for table in tables]
    out = StringIO()
    call_command("load_catalog", stdout=out)
    assert out.getvalue().count("nothing changed") == len(BUNDLED_FILES)
    assert [list(table.objects.order_by("pk").values()) for table in tables] == before


def test_it_comes_back_as_the_same_file(bundled: None, tmp_path: Path) -> None:
    def export(account: str) -> str:
        out = StringIO()
        call_command("export_catalog", account=account, stdout=out)
        return out.getvalue()

    accounts = list(Account.objects.filter(account_id__in=["local", "fireworks"]))
    before = {account.account_id: export(account.account_id) for account in accounts}
    for name, text in before.items():
        path = tmp_path / f"{name}.yaml"
        path.write_text(text)
        call_command("plan_catalog", path, stdout=StringIO())  # would exit with 2 where there is something to do
    for account in accounts:
        forget(account)
    for name, text in before.items():
        call_command("apply_catalog", tmp_path / f"{name}.yaml", stdout=StringIO())
        assert export(name) == text
