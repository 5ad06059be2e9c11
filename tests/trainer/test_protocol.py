"""The protocol, spoken to real trainers over HTTP."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from bodies import BASE_MODEL, forward_body, make_datum, step_body
from processes import RunningTrainer, Starter

SEQUENCE = [5, 6, 7, 8, 9, 10, 11, 12]


def loss_of(trainer: RunningTrainer, model: str, data: list[dict[str, Any]] | None = None) -> float:
    return trainer.call("forward", forward_body(model, data or [make_datum(SEQUENCE)]))["metrics"]["loss:sum"]


def train(trainer: RunningTrainer, model: str, steps: int = 1, **adam: float) -> dict[str, Any]:
    for _ in range(steps):
        trainer.call("forward_backward", forward_body(model, [make_datum(SEQUENCE)]))
        answer = trainer.call("optim_step", step_body(model, **adam))
    return answer["metrics"]


def refused(trainer: RunningTrainer, operation: str, body: dict[str, Any], status: int, text: str) -> None:
    """By the future, not at the door: the official client gives up its session for a submission that is refused."""
    submitted = trainer.submit(operation, body)
    assert submitted.status_code == 200, submitted.text
    response = trainer.fetch(submitted)
    assert (response.status_code, text in response.json()["detail"]) == (status, True), response.text


@pytest.mark.parametrize("path", ["healthz", "get_server_capabilities", "list_checkpoints"])
def test_every_path_needs_the_token(policy: RunningTrainer, path: str) -> None:
    url = f"/api/v1/{path}"
    for headers in ({"X-Api-Key": ""}, {"X-Api-Key": "wrong"}, {"X-Api-Key": "", "Authorization": "Bearer wrong"}):
        response = policy.http.get(url, headers=headers)
        assert response.status_code == 401 and response.json()["detail"]
    bearer = {"X-Api-Key": "", "Authorization": f"bearer {policy.http.headers['X-Api-Key']}"}
    assert policy.http.get(url, headers=bearer).status_code == 200


def test_what_is_answered_at_once(policy: RunningTrainer) -> None:
    http = policy.http
    models = http.get("/api/v1/get_server_capabilities").json()["supported_models"]
    assert models == [{"model_name": BASE_MODEL, "max_context_length": 64}]
    assert http.post("/api/v1/client/config", json={"sdk_version": "1"}).json() == {}
    session = http.post("/api/v1/create_session", json={}).json()["session_id"]
    assert http.post("/api/v1/session_heartbeat", json={"session_id": session}).status_code == 200
    assert http.post("/api/v1/telemetry", json={"events": []}).json() == {"status": "accepted"}
    model = policy.create()
    info = http.post("/api/v1/get_info", json={"model_id": model}).json()
    assert (info["is_lora"], info["lora_rank"], info["model_data"]["arch"]) == (False, 0, "qwen3")
    policy.call("unload_model", {"model_id": model})
    assert http.post("/api/v1/get_info", json={"model_id": model}).status_code == 404


def test_the_first_session_is_noted_for_whoever_waits_for_one(start: Starter) -> None:
    trainer = start("sessions")
    note = trainer.directory / "session.json"
    trainer.http.get("/api/v1/list_checkpoints")
    assert not note.exists()
    trainer.http.post("/api/v1/create_session", json={})
    assert json.loads(note.read_text()) == {"opened": True}


@pytest.mark.parametrize("kind", ["policy", "lora"])
def test_the_loss_falls_and_a_checkpoint_brings_it_back(kind: str, request: pytest.FixtureRequest) -> None:
    trainer: RunningTrainer = request.getfixturevalue(kind)
    rank = 8 if kind == "lora" else 0
    model = trainer.create(rank)
    before = loss_of(trainer, model)
    train(trainer, model, steps=8, learning_rate=3e-3)
    after = loss_of(trainer, model)
    assert after < before - 0.5
    path = trainer.call("save_weights", {"model_id": model, "path": f"kept-{kind}"})["path"]
    train(trainer, model)
    next_loss = loss_of(trainer, model)
    trainer.call("unload_model", {"model_id": model})

    fresh = trainer.create(rank)
    assert loss_of(trainer, fresh) == pytest.approx(before, abs=1e-4)
    trainer.call("load_weights", {"model_id": fresh, "path": f"cross_job://{kind}/{path}", "optimizer": True})
    assert loss_of(trainer, fresh) == pytest.approx(after, abs=1e-4)
    train(trainer, fresh)
    assert loss_of(trainer, fresh) == pytest.approx(next_loss, abs=1e-4), (
        "with the optimizer's state the next step is the same"
    )
    trainer.call("load_weights", {"model_id": fresh, "path": path, "optimizer": False})
    train(trainer, fresh)
    assert loss_of(trainer, fresh) != pytest.approx(next_loss, abs=1e-4), "without it the next step is another"
    assert path in trainer.http.get("/api/v1/list_checkpoints").json()["checkpoints"]
    trainer.call("unload_model", {"model_id": fresh})


def test_adapters_of_two_clients_and_the_base_do_not_touch_each_other(lora: RunningTrainer) -> None:
    first, second, base = lora.create(8), lora.create(4), lora.create(0, base_only=True)
    before = loss_of(lora, base)
    train(lora, first, steps=3, learning_rate=1e-2)
    changed = loss_of(lora, first)
    train(lora, second, learning_rate=1e-2)
    assert loss_of(lora, base) == pytest.approx(before, abs=1e-5)
    assert loss_of(lora, first) == pytest.approx(changed, abs=1e-5) and changed < before
    lora.call("unload_model", {"model_id": first})
    assert loss_of(lora, second) < before
    lora.call("unload_model", {"model_id": second})
    assert loss_of(lora, base) == pytest.approx(before, abs=1e-5)
    lora.call("unload_model", {"model_id": base})


def test_repeated_forward_backward_adds_up(policy: RunningTrainer) -> None:
    """Two halves and one whole give the same gradient, so the same next loss, in every normalisation."""
    halves = [[make_datum(SEQUENCE)], [make_datum([20, 21, 22], weights=[1.0, 0.0, -2.0])]]
    for mode in ("none", "num_loss_tokens", "num_sequences"):
        losses, norms = [], []
        for batches in (halves, [halves[0] + halves[1]]):
            model = policy.create()
            for batch in batches:
                policy.call("forward_backward", forward_body(model, batch))
            norms.append(policy.call("optim_step", step_body(model, mode))["metrics"]["grad_norm:mean"])
            losses.append(loss_of(policy, model))
            policy.call("unload_model", {"model_id": model})
        assert norms[0] == pytest.approx(norms[1], rel=1e-3) and losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_normalisation_divides_the_gradient(policy: RunningTrainer) -> None:
    data = [
        make_datum(SEQUENCE, weights=[1.0] * 6 + [0.0] * 2),
        make_datum([1, 2, 3], weights=[0.0] * 3),
        make_datum([4, 5]),
    ]
    norms = {}
    for mode in ("none", "num_loss_tokens", "num_sequences"):
        model = policy.create()
        policy.call("forward_backward", forward_body(model, data))
        norms[mode] = policy.call("optim_step", step_body(model, mode))["metrics"]["grad_norm:mean"]
        policy.call("unload_model", {"model_id": model})
    assert norms["none"] / norms["num_loss_tokens"] == pytest.approx(8, rel=1e-3)
    assert norms["none"] / norms["num_sequences"] == pytest.approx(2, rel=1e-3)


def test_the_losses_of_reinforcement_learning(policy: RunningTrainer) -> None:
    """With the trainer's own log-probabilities as the old ones every ratio is 1: the loss is minus the advantages."""
    model = policy.create()
    own = policy.call("forward", forward_body(model, [make_datum(SEQUENCE)]))["loss_fn_outputs"][0]["logprobs"]["data"]
    advantages = [1.0, -1.0, 2.0, 0.0, 0.5, 0.0, 0.0, 1.0]
    for loss_fn, config in [
        ("importance_sampling", {"ratio_log_cap": 20.0, "reward": 0.25}),
        ("ppo", {"clip_low_threshold": 0.9, "clip_high_threshold": 1.1, "reward": 0.75}),
        ("dapo", {"eps_clip_c": 3.0}),
        ("gspo", {"seq_ratio_log_cap": 5.0}),
    ]:
        datum = make_datum(SEQUENCE, logprobs=own, advantages=advantages)
        answer = policy.call("forward_backward", forward_body(model, [datum], loss_fn, **config))
        assert answer["metrics"]["loss:sum"] == pytest.approx(-sum(advantages), abs=1e-3)
    policy.call("optim_step", step_body(model))
    assert policy.metrics()[-1]["reward"] == 0.5, "the mean of what the loop told"
    policy.call("unload_model", {"model_id": model})


