"""A sampler process: what it answers, and how weights that a trainer saves take the place of older ones."""

from __future__ import annotations

import hashlib
import json
import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest
from bodies import BASE_MODEL, forward_body, make_datum, step_body
from processes import DEPLOYMENT, RunningSampler, make_config, start_sampler, wait_until
from safetensors.torch import load_file, save_file

from trainer.checkpoints import Checkpoints
from trainer.config import parse_config
from trainer.loading import load_parts
from trainer.operations.table import run_operation
from trainer.service import Service
from trainer.sessions import Sessions
from trainer.work import Later

COMPLETIONS = "/inference/v1/completions"
# Much longer than any test waits; ended by who leaves the stream.
SECONDS_LONG = {"prompt": [7], "max_tokens": 240, "n": 128, "ignore_eos": True, "stream": True}
TOKENS = [5, 6, 7, 8, 9, 10, 11, 12, 300, 301, 302]
names = (f"snapshot-{number}" for number in count(1))


class LoadedTrainer:
    """A trainer without its process and its HTTP face: operations as they are carried out there."""

    def __init__(self, root: Path, job: str, **changes: Any) -> None:
        directory = root / "jobs" / job / "records"
        directory.mkdir(parents=True)
        config = parse_config(make_config(root, job, directory, **changes))
        checkpoints = Checkpoints(config.checkpoints, config.jobs_root, config.job)
        self._service = Service(config, checkpoints)
        self._service.open(load_parts(config, checkpoints, Sessions())[0], run_operation)

    def call(self, operation: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = self._service.prepare(operation, body)()
        return answer.answer.result(60) if isinstance(answer, Later) else answer

    def create(self, rank: int = 0) -> str:
        body = {"session_id": "s", "base_model": BASE_MODEL, "lora_config": {"rank": rank, "seed": 1}}
        return self.call("create_model", body)["model_id"]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("samplers")


@pytest.fixture(scope="module")
def policy(root: Path) -> LoadedTrainer:
    return LoadedTrainer(root, "policy", max_context_length=256)


@pytest.fixture(scope="module")
def lora(root: Path) -> LoadedTrainer:
    return LoadedTrainer(root, "lora", trainer_mode="LORA_TRAINER", max_context_length=256)


@pytest.fixture(scope="module")
def sampler(root: Path) -> Iterator[RunningSampler]:
    """One for all: a test that loads weights says which ones it asks then."""
    sampler = start_sampler(root, "shared", max_batch_size=6, max_sequences=12, max_adapters=2)
    yield sampler
    sampler.stop()


def train(trainer: LoadedTrainer, model: str) -> None:
    trainer.call("forward_backward", forward_body(model, [make_datum(TOKENS)]))
    trainer.call("optim_step", step_body(model, learning_rate=1e-2))


def save(trainer: LoadedTrainer, model: str) -> str:
    return trainer.call("save_weights_for_sampler", {"model_id": model, "path": next(names)})["path"]


def said_by(trainer: LoadedTrainer, model: str, tokens: list[int]) -> list[float]:
    """The log-probability of each token after the first, as the trainer computes it."""
    datum = make_datum(tokens[:-1], target_tokens=tokens[1:])
    return trainer.call("forward", forward_body(model, [datum]))["loss_fn_outputs"][0]["logprobs"]["data"]


def rows(answer: dict[str, Any]) -> list[dict[str, Any]]:
    return answer["choices"][0]["logprobs"]["content"]


def scored(sampler: RunningSampler, tokens: list[int] = TOKENS, **more: Any) -> list[float]:
    """The same as the sampler computes it."""
    answer = sampler.complete(tokens, echo=True, max_tokens=0, **more)
    return [row["logprob"] for row in rows(answer)[1:]]


def tokens_of(answer: dict[str, Any]) -> list[list[int]]:
    return [choice["token_ids"] for choice in answer["choices"]]


def refusal(response: httpx.Response, status: int) -> str:
    assert response.status_code == status, response.text
    return response.json()["error"]["message"]


def test_whole_weights_are_loaded_and_say_what_the_trainer_says(sampler: RunningSampler, policy: LoadedTrainer) -> None:
    model = policy.create()
    assert scored(sampler) == pytest.approx(said_by(policy, model, TOKENS), abs=1e-4)
    train(policy, model)
    first = save(policy, model)
    loaded = sampler.load(first)
    assert loaded.status_code == 200 and loaded.json()["status"] == "loaded", loaded.text
    assert sampler.replica["current_snapshot_identity"] == first and sampler.replica["readiness"] is True
    assert sampler.replica["loading_state"]["seconds"] > 0
    assert scored(sampler) == pytest.approx(said_by(policy, model, TOKENS), abs=1e-4)
    answer = sampler.complete(TOKENS[:4], max_tokens=20, temperature=1, seed=3, echo=True)
    assert answer["snapshot_identity"] == first
    [tokens] = tokens_of(answer)
    assert [row["logprob"] for row in rows(answer)[1:]] == pytest.approx(said_by(policy, model, tokens), abs=1e-4)
    assert all(row["sampling_logprob"] == pytest.approx(row["logprob"]) for row in rows(answer)[4:])

    train(policy, model)
    second = save(policy, model)
    metadata = {"compression_format": "arc_v2", "checksum_format": "alder32"}
    words = refusal(
        sampler.load(second, incremental_snapshot_metadata={"previous_snapshot_identity": "other", **metadata}), 409
    )
    assert "previous_snapshot_identity is 'other', but" in words and first in words
    assert sampler.replica["current_snapshot_identity"] == first
    delta = {"previous_snapshot_identity": first, **metadata}
    assert sampler.load(second, incremental_snapshot_metadata=delta).status_code == 200
    assert scored(sampler) == pytest.approx(said_by(policy, model, TOKENS), abs=1e-4)
    kinds = [record["identity"] for record in sampler.records() if record["kind"] == "hot_load"]
    assert kinds[-3:] == [first, second, second]
    policy.call("unload_model", {"model_id": model})


def test_several_adapters_answer_at_once_each_by_its_name(sampler: RunningSampler, lora: LoadedTrainer) -> None:
    saved, said = [], []
    for rank in (4, 8):
        model = lora.create(rank)
        if not saved:
            base = said_by(lora, model, TOKENS)
        train(lora, model)
        saved.append(save(lora, model))
        said.append(said_by(lora, model, TOKENS))
        lora.call("unload_model", {"model_id": model})
        assert sampler.load(saved[-1], "lora").status_code == 200
    asked = [BASE_MODEL, f"{DEPLOYMENT}#{saved[0]}", saved[1], DEPLOYMENT]
    with ThreadPoolExecutor(4) as pool:
        answers = [*pool.map(lambda name: scored(sampler, model=name), asked)]
    for answer, wanted in zip(answers, [base, *said, said[1]], strict=True):
        assert answer == pytest.approx(wanted, abs=1e-4)
    assert sampler.complete([1], model=saved[0])["snapshot_identity"] == saved[0]
    listed = {each["id"]: each["snapshot_identity"] for each in sampler.http.get("/v1/models").json()["data"]}
    assert listed[DEPLOYMENT] == saved[1] and listed[BASE_MODEL] is None and f"{DEPLOYMENT}#{saved[0]}" in listed

    model = lora.create(2)
    third = save(lora, model)
    lora.call("unload_model", {"model_id": model})
    assert sampler.load(third, "lora").status_code == 200
    adapters = [each["identity"] for each in sampler.replica["loaded_adapters"]]
    assert third in adapters and len(adapters) == 2  # max_adapters: the one not asked for longest went
    assert scored(sampler) == pytest.approx(base, abs=1e-4)  # it was never trained
    gone = next(name for name in saved if name not in adapters)
    words = refusal(sampler.http.post(COMPLETIONS, json={"model": gone, "prompt": [1]}), 404)
    assert gone in words and third in words


def occupied(sampler: RunningSampler) -> int:
    """The sequences that are computed or wait."""
    health = sampler.http.get("/health").json()
    return health["computed"] + health["waiting"]


def stream(sampler: RunningSampler, body: dict[str, Any], begun: threading.Event) -> list[dict[str, Any]]:
    parts = []
    with sampler.http.stream("POST", COMPLETIONS, json={"stream": True, "logprobs": True, **body}) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        for line in response.iter_lines():
            if line.startswith("data: {"):
                parts.append(json.loads(line.removeprefix("data: ")))
                begun.set()
        assert line == "" or line == "data: [DONE]"
    return parts


def test_what_is_being_answered_goes_on_with_the_weights_that_it_began_with(
    sampler: RunningSampler, policy: LoadedTrainer
) -> None:
    model = policy.create()
    train(policy, model)
    old = save(policy, model)
    assert sampler.load(old).status_code == 200
    begun = threading.Event()
    body = {"prompt": TOKENS[:3], "max_tokens": 200, "ignore_eos": True, "raw_output": True, "echo": True}
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(stream, sampler, body, begun)
        assert begun.wait(30)
        older = policy.create()  # of the same seed and steps as the first: what `old` was saved of
        train(policy, older)
        train(policy, model)
        new = save(policy, model)
        assert sampler.load(new).status_code == 200
        meanwhile = sampler.complete(TOKENS, echo=True, max_tokens=0)
        assert meanwhile["snapshot_identity"] == new
        parts = answer.result(60)
    assert {part["snapshot_identity"] for part in parts} == {old}
    told = [row for part in parts for row in part["choices"][0]["logprobs"]["content"]]
    made = parts[-1]["choices"][0]["raw_output"]["completion_token_ids"]
    assert len(made) == 203 and [row["token_id"] for row in told] == made
    assert [row["logprob"] for row in told][1:] == pytest.approx(said_by(policy, older, made), abs=1e-4)
    assert said_by(policy, older, made) != pytest.approx(said_by(policy, model, made), abs=1e-2)
    for each in (model, older):
        policy.call("unload_model", {"model_id": each})


def spoil(sampler: RunningSampler, name: str, how: str) -> str:
    """A copy of a snapshot that is not what it says, or not what is served."""
    folder = sampler.jobs / "policy" / "sampler"
    copy = folder / f"{name}-{how}"
    shutil.copytree(folder / name, copy)
    manifest = json.loads((copy / "checkpoint.json").read_text()) | {"name": copy.name, "requested_name": copy.name}
    weights = copy / "model.safetensors"
    if how == "missing":
        weights.unlink()
    elif how == "changed":
        weights.write_bytes(weights.read_bytes()[:-1] + b"\x7f")
    elif how == "extra":
        save_file({}, copy / "other.safetensors")
    elif how == "base":
        manifest["base_model"] = "accounts/local/models/another"
    else:
        tensors = load_file(weights)
        if how == "shape":
            tensors = {key: (each[:, :32].contiguous() if each.dim() == 2 else each) for key, each in tensors.items()}
        else:
            tensors["model.norm.weight"] = tensors["model.norm.weight"] * float("nan")
        save_file(tensors, weights, metadata={"format": "pt"})
        manifest["files"]["model.safetensors"]["sha256"] = hashlib.sha256(weights.read_bytes()).hexdigest()
    (copy / "checkpoint.json").write_text(json.dumps(manifest))
    return copy.name


def test_a_bad_snapshot_leaves_the_old_one_serving_and_says_why(sampler: RunningSampler, policy: LoadedTrainer) -> None:
    model = policy.create()
    train(policy, model)
    good = save(policy, model)
    policy.call("unload_model", {"model_id": model})
    assert sampler.load(good).status_code == 200
    before = scored(sampler)
    for how, words in [
        ("missing", "file 'model.safetensors' is missing"),
        ("changed", "'model.safetensors' is not as it was saved"),
        ("extra", "holds 'other.safetensors', of which its manifest says nothing"),
        ("base", "is of base model 'accounts/local/models/another'; this sampler serves"),
        ("shape", "The weights cannot be read: "),
        ("infinite", "numbers that are not finite"),
    ]:
        name = spoil(sampler, good, how)
        assert words in refusal(sampler.load(name), 400), how
        replica = sampler.replica
        assert (replica["current_snapshot_identity"], replica["readiness"]) == (good, True)
        state = replica["loading_state"]
        assert (state["stage"], state["target_snapshot_identity"]) == ("error", name) and words in state["message"]
    for identity, status, words in [
        ("never-saved", 404, "Job policy has no snapshot 'never-saved'"),
        ("accounts/team-b/models/m", 404, "loads models of accounts/team-a/models/... only"),
        ("accounts/team-a/models/m", 404, "There is no model accounts/team-a/models/m"),
    ]:
        assert words in refusal(sampler.load(identity), status)
    assert scored(sampler) == before and sampler.replica["current_snapshot_identity"] == good


def test_what_is_computed_together_is_what_each_would_be_alone(sampler: RunningSampler) -> None:
    prompts = [[7], TOKENS, [5, 6, 7], [300] * 30, [11, 12], [5, 6, 7], [9] * 5, [400]]
    asked = [{"prompt": prompt, "max_tokens": 3 + 4 * place} for place, prompt in enumerate(prompts)]
    asked += [{"prompt": [5, 6], "temperature": 1, "seed": 11, "max_tokens": 8, "top_k": 50, "top_p": 0.9, "n": 2}]
    alone = [tokens_of(sampler.complete(**each)) for each in asked]
    with ThreadPoolExecutor(9) as pool:
        together = [*pool.map(lambda each: tokens_of(sampler.complete(**each)), asked)]
    assert together == alone
    assert alone[-1][0] != alone[-1][1]
    [greedy] = alone[1]
    answer = sampler.complete(TOKENS, max_tokens=2, top_logprobs=3)
    for row, token in zip(rows(answer), greedy, strict=False):
        assert row["token_id"] == token == row["top_logprobs"][0]["token_id"] and len(row["top_logprobs"]) == 3
        assert row["sampling_logprob"] == 0 > row["logprob"]


def test_stops_end_an_answer_and_the_context_limits_it(sampler: RunningSampler) -> None:
    whole = sampler.complete([7], max_tokens=12)
    [tokens] = tokens_of(whole)
    [choice] = sampler.complete([7], max_tokens=12, stop_token_ids=[tokens[4]])["choices"]
    assert choice["token_ids"] == tokens[: tokens.index(tokens[4]) + 1] and choice["finish_reason"] == "stop"
    text = whole["choices"][0]["text"]
    stop = text[3:5]
    [choice] = sampler.complete([7], max_tokens=12, stop=[stop])["choices"]
    assert choice["text"] == text[: text.find(stop)] and choice["finish_reason"] == "stop"
    [choice] = sampler.complete([7] * 250, max_tokens=100, ignore_eos=True)["choices"]
    assert len(choice["token_ids"]) == 6 and choice["finish_reason"] == "length"


def test_refusals_tell_field_value_and_limit(sampler: RunningSampler) -> None:
    post = sampler.http.post
    for body, status, words in [
        ({"prompt": [1] * 257}, 400, "The prompt has 257 tokens; the context of this sampler"),
        ({"prompt": [512]}, 400, "token id 512; the vocabulary of this model ends at 511"),
        ({"prompt": [1], "n": 0}, 400, "n must be a whole number from 1 to 128, not 0."),
        (
            {"prompt": [1], "model": "accounts/x/deployments/y"},
            404,
            "There is no model 'accounts/x/deployments/y' here.",
        ),
    ]:
        assert words in refusal(post(COMPLETIONS, json=body), status)
    assert "is not JSON" in refusal(post(COMPLETIONS, content=b"{"), 400)
    assert "32 MB" in refusal(post(COMPLETIONS, content=b" " * (32 * 1024**2 + 1)), 413)
    chat = {"messages": [{"role": "user", "content": "hello"}]}
    assert "has no chat template" in refusal(post("/v1/chat/completions", json=chat), 400)
    other = {"fireworks-deployment": "accounts/team-a/deployments/other"}
    hot_load = "/hot_load/v1/models/hot_load"
    assert "fireworks-deployment is" in refusal(post(hot_load, json={"identity": "a"}, headers=other), 404)
    assert "token" in refusal(httpx.post(f"{sampler.http.base_url}/v1/completions", json={}), 401)
    # A request for more than the sampler takes at once is taken where nothing else is there; the next has to wait.
    parts = stream(sampler, {"prompt": [7], "n": 14, "max_tokens": 20, "ignore_eos": True}, threading.Event())
    assert {choice["index"] for part in parts for choice in part["choices"]} == set(range(14))
    assert parts[-1]["usage"]["completion_tokens"] == 14 * 20
    with sampler.http.stream("POST", COMPLETIONS, json=SECONDS_LONG) as long:
        answers = long.iter_lines()  # let go, the iterator would end the request
        next(answers)
        full = post(COMPLETIONS, json={"prompt": [1]})
    assert "of 12 that this sampler takes at once" in refusal(full, 503) and full.headers["retry-after"] == "1"
    wait_until(lambda: occupied(sampler) == 0, 5)


def test_what_nobody_waits_for_is_computed_no_more(sampler: RunningSampler) -> None:
    with sampler.http.stream("POST", COMPLETIONS, json=SECONDS_LONG) as response:
        answers = response.iter_lines()
        next(answers)
        assert occupied(sampler) > 100
    wait_until(lambda: occupied(sampler) == 0, 5)
    with pytest.raises(httpx.ReadTimeout):
        sampler.http.post(COMPLETIONS, json={**SECONDS_LONG, "stream": False}, timeout=0.3)
    wait_until(lambda: occupied(sampler) == 0, 5)


def test_it_starts_with_a_snapshot_and_ends_where_nobody_calls(root: Path, policy: LoadedTrainer) -> None:
    model = policy.create()
    train(policy, model)
    saved = save(policy, model)
    said = said_by(policy, model, TOKENS)
    policy.call("unload_model", {"model_id": model})
    sampler = start_sampler(root, "told", snapshot=saved, inactivity_timeout_s=5)
    assert sampler.replica["current_snapshot_identity"] == saved
    assert scored(sampler) == pytest.approx(said, abs=1e-4)
    assert sampler.process.wait(60) == 20
    assert json.loads((sampler.directory / "exit-reason.json").read_text())["reason"] == "INACTIVE"
    last = json.loads((sampler.directory / "loaded.json").read_text())
    loaded, served = sampler.records()
    assert last == {"identity": saved, "seconds": pytest.approx(loaded["seconds"], abs=1e-3)}
    assert (loaded["kind"], loaded["stage"], loaded["identity"]) == ("hot_load", "ready", saved)
    told = {"kind": "serving", "identity": saved, "requests": 1, "prompt_tokens": len(TOKENS), "completion_tokens": 0}
    assert told.items() <= served.items()


def test_what_cannot_be_served_ends_it_with_a_reason(root: Path) -> None:
    wrong = start_sampler(root, "wrong", wait="exit", engine="none")
    assert wrong.process.returncode == 2 and "engine must be one of transformers" in wrong.log.read_text()
    missing = start_sampler(root, "missing", wait="exit", snapshot="never-saved")
    assert missing.process.returncode == 1 and "has no snapshot 'never-saved'" in missing.log.read_text()
