"""Deployment shapes: the second kind, in files, on pages and linked by training shapes."""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from accounts.models import Account
from accounts.roles import Role
from catalog.enums import Engine, ShapeKind
from catalog.files.problems import DocumentError
from catalog.files.reader import read_document
from catalog.models import ShapeVersion, TrainingShape
from catalog.version_queries import find_linked
from connections.providers.spec import TrainerMode, TrainerSpec
from launches.domain.create_launch import check_launchable
from launches.pages.facts import gpu_total
from launches.resolve import resolve
from launches.subjects import asked_subject, subject_of
from tests.makers import make_account, make_member, make_shape, make_version, narrow_field, sign_in
from wire.errors import FailedPrecondition, Violation

LINK = "accounts/team-a/deploymentShapes/small-sampler/versions/abcd1234"
FILE = f"""account: team-a
public: true
models:
- model: accounts/team-a/models/small
  title: Small
  family: Own
  shapes:
  - id: small-8k
    trainer_mode: LORA_TRAINER
    max_supported_context_length: 8192
    gpus: 2
    deployment_shape_version: {LINK}
  deployment_shapes:
  - id: small-sampler
    version: abcd1234
    max_supported_context_length: 8192
    gpus: 4
    engine: VLLM
"""


def apply(folder: Path, text: str) -> None:
    path = folder / "own.yaml"
    path.write_text(text)
    call_command("apply_catalog", path, stdout=StringIO())


def exported() -> str:
    out = StringIO()
    call_command("export_catalog", account="team-a", stdout=out)
    return out.getvalue()


@pytest.mark.django_db
def test_a_file_brings_it_with_the_id_of_its_version_and_takes_it_elsewhere(tmp_path: Path) -> None:
    apply(tmp_path, FILE)
    version = ShapeVersion.objects.select_related("shape__account").get(trainer_mode=None)
    assert (version.name, version.frozen_snapshot.engine, version.gpus) == (LINK, Engine.VLLM, 4)
    assert (version.shape.kind, version.launch_fields, version.is_launchable) == (ShapeKind.DEPLOYMENT, [], False)
    text = exported()
    assert read_document(text, source="export").models == read_document(FILE, source="own").models
    assert "version: abcd1234" in text
    before = ShapeVersion.objects.count()
    apply(tmp_path, text)  # nothing to do
    assert ShapeVersion.objects.count() == before
    apply(tmp_path, FILE.replace("abcd1234", "abcd1235"))  # the same, under a new id: both get a new version
    apply(tmp_path, FILE)  # and back to the one that is there
    heads = ShapeVersion.objects.filter(is_latest_validated=True, trainer_mode=None)
    assert [head.version_id for head in heads] == ["abcd1234"]
    with pytest.raises(CommandError, match="abcd1234 is there and says otherwise; a new version has a new id"):
        apply(tmp_path, FILE.replace("VLLM", "TRANSFORMERS"))
    with pytest.raises(CommandError, match="small-sampler is a deployment shape of the account; choose another id"):
        apply(tmp_path, FILE.partition("  deployment_shapes")[0].replace("small-8k", "small-sampler"))


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("engine: VLLM", "trainer_mode: LORA_TRAINER", "is not known here"),
        ("engine: VLLM", "launch_fields: {}", "is not known here"),
        ("engine: VLLM", "engine: NONE", "'NONE' is none of TRANSFORMERS, VLLM"),
        ("version: abcd1234\n    max", "version: v1\n    max", "'v1' is no version id; use its 8 characters"),
        ("    gpus: 2\n", "    gpus: 2\n    engine: VLLM\n", "is not known here"),
        ("id: small-sampler", "id: small-8k", "small-8k is there already"),
    ],
)
def test_a_file_that_mixes_the_kinds_is_refused(old: str, new: str, told: str) -> None:
    with pytest.raises(DocumentError) as refused:
        read_document(FILE.replace(old, new), source="own.yaml")
    assert told in str(refused.value)


def sampler(account: Account, **facts: Any) -> ShapeVersion:
    """A deployment shape's version, of the account's own model."""
    shape = make_shape(account=account, shape_id="small-sampler", kind=ShapeKind.DEPLOYMENT)
    return make_version(shape=shape, version_id="abcd1234", gpus=4, engine=Engine.VLLM, **facts)


def linked(account: Account, link: str = LINK) -> ShapeVersion:
    return make_version(shape=make_shape(account=account, shape_id="small-8k"), gpus=2, deployment_shape_version=link)