def test_several_targets_for_each_token(policy: RunningTrainer) -> None:
    """What distillation from the best tokens of a teacher sends, beside a sequence of plain targets."""
    model = policy.create()
    wide = make_datum([5, 6, 7])
    targets, weights = [5, 9, 6, -100, 7, 11], [0.75, 0.25, 1.0, 5.0, 0.0, 2.0]
    for name, data in (("target_tokens", targets), ("weights", weights)):
        wide["loss_fn_inputs"][name] = {"data": data, "dtype": "float32", "shape": [3, 2]}
    answer = policy.call("forward", forward_body(model, [wide, make_datum([5, 6])]))
    one, other = (output["logprobs"] for output in answer["loss_fn_outputs"])
    assert one["shape"] == [3, 2] and other["shape"] == [2]
    plain = [make_datum([5, 6, 7], target_tokens=row) for row in ([5, 6, 7], [9, 0, 11])]
    outputs = policy.call("forward", forward_body(model, plain))["loss_fn_outputs"]
    firsts, seconds = (output["logprobs"]["data"] for output in outputs)
    expected = [firsts[0], seconds[0], firsts[1], 0.0, firsts[2], seconds[2]]
    assert one["data"] == pytest.approx(expected, abs=1e-5)
    loss = -sum(weight * logprob for weight, logprob in zip(weights, expected, strict=True)) - sum(other["data"])
    assert answer["metrics"] == {"loss:sum": pytest.approx(loss, abs=1e-4), "loss_tokens:sum": 5.0}
    policy.call("unload_model", {"model_id": model})


