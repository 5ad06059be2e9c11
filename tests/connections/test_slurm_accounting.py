"""What the accounting says of a job that the controller has forgotten, of answers as Slurm's documentation has them."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from connections.providers.attempts import Reference
from connections.providers.errors import Gone, Retryable
from connections.providers.slurm import observing
from connections.providers.slurm.answers import read_accounting
from connections.providers.slurm.client import SlurmClient
from connections.providers.slurm.config import SlurmConfig
from connections.providers.slurm.ground import SlurmGround
from connections.providers.slurm.names import name_of
from connections.providers.slurm.provider import SlurmProvider
from connections.providers.slurm.standing import NUMBER, number_of
from connections.providers.states import AttemptState, Reason
from connections.providers.trainer_files import files
from tests.connections.rig import make_reference, make_submission

REFERENCE = make_reference()
NAME = name_of("i", REFERENCE)
TRES = "billing=2,cpu=2,gres/gpu=8,gres/gpu:h100=8,mem=1G,node=2"
LINE = f"17|{NAME}|{{state}}|None|1795696683|1795696983|{{code}}|n[1-2]|{TRES}"
PROGRAM = """#!/bin/sh
echo "$SLURM_TIME_FORMAT" "$@" > "$0.asked"
cat "$0.out"; cat "$0.err" >&2; exit $(cat "$0.code")
"""


@pytest.fixture
def ground(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SlurmGround:
    """With an attempt that was submitted long ago, of which the controller knows nothing."""
    programs = tmp_path / "programs"
    programs.mkdir()
    client = SlurmClient(programs=str(programs))
    ground = SlurmGround(client, SlurmConfig(shared=str(tmp_path)), "i", tmp_path, tmp_path / "weights", timedelta(0))
    say(ground, "squeue", json.dumps({"jobs": []}))
    directory = ground.folders.directory(REFERENCE)
    ground.folders.write(make_submission(REFERENCE), directory).rename(directory)
    files.write_text(directory / "slurm-job", "17")
    monkeypatch.setattr("connections.providers.slurm.sending.REMEMBERED_SECONDS", 0.0)
    return ground


def say(ground: SlurmGround, program: str, out: str = "", err: str = "", code: int = 0) -> Path:
    """Have the program answer so; where it writes down what it was asked."""
    path = Path(ground.client.programs) / program
    path.write_text(PROGRAM)
    path.chmod(0o755)
    for end, text in (("out", out), ("err", err), ("code", str(code))):
        path.with_name(f"{program}.{end}").write_text(text)
    return path.with_name(f"{program}.asked")


@pytest.mark.parametrize(
    ("state", "code", "reason"),
    [
        ("NODE_FAIL", "0:0", Reason.NODE_FAIL),
        ("PREEMPTED", "0:15", Reason.PREEMPTED),
        ("OUT_OF_MEMORY", "0:125", Reason.OUT_OF_MEMORY),
        ("TIMEOUT", "0:0", Reason.TIME_LIMIT),
    ],
)
def test_an_end_that_the_controller_forgot_is_told(ground: SlurmGround, state: str, code: str, reason: Reason) -> None:
    stranger = LINE.format(state="COMPLETED", code="0:0").replace(NAME, f"{NAME}0")
    asked = say(ground, "sacct", f"{stranger}\n{LINE.format(state=state, code=code)}\nnonsense|\n")
    seen = observing.look(ground, REFERENCE)
    assert (seen.state, seen.reason, seen.remote_state) == (AttemptState.FAILED, reason, state)
    words = asked.read_text().split()
    assert words[:2] == ["%s", f"--name={NAME}"]
    day = datetime.now(UTC) - timedelta(days=2)
    assert words[2] == f"--starttime={day:%Y-%m-%d}"
    assert (seen.nodes, seen.gpu_seconds) == ("n[1-2]", 2400)
    directory = ground.folders.directory(REFERENCE)
    assert (directory / files.HOST_STOPPED).exists(), "a node that lost Slurm alone ends what runs there"
    asked.unlink()
    assert observing.look(ground, REFERENCE) == seen
    assert not asked.exists(), "written down, nobody is asked again"


def test_what_has_just_ended_and_said_nothing_yet_is_waited_for(ground: SlurmGround) -> None:
    directory, ended = ground.folders.directory(REFERENCE), int(datetime.now(UTC).timestamp())
    row = {"job_id": 17, "name": NAME, "job_state": "FAILED", "state_reason": "NonZeroExitCode", "end_time": ended}
    say(ground, "squeue", json.dumps({"jobs": [row]}))
    patient = replace(ground, settling=timedelta(minutes=1))
    for began, state in ((False, AttemptState.CREATING), (True, AttemptState.RUNNING)):
        if began:
            files.write_json(directory / files.TRAINER, {"pid": 1})
        seen = observing.look(patient, REFERENCE)
        assert (seen.state, seen.ready, seen.reason) == (state, False, None)
        assert seen.detail.startswith("It has ended. Slurm says FAILED (NonZeroExitCode)")
    files.write_json(directory / files.EXIT, {"stage": "trainer", "code": 0, "signal": None, "asked": False})
    assert observing.look(patient, REFERENCE).state is AttemptState.COMPLETED


def test_whose_outcome_is_there_needs_no_mark(ground: SlurmGround) -> None:
    directory = ground.folders.directory(REFERENCE)
    files.write_json(directory / files.EXIT, {"stage": "trainer", "code": 1, "signal": None, "asked": False})
    assert observing.look(ground, REFERENCE).reason is Reason.EXIT_CODE
    assert not (directory / files.HOST_STOPPED).exists()


def test_one_odd_folder_hides_no_other_attempt(ground: SlurmGround) -> None:
    provider = SlurmProvider(ground.client, ground.config, "i", Path(), Path(), timedelta(0))
    names = ("well", "bare", "odd", "bytes", "fifo", "two")
    references = {name: make_reference(name) for name in names}
    at = {name: ground.folders.directory(reference) for name, reference in references.items()}
    for name, reference in references.items():
        ground.folders.write(make_submission(reference), at[name]).rename(at[name])
    finished = {"stage": "trainer", "code": 20, "signal": None, "asked": False, "cause": ""}
    for name, facts in (("bare", finished), ("odd", finished | {"code": [], "cause": {}, "signal": "9"})):
        files.write_json(at[name] / files.EXIT, facts)
    (at["bare"] / files.SUBMISSION).unlink()
    (at["bytes"] / NUMBER).write_bytes(b"\xff\xfe")
    os.mkfifo(at["fifo"] / NUMBER)
    rows = [{"job_id": 7, "name": name_of("i", references[name]), "job_state": "PENDING"} for name in names]
    rows += [rows[-1] | {"job_id": job_id} for job_id in ("x", "y")]
    say(ground, "squeue", json.dumps({"jobs": rows}))
    seen = provider.observe_many(list(references.values()))
    told = {name: getattr(seen[reference], "state", type(seen[reference])) for name, reference in references.items()}
    waits = AttemptState.PENDING
    assert told == {
        "well": waits, "bare": AttemptState.CANCELLED, "odd": AttemptState.FAILED, "bytes": waits, "fifo": waits,
        "two": Retryable,
    }  # fmt: skip
    os.mkfifo(at["well"] / ".token")
    (at["well"] / ".token").replace(at["well"] / files.TOKEN)
    assert provider.kept_submission(references["well"]) is None


def test_what_runs_shares_one_answer_and_what_ends_gets_its_own(ground: SlurmGround) -> None:
    other, waits = make_reference("other"), make_reference("waits")
    for reference in (other, waits):
        directory = ground.folders.directory(reference)
        ground.folders.write(make_submission(reference), directory).rename(directory)
    states = {REFERENCE: "RUNNING", other: "RUNNING", waits: "PENDING"}
    rows = [{"name": name_of("i", reference), "job_state": state} for reference, state in states.items()]
    asked = say(ground, "squeue", json.dumps({"jobs": [row | {"job_id": n} for n, row in enumerate(rows, 17)]}))

    def asks(reference: Reference, at: SlurmGround = ground) -> bool:
        asked.unlink(missing_ok=True)
        observing.look(at, reference)
        return asked.exists()

    assert [asks(reference) for reference in (REFERENCE, REFERENCE, other, waits)] == [True, False, False, True]
    ended = {"stage": "trainer", "code": 1, "signal": None, "asked": False}
    files.write_json(ground.folders.directory(other) / files.EXIT, ended)
    assert asks(other), "Slurm may say why"
    alone = replace(ground, shared_seconds=0.0)
    assert [asks(REFERENCE, alone) for _ in range(2)] == [True, True]


def test_where_there_is_none_or_it_knows_nothing_the_job_is_unknown(ground: SlurmGround) -> None:
    for program in (
        {"err": "Slurm accounting storage is disabled", "code": 1},
        {"out": ""},
        {"out": LINE.format(state="RUNNING", code="0:0")},
    ):
        say(ground, "sacct", **program)
        with pytest.raises(Gone):
            observing.look(ground, REFERENCE)
    nowhere = replace(ground, client=SlurmClient(programs="/nowhere"))
    assert nowhere.client.accounted(NAME, datetime.now(UTC)) == ()


def test_an_accounting_that_refuses_keeps_no_attempt_waiting(
    ground: SlurmGround, monkeypatch: pytest.MonkeyPatch
) -> None:
    for refusal in ("failed to open persistent connection: Connection refused", "Access denied", ""):
        asked = say(ground, "sacct", err=f"sacct: error: {refusal}", code=1)
        with pytest.raises(Gone):  # which is believed after several looks
            observing.look(ground, REFERENCE)
        assert asked.exists()
    asked.unlink()
    say(ground, "sbatch", "18")
    monkeypatch.setattr("connections.providers.slurm.sending.REMEMBERED_SECONDS", 60.0)
    monkeypatch.setattr("connections.providers.slurm.sending.put_release", lambda *_: Path("/code"))
    with suppress(Gone):
        observing.look(ground, REFERENCE)
    assert number_of(ground.folders.directory(REFERENCE)) == "18", "submitted again, whatever the accounting says"


@pytest.mark.parametrize("nodes", ["None assigned", "Unknown", ""])
def test_what_was_cancelled_on_the_cluster_while_it_waited_does_not_go_on(ground: SlurmGround, nodes: str) -> None:
    line = LINE.format(state="CANCELLED by 0", code="0:0").replace("n[1-2]", nodes).replace("1795696683", "Unknown")
    say(ground, "sacct", line)
    seen = observing.look(ground, REFERENCE)
    assert (seen.state, seen.reason, seen.nodes) == (AttemptState.CANCELLED, Reason.USER, "")


@pytest.mark.parametrize("field", range(9))
def test_no_line_breaks_the_reading(field: int) -> None:
    for wrong in ("", "²", "-1", "9" * 40, "Unknown", "None assigned", "a:b:c", "gres/gpu=x"):
        row = LINE.format(state="FAILED", code="1:0").split("|")
        row[field] = wrong
        assert len(read_accounting("|".join(row))) == 1
    (job,) = read_accounting(LINE.format(state="CANCELLED by 1000", code="7:9"))
    assert (job.state, job.exit_code, job.signal_number, job.gpus) == ("CANCELLED", 7, 9, {"gpu:h100": 8})
    (untyped,) = read_accounting(LINE.format(state="FAILED", code="1:0").replace("gres/gpu:h100=8,", ""))
    assert untyped.gpus == {"gpu": 8}
