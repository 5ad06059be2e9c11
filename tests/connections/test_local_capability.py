"""What runs on this machine, and what an ending means."""

from __future__ import annotations

import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from connections.providers.errors import Rejected
from connections.providers.local.capability import ModelPlaces, model_path
from connections.providers.spec import ShardingScheme, TrainerMode
from connections.providers.states import AttemptState, Reason
from connections.providers.trainer_files.base_models import (
    directories_in,
    read_directories,
    read_places,
    repositories_in,
)
from connections.providers.trainer_files.config import RECIPE_STEPS, make_config
from connections.providers.trainer_files.outcome import (
    CONTAINER_RESTARTED,
    KILLED,
    MAX_DETAIL,
    RESTARTED,
    UNSTARTED,
    WRAPPER_STAGE,
    Exceeded,
    ProcessExit,
    explain,
)
from tests.connections.local_rig import LocalRig
from tests.connections.rig import make_spec

HERE = "accounts/local/models/my-model"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"accelerator_count": 2}, "needs 2 GPUs a replica; this machine's provider runs shapes without GPUs only"),
        ({"accelerator_count": 1}, "needs 1 GPU a replica"),
        (
            {"trainer_replica_count": 3},
            "asks for 3 trainer replicas of 1 node, each of which takes a slot; this machine has 2 slots",
        ),
        ({"region": "US_IOWA_1"}, "region US_IOWA_1"),
        ({"recipe": "grpo"}, "The recipe grpo is not one of sample-sft, none"),
        ({"base_model": HERE}, "put its Hugging Face directory at models/my-model in SLIPWAY_HOME"),
        ({"base_model": "accounts/fireworks/models/my-model"}, "not on this machine"),
        ({"base_model": "accounts/local/models/../../etc"}, "not on this machine"),
        ({"base_model": "/etc"}, "not on this machine"),
    ],
)
def test_says_why_a_spec_cannot_run_here(local: LocalRig, changes: dict[str, Any], reason: str) -> None:
    (found,) = local.provider.fits(make_spec(**changes))
    assert reason in found
    assert str(local.provider.models) not in found


def test_says_all_reasons_at_once(local: LocalRig) -> None:
    assert len(local.provider.fits(make_spec(accelerator_count=8, region="US", base_model=HERE))) == 3


def test_the_default_recipe_is_the_sample(local: LocalRig) -> None:
    assert [recipe.name for recipe in local.provider.recipes(make_spec())] == ["sample-sft", "none"]


def test_the_recipe_of_validations_runs_and_is_not_offered(local: LocalRig) -> None:
    assert local.provider.fits(make_spec(recipe="validation", recipe_steps=20)) == []
    assert "validation" not in {recipe.name for recipe in local.provider.recipes(make_spec())}
    told = config(local, recipe="validation", recipe_steps=7)
    assert (told["recipe"], told["recipe_steps"]) == ("validation", 7)
    assert config(local)["recipe_steps"] == RECIPE_STEPS


def config(rig: LocalRig, **changes: Any) -> dict[str, Any]:
    job = Path("/jobs/team-a/job-1")
    places = ModelPlaces(rig.provider.models, rig.provider.weights, rig.provider.mapped)
    spec = make_spec(**changes)
    return make_config(
        spec,
        directory=job / "attempts" / "1",
        job_directory=job,
        model_directory=model_path(places, spec.base_model),
        model_cache=Path("/cache"),
        models_root=Path("/weights/team-a"),
        bind="127.0.0.1",
        resume_from="",
    )


def test_a_model_of_ones_own_is_used_where_it_lies(local: LocalRig) -> None:
    directory = local.provider.models / "my-model"
    directory.mkdir(parents=True)
    assert local.provider.fits(make_spec(base_model=HERE))
    (directory / "config.json").write_text("{}")
    assert local.provider.fits(make_spec(base_model=HERE)) == []
    assert config(local, base_model=HERE)["model_directory"] == str(directory)
    assert config(local)["model_directory"] is None


def test_a_trainer_is_told_what_its_model_is_divided_by(local: LocalRig) -> None:
    told = {name: value for name, value in config(local).items() if name.endswith("parallelism")}
    assert told == {}, "which trainers of an earlier release do not know"
    scheme = ShardingScheme(tensor_parallelism=2, context_parallelism=1, expert_parallelism=4)
    told = config(local, accelerator_count=8, trainer_sharding_scheme=scheme)
    assert (told["tensor_parallelism"], told["expert_parallelism"], told["processes"]) == (2, 4, 8)