def test_sequences_of_any_lengths_are_answered_in_the_order_of_the_call(policy: RunningTrainer) -> None:
    """They are computed by length, with padding, and must not notice it."""
    model = policy.create()
    data = [make_datum([(7 * length + place) % 512 for place in range(length)]) for length in (3, 60, 1, 17, 59)]
    together = policy.call("forward", forward_body(model, data))["loss_fn_outputs"]
    alone = [policy.call("forward", forward_body(model, [datum]))["loss_fn_outputs"][0] for datum in data]
    for one, other in zip(together, alone, strict=True):
        assert one["logprobs"]["data"] == pytest.approx(other["logprobs"]["data"], abs=1e-5)
    policy.call("unload_model", {"model_id": model})


def test_more_adapters_are_trained_side_by_side_than_one_needs(lora: RunningTrainer) -> None:
    """Each as if it were alone; references beside them."""
    models = [lora.create(4) for _ in range(6)] + [lora.create(base_only=True) for _ in range(2)]
    norms = []
    for model in models[:6]:
        lora.call("forward_backward", forward_body(model, [make_datum(SEQUENCE)]))
    for model in models[:6]:
        norms.append(lora.call("optim_step", step_body(model))["metrics"]["grad_norm:mean"])
    assert norms == pytest.approx([norms[0]] * 6) and norms[0] > 0
    for model in models:
        lora.call("unload_model", {"model_id": model})


