"""The life of the process: how it starts, drives itself, ends, and what it leaves."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from bodies import forward_body, make_datum, step_body
from processes import TOKEN, RunningTrainer, Starter, wait_until
from starting import ROOT

from trainer.process import open_listener


@pytest.mark.parametrize("mode", ["POLICY_TRAINER", "LORA_TRAINER"])
def test_the_recipe_trains_saves_and_ends(start: Starter, mode: str) -> None:
    job = f"recipe-{mode[:4].lower()}"
    trainer = start(job, wait="exit", trainer_mode=mode, recipe="sample-sft", recipe_steps=25, max_context_length=256)
    assert trainer.process.returncode == 0, trainer.log.read_text()
    assert trainer.exit_reason() == {"reason": "COMPLETED", "message": "Recipe sample-sft finished at step 25."}
    losses = [record["loss_per_token"] for record in trainer.metrics()]
    assert len(losses) == 25 and losses[-1] < losses[0] - 1
    assert sorted(path.name for path in trainer.checkpoints.iterdir()) == ["step-20", "step-25"]
    assert [path.name for path in trainer.sampler.iterdir()] == ["step-25"], "what it became can be promoted"
    if mode == "POLICY_TRAINER":
        told = re.search(r"memory measured of planned: .+: (.+); passes of up to 4096 tokens", trainer.log.read_text())
        parts = re.findall(r"(\w+) (\d+ MiB) of (\d+ MiB)", told[1] if told else "")
        assert [part for part, *_ in parts] == ["parameters", "gradients", "optimizer", "passes"]
        assert all(measured == planned for _, measured, planned in parts[:3]), "what is kept takes what is planned"

    resumed = start(
        job,
        attempt=2,
        wait="exit",
        trainer_mode=mode,
        recipe="sample-sft",
        recipe_steps=27,
        resume_from="step-25",
        max_context_length=256,
    )
    assert resumed.process.returncode == 0, resumed.log.read_text()
    records = resumed.metrics()
    assert [record["step"] for record in records] == [26, 27] and records[0]["loss_per_token"] < losses[-2]


def test_the_recipe_goes_on_from_a_checkpoint_of_another_job(start: Starter) -> None:
    told = {"trainer_mode": "LORA_TRAINER", "recipe": "sample-sft", "max_context_length": 256}
    first = start("first-run", wait="exit", recipe_steps=3, **told)
    more = start(
        "second-run", wait="exit", recipe_steps=2, start_from="cross_job://first-run/step-3", start_step=3, **told
    )
    assert more.process.returncode == 0, more.log.read_text()
    assert more.exit_reason()["message"] == "Recipe sample-sft finished at step 5."
    records = more.metrics()
    assert [record["step"] for record in records] == [4, 5]
    assert records[0]["loss_per_token"] < first.metrics()[0]["loss_per_token"]
    assert [path.name for path in more.checkpoints.iterdir()] == ["step-5"]


def test_the_recipe_of_a_forward_only_trainer_only_looks(start: Starter) -> None:
    trainer = start("recipe-frozen", wait="exit", trainer_mode="FORWARD_ONLY", recipe="sample-sft", recipe_steps=3)
    assert trainer.process.returncode == 0, trainer.log.read_text()
    assert [record["grad_norm"] for record in trainer.metrics()] == [None] * 3
    assert list(trainer.checkpoints.iterdir()) == []


@pytest.mark.parametrize(
    ("mode", "steps", "full"),
    [("POLICY_TRAINER", 4, 2), ("LORA_TRAINER", 2, 0), ("LORA_TRAINER", 1, 0), ("FORWARD_ONLY", 3, 1)],
)
def test_a_validation_runs_one_step_at_the_full_context(start: Starter, mode: str, steps: int, full: int) -> None:
    job = f"validation-{mode[:4].lower()}-{steps}"
    trainer = start(
        job, wait="exit", trainer_mode=mode, recipe="validation", recipe_steps=steps, max_context_length=700
    )
    assert trainer.process.returncode == 0, trainer.log.read_text()
    assert "Recipe validation finished" in trainer.exit_reason()["message"]
    records = trainer.metrics()
    assert [record["longest_context"] == 700 for record in records] == [step == full for step in range(steps)]
    assert all(0 < record["longest_context"] <= 700 for record in records)
    assert records[full]["tokens"] == 700
    assert all(record["loss_per_token"] > 0 for record in records)
    saved = [] if mode == "FORWARD_ONLY" else [f"step-{steps}"]
    assert list(trainer.sampler.glob("*")) == [], "nothing of a measurement is to be promoted"
    assert [path.name for path in trainer.checkpoints.iterdir()] == saved


@pytest.mark.parametrize("state", ["listening", "ready", "stepping"])
def test_a_signal_ends_it_at_once(start: Starter, state: str) -> None:
    recipe = "sample-sft" if state == "stepping" else "none"
    wait = "listening" if state == "listening" else "ready"
    told = {"recipe": recipe, "recipe_steps": 5000, "max_context_length": 256}
    trainer = start(f"signal-{state}", wait=wait, cold=state == "listening", **told)
    if state == "stepping":
        wait_until((trainer.directory / "metrics.jsonl").exists)
    else:
        assert trainer.http.get("/api/v1/healthz").status_code == (503 if state == "listening" else 200)
    started = time.monotonic()
    trainer.process.send_signal(signal.SIGTERM)
    assert trainer.process.wait(timeout=60) == 143
    assert time.monotonic() - started < 10, "it waits for nothing"
    assert trainer.exit_reason()["reason"] == "TERMINATED"


def test_an_idle_trainer_stops_itself_and_a_probe_is_no_activity(start: Starter) -> None:
    trainer = start("idle", inactivity_timeout_s=5)
    session = {"session_id": "s"}
    busy_until = time.monotonic() + 6
    while time.monotonic() < busy_until:
        assert trainer.http.post("/api/v1/session_heartbeat", json=session).status_code == 200
        time.sleep(0.2)
    deadline = time.monotonic() + 60
    while trainer.process.poll() is None and time.monotonic() < deadline:
        try:
            trainer.http.get("/api/v1/healthz")
        except OSError:
            break
        except Exception:  # the connection ended with the process
            break
        time.sleep(0.1)
    assert trainer.process.wait(timeout=60) == 20
    assert trainer.exit_reason() == {"reason": "INACTIVE", "message": "No call for 5 s (the inactivity timeout)."}


def test_calls_that_come_before_the_model_wait_for_it(start: Starter) -> None:
    trainer = start("early", wait="listening", cold=True)
    assert trainer.http.get("/api/v1/healthz").status_code == 503
    model = trainer.create()
    assert trainer.http.get("/api/v1/healthz").status_code == 200
    assert trainer.call("forward", forward_body(model, [make_datum([1, 2])]))["metrics"]["loss:sum"] > 0


def test_a_kill_loses_nothing_that_was_saved(start: Starter) -> None:
    trainer = start("killed")
    model = trainer.create()
    trainer.call("forward_backward", forward_body(model, [make_datum([1, 2, 3])]))
    trainer.call("optim_step", step_body(model))
    trainer.call("save_weights", {"model_id": model})
    trainer.process.kill()
    trainer.process.wait()
    again = start("killed", attempt=2)
    assert again.http.get("/api/v1/list_checkpoints").json() == {"checkpoints": ["step-1"]}
    fresh = again.create()
    again.call("load_weights", {"model_id": fresh, "path": "step-1", "optimizer": True})
    assert again.answer("forward", forward_body(model, [make_datum([1])])).status_code == 404


def test_the_token_stands_in_no_file_no_log_and_no_environment_of_the_process(policy: RunningTrainer) -> None:
    policy.http.get("/api/v1/healthz")
    command = Path(f"/proc/{policy.process.pid}/cmdline").read_bytes()
    assert TOKEN.encode() not in command
    for path in policy.directory.rglob("*"):
        assert TOKEN not in path.read_text(), path


def test_a_port_in_use_is_one_clear_line(start: Starter) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        trainer = start("port", wait="exit", port=port)
    assert trainer.process.returncode == 1
    last = trainer.log.read_text().splitlines()[-1]
    assert f"Cannot listen on 127.0.0.1:{port}: Address already in use" in last


def test_a_model_that_is_none_is_one_clear_line(start: Starter, tmp_path: Path) -> None:
    trainer = start("no-model", wait="exit", model_directory=str(tmp_path))
    assert trainer.process.returncode == 1
    text = trainer.log.read_text()
    assert "is not a Hugging Face model directory" in text.splitlines()[-1] and "Traceback" not in text
    assert trainer.exit_reason()["reason"] == "ERROR"


@pytest.mark.parametrize("fault", ["no token", "no file", "bad json", "bad field", "no argument"])
def test_a_bad_start_is_one_clear_line_and_exit_2(tmp_path: Path, fault: str) -> None:
    path = tmp_path / "config.json"
    path.write_text("{" if fault == "bad json" else json.dumps({"job": 1}))
    arguments = [] if fault == "no argument" else [str(tmp_path / "none.json" if fault == "no file" else path)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)} | (
        {} if fault == "no token" else {"SLIPWAY_TRAINER_TOKEN": "t"}
    )
    command = [sys.executable, "-m", "trainer", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, len(done.stdout.splitlines()), done.stderr) == (2, 1, "")


def test_what_it_writes_leaves_at_once() -> None:
    with open_listener("127.0.0.1", 0) as listener, socket.create_connection(listener.getsockname()):
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
