"""What the trainer keeps on disk: checkpoints, metrics, configuration."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from processes import make_config

from trainer.checkpoints import CheckpointInfo, Checkpoints
from trainer.config import load_config, parse_config
from trainer.errors import ConfigError, OperationError
from trainer.metrics import MetricsLog, StepRecord


def make_checkpoints(root: Path, job: str = "job-1") -> Checkpoints:
    return Checkpoints(root / job / "checkpoints", root, job)


def save(store: Checkpoints, name: str, step: int = 1, write: Callable[[Path], object] | None = None) -> CheckpointInfo:
    def fill(directory: Path) -> str:
        write(directory) if write else (directory / "weights").write_bytes(b"12345")
        return "float32"

    return store.save(name, fill, step=step, trainer_mode="POLICY_TRAINER", lora_rank=0, lora_alpha=0, base_model="b")


def test_a_checkpoint_describes_itself(tmp_path: Path) -> None:
    store = make_checkpoints(tmp_path)
    save(store, "late", step=10)
    save(store, "early", step=9)
    assert store.names() == ["early", "late"]
    info = json.loads((store.directory / "late" / "checkpoint.json").read_text())
    assert info.pop("created_at").endswith("Z")
    kept = {"name": "late", "requested_name": "late", "step": 10, "size_bytes": 5}
    kept |= {"lora_rank": 0, "lora_alpha": 0, "base_model": "b", "trainer_mode": "POLICY_TRAINER"}
    kept |= {"kind": "TRAINING", "state": "READY", "precision": "float32"}
    digest = "5994471abb01112afcc18159f6cc74b4f511b99806da59b3caf5a9c173cacfc5"  # of 12345
    assert info == kept | {"files": {"weights": {"size_bytes": 5, "sha256": digest}}}


def test_what_is_being_written_says_so_before_its_first_byte(tmp_path: Path) -> None:
    store = make_checkpoints(tmp_path)
    seen = {}

    def look(directory: Path) -> None:
        seen.update(json.loads((directory / "checkpoint.json").read_text()))
        (directory / "inner").mkdir()
        (directory / "inner" / "weights").touch()

    info = save(store, "Step 7", step=7, write=look)
    assert (seen["state"], seen["name"], seen["kind"], seen["step"]) == ("WRITING", "step-7", "TRAINING", 7)
    assert (seen["size_bytes"], seen["files"], seen["created_at"]) == (0, {}, info.created_at)
    assert (info.state, list(info.files)) == ("READY", ["inner/weights"])


def test_whoever_may_read_the_directory_may_read_its_files(tmp_path: Path) -> None:
    """As safetensors writes them they are for their owner alone, and another job's trainer is another user."""
    store = make_checkpoints(tmp_path)
    for mask, mode in ((0o027, 0o640), (0o077, 0o600), (0o022, 0o644)):
        before = os.umask(mask)
        try:
            info = save(store, "step", write=lambda directory: (directory / "weights").touch(mode=0o600))
        finally:
            os.umask(before)
        for name in ("weights", "checkpoint.json"):
            assert (store.directory / info.name / name).stat().st_mode & 0o777 == mode


def test_a_save_that_breaks_leaves_nothing(tmp_path: Path) -> None:
    store = make_checkpoints(tmp_path)

    def write_half(directory: Path) -> None:
        (directory / "weights").write_bytes(b"half")
        raise OSError(28, "No space left on device")

    with pytest.raises(OperationError, match=r"step-1 could not be saved.*No space left on device"):
        save(store, "step-1", write=write_half)
    assert list(store.directory.iterdir()) == []


def test_what_a_crash_left_is_removed_and_never_listed(tmp_path: Path) -> None:
    store = make_checkpoints(tmp_path)
    (store.directory / ".part-abc").mkdir()
    (store.directory / ".part-abc" / "checkpoint.json").write_text("{}")
    assert make_checkpoints(tmp_path).names() == []
    store.remove_unfinished()
    assert list(store.directory.iterdir()) == []


def test_a_saved_checkpoint_never_changes(tmp_path: Path) -> None:
    """A name that is taken is stored under one made of it, however often, however long."""
    store = make_checkpoints(tmp_path)
    for name, labels in [
        ("step-1", ["step-1", "step-1-2", "step-1-3"]),
        ("a" * 63, ["a" * 63, "a" * 61 + "-2"]),
        ("b" * 60 + "-cc", ["b" * 60 + "-cc", "b" * 60 + "-2"]),
    ]:
        saved = [save(store, name, step=step) for step in range(len(labels))]
        assert [info.name for info in saved] == labels
        assert {info.requested_name for info in saved} == {name}
        assert [store.find(label)[1].step for label in labels] == list(range(len(labels)))


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("Step_20/final", "step-20-final"),
        ("epoch 1.5", "epoch-1-5"),
        ("-a-", "a"),
        ("a--b", "a--b"),
        ("..", "checkpoint"),
        ("", "checkpoint"),
        ("\u65e5\u672c", "checkpoint"),
        ("a\n", "a"),
        ("x" * 500, "x" * 63),
        ("\ud800b", "b"),
    ],
)
def test_a_name_that_is_no_dns_label_is_stored_under_one(tmp_path: Path, name: str, label: str) -> None:
    info = save(make_checkpoints(tmp_path), name)
    assert (info.name, info.requested_name) == (label, name[:200])