def test_a_record_is_kept_of_every_step(policy: RunningTrainer) -> None:
    model = policy.create()
    policy.call("forward_backward", forward_body(model, [make_datum(SEQUENCE, weights=[1.0] * 4 + [0.0] * 4)]))
    policy.call("optim_step", step_body(model, learning_rate=2e-3))
    records = policy.metrics()
    assert [record["number"] for record in records] == list(range(1, len(records) + 1))
    last = records[-1]
    assert (last["step"], last["learning_rate"], last["tokens"]) == (1, 2e-3, 8)
    assert last["loss_per_token"] == pytest.approx(math.log(512), rel=0.05), "an untrained model knows nothing"
    assert last["grad_norm"] > 0 and last["seconds"] > 0 and last["peak_memory_bytes"] > 10**7
    assert last["planned_memory_bytes"] > 10**7
    policy.call("unload_model", {"model_id": model})


def test_a_repeated_submission_runs_once(policy: RunningTrainer) -> None:
    model = policy.create()
    body = forward_body(model, [make_datum(SEQUENCE)]) | {"seq_id": 1}
    ids = {policy.submit("forward_backward", body, **{"X-Idempotency-Key": key}).json()["request_id"] for key in "aab"}
    assert len(ids) == 1
    policy.call("optim_step", step_body(model))
    assert policy.metrics()[-1]["tokens"] == len(SEQUENCE)
    policy.call("unload_model", {"model_id": model})


def test_what_the_launch_fixed_is_refused_in_words(policy: RunningTrainer, lora: RunningTrainer) -> None:
    body = {"session_id": "s", "base_model": BASE_MODEL, "lora_config": {"rank": 8}}
    refused(policy, "create_model", body, 400, "launched from a policy shape")
    refused(
        policy, "create_model", body | {"base_model": "other"}, 400, f"launched with base model {BASE_MODEL}, not other"
    )
    refused(lora, "create_model", body | {"lora_config": {"rank": 9}}, 400, "launched with LoRA rank 8")


def test_a_frozen_model_is_not_trained(lora: RunningTrainer, frozen: RunningTrainer) -> None:
    for trainer, text in [(lora, "This model is frozen"), (frozen, "launched from a forward-only shape")]:
        model = trainer.create()
        body = forward_body(model, [make_datum(SEQUENCE)])
        assert trainer.call("forward", body)["metrics"]["loss:sum"] > 0
        refused(trainer, "forward_backward", body, 400, text)
        refused(trainer, "save_weights", {"model_id": model, "path": "x"}, 400, "frozen")
        trainer.call("unload_model", {"model_id": model})
    record = frozen.metrics()[-1]
    assert record["loss_per_token"] > 0 and record["grad_norm"] is None and record["learning_rate"] is None


def test_requests_that_cannot_be_done_are_refused_in_words(policy: RunningTrainer) -> None:
    model = policy.create()
    refused(policy, "forward", forward_body(model, [make_datum([1] * 65)]), 400, "(max_context_length) is 64")
    refused(
        policy,
        "forward",
        forward_body(model, [make_datum([512])]),
        400,
        "token id 512; the vocabulary of this model ends at 511",
    )
    refused(policy, "forward", forward_body("model-x", [make_datum([1])]), 404, "no model model-x")
    refused(policy, "optim_step", step_body(model), 400, "Call forward_backward before optim_step")
    refused(policy, "load_weights", {"model_id": model, "path": "nope"}, 404, "no checkpoint nope in job policy")
    refused(policy, "load_weights", {"model_id": model, "path": "../x"}, 400, "lower-case letters")
    refused(policy, "forward", {"model_id": model}, 422, "forward_input is missing")
    unknown = policy.submit("dance", {})
    assert (unknown.status_code, "This trainer has no 'dance'" in unknown.text) == (404, True)
    exploded = make_datum(SEQUENCE, logprobs=[-1e4] * 8, advantages=[1.0] * 8)
    refused(
        policy, "forward_backward", forward_body(model, [exploded], "importance_sampling"), 400, "not a finite number"
    )
    refused(policy, "optim_step", step_body(model), 400, "no gradients")
    policy.call("unload_model", {"model_id": model})
    log = policy.log.read_text()
    assert "optim_step refused: There are no gradients" in log and "Traceback" not in log


