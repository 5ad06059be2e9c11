"""The tokenizer of a base model, as a program gets it by the API."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import pytest

from accounts.roles import Role
from accounts.scopes import Scope
from connections.providers.trainer_files.demo_models import DEMO_MODELS
from connections.providers.trainer_files.tokenizers import MOST_BYTES, read_tokenizer
from tests.api.makers import Caller, make_caller
from tests.makers import make_account, make_member, make_model, make_shape, make_version
from wire.names import parse_model_name

pytestmark = pytest.mark.django_db
CHAT = ["<|im_start|>", "<|im_end|>"]


@pytest.fixture
def caller() -> Caller:
    user = make_member(account=make_account(account_id="team-a"), role=Role.VIEWER)
    return make_caller(account=user.memberships.get().account, user=user, scope=Scope.READ)


def offer(name: str, *, public: bool = True) -> None:
    """A shape of the model, so that somebody may see it."""
    parsed = parse_model_name(name)
    assert parsed
    account = make_account(account_id=parsed[0])
    make_version(shape=make_shape(base_model=make_model(account=account, model_id=parsed[1])), gpus=0, public=public)


def unpacked(packed: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(packed), mode="r:gz") as archive:
        files = {member.name: archive.extractfile(member) for member in archive}
        return {name: file.read() for name, file in files.items() if file}


@pytest.mark.parametrize("name", DEMO_MODELS)
def test_a_demo_models_is_one_folder_of_its_name(caller: Caller, name: str) -> None:
    offer(name)
    status, packed = caller.get(f"/v1/{name}/tokenizer")
    assert status == 200
    files, model = unpacked(packed), name.rpartition("/")[2]
    assert {file.partition("/")[0] for file in files} == {model}
    tokens = {token["content"] for token in json.loads(files[f"{model}/tokenizer.json"])["added_tokens"]}
    has_chat = model.endswith("-chat")
    assert tokens >= set(CHAT) if has_chat else not tokens & set(CHAT)
    assert (f"{model}/chat_template.jinja" in files) == has_chat


def test_a_model_that_is_not_here_and_one_that_nobody_may_see_are_not_found(caller: Caller) -> None:
    offer("accounts/fireworks/models/large")
    status, away = caller.get("/v1/accounts/fireworks/models/large/tokenizer")
    assert status == 404
    assert away["message"].endswith("is not here. Take it from where the model comes from.")
    offer("accounts/local/models/tiny-qwen3", public=False)
    status, hidden = caller.get("/v1/accounts/local/models/tiny-qwen3/tokenizer")
    assert status == 404
    assert "that this API key may see" in hidden["message"]


def test_of_a_model_of_ones_own_only_the_tokenizer_goes_out(tmp_path: Path) -> None:
    for name in ("config.json", "model.safetensors", "tokenizer.json", "merges.txt", "notes.txt"):
        (tmp_path / name).write_text(name)
    (tmp_path / "vocab.json").mkdir()
    assert read_tokenizer(tmp_path) == {"tokenizer.json": b"tokenizer.json", "merges.txt": b"merges.txt"}
    with (tmp_path / "tokenizer.model").open("wb") as file:
        file.truncate(MOST_BYTES)
    assert read_tokenizer(tmp_path) == {}
