"""An adapter that is promoted merged: a full model, whole or not at all, beside the one that it is as it stands."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client, TestCase
from django.utils import timezone
from pytest_django.fixtures import Settings

from accounts.actors import user_actor
from accounts.models import Account, AuditEntry
from catalog import weights
from catalog.domain import advance_promotion as worker
from catalog.domain.advance_promotion import MOST_MERGES, advance_promotion
from catalog.domain.remove_model import remove_model
from catalog.domain.tidy_weights import tidy_weights
from catalog.models import TrainedModel
from catalog.states import ModelState
from connections.providers.errors import Rejected, Retryable
from launches.models import Launch
from tests.connections.remote import RemoteEngine
from tests.launches.weights import TINY, Killed, adapter_files, make_saved_launch, promote, tensors, whole_files
from tests.makers import make_member, sign_in
from wire.errors import AlreadyExists, FailedPrecondition

pytestmark = pytest.mark.django_db
MERGED = {"config.json": b'{"model_type": "qwen3"}', "model.safetensors": tensors(b"\7" * 64), "tokenizer.json": b"{}"}


@pytest.fixture(autouse=True)
def home(settings: Settings, tmp_path: Path) -> Path:
    settings.SLIPWAY_HOME, settings.SLIPWAY_LEAST_FREE_MB = tmp_path, 0
    return tmp_path


@pytest.fixture
def saved(engine: RemoteEngine, team: Account) -> Launch:
    """An adapter, on an engine that can merge."""
    engine.merger = merge
    return make_saved_launch(engine, owner=make_member(account=team, username="lena"), account=team)


def merge(adapter: Path, output: Path) -> None:
    assert {path.name for path in adapter.iterdir()} == set(adapter_files())
    assert list(output.iterdir()) == []
    for name, content in (MERGED | {"train.py": b"print()"}).items():
        (output / name).write_bytes(content)


def advanced(model: TrainedModel, *, most: int = 9) -> TrainedModel:
    """As workers take it, one step after the other, until it is made or waits for its time."""
    for _ in range(most):
        TrainedModel.objects.filter(pk=model.pk).update(next_check_at=timezone.now(), lease_until=None)
        with TestCase.captureOnCommitCallbacks(execute=True):
            advance_promotion(model.pk)
        model.refresh_from_db()
        if model.state != ModelState.CREATING:
            break
    return model


def lying(home: Path) -> dict[str, bytes]:
    """What lies in the account's folder, without what is signed."""
    folder = home / "weights/team-a"
    files = [path for path in folder.rglob("*") if path.is_file() and not path.name.endswith(".manifest.json")]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_it_is_a_full_model_that_says_what_it_was_merged_from(saved: Launch, home: Path) -> None:
    model = promote(saved, merged=True, made=False)
    assert (model.kind, model.lora_rank, model.files) == ("full", 0, [])
    advance_promotion(model.pk)
    model.refresh_from_db()
    assert (model.state, model.copied_bytes) == (ModelState.CREATING, model.size_bytes), "copied, and merged next"
    advanced(model)
    assert (model.state, model.detail) == (ModelState.READY, "")
    assert model.provenance["merged"] == f"merged from the adapter {saved.name}/checkpoints/final on base {TINY}"
    assert (model.base_model, model.root_model, model.left_out) == (TINY, TINY, ["train.py"])
    assert model.size_bytes == model.copied_bytes == sum(map(len, MERGED.values()))
    assert lying(home) == {f"mine/{name}": content for name, content in MERGED.items()}
    call_command("verify_model", str(home / "weights/team-a/mine"))
    assert AuditEntry.objects.get(verb="promote_checkpoint").after["merged"] is True  # type: ignore[index]
    assert saved.events.get(kind="promoted").message.endswith("to mine, merged into its base model")


def test_the_same_again_is_the_same_and_the_other_choice_needs_another_id(saved: Launch) -> None:
    model = advanced(promote(saved, merged=True, made=False))
    assert promote(saved, merged=True) == model
    with pytest.raises(AlreadyExists, match=r"mine is there already, made of .*/final, merged into its base\. Choose"):
        promote(saved)
    as_it_is = promote(saved, model_id="as-it-is")
    assert as_it_is.kind == "adapter"
    with pytest.raises(AlreadyExists, match=r"as-it-is is there already, made of .*/final as an adapter\. Choose"):
        promote(saved, model_id="as-it-is", merged=True)
    made_up = promote(saved, model_id="", merged=True, made=False)
    assert made_up.model_id == f"{saved.job_id}-final-merged"
    assert promote(saved, model_id="", merged=True, made=False) == made_up


def test_what_is_whole_already_is_taken_as_it_is(engine: RemoteEngine, team: Account) -> None:
    launch = make_saved_launch(engine, owner=make_member(account=team), account=team, files=whole_files(), lora_rank=8)
    model = promote(launch, merged=True)
    assert (model.state, model.merged_from) == (ModelState.READY, [])
    assert promote(launch) == model