def test_bodies_that_are_no_json_objects(policy: RunningTrainer) -> None:
    for content in (b"{", b"[]", b"\xff", b"[" * 10**5, b'{"a": ' + b"9" * 10**4 + b"}"):
        response = policy.http.post("/api/v1/forward", content=content)
        assert response.status_code == 400 and "JSON" in response.json()["detail"]
        assert "sys." not in response.text and "recursion" not in response.text
    assert policy.http.post("/api/v1/retrieve_future", json={"request_id": "nonsense"}).status_code == 404
    assert policy.http.get("/nowhere").status_code == 404


def test_checkpoints_of_another_kind_do_not_fit(policy: RunningTrainer, lora: RunningTrainer) -> None:
    full = policy.create()
    policy.call("save_weights", {"model_id": full, "path": "full-1"})
    adapter = lora.create(8)
    text = "holds all parameters; this model trains a LoRA adapter of rank 8"
    refused(lora, "load_weights", {"model_id": adapter, "path": "cross_job://policy/full-1"}, 400, text)
    for trainer, model in [(policy, full), (lora, adapter)]:
        trainer.call("unload_model", {"model_id": model})


def test_an_adapter_of_another_scale_or_place_does_not_fit(lora: RunningTrainer) -> None:
    """Loaded silently, another alpha would change every logit, and another place would leave tensors behind."""
    model = lora.create(4, lora_config={"rank": 4, "alpha": 32})
    train(lora, model, steps=2, learning_rate=1e-2)
    before = loss_of(lora, model)
    path = lora.call("save_weights", {"model_id": model, "path": "alpha-32"})["path"]
    lora.call("unload_model", {"model_id": model})
    for config, text in [
        ({"rank": 4, "alpha": 16}, "was trained with LoRA alpha 32; this model has 16"),
        ({"rank": 8, "alpha": 32}, "rank 4; this model trains a LoRA adapter of rank 8"),
        ({"rank": 4, "alpha": 32, "train_mlp": False}, "adapts other parts of the model"),
    ]:
        other = lora.create(lora_config=config)
        refused(lora, "load_weights", {"model_id": other, "path": path}, 400, text)
        lora.call("unload_model", {"model_id": other})
    fresh = lora.create(lora_config={"rank": 4, "alpha": 32})
    lora.call("load_weights", {"model_id": fresh, "path": path})
    assert loss_of(lora, fresh) == pytest.approx(before, abs=1e-5)
    lora.call("unload_model", {"model_id": fresh})


def test_nothing_saved_is_overwritten(policy: RunningTrainer) -> None:
    """The name that is answered brings back what was saved under it, whatever name was asked for."""
    model = policy.create()
    losses = {}
    for name, label in [("Twice_1", "twice-1"), ("Twice_1", "twice-1-2"), ("twice-1", "twice-1-3")]:
        train(policy, model)
        losses[label] = loss_of(policy, model)
        assert policy.call("save_weights", {"model_id": model, "path": name})["path"] == label
        assert policy.call("save_weights_for_sampler", {"model_id": model, "path": name})["path"] == label
    for label, loss in losses.items():
        policy.call("load_weights", {"model_id": model, "path": label})
        assert loss_of(policy, model) == pytest.approx(loss, abs=1e-5)
    policy.call("unload_model", {"model_id": model})


