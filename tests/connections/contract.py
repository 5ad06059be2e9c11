"""The contract of connections/providers/base.py. A provider's test module subclasses it and gives the fixture `rig`.

A kind that runs our own trainer subclasses `FilesContract` besides; the contract asks that it says so.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import ClassVar

import pytest

from connections.providers.attempts import NEWEST_ATTEMPT, Reference
from connections.providers.checkpoints import CheckpointFile, CheckpointKind
from connections.providers.errors import Gone, Rejected, Retryable
from connections.providers.states import AttemptState, Reason
from launches.states import ACTIVE
from tests.connections.rig import Rig, make_reference, make_submission, until, wait_for, wait_ready

HOSTILE = ["..", "../x", "a/b", "", "A", "x" * 64, "-a", "a\x00", ".1.part"]

WEIGHTS = b"0123456789"
"""What the stand-in trainer writes into each checkpoint."""


class ProviderContract:
    """What may be expected of every provider.

    counts_attempts  whether what it lists says which attempt of a job it is; else it is the newest
    """

    counts_attempts: ClassVar[bool] = True

    def listed(self, reference: Reference) -> Reference:
        """As `list_references` names it."""
        return reference if self.counts_attempts else replace(reference, attempt=NEWEST_ATTEMPT)

    def test_says_whether_there_are_files(self, rig: Rig) -> None:
        assert rig.provider.capabilities.has_files == isinstance(self, FilesContract)
        assert rig.provider.capabilities.holds_weights == isinstance(self, FilesContract)

    def test_what_does_not_merge_says_so_beforehand(self, rig: Rig, tmp_path: Path) -> None:
        if not rig.provider.capabilities.merges:
            with pytest.raises(Rejected):
                rig.provider.merge(make_submission(make_reference()).spec.base_model, tmp_path, tmp_path)

    def test_runs_an_attempt_to_its_end(self, rig: Rig) -> None:
        reference = make_reference()
        rig.provider.submit(make_submission(reference))

        running = wait_ready(rig.provider, reference)
        assert running.endpoint.startswith("http://")
        assert running.reason is None
        assert [line.number for line in running.progress] == list(range(1, len(running.progress) + 1))
        assert self.listed(reference) in rig.provider.list_references()

        rig.finish(reference.job)
        done = wait_for(rig.provider, reference, {AttemptState.COMPLETED})
        assert (done.reason, done.ready, done.endpoint) == (Reason.DONE, False, "")
        assert self.listed(reference) not in rig.provider.list_references()
        assert rig.provider.observe(reference) == done

    def test_is_not_ready_before_the_model_is_loaded(self, rig: Rig) -> None:
        reference = make_reference()
        rig.tell(reference.job, loading=True)
        rig.provider.submit(make_submission(reference))

        assert until(lambda: wait_for(rig.provider, reference, {AttemptState.RUNNING}).endpoint)
        assert not rig.provider.observe(reference).ready

        rig.tell(reference.job, loading=False)
        assert wait_ready(rig.provider, reference).ready

    def test_takes_a_submission_once(self, rig: Rig) -> None:
        reference = make_reference()
        for _ in range(3):
            rig.provider.submit(make_submission(reference))
        wait_ready(rig.provider, reference)
        assert list(rig.provider.list_references()).count(self.listed(reference)) == 1
        assert len(rig.pids(reference.job)) == 1

        rig.finish(reference.job)
        done = wait_for(rig.provider, reference, {AttemptState.COMPLETED})
        rig.provider.submit(make_submission(reference))
        assert rig.provider.observe(reference) == done
        assert len(rig.pids(reference.job)) == 1

    def test_an_id_that_another_launch_has_is_refused(self, rig: Rig) -> None:
        reference = make_reference()
        rig.provider.submit(make_submission(reference))
        wait_ready(rig.provider, reference)
        stranger = rig.stranger(make_submission(reference))
        with pytest.raises(Rejected, match=f"{reference.job} belongs to (files of )?another launch"):
            rig.provider.submit(stranger)
        assert rig.provider.observe(reference).ready

        rig.finish(reference.job)
        done = wait_for(rig.provider, reference, {AttemptState.COMPLETED})
        with pytest.raises(Rejected):
            rig.provider.submit(stranger)
        assert rig.provider.observe(reference) == done

    def test_rejects_what_does_not_fit(self, rig: Rig) -> None:
        submission = make_submission(make_reference(), base_model="accounts/nobody/models/nothing")
        reasons = rig.provider.fits(submission.spec)
        assert reasons
        with pytest.raises(Rejected, match="accounts/nobody/models/nothing"):
            rig.provider.submit(submission)
        with pytest.raises(Gone):
            rig.provider.observe(submission.reference)

    def test_offers_recipes_that_it_takes(self, rig: Rig) -> None:
        spec = make_submission(make_reference()).spec
        names = [recipe.name for recipe in rig.provider.recipes(spec)]
        assert names
        for name in names:
            assert not rig.provider.fits(make_submission(make_reference(), recipe=name).spec), name

    def test_cancels_what_runs(self, rig: Rig) -> None:
        reference = make_reference()
        rig.provider.submit(make_submission(reference))
        wait_ready(rig.provider, reference)

        rig.provider.cancel(reference)
        rig.provider.cancel(reference)
        cancelled = wait_for(rig.provider, reference, {AttemptState.CANCELLED})
        assert cancelled.reason is Reason.USER

    def test_a_cancel_after_the_end_changes_nothing(self, rig: Rig) -> None:
        reference = make_reference()
        rig.finish(reference.job)
        rig.provider.submit(make_submission(reference))
        done = wait_for(rig.provider, reference, {AttemptState.COMPLETED})
        rig.provider.cancel(reference)
        assert rig.provider.observe(reference) == done

    def test_explains_a_failure(self, rig: Rig) -> None:
        reference = make_reference()
        rig.tell(reference.job, log="no such layer: 7")
        rig.finish(reference.job, code=1)
        rig.provider.submit(make_submission(reference))
        failed = wait_for(rig.provider, reference, {AttemptState.FAILED})
        assert failed.reason is Reason.EXIT_CODE
        assert "exit code 1" in failed.detail
        assert "no such layer: 7" in failed.detail

    def test_tells_inactivity_from_a_cancel(self, rig: Rig) -> None:
        reference = make_reference()
        rig.finish(reference.job, code=20)
        rig.provider.submit(make_submission(reference, inactivity_timeout_seconds=1800))
        idle = wait_for(rig.provider, reference, {AttemptState.CANCELLED})
        assert idle.reason is Reason.INACTIVE
        assert "30 minutes" in idle.detail

    def test_deletes_a_job_that_is_over(self, rig: Rig) -> None:
        reference = make_reference()
        rig.provider.submit(make_submission(reference))
        wait_ready(rig.provider, reference)
        with pytest.raises(Retryable):
            rig.provider.delete(reference.account, reference.job)
        assert rig.provider.observe(reference).state in ACTIVE

        rig.finish(reference.job)
        wait_for(rig.provider, reference, {AttemptState.COMPLETED})
        rig.provider.delete(reference.account, reference.job)
        rig.provider.delete(reference.account, reference.job)
        for look in (
            lambda: rig.provider.observe(reference),
            lambda: rig.provider.cancel(reference),
            lambda: rig.provider.checkpoints(reference.account, reference.job),
        ):
            with pytest.raises(Gone):
                look()

    def test_a_later_attempt_is_another_trainer_of_the_job(self, rig: Rig) -> None:
        first = make_reference()
        rig.finish(first.job, code=1)
        rig.provider.submit(make_submission(first))
        wait_for(rig.provider, first, {AttemptState.FAILED})

        rig.go_on(first.job)
        second = replace(first, attempt=2)
        for _ in range(2):
            rig.provider.submit(make_submission(second))
        wait_ready(rig.provider, second)
        rig.provider.submit(make_submission(second))
        assert list(rig.provider.list_references()).count(self.listed(second)) == 1
        assert len(rig.pids(first.job)) == 2

        rig.finish(first.job)
        wait_for(rig.provider, second, {AttemptState.COMPLETED})

    def test_lists_checkpoints_by_step(self, rig: Rig) -> None:
        reference = make_reference()
        rig.tell(reference.job, checkpoints={"step-9": 9, "step-10": 10, "a": 2})
        rig.finish(reference.job)
        rig.provider.submit(make_submission(reference))
        wait_for(rig.provider, reference, {AttemptState.COMPLETED})
        saved = rig.provider.checkpoints(reference.account, reference.job).records
        assert [(record.name, record.step) for record in saved] == [("a", 2), ("step-9", 9), ("step-10", 10)]
        assert all(record.size_bytes == 10 for record in saved)

    def test_sees_many_at_once_and_tells_nothing_of_others(self, rig: Rig) -> None:
        over, runs, never = make_reference(), make_reference(), make_reference()
        rig.finish(over.job)
        for reference in (over, runs):
            rig.provider.submit(make_submission(reference))
        ended = wait_for(rig.provider, over, {AttemptState.COMPLETED})
        ready = wait_ready(rig.provider, runs)

        seen = rig.provider.observe_many([over, runs, never])
        assert seen.keys() <= {over, runs, never}
        assert seen[runs] == ready
        assert seen.get(over, ended) == ended
        assert isinstance(seen.get(never, Gone()), Gone)
        assert rig.provider.observe_many([]) == {}

    @pytest.mark.parametrize("name", HOSTILE)
    def test_knows_no_hostile_names(self, rig: Rig, name: str) -> None:
        for reference in (make_reference(account=name), make_reference(name) if name else None):
            if reference:
                with pytest.raises(Rejected):
                    rig.provider.submit(make_submission(reference))
                with pytest.raises(Gone):
                    rig.provider.observe(reference)
                with pytest.raises(Gone):
                    rig.provider.delete(reference.account, reference.job)


class FilesContract:
    """What may be expected besides where the trainer is our own, and what it writes can be read."""

    def test_pages_logs_and_metrics(self, rig: Rig) -> None:
        reference = make_reference()
        lines = "\n".join(f"{number} äöü 🚢 {'x' * 50}" for number in range(3000))
        rig.tell(reference.job, log=lines, metrics=2500)
        rig.finish(reference.job)
        rig.provider.submit(make_submission(reference))
        wait_for(rig.provider, reference, {AttemptState.COMPLETED})

        text, offset = "", 0
        while (chunk := rig.provider.logs(reference, offset)).text:
            assert len(chunk.text.encode()) <= 64 * 1024
            text, offset = text + chunk.text, chunk.offset
        assert lines in text
        assert chunk.offset == offset == len(text.encode())

        numbers: list[int] = []
        page = rig.provider.metrics(reference, 0)
        while page.records:
            assert len(page.records) <= 1000
            numbers += [record.number for record in page.records]
            page = rig.provider.metrics(reference, page.offset)
        assert rig.provider.metrics(reference, page.offset) == page, "an offset that stays is the end"
        assert numbers == list(range(1, 2501))

    def test_resumes_from_the_newest_checkpoint(self, rig: Rig) -> None:
        first = make_reference()
        rig.tell(first.job, checkpoints={"step-9": 9, "step-10": 10, "a": 2})
        rig.finish(first.job, code=1)
        rig.provider.submit(make_submission(first))
        assert wait_for(rig.provider, first, {AttemptState.FAILED}).resumed_from == ""
        saved = rig.provider.checkpoints(first.account, first.job).records
        assert [record.name for record in saved] == ["a", "step-9", "step-10"]

        second = make_reference(first.job, attempt=2)
        rig.provider.submit(make_submission(second))
        assert wait_for(rig.provider, second, {AttemptState.FAILED}).resumed_from == "step-10"

    def test_lists_checkpoints_of_both_kinds_and_what_is_being_written(self, rig: Rig) -> None:
        reference = make_reference()
        account, job = reference.account, reference.job
        rig.tell(job, checkpoints={"step-2": 2}, sampler={"final": 2, "early": 1}, writing={"step-3": 3, "step-2": 2})
        rig.provider.submit(make_submission(reference))
        wait_ready(rig.provider, reference)
        listed = rig.provider.checkpoints(account, job).records
        kinds = [(record.name, record.kind, record.writing) for record in listed]
        training, sampler = CheckpointKind.TRAINING, CheckpointKind.SAMPLER
        whole = [("early", sampler, False), ("final", sampler, False), ("step-2", training, False)]
        assert kinds == [*whole, ("step-3", training, True)]
        assert listed[0].files == (CheckpointFile("weights.safetensors", 10, hashlib.sha256(WEIGHTS).hexdigest()),)

        rig.finish(job)
        wait_for(rig.provider, reference, {AttemptState.COMPLETED})
        over = rig.provider.checkpoints(account, job).records
        assert [(record.name, record.kind, record.writing) for record in over] == whole

    def test_opens_the_files_of_a_checkpoint_and_no_others(self, rig: Rig) -> None:
        reference = make_reference()
        rig.tell(reference.job, checkpoints={"step-1": 1}, sampler={"final": 1})
        rig.finish(reference.job)
        rig.provider.submit(make_submission(reference))
        wait_for(rig.provider, reference, {AttemptState.COMPLETED})
        open_ = partial(rig.provider.open_artifact, reference.account, reference.job)
        for kind, name in ((CheckpointKind.TRAINING, "step-1"), (CheckpointKind.SAMPLER, "final")):
            with open_(kind, name, "weights.safetensors") as file:
                assert file.read() == WEIGHTS
        for name, path in [
            ("final", "weights.safetensors"),
            ("step-1", "nothing"),
            *(("step-1", f"{climb}config.json") for climb in ("../../attempts/1/", "/", "./", "a//", "")),
            *((hostile, "weights.safetensors") for hostile in HOSTILE),
        ]:
            with pytest.raises(Gone):
                open_(CheckpointKind.TRAINING, name, path)
        for stranger in (partial(rig.provider.open_artifact, "..", reference.job), partial(open_.func, "team-b", "x")):
            with pytest.raises(Gone):
                stranger(CheckpointKind.TRAINING, "step-1", "weights.safetensors")

    def test_keeps_the_checkpoints_of_a_job_that_is_deleted(self, rig: Rig) -> None:
        reference = make_reference()
        account, job = reference.account, reference.job
        rig.tell(job, checkpoints={"step-1": 1, "step-2": 2}, sampler={"final": 2}, writing={"step-3": 3})
        rig.finish(job)
        rig.provider.submit(make_submission(reference))
        wait_for(rig.provider, reference, {AttemptState.COMPLETED})
        before = rig.provider.checkpoints(account, job)
        for _ in range(2):
            rig.provider.delete(account, job, keep_checkpoints=True)
            assert rig.provider.checkpoints(account, job) == before
        for look in (
            rig.provider.observe,
            partial(rig.provider.logs, after=0),
            partial(rig.provider.metrics, offset=0),
        ):
            with pytest.raises(Gone):
                look(reference)
        for attempt in (1, 2):
            with pytest.raises(Rejected, match=f"{job} was deleted"):
                rig.provider.submit(make_submission(replace(reference, attempt=attempt)))

        remove = partial(rig.provider.delete_checkpoint, account, job)
        for _ in range(2):
            remove(CheckpointKind.TRAINING, "step-1")
        left = [record.name for record in rig.provider.checkpoints(account, job).records]
        assert left == ["final", "step-2"]
        with rig.provider.open_artifact(account, job, CheckpointKind.SAMPLER, "final", "weights.safetensors") as file:
            remove(CheckpointKind.SAMPLER, "final")
            assert file.read() == WEIGHTS, "what is open stays readable"
        for name in HOSTILE:
            with pytest.raises(Gone):
                remove(CheckpointKind.TRAINING, name)
        remove(CheckpointKind.TRAINING, "step-2")
        with pytest.raises(Gone):
            rig.provider.checkpoints(account, job)
        rig.provider.delete(account, job)

    def test_keeps_nothing_of_a_job_without_checkpoints(self, rig: Rig) -> None:
        reference = make_reference()
        rig.finish(reference.job)
        rig.provider.submit(make_submission(reference))
        wait_for(rig.provider, reference, {AttemptState.COMPLETED})
        rig.provider.delete(reference.account, reference.job, keep_checkpoints=True)
        with pytest.raises(Gone):
            rig.provider.checkpoints(reference.account, reference.job)

    def test_forgets_attempts_that_ended_long_ago_and_no_checkpoint(self, rig: Rig) -> None:
        over, running = make_reference(), make_reference()
        before = datetime.now(UTC) - timedelta(minutes=1)
        rig.tell(over.job, checkpoints={"step-1": 1})
        rig.finish(over.job)
        for reference in (over, running):
            rig.provider.submit(make_submission(reference))
        wait_for(rig.provider, over, {AttemptState.COMPLETED})
        wait_ready(rig.provider, running)
        rig.provider.forget_attempts(before)
        assert rig.provider.logs(over, 0).text
        rig.provider.forget_attempts(datetime.now(UTC) + timedelta(minutes=1))
        with pytest.raises(Gone):
            rig.provider.logs(over, 0)
        assert [record.name for record in rig.provider.checkpoints(over.account, over.job).records] == ["step-1"]
        assert rig.provider.observe(running).ready

    def test_keeps_no_records_of_a_job_that_was_deleted(self, rig: Rig) -> None:
        reference = make_reference()
        rig.finish(reference.job)
        rig.provider.submit(make_submission(reference))
        wait_for(rig.provider, reference, {AttemptState.COMPLETED})
        rig.provider.delete(reference.account, reference.job)
        with pytest.raises(Gone):
            rig.provider.logs(reference, 0)
        with pytest.raises(Gone):
            rig.provider.metrics(reference, 0)
