"""Recipes beside trainers on this machine: real processes of a checkout, every file of theirs hostile."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil
import pytest

from connections.providers.attempts import Observation, Reference
from connections.providers.errors import NotYet
from connections.providers.local import run_programs
from connections.providers.local.limits import Limits
from connections.providers.local.provider import LocalProvider
from connections.providers.official import Checkout
from connections.providers.runs import EnvironmentState, RunProgress, RunSpec, RunSubmission
from connections.providers.spec import DatasetFile
from connections.providers.states import FINAL, AttemptState, Reason
from connections.providers.trainer_files import files, run_files
from launches.api.tokenizers import pack
from tests.connections.local_rig import make_rig
from tests.waiting import wait_for

STAND_IN = Path(__file__).resolve().parents[1] / "runner"
ROOT = STAND_IN.parents[1]
REFERENCE = Reference("team-a", "job-1", 1)
GIT = ("git", "-c", "user.name=Tests", "-c", "user.email=tests@localhost")


@pytest.fixture
def address() -> Iterator[str]:
    """Where an API answers that has one tokenizer."""

    class Tokenizer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(pack("tiny-qwen3", {"tokenizer.json": b"{}"}))

        def log_message(self, *_: object) -> None:
            """Nothing: what is asked is not what is tested."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Tokenizer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def provider(tmp_path: Path) -> Iterator[LocalProvider]:
    rig = make_rig(tmp_path)
    provider = replace(
        rig.provider,
        trainer_package=ROOT / "trainer",
        datasets=tmp_path / "datasets",
        run_limits=Limits(memory_bytes=300_000_000),
        gpus="NVIDIA_H100_80GB = 2",
    )
    yield provider
    provider.stop_all(1.0)
    rig.end()


@pytest.fixture
def submission(tmp_path: Path, address: str) -> Callable[[str], RunSubmission]:
    """A recipe on a dataset whose first row is that word."""
    checkout = tmp_path / "cookbook"
    shutil.copytree(STAND_IN / "training", checkout / "training", ignore=shutil.ignore_patterns("__pycache__"))
    for command in (("init", "-q"), ("add", "."), ("commit", "-qm", "recipes")):
        subprocess.run([*GIT, "-C", str(checkout), *command], check=True)
    head = subprocess.run(
        ["git", "-C", str(checkout), "rev-parse", "HEAD"], capture_output=True, text=True, check=True
    ).stdout.strip()

    def make(word: str) -> RunSubmission:
        (tmp_path / "datasets").mkdir(exist_ok=True)
        row = {"messages": [{"role": "user", "content": word}, {"role": "assistant", "content": "aye"}]}
        (tmp_path / "datasets" / "rows").write_text(json.dumps(row))
        spec = RunSpec(
            recipe="official/sft_loop",
            checkout=Checkout("official", str(checkout), head),
            url=address,
            shape="accounts/local/trainingShapes/tiny/versions/v1",
            base_model="accounts/local/models/tiny-qwen3",
            lora_rank=8,
            context=2048,
            learning_rate=1e-3,
            parameters={"epochs": 1, "batch_rows": 1},
            dataset=DatasetFile("accounts/team-a/datasets/rows", "rows", "0" * 64, "CHAT", 1),
        )
        return RunSubmission(REFERENCE, spec, "slpw_" + "x" * 43)

    return make


def checkout_of(spec: RunSpec) -> Checkout:
    assert spec.checkout is not None
    return spec.checkout


def start(provider: LocalProvider, submission: RunSubmission) -> None:
    """Until its dataset is copied; and once more, which changes nothing."""

    def taken() -> bool:
        try:
            provider.runs.start(submission)
        except NotYet:
            return False
        return True

    wait_for(taken)
    provider.runs.start(submission)


def ended(provider: LocalProvider) -> Observation:
    wait_for(lambda: provider.runs.observe(REFERENCE).state in FINAL)
    return provider.runs.observe(REFERENCE)


def left(provider: LocalProvider) -> list[str]:
    """The command lines that name the run's folder."""
    lines = (" ".join(process.info["cmdline"] or ()) for process in psutil.process_iter(["cmdline"]))
    return [line for line in lines if str(provider.root / "runs") in line]