def test_a_target_of_minus_100_does_not_count(policy: RunningTrainer) -> None:
    """It has weight 0 and log-probability 0.0, whatever stands beside it, and the gradient is as if it had weight 0."""
    model = policy.create()
    weights = [1.0, 1.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0]
    targets = [5, 6, -100, -100, 9, 10, 11, 12]
    answers, norms = [], []
    for datum in (
        make_datum(SEQUENCE, weights=weights),
        make_datum(SEQUENCE, target_tokens=targets, weights=[1.0] * 8),
    ):
        answers.append(policy.call("forward_backward", forward_body(model, [datum])))
        # A step of rate 0 changes nothing, so both start from the same weights.
        answer = policy.call("optim_step", step_body(model, "num_loss_tokens", learning_rate=0.0))
        norms.append(answer["metrics"]["grad_norm:mean"])
    by_weight, by_label = (answer["loss_fn_outputs"][0]["logprobs"]["data"] for answer in answers)
    assert by_label[2:4] == [0.0, 0.0] and by_weight[2] != 0.0
    assert by_label[:2] + by_label[4:] == pytest.approx(by_weight[:2] + by_weight[4:], abs=1e-6)
    assert answers[0]["metrics"] == pytest.approx(answers[1]["metrics"], rel=1e-6)
    assert answers[1]["metrics"]["loss_tokens:sum"] == 6 and norms[0] == pytest.approx(norms[1], rel=1e-6)
    wild = make_datum(
        SEQUENCE, target_tokens=targets, logprobs=[-5.0, -5.0, -1e30, -1e30] + [-5.0] * 4, advantages=[1.0] * 8
    )
    policy.call("forward_backward", forward_body(model, [wild], "importance_sampling"))
    assert math.isfinite(policy.call("optim_step", step_body(model, learning_rate=0.0))["metrics"]["grad_norm:mean"])
    nothing = make_datum(SEQUENCE, target_tokens=[-100] * 8)
    assert policy.call("forward", forward_body(model, [nothing]))["metrics"] == {"loss:sum": 0, "loss_tokens:sum": 0}
    policy.call("unload_model", {"model_id": model})


def test_one_refused_call_costs_that_call_only(policy: RunningTrainer) -> None:
    model = policy.create()
    first = policy.submit("forward_backward", forward_body(model, [make_datum(SEQUENCE)]))
    good = make_datum(SEQUENCE)
    wrong: list[tuple[str, dict[str, Any], str]] = [
        (
            "forward_backward",
            forward_body(model, [make_datum(SEQUENCE, target_tokens=[-1] * 8)]),
            "must be a whole number",
        ),
        ("forward_backward", forward_body(model, [make_datum(SEQUENCE, weights=[1.0])]), "one number for each token"),
        ("forward_backward", forward_body(model, [good], "dance"), "loss_fn must be one of"),
        ("forward_backward", forward_body(model, [good], beta=1), "loss_fn_config.beta is not known"),
        ("forward_backward", forward_body(model, [good], **{"\ud800": 1}), "is not known for loss"),
        (
            "forward_backward",
            forward_body(model, [make_datum(SEQUENCE, weights=[1.0] * 7 + [10**400])]),
            "weights.data[7]",
        ),
        ("optim_step", step_body(model, learning_rate=-1), "learning_rate must be"),
        ("create_model", {"session_id": "s"}, "base_model is missing"),
    ]
    for operation, body, text in wrong:
        refused(policy, operation, body, 422, text)
    nan = json.dumps(forward_body(model, [make_datum([1], weights=[math.nan])]))
    answer = policy.fetch(policy.http.post("/api/v1/forward_backward", content=nan))
    assert (answer.status_code, "weights.data[0] must be a finite number, not nan" in answer.text) == (422, True)
    policy.fetch(first)
    policy.call("optim_step", step_body(model))
    assert policy.metrics()[-1]["tokens"] == len(SEQUENCE), "what was added up before is still there"
    policy.call("unload_model", {"model_id": model})