@pytest.mark.parametrize("name", ["", "Upper", "a/b", "..", "-a", "a-", "a" * 64, "a b", "a\n"])
def test_references_are_dns_labels(tmp_path: Path, name: str) -> None:
    store = make_checkpoints(tmp_path)
    for reference in (name, f"cross_job://{name}/x", f"cross_job://x/{name}"):
        with pytest.raises(OperationError) as caught:
            store.find(reference)
        assert caught.value.status in ((400, 404) if "a/b" in reference else (400,))


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "7", "{}", '{"name": "x"}', "[" * 100_000, '{"step": 1e999}', '{"a": ' + "9" * 5000 + "}"],
)
def test_a_description_that_cannot_be_read_is_no_checkpoint(tmp_path: Path, content: str) -> None:
    store = make_checkpoints(tmp_path)
    save(store, "good")
    (store.directory / "bad").mkdir()
    (store.directory / "bad" / "checkpoint.json").write_text(content)
    assert store.names() == ["good"]
    with pytest.raises(OperationError, match="no checkpoint bad"):
        store.find("bad")


def test_what_earlier_and_later_releases_wrote_is_read(tmp_path: Path) -> None:
    store = make_checkpoints(tmp_path)
    save(store, "step-1")
    path = store.directory / "step-1" / "checkpoint.json"
    content = json.loads(path.read_text())
    for name in ("lora_alpha", "requested_name", "kind", "state", "precision", "files"):
        del content[name]
    path.write_text(json.dumps(content | {"licence": "of a later release"}))
    info = store.find("step-1")[1]
    assert (info.step, info.lora_alpha, info.requested_name) == (1, None, None)
    assert (info.kind, info.state, info.precision, info.files) == ("TRAINING", "READY", "", {})


def test_another_jobs_checkpoint_is_found_there_and_nowhere_else(tmp_path: Path) -> None:
    mine, other = make_checkpoints(tmp_path, "mine"), make_checkpoints(tmp_path, "other")
    save(mine, "step-1")
    save(other, "step-2")
    assert mine.find("cross_job://other/step-2")[0] == other.directory / "step-2"
    assert mine.find("cross_job://mine/step-1") == mine.find("step-1")
    save(Checkpoints(tmp_path / "other" / "sampler", tmp_path, "other", "SAMPLER"), "final")
    for reference, message in [
        ("cross_job://other/step-1", "no checkpoint step-1 in job other"),
        ("cross_job://other/final", "weights for a sampler, from which training does not go on"),
        ("step-2", "Saved in this job: step-1"),
    ]:
        with pytest.raises(OperationError, match=message) as caught:
            mine.find(reference)
        assert caught.value.status == 404


def make_record(**changes: float | None) -> StepRecord:
    values = {
        "step": 1, "loss_per_token": 1.5, "learning_rate": 0.1, "grad_norm": 2.0,
        "tokens": 3, "seconds": 0.5, "peak_memory_bytes": 7,
        "longest_context": 3,
    }  # fmt: skip
    return StepRecord(**(values | changes))  # type: ignore[arg-type]


def test_records_are_numbered_on_across_a_restart_and_a_torn_line(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    MetricsLog(path).append(make_record())
    with path.open("a") as file:
        file.write('{"number": 2, "st')
    log = MetricsLog(path)
    log.append(make_record(step=2))
    log.append(make_record(step=3))
    assert [json.loads(line)["number"] for line in path.read_text().splitlines()] == [1, 2, 3]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), None])
def test_what_is_no_finite_number_is_null(tmp_path: Path, value: float | None) -> None:
    MetricsLog(tmp_path / "metrics.jsonl").append(make_record(loss_per_token=value))
    line = (tmp_path / "metrics.jsonl").read_text()
    assert '"loss_per_token": null' in line


def test_a_whole_configuration_is_read(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(make_config(tmp_path, "job-1", tmp_path)))
    config = load_config(path)
    assert (config.job, config.trainer_mode, config.model_directory) == ("job-1", "POLICY_TRAINER", None)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"surprise": 1}, "Unknown field surprise"),
        ({"trainer_mode": "DPO"}, "trainer_mode must be one of POLICY_TRAINER"),
        ({"directory": "relative"}, "directory must be an absolute path"),
        ({"learning_rate": 0}, "learning_rate must be a number above 0"),
        ({"learning_rate": True}, "learning_rate must be a number above 0"),
        ({"port": 70000}, "port must be a whole number from 0 to 65535"),
        ({"trainer_mode": "LORA_TRAINER", "lora_rank": 0}, "lora_rank must be at least 1"),
    ],
)
def test_a_bad_configuration_names_the_field(tmp_path: Path, change: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_config(make_config(tmp_path, "job-1", tmp_path) | change)


def test_a_missing_field_is_named(tmp_path: Path) -> None:
    raw = make_config(tmp_path, "job-1", tmp_path)
    del raw["job"], raw["base_model"]
    with pytest.raises(ConfigError, match="Missing field job, base_model"):
        parse_config(raw)