def test_one_that_takes_too_much_memory_is_ended_in_words(
    provider: LocalProvider, submission: Callable[[str], RunSubmission]
) -> None:
    start(provider, submission("eat"))
    over = ended(provider)
    assert over.reason is Reason.LIMIT
    assert "and a recipe here may use 0.3 GB (SLIPWAY_RECIPE_MEMORY_GB)" in over.detail
    assert "Preparing the recipe environment" in [line.message for line in over.progress]
    wait_for(lambda: left(provider) == [])


def test_one_that_is_asked_to_end_does_and_goes_on_with_what_it_takes_of_what_is_said(
    provider: LocalProvider, submission: Callable[[str], RunSubmission]
) -> None:
    start(provider, submission("wait"))
    wait_for(lambda: provider.runs.progress(REFERENCE).message == "waiting")
    copy = provider.root / "runs" / "jobs" / "team-a" / "job-1" / files.DATASET
    planned = files.read_json(copy.parent / "attempts" / "1" / files.PLAN)
    assert planned and planned["trainer_variables"]["CUDA_VISIBLE_DEVICES"] == "", "they belong to trainers"
    provider.runs.forget_data(REFERENCE)
    assert copy.exists(), "it is still read"
    checkout, environments = checkout_of(submission("wait").spec), provider.root / "recipe-environments"
    provider.runs.keep_environments([])
    assert provider.runs.environment(checkout).state is EnvironmentState.READY, "it is still in use"
    provider.runs.stop(REFERENCE)
    assert ended(provider).state is AttemptState.CANCELLED
    assert "goes on at its first row" in provider.runs.logs(REFERENCE, 0).text
    spec = _measuring(submission("wait"), provider.root.with_name("datasets"))
    again = replace(submission("wait"), reference=replace(REFERENCE, attempt=2), spec=spec)
    start(provider, again)
    wait_for(lambda: provider.runs.progress(again.reference).message == "waiting")
    wait_for(lambda: 'goes on at {"step-4": 16}' in provider.runs.logs(again.reference, 0).text)  # by a pipe
    wait_for(lambda: "waits" in provider.runs.logs(again.reference, 0).text)
    log = provider.runs.logs(again.reference, 0).text
    assert "Not taken by this recipe: seed, evaluation_split, evaluation_dataset" in log
    assert "'warmup_ratio': 0.03" in log
    (measured,) = (provider.root / "runs").rglob("measured.jsonl")  # whatever format it had
    assert [turn["role"] for turn in json.loads(measured.read_text())["messages"]] == ["user", "assistant"]
    provider.runs.stop(again.reference)
    wait_for(lambda: provider.runs.observe(again.reference).state in FINAL)
    provider.runs.forget_data(REFERENCE)
    assert not copy.exists()
    wait_for(lambda: left(provider) == [])
    provider.runs.keep_environments([checkout])
    assert provider.runs.environment(checkout).state is EnvironmentState.READY, "its checkout is named"
    provider.runs.keep_environments([replace(checkout, commit="0" * 40)])
    assert provider.runs.environment(checkout).state is EnvironmentState.ABSENT
    assert not [*environments.iterdir(), *environments.with_name(f"{environments.name}.removed").iterdir()]
    assert provider.runs.progress(REFERENCE).percent == 1
    provider.runs.delete("team-a", "job-1")
    assert not list((provider.root / "runs" / "jobs" / "team-a").glob("job-1/attempts/*"))


def _measuring(given: RunSubmission, folder: Path) -> RunSpec:
    """With a dataset to be measured on, and with parameters of which the recipe takes some."""
    (folder / "more").write_text('{"prompt": "hull?", "completion": "planked"}')
    more = DatasetFile("accounts/team-a/datasets/more", "more", "0" * 64, "COMPLETION", 1)
    more_said: dict[str, str | int | float] = {"seed": 7, "schedule": "cosine", "warmup": 3, "evaluation_split": 5}
    return replace(given.spec, evaluation=more, parameters={**given.spec.parameters, **more_said})


