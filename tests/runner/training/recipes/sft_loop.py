"""Trains a few steps through the gateway and writes the four files; a row that says so makes it do something else."""

# mypy: ignore-errors

import json
import os
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass

from training.utils import TrainerConfig

ACCOUNT = "local"


@dataclass
class Config:
    """Under the names of the public cookbook."""

    log_path: str
    base_model: str
    dataset: str
    tokenizer_model: str
    lora_rank: int
    learning_rate: float
    epochs: int
    batch_size: int
    trainer: TrainerConfig
    lr_scheduler: dict | None = None


def ask(path, body=None):
    """The answer as JSON, and its status."""
    request = urllib.request.Request(
        os.environ["FIREWORKS_BASE_URL"] + path,
        data=None if body is None else json.dumps(body).encode(),
        headers={"X-Api-Key": os.environ["FIREWORKS_API_KEY"], "Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read()), answer.status
    except urllib.error.HTTPError as error:
        return json.loads(error.read() or b"{}"), error.code


def write(variable, value):
    """One of the files that is written anew each time."""
    with open(os.environ[variable], "w") as file:
        json.dump(value, file)


def say(message, percent, code=0):
    progress = {"@type": "type.googleapis.com/gateway.JobProgress", "percent": percent}
    write("COOKBOOK_STATUS_FILE", {"code": code, "message": message, "details": [progress]})


def main(config):
    say("provisioning", 0)
    rows = [json.loads(line) for line in open(config.dataset)]
    asked = rows[0]["messages"][0]["content"]
    gateway = f"/training/v1/rlorTrainerJobs/{ACCOUNT}/{config.trainer.job_id}/api/v1/"
    if asked == "fail":
        say("no row can be trained on", 0, code=3)
        sys.exit(1)
    if asked == "wait":
        cursor = os.path.join(config.log_path, "dataloader.json")
        print("goes on at", open(cursor).read() if os.path.exists(cursor) else "its first row", flush=True)
        with open(cursor, "w") as file:
            json.dump({"step-4": 16}, file)
        say("waiting", 1)
        print("waits", flush=True)
        time.sleep(600)
    if asked == "eat":
        eaten = []
        while True:
            eaten.append(bytearray(os.urandom(16 * 1024 * 1024)))
            time.sleep(0.05)
    reach = {
        path: ask(path)[1]
        for path in (
            f"/v1/accounts/{ACCOUNT}/rlorTrainerJobs/{config.trainer.job_id}",
            f"/v1/accounts/{ACCOUNT}/rlorTrainerJobs",
            f"/v1/accounts/{ACCOUNT}/datasets",
        )
    }
    print("reaches", json.dumps(reach), "tokenizer", sorted(os.listdir(config.tokenizer_model)), flush=True)
    assert os.environ["FIREWORKS_API_KEY"] and "SLIPWAY_SECRET_KEY" not in os.environ

    def call(operation, body):
        request_id = ask(gateway + operation, body)[0]["request_id"]
        while True:
            answer, status = ask(gateway + "retrieve_future", {"request_id": request_id})
            if status != 408:
                return answer

    session = ask(gateway + "create_session", {"tags": []})[0]["session_id"]
    lora = {"rank": config.lora_rank, "seed": 1}
    body = {"session_id": session, "base_model": config.base_model, "lora_config": lora}
    model = call("create_model", body)["model_id"]
    tokens = list(range(5, 37))
    datum = {
        "model_input": {"chunks": [{"type": "encoded_text", "tokens": tokens[:-1]}]},
        "loss_fn_inputs": {
            "target_tokens": {"data": tokens[1:], "dtype": "int64", "shape": [31]},
            "weights": {"data": [1.0] * 31, "dtype": "float32", "shape": [31]},
        },
    }
    steps = config.epochs * (len(rows) // config.batch_size)
    with open(os.environ["COOKBOOK_METRICS_FILE"], "a") as file:  # like a trainer's record, no recipe's to write
        file.write(json.dumps({"number": 10**6, "step": 1000, "time": "2026-01-01T00:00:00Z"}) + "\n")
    for step in range(1, steps + 1):
        told = {"data": [datum], "loss_fn": "cross_entropy"}
        passed = call("forward_backward", {"model_id": model, "forward_backward_input": told})
        call("optim_step", {"model_id": model, "adam_params": {"learning_rate": config.learning_rate}})
        with open(os.environ["COOKBOOK_METRICS_FILE"], "a") as file:
            loss = passed["metrics"]["loss:sum"] / 31
            file.write(json.dumps({"step": step, "train/ce_loss": loss, "train/note": "words"}) + "\n")
        write("COOKBOOK_METADATA_FILE", {"metadata": {"tokens": 31 * step, "accelerator_seconds": {}}})
        say("training", round(100 * step / steps))
    write("COOKBOOK_OUTPUT_MODEL_PATH", {"checkpoint": "none", "job_id": config.trainer.job_id})
