"""Requests and answers of another control plane, as values."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from connections.providers.attempts import Reference
from connections.providers.checkpoints import CheckpointKind
from connections.providers.control_plane.jobs import (
    Catalogs,
    checkpoint,
    creation,
    differences,
    kept_submission,
    observation,
    reasons_against,
)
from connections.providers.control_plane.readiness import AGAIN_AT_A_TIME, choose
from connections.providers.control_plane.states import MEANINGS, OVER, TOMBSTONES, meaning_of
from connections.providers.spec import TrainerMode
from connections.providers.states import FINAL, AttemptState, Reason
from tests.connections.rig import make_spec

CATALOGS = Catalogs({"team": "local", "fireworks": "fireworks"})
VERSION = "accounts/team/trainingShapes/tiny-qwen3-2k-lora/versions/abcd1234"
MODEL = "accounts/team/models/tiny-qwen3"
SPEC = make_spec(training_shape_version=VERSION, base_model=MODEL, display_name="My run")
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.sampled_from(["name", "state", "status", "createTime", "trainingShapeVersion", "trainingConfig", "step"])


def job(state: str, **more: Any) -> dict[str, Any]:
    return {"name": "accounts/local/rlorTrainerJobs/s1-team-a-job-abc", "state": f"JOB_STATE_{state}", **more}


def test_asks_for_what_a_user_sets_and_the_bare_shape() -> None:
    assert CATALOGS.shape_there(VERSION) == "accounts/local/trainingShapes/tiny-qwen3-2k-lora"
    assert creation(SPEC, CATALOGS) == {
        "serviceMode": True,
        "keepAlive": False,
        "dataset": "",
        "useReservation": True,
        "trainingConfig": {"baseModel": "accounts/local/models/tiny-qwen3", "loraRank": 8, "learningRate": 1e-3},
        "trainerReplicaCount": 1,
        "inactivityTimeout": "3600s",
        "displayName": "My run",
    }


def test_a_reference_is_forward_only() -> None:
    for changes in ({"lora_rank": 0}, {"trainer_mode": TrainerMode.FORWARD_ONLY, "lora_rank": 0}):
        body = creation(make_spec(learning_rate=None, region="eu", **changes), CATALOGS)
        assert body["forwardOnly"] is True
        assert "learningRate" not in body["trainingConfig"]
        assert body["trainingConfig"]["region"] == "eu"
    policy = make_spec(trainer_mode=TrainerMode.POLICY_TRAINER, lora_rank=0)
    assert "forwardOnly" not in creation(policy, CATALOGS)


def test_says_everything_that_can_never_run_there() -> None:
    assert list(reasons_against(SPEC, CATALOGS)) == []
    shape, model, recipe = reasons_against(make_spec(recipe="sample-sft"), CATALOGS)
    assert "team, fireworks only" in shape
    assert make_spec().training_shape_version in shape
    assert make_spec().base_model in model
    assert "sample-sft" in recipe


def test_versions_come_back_under_their_names_here() -> None:
    seen = observation(
        job("RUNNING", trainingShapeVersion="accounts/local/trainingShapes/tiny-qwen3-2k-lora/versions/zzzz9999"),
        CATALOGS,
    )
    assert seen.remote_version == "accounts/team/trainingShapes/tiny-qwen3-2k-lora/versions/zzzz9999"
    assert CATALOGS.version_here("accounts/other/trainingShapes/a/versions/b") == (
        "accounts/other/trainingShapes/a/versions/b"
    )


def test_a_job_that_was_asked_for_alike_is_ours() -> None:
    body = creation(SPEC, CATALOGS)
    assert differences(body, body) == []
    assert differences({}, body) == [], "what it does not tell does not speak against it"
    other = {**body, "displayName": "Another", "trainingConfig": {**body["trainingConfig"], "loraRank": 16}}
    assert differences(other, body) == ["trainingConfig.loraRank", "displayName"]
    near = {**body, "trainingConfig": {**body["trainingConfig"], "learningRate": 0.0010000000000000002}}
    assert differences(near, body) == []


@pytest.mark.parametrize(
    ("word", "state", "reason"),
    [
        ("PENDING", AttemptState.PENDING, None),
        ("CREATING", AttemptState.CREATING, None),
        ("RUNNING", AttemptState.RUNNING, None),
        ("COMPLETED", AttemptState.COMPLETED, Reason.DONE),
        ("FAILED", AttemptState.FAILED, None),
        ("CANCELLING", AttemptState.CANCELLING, None),
        ("CANCELLED", AttemptState.CANCELLED, None),
        ("PAUSED", AttemptState.CANCELLED, None),
        ("IDLE", AttemptState.CREATING, None),
        ("RE_QUEUEING", AttemptState.PENDING, None),
        ("EARLY_STOPPED", AttemptState.COMPLETED, Reason.DONE),
        ("EXPIRED", AttemptState.FAILED, Reason.LIMIT),
        ("DELETING", AttemptState.CANCELLING, None),
        ("UNSPECIFIED", AttemptState.PENDING, None),
        ("VALIDATING_DATASET", AttemptState.PENDING, None),
        ("", AttemptState.PENDING, None),
    ],
)
def test_every_state_has_a_meaning_here(word: str, state: AttemptState, reason: Reason | None) -> None:
    seen = observation(job(word), CATALOGS, endpoint="http://there", ready=True)
    assert (seen.state, seen.reason, seen.remote_state) == (state, reason, word)
    assert seen.ready == (word == "RUNNING")
    assert seen.endpoint == ("http://there" if word == "RUNNING" else "")
    assert seen.detail or word in ("RUNNING", "COMPLETED")


def test_what_is_unknown_is_neither_running_nor_over() -> None:
    assert {word for word in MEANINGS if meaning_of(word).state in FINAL} == OVER
    assert not OVER & TOMBSTONES
    for word in ("RUN", "RUNNING_", "FINISHED", "ARCHIVED"):
        assert meaning_of(word).state is AttemptState.PENDING
        assert word in meaning_of(word).sentence


def test_what_no_row_holds_is_left_out() -> None:
    for moment in ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", "soon", 7):
        assert observation(job("PENDING", createTime=moment), CATALOGS).since is None
    assert observation(job("PENDING", createTime="2026-01-01T00:00:00Z"), CATALOGS).since == datetime(
        2026, 1, 1, tzinfo=UTC
    )
    assert observation(job("DREAM\x00ING"), CATALOGS).remote_state == "DREAMING"


def test_running_is_not_ready_until_it_answers() -> None:
    for ready in (False, True):  # which is said beside the detail
        seen = observation(job("RUNNING"), CATALOGS, ready=ready)
        assert (seen.ready, seen.detail) == (ready, "")


def test_an_end_keeps_the_other_sides_words_and_reason() -> None:
    info = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "EXIT_CODE"}
    status = {"code": 9, "message": "It ended.\nno such layer\x00", "details": [info]}
    seen = observation(job("FAILED", status=status), CATALOGS)
    assert (seen.detail, seen.reason) == ("It ended.\nno such layer", Reason.EXIT_CODE)
    strange = {"message": "", "details": [{**info, "reason": "SOLAR_FLARE"}]}
    assert observation(job("FAILED", status=strange), CATALOGS).reason is None
    assert observation(job("RUNNING", status=status), CATALOGS).reason is None, "it is not over"


@settings(max_examples=40)
@given(st.dictionaries(FIELDS, ANYTHING))
@example({"name": 0})
def test_reads_any_object(answered: dict[str, Any]) -> None:
    seen = observation(answered, CATALOGS, ready=True)
    assert seen.state is AttemptState.PENDING or answered.get("state") is not None
    assert checkpoint(answered) is None or answered["name"]
    assert isinstance(differences(answered, creation(SPEC, CATALOGS)), list)


def test_reads_checkpoints_with_and_without_what_only_slipway_tells() -> None:
    name = "accounts/local/rlorTrainerJobs/j/checkpoints/step-9"
    told = {"name": name, "createTime": "2026-01-01T00:00:00Z", "step": 9, "sizeBytes": "12", "requestedName": "Step 9"}
    read = checkpoint(told)
    assert read is not None
    assert (read.name, read.step, read.size_bytes, read.requested_name) == ("step-9", 9, 12, "Step 9")
    assert read.saved_at == datetime(2026, 1, 1, tzinfo=UTC)
    bare = checkpoint({"name": name, "sizeBytes": "9" * 99})
    assert bare is not None
    assert (bare.step, bare.size_bytes, bare.requested_name) == (0, 0, "step-9")


def test_reads_of_which_kind_a_checkpoint_is_and_no_more_than_a_row_holds() -> None:
    told = {"name": "accounts/local/rlorTrainerJobs/j/checkpoints/final", "loraRank": 8, "precision": "float32"}
    for word, kind in (("INFERENCE_LORA", CheckpointKind.SAMPLER), ("TRAINING_LORA", CheckpointKind.TRAINING)):
        read = checkpoint(told | {"checkpointType": f"CHECKPOINT_TYPE_{word}"})
        assert read is not None
        assert (read.kind, read.lora_rank, read.precision, read.files) == (kind, 8, "float32", ())
    large = {"step": 2**31, "loraRank": 2**40, "precision": "x" * 99, "requestedName": "y" * 999}
    read = checkpoint(told | large)
    assert read is not None
    assert (read.step, read.lora_rank, len(read.precision), len(read.requested_name)) == (0, 0, 16, 200)


def test_asks_all_that_are_silent_and_few_of_the_others() -> None:
    def names(start: int, stop: int) -> list[Reference]:
        return [Reference("a", f"j{number}", 1) for number in range(start, stop)]

    ready, silent = names(0, 1000), names(1000, 1100)
    known = {reference: (True, 100.0 + number) for number, reference in enumerate(ready)}
    assert choose(ready, known, 120.0) == [], "none was asked long ago"
    assert choose([*ready, *silent], known, 5_000.0) == [*silent, *ready[:AGAIN_AT_A_TIME]]
    known |= dict.fromkeys(silent[:50], (False, 50.0))
    assert choose(silent, known, 60.0) == [*silent[50:], *silent[:50]], "who was asked comes last"


def test_what_a_job_was_asked_for_is_read_back_under_the_names_here() -> None:
    told = {"trainingShapeVersion": "accounts/local/trainingShapes/a/versions/abcd1234"}
    asked = creation(make_spec(base_model="accounts/team/models/tiny", lora_rank=16, display_name="Found"), CATALOGS)
    kept = kept_submission(asked | told, CATALOGS)
    assert kept is not None
    assert kept.version == "accounts/team/trainingShapes/a/versions/abcd1234"
    assert kept.settings == {
        "base_model": "accounts/team/models/tiny",
        "lora_rank": 16,
        "learning_rate": make_spec().learning_rate,
        "trainer_replica_count": 1,
        "inactivity_timeout_seconds": 3600,
        "display_name": "Found",
    }
    hostile = {"trainingConfig": {"loraRank": {"a": 1}, "region": "x" * 5000}, "inactivityTimeout": "-1s"}
    read = kept_submission(hostile | told, CATALOGS)
    assert read is not None
    assert read.settings == {}
    poison = {"displayName": "A\x00\u202eb", "trainingConfig": {"learningRate": float("inf"), "baseModel": "m\x00"}}
    read = kept_submission(poison | told, CATALOGS)
    assert read is not None
    assert read.settings == {"display_name": "Ab", "base_model": "m"}
    assert kept_submission(asked, CATALOGS) is None