@pytest.mark.parametrize(
    ("written", "newest", "rows"),
    [
        ({"step-4": 17}, "step-4", 17),
        ({"step-4": 17, "step-8": 33}, "step-9", 35),
        ({"step-8": 33}, "step-4", 8),
        ({}, "step-5", 10),
        ({"step-4": "many"}, "step-5", 10),
    ],
)
def test_where_it_goes_on_is_known_of_a_checkpoint_that_it_had_no_time_to_write_of(
    tmp_path: Path, submission: Callable[[str], RunSubmission], written: dict[str, object], newest: str, rows: int
) -> None:
    before = files.records_of(tmp_path / "attempts" / "1") / run_programs.LOGS
    before.mkdir(parents=True)
    (before / run_programs.CURSOR).write_text(json.dumps(written))
    spec = submission("any").spec
    spec = replace(
        spec,
        parameters={**spec.parameters, "batch_rows": 2},
        dataset=replace(spec.dataset, rows=9),
        goes_on_from=newest,
        goes_on_step=int(newest.removeprefix("step-")),
    )
    told = run_programs.config_of(spec, replace(REFERENCE, attempt=2), tmp_path / "attempts" / "2", tmp_path)
    assert told["cursor"][newest] == rows


def test_a_commit_that_is_gone_is_said(provider: LocalProvider, submission: Callable[[str], RunSubmission]) -> None:
    given = submission("train")
    gone = replace(given.spec, checkout=replace(checkout_of(given.spec), commit="0" * 40))
    assert provider.runs.environment(checkout_of(gone)).state is EnvironmentState.ABSENT
    start(provider, replace(given, spec=gone))
    over = ended(provider)
    assert over.reason is Reason.ENVIRONMENT
    assert "The recipe's environment could not be prepared" in over.detail
    assert "git cannot read commit 000000000000" in over.detail
    told = provider.runs.environment(checkout_of(gone))
    assert told.state is EnvironmentState.FAILED and told.line.startswith("git cannot read commit 000000000000 of ")
    (lock,) = (provider.root / "recipe-environments").glob("*.lock")
    with files.locked(lock, 0):
        assert provider.runs.environment(checkout_of(gone)).state is EnvironmentState.MAKING


def link(folder: Path, name: str) -> None:
    secret = folder.parent / "secret"
    secret.write_text('{"code": 7, "message": "secret"}')
    (folder / name).symlink_to(secret)


def pipe(folder: Path, name: str) -> None:
    os.mkfifo(folder / name)


def text(folder: Path, name: str, *, content: str) -> None:
    (folder / name).write_text(content)


@pytest.mark.parametrize(
    "write",
    [
        link,
        pipe,
        partial(text, content=""),
        partial(text, content="[1, 2]"),
        partial(text, content='{"message": ' + '"' + "x" * 300_000 + '"}'),
        partial(text, content='{"code": "7", "message": 7, "details": {"a": 1}, "metadata": [], "step": -1}'),
        partial(text, content='{"code": true, "details": [null, {"@type": 1, "percent": "x"}], "step": 1e999}'),
        partial(text, content="\x00\ud83d"[:1] * 1000),
    ],
)
def test_files_that_say_nothing_say_nothing(tmp_path: Path, write: Callable[[Path, str], None]) -> None:
    folder = tmp_path / "jobs" / "a" / "b" / "attempts" / "1" / "records"
    folder.mkdir(parents=True)
    for name in run_files.VARIABLES.values():
        write(folder, name)
        if write is link:
            (folder.parent / "secret").touch()
    assert run_files.read_progress(folder) == RunProgress()


def test_what_the_files_say_is_taken_as_far_as_it_is_some(tmp_path: Path) -> None:
    folder = tmp_path / "jobs" / "a" / "b" / "attempts" / "1" / "records"
    folder.mkdir(parents=True)
    details = [{"@type": "type.googleapis.com/gateway.JobProgress", "percent": 4000}]
    text(folder, run_files.STATUS, content=json.dumps({"code": 0, "message": "a\u202eb\n" * 900, "details": details}))
    text(folder, run_files.METADATA, content=json.dumps({"metadata": {"tokens": 12}}))
    lines = [
        {"step": 1, "loss": 2},
        {"step": 2, "loss": 0.5, "note": "x", "bad": None} | {f"n{n}": n for n in range(99)},
    ]
    text(folder, run_files.METRICS, content="".join(f"{json.dumps(line)}\n" for line in lines) + '{"step": 3, "lo')
    text(folder, run_files.OUTPUT, content=json.dumps({"model_id": "m" * 900, "other": 1}))
    told = run_files.read_progress(folder)
    assert (told.code, told.percent, told.tokens, told.step) == (0, 100, 12, 2)
    assert len(told.message) <= 1000 and "\u202e" not in told.message
    assert told.figures["loss"] == 0.5 and len(told.figures) == 40 and told.output == {"model_id": "m" * 200}