@pytest.mark.parametrize(
    ("refused", "sentence"),
    [
        (Rejected(f"The base model {TINY} is not on this machine: put it there."), "is not on this machine"),
        ({"adapter_config.json": adapter_files(rank=8)["adapter_config.json"]}, "says rank 8; its trainer noted 16"),
        ({"config.json": b"{}", "model.bin": b"x"}, "What the merge left is no model"),
        ({"config.json": b"{}", "model.safetensors": b"\x80\x04pickle" * 9}, "is no file of safetensors"),
    ],
)
def test_what_cannot_be_merged_fails_in_words_and_leaves_nothing(
    engine: RemoteEngine, team: Account, home: Path, refused: Any, sentence: str
) -> None:
    def merger(_: Path, output: Path) -> None:
        if isinstance(refused, Exception):
            raise refused
        for name, content in refused.items():
            (output / name).write_bytes(content)

    engine.merger = merger
    more = refused if isinstance(refused, dict) and "adapter_config.json" in refused else {}
    launch = make_saved_launch(engine, owner=make_member(account=team), account=team, files=adapter_files(more=more))
    model = advanced(promote(launch, merged=True, made=False))
    assert model.state == ModelState.FAILED
    assert sentence in model.detail
    remove_model(actor=user_actor(launch.owner), model=model)
    tidy_weights(now=timezone.now())
    assert lying(home) == {}


def test_a_merge_that_breaks_off_is_tried_again_but_not_for_ever(engine: RemoteEngine, saved: Launch) -> None:
    tries: list[Path] = []

    def break_off(_: Path, output: Path) -> None:
        (output / "model.safetensors").write_bytes(b"half")
        tries.append(output)
        raise Retryable("The merge broke off.")

    engine.merger = break_off
    model = promote(saved, merged=True, made=False)
    advanced(model, most=MOST_MERGES)
    assert (model.state, model.detail) == (ModelState.CREATING, "The merge broke off.")
    assert len(set(tries)) == MOST_MERGES - 1
    assert [output.exists() for output in tries] == [False] * (len(tries) - 1) + [True], "one at most is left"
    advanced(model)
    assert (model.state, len(tries)) == (ModelState.FAILED, MOST_MERGES)
    assert model.detail == f"The merge broke off. That was the last of {MOST_MERGES} tries; promote it again."


@pytest.mark.parametrize("step", ["open_merged", "merge", "take_merged", "_finish", "settle", "settled"])
def test_a_worker_that_dies_anywhere_leaves_a_whole_model_or_none(
    engine: RemoteEngine, saved: Launch, home: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def die(*args: Any, **options: Any) -> Any:
        if step == "merge":
            merge(*args)
        if step == "settled":
            weights.settle(*args, **options)
        raise Killed

    model = promote(saved, merged=True)
    with monkeypatch.context() as patch, pytest.raises(Killed):
        if step == "merge":
            patch.setattr(engine, "merger", die)
        else:
            patch.setattr(worker, "settle" if step == "settled" else step, die)
        advanced(model, most=1)
    TrainedModel.objects.filter(pk=model.pk).update(lease_until=None)
    tidy_weights(now=timezone.now())
    assert advanced(model).state == ModelState.READY
    tidy_weights(now=timezone.now())
    assert lying(home) == {f"mine/{name}": content for name, content in MERGED.items()}


def test_the_form_and_the_command_offer_the_choice(client: Client, saved: Launch) -> None:
    promote(saved, made=False)
    sign_in(client, saved.owner)
    page = f"/launches/{saved.uid}/checkpoints/final/promote"
    assert '<option value="merged">a full model' in client.get(page).text
    assert '<option value="merged" selected>' in client.get(f"{page}?becomes=merged").text
    odd = client.post(page, {"model_id": "full", "becomes": "half"})
    assert (odd.status_code, "is neither adapter nor merged" in odd.text) == (422, True)
    taken = client.post(page, {"model_id": "mine", "becomes": "merged"})
    assert "made of" in taken.text
    assert client.post(page, {"model_id": "full", "becomes": "merged"})["Location"] == "/models/team-a/full"
    model = TrainedModel.objects.get(model_id="full")
    advanced(model, most=1)
    assert "merged into its base model now" in client.get("/models/team-a/full").text
    advanced(model)
    assert "from an adapter of rank 16" in client.get("/models/team-a/full").text
    call_command("promote", f"{saved.name}/checkpoints/final", "--id", "by-command", "--merged", "--no-wait")
    assert TrainedModel.objects.get(model_id="by-command").merged_from


def test_where_nothing_is_merged_that_is_said_before_it_is_asked(
    saved: Launch, engine: RemoteEngine, client: Client
) -> None:
    sign_in(client, saved.owner)
    engine.capabilities = replace(engine.capabilities, merges=False)
    with pytest.raises(FailedPrecondition, match=r"merges no adapters\. Promote it as an adapter"):
        promote(saved, merged=True, made=False)
    assert promote(saved).kind == "adapter"
    page = f"/launches/{saved.uid}/checkpoints/final/promote"
    told = client.get(page).content.decode()
    assert "merged into its base" not in told and "merges no adapters, so it stays one" in told
    model_page = "/models/team-a/mine"
    assert "Promote its checkpoint merged" not in client.get(model_page).content.decode()
    engine.capabilities = replace(engine.capabilities, merges=True)
    assert "merged into its base" in client.get(page).content.decode()
    assert "Promote its checkpoint merged" in client.get(model_page).content.decode()
