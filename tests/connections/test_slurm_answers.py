"""What Slurm says, in our words: from answers that were written down, and from files."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connections.providers.configs import read_config
from connections.providers.errors import ProviderError, Rejected, Retryable, Unreachable
from connections.providers.slurm import capability, inspection, script, standing
from connections.providers.slurm.answers import SlurmJob, read_jobs, read_nodes
from connections.providers.slurm.client import SlurmClient
from connections.providers.slurm.config import SlurmConfig
from connections.providers.slurm.endings import ENDING, AttemptEnding, ending_of, read_ending, used_by, write_ending
from connections.providers.slurm.names import name_of, read_name
from connections.providers.slurm.standing import NUMBER, job_of
from connections.providers.slurm.states import (
    ENDS,
    PENDING_WORDS,
    UNFINISHED,
    ahead_of,
    estimated_start,
    waiting_words,
)
from connections.providers.states import AttemptState, Reason, ReasonOwner, owner_of
from connections.providers.trainer_files import files
from tests.connections.rig import make_reference, make_spec

NOW = datetime(2026, 11, 26, 12, 40, tzinfo=UTC)
JOB = SlurmJob("7", "slipway.i.team-a.run.1", "RUNNING", "None", "train")
RECORDED = {
    "job_id": 1, "name": "slipway.i.team-a.run.1", "job_state": "RUNNING", "state_reason": "None", "nodes": "n1",
    "batch_host": "n1", "gres_detail": ["gpu:h100:2(IDX:0-1)"], "start_time": 1795696683, "end_time": 1795696983,
    "exit_code": 1792, "restart_cnt": 0, "partition": "train", "priority": 4294901759, "submit_time": 1795696680,
}  # fmt: skip
"""Of Slurm 22.05.8."""
LATER = RECORDED | {
    "job_state": ["RUNNING"],
    "start_time": {"set": True, "infinite": False, "number": 1795696683},
    "end_time": {"set": True, "infinite": False, "number": 1795696983},
    "priority": {"set": True, "infinite": False, "number": 4294901759},
    "submit_time": {"set": True, "infinite": False, "number": 1795696680},
    "exit_code": {"status": ["ERROR"], "return_code": {"set": True, "infinite": False, "number": 7}, "signal": {}},
}
"""As Slurm 24 documents it."""
NODE = {
    "name": "n1", "gres": "gpu:h100:8", "gres_used": "gpu:h100:2(IDX:0-1)", "state": "mixed", "state_flags": [],
    "partitions": ["train", "urgent"], "reason": "", "cpus": 64, "real_memory": 262144,
}  # fmt: skip
LATER_NODE = {
    "node": {"state": ["MIXED"]},
    "nodes": {"nodes": ["n1"]},
    "gres": {"total": "gpu:h100:8", "used": "gpu:h100:2(IDX:0-1)"},
    "partition": {"name": "train"},
    "reason": {"description": ""},
    "cpus": {"minimum": 64, "maximum": 64},
    "memory": {"minimum": 262144, "maximum": 262144},
}
CONFIG = SlurmConfig(shared="/shared", gres="NVIDIA_H100_80GB = gpu:h100")
NOWHERE = Path("/nowhere")


@pytest.mark.parametrize("row", [RECORDED, LATER])
def test_reads_jobs_of_each_release(row: dict[str, Any]) -> None:
    (job,) = read_jobs(json.dumps({"errors": [], "jobs": [row]}))
    assert (job.job_id, job.state, job.node, job.exit_code, job.signal_number) == ("1", "RUNNING", "n1", 7, 0)
    assert job.gpus == {"gpu:h100": 2}
    assert job.starts == datetime.fromtimestamp(1795696683, UTC)
    assert job.words == "RUNNING"


@pytest.mark.parametrize("base", ["PREEMPTED", "NODE_FAIL", "TIMEOUT", "CANCELLED", "COMPLETED", "RUNNING"])
def test_what_is_completing_is_not_over_whatever_stands_before_it(tmp_path: Path, base: str) -> None:
    row = LATER | {"job_state": [base, "COMPLETING"]}
    (job,) = read_jobs(json.dumps({"jobs": [row]}))
    assert (job.state, job.words) == ("COMPLETING", f"{base}+COMPLETING")
    assert ending_of(tmp_path, job, NOW) is None, "it may be writing its last checkpoint"
    assert not standing.live(tmp_path, job, "", None).ready
    (starting,) = read_jobs(json.dumps({"jobs": [LATER | {"job_state": ["RUNNING", "CONFIGURING"]}]}))
    assert starting.state == "CONFIGURING"


@pytest.mark.parametrize(("name", "row"), [("nodes", NODE), ("sinfo", LATER_NODE)])
def test_reads_nodes_of_each_release(name: str, row: dict[str, Any]) -> None:
    (node,) = read_nodes(json.dumps({name: [row]}))
    assert (node.name, node.gpus, node.used, node.is_out) == ("n1", {"gpu:h100": 8}, {"gpu:h100": 2}, False)
    assert (node.cpus, node.memory_mb) == (64, 262144)
    (pool,) = inspection.pools([node], CONFIG)
    assert (pool.total, pool.free, pool.drained) == (8, 6, 0)
    drained = replace(node, is_out=True, used={})
    (pool,) = inspection.pools([node, drained], CONFIG)
    assert (pool.total, pool.free, pool.drained) == (8, 6, 8)


def test_a_node_that_is_drained_is_out() -> None:
    (node,) = read_nodes(json.dumps({"nodes": [NODE | {"state_flags": ["DRAIN"], "reason": "bad fan"}]}))
    assert (node.is_out, node.reason) == (True, "bad fan")


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "slurm_load_jobs error", '{"jobs": 3}', '{"errors": ["no"], "jobs": []}']
)
def test_half_an_answer_is_none(text: str) -> None:
    with pytest.raises(Unreachable):
        read_jobs(text)


@given(st.dictionaries(st.sampled_from(sorted(RECORDED)), st.none() | st.integers() | st.text() | st.lists(st.text())))
def test_no_row_breaks_the_reading(changed: dict[str, Any]) -> None:
    (job,) = read_jobs(json.dumps({"jobs": [RECORDED | changed]}))
    waiting_words(job.reason)
    estimated_start(job, NOW)


def test_names_are_this_slipways_alone() -> None:
    reference = make_reference("run")
    name = name_of("i", reference)
    assert read_name("i", name) == reference
    for other in (f"{name}.1", name[:-2], name.replace(".1", ".0"), "slipway.i.a.b.x", "other", f"x{name}"):
        assert read_name("i", other) is None
    assert read_name("j", name) is None


def test_of_what_waits_the_description_says_more() -> None:
    described = "Nodes_required_for_job_are_DOWN,_DRAINED_or_reserved_for_jobs_in_higher_priority_partitions"
    told = {"job_id": 1, "state_reason": "Resources", "state_description": described}
    waits, runs = read_jobs(json.dumps({"jobs": [told | {"job_state": state} for state in ("PENDING", "RUNNING")]}))
    assert waiting_words(waits.reason).startswith(
        "Nodes that it needs are drained, down or reserved. (Slurm: Nodes req"
    )
    assert runs.reason == "Resources"


def test_every_reason_to_wait_is_said_in_words_with_slurms_own() -> None:
    for reason, words in PENDING_WORDS.items():
        assert waiting_words(reason) == f"{words} (Slurm: {reason})"
    assert "QOS" in waiting_words("QOSMaxGRESPerUser")
    assert "account" in waiting_words("AssocGrpGRES")
    assert "drained" in waiting_words("ReqNodeNotAvail, UnavailableNodes:n3")
    assert waiting_words("SomethingNew") == "It waits in the queue of the cluster. (Slurm: SomethingNew)"


def test_the_line_is_by_priority_then_by_number() -> None:
    waiting = [
        replace(JOB, job_id=number, state="PENDING", priority=high) for number, high in (("9", 5), ("8", 5), ("10", 9))
    ]
    others = (replace(waiting[2], partition="urgent"), replace(waiting[2], state="RUNNING"))
    jobs = (*waiting, *others)
    assert [ahead_of(job, jobs) for job in waiting] == [2, 1, 0]


def test_an_estimate_that_nobody_can_believe_is_hidden() -> None:
    waiting = replace(JOB, state="PENDING", reason="Resources", starts=NOW + timedelta(hours=1))
    assert estimated_start(waiting, NOW) == waiting.starts
    for change in ({"reason": "JobHeldUser"}, {"starts": NOW - timedelta(1)}, {"starts": NOW.replace(year=2367)}):
        assert estimated_start(replace(waiting, **change), NOW) is None


def test_every_end_has_a_reason_of_its_own_and_an_owner() -> None:
    failures = {state: end.reason for state, end in ENDS.items() if end.state is AttemptState.FAILED}
    assert len(set(failures.values())) == len(failures)
    for state in ("NODE_FAIL", "PREEMPTED", "BOOT_FAIL", "DEADLINE"):
        assert owner_of(failures[state]) is ReasonOwner.PLATFORM
    assert not set(ENDS) & UNFINISHED


def over(state: str, **changes: Any) -> SlurmJob:
    return replace(JOB, state=state, ended=NOW, **changes)


TRAINER = {"stage": "trainer", "code": 0, "signal": None, "asked": False, "cause": ""}
BEGAN = f'{files.WRAPPER} {{"started_at": "{NOW.isoformat()}"}}'
ASKED = TRAINER | {"code": 143, "asked": True}


@pytest.mark.parametrize(
    ("facts", "marks", "job", "expected"),
    [
        (None, (), JOB, None),
        (None, (), None, None),
        (TRAINER, (), JOB, Reason.DONE),
        (TRAINER, (files.CANCELLED,), over("CANCELLED"), Reason.DONE),
        (TRAINER | {"code": 20}, (), None, Reason.INACTIVE),
        (TRAINER | {"code": 1}, (), JOB, Reason.EXIT_CODE),
        (TRAINER | {"code": 1}, (), None, Reason.EXIT_CODE),
        (ASKED, (), replace(JOB, state="COMPLETING"), None),
        (ASKED, (), over("PREEMPTED"), Reason.PREEMPTED),
        (ASKED, (), over("CANCELLED"), Reason.USER),
        (ASKED, (), over("COMPLETED"), Reason.HOST_STOPPED),
        (ASKED, (), None, Reason.HOST_STOPPED),
        (ASKED, (files.CANCELLED,), JOB, Reason.USER),
        (ASKED, (), replace(JOB, state="PENDING", restarts=1), Reason.PREEMPTED),
        (ASKED | {"cause": "time-limit"}, (), over("TIMEOUT"), Reason.TIME_LIMIT),
        (ASKED | {"cause": "time-limit"}, (files.CANCELLED,), JOB, Reason.USER),
        ({"stage": "wrapper", "cause": "requeued", "asked": False}, (), JOB, Reason.PREEMPTED),
        (TRAINER | {"code": None, "signal": 9}, (), JOB, None),
        (TRAINER | {"code": None, "signal": 9}, (), over("OUT_OF_MEMORY"), Reason.OUT_OF_MEMORY),
        (TRAINER | {"code": None, "signal": 9}, (), over("FAILED"), Reason.EXIT_CODE),
        (None, (), over("NODE_FAIL"), Reason.NODE_FAIL),
        (None, (), over("BOOT_FAIL"), Reason.BOOT_FAIL),
        (None, (), over("DEADLINE"), Reason.DEADLINE),
        (None, (), over("TIMEOUT"), Reason.TIME_LIMIT),
        (None, (), over("OUT_OF_MEMORY"), Reason.OUT_OF_MEMORY),
        (None, (files.CANCELLED,), over("CANCELLED"), Reason.USER),
        (None, (files.CANCELLED,), over("CANCELLED", nodes="n1"), Reason.USER),
        (None, (), over("CANCELLED"), Reason.USER),
        (None, (), over("CANCELLED", nodes="n1"), Reason.BOOT_FAIL),
        (ASKED, (BEGAN,), over("CANCELLED", nodes="n1", starts=NOW), Reason.USER),
        (ASKED, (BEGAN,), over("CANCELLED", nodes="n1", starts=NOW + timedelta(seconds=9)), Reason.PREEMPTED),
        (None, (), over("FAILED", exit_code=127), Reason.LAUNCH_FAILED),
        (None, (), over("FAILED", signal_number=53), Reason.LAUNCH_FAILED),
        (None, (files.WRAPPER,), over("FAILED", signal_number=9), Reason.EXIT_CODE),
        (None, (files.WRAPPER,), over("COMPLETED"), Reason.EXIT_CODE),
    ],
)  # fmt: skip
def test_what_an_end_means(
    tmp_path: Path, facts: dict[str, Any] | None, marks: tuple[str, ...], job: SlurmJob | None, expected: Reason | None
) -> None:
    (tmp_path / files.SUBMISSION).write_text(json.dumps({"spec": {"inactivity_timeout_seconds": 60}}))
    for mark in marks:
        (tmp_path / mark.partition(" ")[0]).write_text(mark.partition(" ")[2])
    if facts:
        (tmp_path / files.EXIT).write_text(json.dumps(facts))
    ended = ending_of(tmp_path, job, NOW)
    assert (ended.reason if ended else None) == expected
    if ended:
        write_ending(tmp_path, ended, job)
        assert read_ending(tmp_path) == ended


def test_gpu_seconds_are_the_engines(tmp_path: Path) -> None:
    began, gpus = NOW - timedelta(minutes=10), {"gpu:h100": 2}
    job = replace(JOB, starts=began, ended=NOW + timedelta(hours=1), nodes="n1", gpus=gpus)
    assert (job.gpu_words, job.gpu_seconds(NOW)) == ("2 x gpu:h100", 1200)
    waits_again = replace(job, state="PENDING", gpus={}, starts=None, nodes="")
    write_ending(tmp_path, AttemptEnding(AttemptState.FAILED, Reason.PREEMPTED, ""), waits_again)
    assert used_by(tmp_path)["gpu_seconds"] is None
    write_ending(tmp_path, AttemptEnding(AttemptState.COMPLETED, Reason.DONE, ""), replace(job, ended=NOW))
    assert used_by(tmp_path) == {"nodes": "n1", "gpus": "2 x gpu:h100", "gpu_seconds": 1200}
    files.write_json(tmp_path / ENDING, {"nodes": 7, "gpus": "a\0", "gpu_seconds": -1})
    assert used_by(tmp_path) == {"nodes": "", "gpus": "a\ufffd", "gpu_seconds": None}
    assert used_by(tmp_path / "none")["gpu_seconds"] is None


def test_a_node_gets_time_until_its_files_are_seen(tmp_path: Path) -> None:
    (tmp_path / files.SUBMISSION).write_text(json.dumps({"spec": {"inactivity_timeout_seconds": 60}}))
    for job in (over("FAILED", exit_code=1), over("CANCELLED", nodes="n1")):
        assert ending_of(tmp_path, job, NOW - timedelta(seconds=1)) is None
        assert ending_of(tmp_path, job, NOW) is not None


def test_the_job_that_claimed_the_attempt_is_its_job(tmp_path: Path) -> None:
    first, second = replace(JOB, job_id="7"), replace(JOB, job_id="8")
    assert job_of(tmp_path, [second, first]) == first
    assert job_of(tmp_path, [over("FAILED"), second]) == second
    (tmp_path / NUMBER).write_text("8")
    assert job_of(tmp_path, [first, second]) == second
    (tmp_path / "owner.d").mkdir()
    (tmp_path / "owner.d" / "7").touch()
    assert job_of(tmp_path, [first, second]) == first
    assert job_of(tmp_path, [second]) is None


@pytest.mark.parametrize("written", [b"9" * 21, b"1" * 255, b"\xff7", "²".encode(), b"7\n", b"-7", b"x"])
def test_what_a_trainer_may_write_for_a_number_is_none(tmp_path: Path, written: bytes) -> None:
    long = replace(JOB, state="NODE_FAIL", reason="r" * 80).words
    ended = AttemptEnding(AttemptState.FAILED, Reason.NODE_FAIL, "", long)
    (tmp_path / "owner.d").mkdir()
    with suppress(OSError):
        Path(os.fsdecode(os.fsencode(tmp_path / "owner.d") + b"/" + written)).touch()
    (tmp_path / NUMBER).write_bytes(written)
    told = standing.over(tmp_path, ended)
    assert (told.remote_id, len(told.remote_state)) == ("", 64)
    (tmp_path / NUMBER).write_text("7")
    assert standing.over(tmp_path, ended).remote_id == "7"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, ""),
        ({"accelerator_type": "NVIDIA_H100_80GB", "accelerator_count": 1}, ""),
        ({"accelerator_type": "NVIDIA_L4_24GB", "accelerator_count": 1}, "NVIDIA_L4_24GB"),
        ({"accelerator_count": 1}, "does not say which GPU"),
        ({"accelerator_type": "NVIDIA_H100_80GB", "accelerator_count": 8, "node_count": 2}, ""),
        ({"hide_specs": True}, "does not tell its GPUs"),
        ({"trainer_replica_count": 2}, ""),
        ({"deployment_replica_count": 1}, ""),
        ({"region": "US"}, "region US"),
        ({"recipe": "no"}, "recipe no"),
        ({"base_model": "accounts/fireworks/models/big"}, "accounts/fireworks/models/big is not on the cluster"),
    ],
)
def test_what_fits(changes: dict[str, Any], words: str) -> None:
    reasons = list(capability.reasons_against(make_spec(**changes), CONFIG, {}, NOWHERE))
    assert bool(reasons) == bool(words)
    assert words in " ".join(reasons)


def test_a_shape_that_names_no_gpu_gets_what_the_connection_says() -> None:
    config = replace(CONFIG, unnamed_type="NVIDIA_H100_80GB")
    assert script.gres_for(make_spec(accelerator_count=1), config) == "gpu:h100:1"
    assert not list(capability.reasons_against(make_spec(accelerator_count=1), config, {}, NOWHERE))
    for answer, words in (("none", "gives such shapes none"), ("NVIDIA_L4_24GB", "L4_24GB, which it gives where")):
        config = replace(CONFIG, unnamed_type=answer)
        assert words in " ".join(capability.reasons_against(make_spec(accelerator_count=1), config, {}, NOWHERE))


@pytest.mark.parametrize(
    ("name", "written", "kept"),
    [
        ("shared", "/shared/slipway/", "/shared/slipway"),
        ("shared", "shared", None),
        ("shared", "/shared/../etc", None),
        ("shared", "/sha'red", None),
        ("partition", "gpu-long", "gpu-long"),
        ("partition", "a b", None),
        ("qos", "--wrap=x", None),
        (
            "gres",
            "NVIDIA_H100_80GB = gpu:h100\n\nNVIDIA_L4_24GB=gpu",
            "NVIDIA_H100_80GB = gpu:h100\nNVIDIA_L4_24GB = gpu",
        ),
        ("gres", "h100", None),
        ("gres", "A = gpu:x\nA = gpu:y", None),
        ("unnamed_type", "gpu h100", None),
        ("unnamed_type", "none", "none"),
        ("time_limit", "0", None),
        ("time_limit", "600000", None),
        ("time_limit", "90", 90),
        ("reach", "{node}.cluster.internal", "{node}.cluster.internal"),
        ("reach", "http://{node}", None),
    ],
)
def test_reads_the_configuration(name: str, written: str, kept: object) -> None:
    config, violations = read_config(SlurmConfig, {"shared": "/shared"} | {name: written})
    assert [violation.field for violation in violations] == ([name] if kept is None else [])
    if kept is not None:
        assert getattr(config, name) == kept


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        (
            "sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)",
            Unreachable,
        ),
        ("sbatch: error: Batch job submission failed: Socket timed out on send/recv operation", Unreachable),
        ("sbatch: error: Batch job submission failed: Requested node configuration is not available", Rejected),
        ("sbatch: error: Batch job submission failed: Node count specification invalid", Rejected),
        ("sbatch: error: invalid partition specified: nope", Retryable),
        ("sbatch: error: Batch job submission failed: Job violates accounting/QOS policy", Retryable),
        ("", Retryable),
    ],
)
def test_what_a_refusal_of_sbatch_means(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, kind: type[ProviderError]
) -> None:
    program = tmp_path / "sbatch"
    program.write_text(f"#!/bin/sh\necho '{said}' >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(ProviderError) as raised:
        SlurmClient().submit([], "#!/bin/sh\n")
    assert type(raised.value) is kind


def test_a_program_that_hangs_or_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "squeue"
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(Unreachable, match="squeue within"):
        SlurmClient(seconds=0.1).jobs()
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Retryable, match="sinfo is not on this machine"):
        SlurmClient().version()


@pytest.mark.parametrize("count", [2, {"set": True, "infinite": False, "number": 2}], ids=["22", "24"])
def test_a_job_that_is_over_tells_which_gpus_its_nodes_had_given(count: object) -> None:
    over = RECORDED | {
        "job_state": "COMPLETED",
        "gres_detail": [],
        "tres_per_node": "gres:gpu:h100:4",
        "nodes": "n[1-2]",
    }
    waits = over | {"job_state": "PENDING", "nodes": ""}
    had, asked = read_jobs(json.dumps({"jobs": [over | {"node_count": count}, waits | {"node_count": count}]}))
    assert (had.gpu_words, asked.gpu_words) == ("8 x gpu:h100", "")