def test_a_public_model_runs_from_where_the_connection_says(local: LocalRig, tmp_path: Path) -> None:
    public, directory = "accounts/fireworks/models/qwen3-8b", tmp_path / "weights"
    kept = read_directories(f"\n {public}={directory}/ \naccounts/x/models/y = /y\n")
    assert kept == f"{public} = {directory}\naccounts/x/models/y = /y"
    rig = replace(local, provider=replace(local.provider, mapped=directories_in(kept)))
    for _ in range(2):  # nothing there, and a folder without a model
        (reason,) = rig.provider.fits(make_spec(base_model=public))
        assert "is not where the connection says" in reason and str(directory) not in reason
        assert rig.provider.tokenizer(public) == {}
        directory.mkdir(exist_ok=True)
    (directory / "config.json").write_text("{}")
    (directory / "tokenizer.json").write_text("{}")
    assert rig.provider.fits(make_spec(base_model=public)) == []
    assert config(rig, base_model=public)["model_directory"] == str(directory)
    assert rig.provider.tokenizer(public) == {"tokenizer.json": b"{}"}
    facts = dict(rig.provider.identify().facts)
    assert facts[public] == f"at {directory}"
    assert facts["accounts/x/models/y"] == "has no config.json at /y"


def test_a_model_of_a_hub_runs_here_before_it_was_downloaded(local: LocalRig) -> None:
    public, address = "accounts/fireworks/models/qwen3-8b", "https://hub.example/mirror/Qwen/Qwen3-8B"
    kept = read_places(f"{public} = {address}/tree/v1\naccounts/x/models/y = /y\n")
    assert kept == f"{public} = {address}@v1\naccounts/x/models/y = /y"
    assert directories_in(kept) == {"accounts/x/models/y": Path("/y")}
    (found,) = repositories_in(kept).values()
    assert (found.endpoint, found.repository) == ("https://hub.example/mirror", "Qwen/Qwen3-8B")
    provider = replace(local.provider, hub={public: f"{address}@v1"}, hub_token="secret")
    assert provider.fits(make_spec(base_model=public)) == []
    assert not provider.has_tokenizer(public) and provider.tokenizer(public) == {}
    with pytest.raises(Rejected, match=f"its first launch downloads it from {address}@v1"):
        provider.count_tokens(public, Path("/rows"))
    assert dict(provider.identify().facts)[public] == f"the first launch of it downloads it from {address}@v1"
    assert "secret" not in repr(provider)
    folder = provider.root / "hub" / found.folder
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    assert provider.has_tokenizer(public)
    assert dict(provider.identify().facts)[public] == f"from {address}@v1, at {folder}"


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("srv/y", "is neither a whole path nor a repository"),
        ("https://hub.example/Qwen3-8B", "is neither a whole path nor a repository"),
        ("https://me:secret@hub.example/Qwen/Qwen3-8B", "is neither a whole path nor a repository"),
        ("https://hub.example/Qwen/Qwen3-8B?x=1", "is neither a whole path nor a repository"),
        ("https://hub.example/Qwen/Qwen3--8B", "'https://hub.example/Qwen/Qwen3--8B' names no repository"),
        ("https://hub.example/Qwen/Qwen3-8B.git", "names no repository of a hub"),
        ("https://hub.example/Qwen/Qwen3-8B-", "names no repository of a hub"),
        ("https://hub.example/Qwen./Qwen3-8B", "names no repository of a hub"),
        ("https://hub.example/Qwen/Qwen3..8B", "names no repository of a hub"),
        ("https://hub.example/Qwen/Qwen3-8B/blob/main/config.json", "an address beneath a repository's page"),
        ("https://hub.example/Qwen/Qwen3-8B/resolve/main", "an address beneath a repository's page"),
        ("https://hub.example/Qwen/Qwen3-8B/tree/main@v1", "an address beneath a repository's page"),
        ("https://hub.example/Qwen/..@main", "is neither a whole path nor a repository"),
        ("https://hub.example/Qwen/Qwen3-8B@../x", "is neither a whole path nor a repository"),
        ("http://hub.example/Qwen/Qwen3-8B", "would be read on its way"),
        ("https://a/b/c\naccounts/x/models/z = https://d/e/f", "are two hubs; a connection asks one"),
    ],
)
def test_what_names_no_repository_of_one_hub_is_refused(place: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        read_places(f"accounts/x/models/y = {place}")


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("accounts/x/models/y = https://hub.example/Qwen/Qwen3-8B", "for trainers of this machine alone"),
        ("qwen3 = /srv", "is no line such as"),
        ("accounts/x/models/y", "is no line such as"),
        ("accounts/x/models/y = srv/y", "is no whole path"),
        ("accounts/x/models/y = /srv/../etc", "is no whole path"),
        ("accounts/x/models/y = /a\naccounts/x/models/y = /b", "stands there twice"),
    ],
)
def test_what_names_no_directory_of_a_model_is_refused(written: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        read_directories(written)


def test_a_model_that_an_account_made_is_used_where_it_lies_and_an_adapter_is_none(local: LocalRig) -> None:
    for account in ("local", "team-a"):
        name = f"accounts/{account}/models/made"
        directory = local.provider.weights / account / "made"
        directory.mkdir(parents=True)
        (directory / "adapter_config.json").write_text("{}")
        (reason,) = local.provider.fits(make_spec(base_model=name))
        assert "is an adapter and no base model: launch its base model, and load it there" in reason
        (directory / "config.json").write_text("{}")
        (directory / "tokenizer.json").write_text("{}")
        assert local.provider.fits(make_spec(base_model=name)) == []
        assert config(local, base_model=name)["model_directory"] == str(directory)
        assert local.provider.tokenizer(name) == {"tokenizer.json": b"{}"}
    assert config(local)["models_root"] == "/weights/team-a"


def test_a_lora_trainer_without_a_rank_serves_forward_passes(local: LocalRig) -> None:
    assert config(local, lora_rank=0)["trainer_mode"] == TrainerMode.FORWARD_ONLY
    assert config(local, lora_rank=4)["trainer_mode"] == TrainerMode.LORA_TRAINER


ENDED = ProcessExit(
    stage="trainer",
    code=1,
    signal_number=None,
    asked=False,
    cause="",
    cancelled=False,
    host_stopped=False,
    message="",
    log_tail="",
    inactivity_timeout_seconds=90,
)


OVER = Exceeded("memory", 3_000_000_000, 2_000_000_000)


@pytest.mark.parametrize(
    ("changes", "state", "reason", "words"),
    [
        ({"code": 0}, "COMPLETED", "DONE", ""),
        ({"code": 0, "cancelled": True, "asked": True}, "COMPLETED", "DONE", ""),
        ({"code": 20}, "CANCELLED", "INACTIVE", "No call for 90 seconds, its inactivity timeout."),
        ({"code": 143, "cancelled": True, "asked": True}, "CANCELLED", "USER", ""),
        ({"code": None, "signal_number": 9, "cancelled": True}, "CANCELLED", "USER", ""),
        ({"stage": "queue", "code": None, "cancelled": True}, "CANCELLED", "USER", ""),
        ({"stage": WRAPPER_STAGE, "cause": KILLED, "cancelled": True}, "CANCELLED", "USER", ""),
        ({"code": 143, "host_stopped": True, "asked": True}, "FAILED", "HOST_STOPPED", "Slipway was stopped"),
        ({"code": 143, "asked": True}, "FAILED", "HOST_STOPPED", "SIGTERM"),
        ({"stage": "environment", "code": -15, "asked": True}, "FAILED", "HOST_STOPPED", "SIGTERM"),
        ({"stage": WRAPPER_STAGE, "cause": RESTARTED}, "FAILED", "HOST_STOPPED", "restarted"),
        ({"stage": WRAPPER_STAGE, "cause": CONTAINER_RESTARTED}, "FAILED", "HOST_STOPPED", "container"),
        ({"stage": WRAPPER_STAGE, "cause": KILLED}, "FAILED", "EXIT_CODE", "was killed"),
        ({"stage": WRAPPER_STAGE, "cause": UNSTARTED}, "FAILED", "EXIT_CODE", "before it began"),
        ({"stage": "environment", "code": 0}, "FAILED", "ENVIRONMENT", "environment"),
        ({"stage": "environment", "code": 20}, "FAILED", "ENVIRONMENT", "environment"),
        ({"code": 2, "message": "lora_rank is 0."}, "FAILED", "EXIT_CODE", "exit code 2: lora_rank is 0."),
        ({"code": 137}, "FAILED", "EXIT_CODE", "memory"),
        ({"code": None, "signal_number": signal.SIGSEGV}, "FAILED", "EXIT_CODE", "SIGSEGV"),
        ({"code": None, "signal_number": 63}, "FAILED", "EXIT_CODE", "signal 63"),
        ({"code": None, "signal_number": 9, "exceeded": OVER}, "FAILED", "LIMIT", "3.0 GB of memory, and a trainer"),
        ({"code": 0, "exceeded": OVER}, "COMPLETED", "DONE", ""),
        ({"code": 143, "exceeded": OVER, "cancelled": True}, "CANCELLED", "USER", ""),
        ({"log_tail": "the last line"}, "FAILED", "EXIT_CODE", "exit code 1.\nLast lines of its log:\nthe last line"),
    ],
)
def test_explains_every_ending(changes: dict[str, Any], state: str, reason: str, words: str) -> None:
    said = explain(replace(ENDED, **changes))
    assert (said.state, said.reason) == (AttemptState(state), Reason(reason))
    assert words in said.detail


def test_a_detail_has_a_bound() -> None:
    assert len(explain(replace(ENDED, message="m" * 9000, log_tail="t" * 9000)).detail) <= MAX_DETAIL