@pytest.mark.django_db
def test_deployment_replicas_need_a_shape_that_is_here_and_count_its_gpus() -> None:
    account, other = make_account(account_id="team-a"), make_account(account_id="team-b")
    trains = linked(account)
    inputs = {"deployment_replica_count": "3", "trainer_replica_count": "2"}
    refused = resolve(subject_of(trains, account, inputs), inputs)
    assert isinstance(refused, tuple)
    assert [violation.field for violation in refused] == ["deployment_replica_count"]
    assert f"{LINK}, which this shape links, is not here. Use 0" in refused[0].description
    serves = sampler(account, public=False)
    spec = resolve(subject_of(trains, account, inputs), inputs)
    assert isinstance(spec, TrainerSpec)
    assert (spec.trainer_gpus, spec.sampler_gpus) == (4, 12)
    assert gpu_total(spec).startswith("16 GPUs in all")
    assert gpu_total(spec).endswith(": 4 of the trainer and 12 of the deployment")
    assert TrainerSpec.from_json(spec.as_json()) == spec
    none = resolve(subject_of(trains, account), {})
    assert isinstance(none, TrainerSpec)
    assert "deployment_gpus" not in none.as_json()
    assert asked_subject(trains, account, inputs).serving == serves.frozen_snapshot
    assert asked_subject(trains, account, {}).serving is None, "which nobody asks for"
    of_one = {"deployment_replica_count": {"default": 1}}
    trains.launch_fields = [narrow_field(field, of_one.get(field.name, {})).as_json() for field in trains.fields]
    assert asked_subject(trains, account, {}).serving == serves.frozen_snapshot
    assert find_linked([other.pk], trains.frozen_snapshot) is None
    assert find_linked([account.pk], trains.frozen_snapshot) == serves
    bare = linked(other, "")
    found = resolve(subject_of(bare, other, inputs), inputs)
    assert isinstance(found[0], Violation)  # type: ignore[index]
    assert "this shape links no deployment shape" in found[0].description  # type: ignore[index]


@pytest.mark.django_db
def test_nothing_is_launched_from_it_and_its_pages_lead_both_ways(client: Client) -> None:
    account = make_account(account_id="team-a")
    serves, trains = sampler(account), linked(account)
    with pytest.raises(FailedPrecondition, match="is of samplers"):
        check_launchable(serves)
    sign_in(client, make_member(account=account, role=Role.PUBLISHER))
    page = client.get("/shapes/team-a/small-8k").content.decode()
    assert f'href="/shapes/team-a/small-sampler?version={serves.version_id}"' in page
    page = client.get("/shapes/team-a/small-sampler").content.decode()
    assert 'href="/shapes/team-a/small-8k"' in page
    assert "/launch" not in page.partition("<main")[2].replace("launched", "")
    assert client.get("/shapes/team-a/small-sampler/launch").status_code == 404
    listed = client.get("/?q=small").content.decode()
    assert "small-8k" in listed and "small-sampler" not in listed
    for name in ("team-a/small-sampler", serves.shape.name):
        compared = client.get("/compare", {"shape": [name, f"team-a/{trains.shape.shape_id}"]}).content.decode()
        assert "VLLM" in compared


@pytest.mark.django_db
def test_it_is_written_validated_by_hand_and_published_on_the_pages(client: Client) -> None:
    account = make_account(account_id="team-a")
    model = linked(account).shape.base_model
    sign_in(client, make_member(account=account, role=Role.PUBLISHER))
    address = f"/publish/new?kind=deployment&model={model.name}"
    assert f"?model={model.name}&amp;kind=deployment" in client.get("/publish/new?kind=deployment").content.decode()
    form = client.get(address).content.decode()
    assert 'name="engine"' in form and 'name="trainer_mode"' not in form and "launch_fields." not in form
    typed = {
        "account": "team-a", "shape_id": "own-sampler", "max_supported_context_length": "8k",
        "accelerator_count": "0", "node_count": "1", "engine": "VLLM",
    }  # fmt: skip
    assert client.post(address, typed).status_code == 303
    draft = ShapeVersion.objects.get(shape__shape_id="own-sampler")
    assert (draft.shape.kind, draft.trainer_mode, draft.launch_fields) == (ShapeKind.DEPLOYMENT, None, [])
    here = f"/shapes/team-a/own-sampler/versions/{draft.version_id}/validation"
    assert "No validation runs a sampler" in client.get(here).content.decode()
    assert client.post(f"{here}/start").status_code == 422
    assert client.post(f"{here}/by-hand", {"reason": "It serves at home."}).status_code == 303
    publish = f"/publish/team-a/own-sampler/versions/{draft.version_id}"
    assert client.post(f"{publish}/publish", {"expected": "", "public": "no"}).status_code == 303
    assert client.get("/publish?show=shapes").content.decode().count("deployment shape") == 1
    assert client.get(f"{publish}/clone").status_code == 200
    assert client.get("/publish/team-a/own-sampler/new").status_code == 200
    assert TrainingShape.objects.get(shape_id="own-sampler").kind == ShapeKind.DEPLOYMENT
    assert TrainerMode.LORA_TRAINER in {version.trainer_mode for version in ShapeVersion.objects.all()}
