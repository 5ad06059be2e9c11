"""The contract of connections/providers/samplers.py. A module subclasses it and gives the fixture `rig` (`Serving`)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import count
from typing import Any, ClassVar, Protocol

import httpx
import pytest

from connections.providers.attempts import Observation, Reference
from connections.providers.errors import Gone, Rejected, Retryable
from connections.providers.samplers import SamplerProvider, SamplerSpec, SamplerSubmission
from connections.providers.states import FINAL, AttemptState, Reason
from tests.connections.contract import HOSTILE
from tests.connections.rig import make_reference, until

TOKEN = "sls-token-of-a-test"
HOT_LOADED = "/hot_load/v1/models/hot_load"
COMPLETIONS = "/inference/v1/completions"
_numbers = count(1)


class ServingRig(Protocol):
    """What the contract needs: where samplers run, and a stand-in for each that does as it is told."""

    samplers: SamplerProvider
    secret: str
    """What opens the endpoint."""

    def finish(self, job: str, code: int = 0) -> None:
        """Let the deployment's sampler end with the exit code."""

    def go_on(self, job: str) -> None:
        """Let what is started from now on run until it is told to end."""

    def pids(self, job: str) -> list[int]:
        """The pids of all samplers that were ever started for it."""

    def name_of(self, reference: Reference) -> str:
        """The resource name that its sampler knows itself by."""


def make_spec(deployment: str = "dep", **changes: Any) -> SamplerSpec:
    """The spec of a deployment of the demo model."""
    facts: dict[str, Any] = {
        "deployment": f"accounts/team-a/deployments/{deployment}",
        "deployment_shape_version": "accounts/local/deploymentShapes/tiny-qwen3-sampler/versions/tiny2k01",
        "base_model": "accounts/local/models/tiny-qwen3",
        "engine": "TRANSFORMERS",
        "accelerator_type": None,
        "accelerator_count": 0,
        "node_count": 1,
        "max_context_length": 2048,
        "base_model_weight_precision": None,
        "deployment_image_tag": None,
        "trainer_job": "",
        "inactivity_timeout_seconds": 3600,
    }
    return SamplerSpec(**facts | changes)


def submission(reference: Reference, **changes: Any) -> SamplerSubmission:
    """Of that start."""
    return SamplerSubmission(reference, make_spec(reference.job, **changes), TOKEN)


def new() -> Reference:
    """The first start of a deployment that there was not."""
    return replace(make_reference(), job=f"dep-{next(_numbers)}-{make_reference().job}")


def wait(samplers: SamplerProvider, reference: Reference, states: Iterable[AttemptState]) -> Observation:
    """The first that is seen of it in one of the states; of one that runs, once it answers."""
    wanted = frozenset(states)

    def look() -> Observation | None:
        seen = samplers.observe(reference)
        assert seen.state in wanted or seen.state not in FINAL, seen
        return seen if seen.state in wanted and (seen.ready or seen.state is not AttemptState.RUNNING) else None

    found = until(look, pause=0.1)
    assert found
    return found


class SamplerContract:
    """What may be expected of everything that runs samplers.

    has_log          whether it has their log
    lists_what_slept whether what was scaled to 0 is listed, too, since it stands there
    """

    has_log: ClassVar[bool] = True
    lists_what_slept: ClassVar[bool] = False

    def test_one_start_is_one_sampler_that_serves_what_is_loaded(
        self, rig: ServingRig, subtests: pytest.Subtests
    ) -> None:
        samplers, reference = rig.samplers, new()
        samplers.start(submission(reference))
        up = wait(samplers, reference, {AttemptState.RUNNING})
        with subtests.test("the same again changes nothing"):
            samplers.start(submission(reference))
            assert samplers.observe(reference) == up
            assert len(rig.pids(reference.job)) == 1
        with subtests.test("another deployment's token is refused"):
            with pytest.raises(Rejected, match=f"{reference.job} belongs to"):
                samplers.start(replace(submission(reference), token="sls-of-another"))
            assert samplers.observe(reference) == up
        with subtests.test("it is listed, with what it was asked for"):
            assert reference in samplers.list_references()
            kept = samplers.kept(reference)
            assert kept.deployment_shape_version == make_spec().deployment_shape_version
        with subtests.test("its log is told, where there is one"):
            text, offset = "", 0
            while (chunk := samplers.logs(reference, offset)).text:
                text, offset = text + chunk.text, chunk.offset
            assert text.count("serves accounts/") == int(self.has_log)
        with subtests.test("no other start of it is there"), pytest.raises(Gone):
            samplers.observe(replace(reference, attempt=2))
        self._load(rig, reference, up, subtests)
        with subtests.test("nothing of what runs is removed"):
            with pytest.raises(Retryable):
                samplers.delete(reference.account, reference.job)
            assert samplers.observe(reference).ready
        samplers.stop(reference)
        samplers.stop(reference)
        assert wait(samplers, reference, FINAL).reason is Reason.USER
        samplers.start(submission(reference))
        assert samplers.observe(reference).state is AttemptState.CANCELLED, "an end is one"
        assert (reference in samplers.list_references()) == self.lists_what_slept
        samplers.delete(reference.account, reference.job)
        self._until_gone(rig, reference)
        samplers.delete(reference.account, reference.job)

    def _load(self, rig: ServingRig, reference: Reference, up: Observation, subtests: pytest.Subtests) -> None:
        """Hot loads as the SDK sends them."""
        name = rig.name_of(reference)
        fields = {"X-Api-Key": rig.secret, "fireworks-deployment": name}

        def load(identity: str, **more: Any) -> tuple[int, str | None, str]:
            body = {"identity": identity, "reset_prompt_cache": True, **more}
            status = httpx.post(f"{up.endpoint}{HOT_LOADED}", json=body, headers=fields, timeout=60).status_code
            state = httpx.get(f"{up.endpoint}{HOT_LOADED}", headers=fields, timeout=60).json()["replicas"][0]
            return status, state["current_snapshot_identity"], state["loading_state"]["stage"]

        def onto(previous: str) -> dict[str, Any]:
            return {"incremental_snapshot_metadata": {"previous_snapshot_identity": previous}}

        for told, expected in [
            (load("step-1"), (200, "step-1", "ready")),
            (load("bad-1"), (400, "step-1", "error")),
            (load("step-2", **onto("another")), (409, "step-1", "error")),
            (load("step-2", **onto("step-1")), (200, "step-2", "ready")),
        ]:
            with subtests.test(expected=expected):
                assert told == expected
        with subtests.test("what is asked is answered by what was loaded"):
            asked = {"model": name, "prompt": [1, 2], "max_tokens": 4}
            answer = httpx.post(f"{up.endpoint}{COMPLETIONS}", json=asked, headers=fields, timeout=60)
            assert (answer.status_code, answer.json()["snapshot_identity"]) == (200, "step-2"), answer.text

    def test_a_later_start_comes_back_after_each_end(self, rig: ServingRig) -> None:
        samplers, reference = rig.samplers, new()
        rig.finish(reference.job, 20)
        samplers.start(submission(reference))
        assert wait(samplers, reference, {AttemptState.CANCELLED}).reason is Reason.INACTIVE
        samplers.start(submission(reference))
        assert samplers.observe(reference).state is AttemptState.CANCELLED, "the same start is over"
        rig.finish(reference.job, 1)
        second = replace(reference, attempt=2)
        samplers.start(submission(second))
        failed = wait(samplers, second, {AttemptState.FAILED})
        assert "exit code 1: Told to end." in failed.detail
        rig.go_on(reference.job)
        third, job = replace(reference, attempt=3), self.job_of(rig)
        samplers.start(submission(third, trainer_job=job))
        wait(samplers, third, {AttemptState.RUNNING})
        assert len(rig.pids(reference.job)) == 3
        assert samplers.kept(third).trainer_job == job
        samplers.stop(third)
        wait(samplers, third, {AttemptState.CANCELLED})
        samplers.delete(reference.account, reference.job)
        self._until_gone(rig, third)

    def test_knows_nothing_that_was_not_started(self, rig: ServingRig, subtests: pytest.Subtests) -> None:
        samplers = rig.samplers
        for name in HOSTILE:
            references = [replace(new(), account=name)] if name else []
            for reference in [*references, replace(new(), job=name)]:
                with subtests.test(reference=reference):
                    with pytest.raises(Rejected):
                        samplers.start(submission(reference))
                    for look in (samplers.observe, samplers.stop, samplers.kept):
                        with pytest.raises(Gone):
                            look(reference)
        never = new()
        for look in (samplers.observe, samplers.stop, samplers.kept):
            with pytest.raises(Gone):
                look(never)
        samplers.delete(never.account, never.job)
        foreign = submission(never, base_model="accounts/nobody/models/nothing")
        assert "accounts/nobody/models/nothing" in " ".join(samplers.fits(foreign.spec, 1))
        with pytest.raises(Rejected, match="accounts/nobody/models/nothing"):
            samplers.start(foreign)
        assert never not in samplers.list_references()

    def job_of(self, rig: ServingRig) -> str:
        """A job of the account whose weights may be loaded."""
        return "job-1"

    def _until_gone(self, rig: ServingRig, reference: Reference) -> None:
        def is_gone() -> bool:
            try:
                rig.samplers.observe(reference)
            except Gone:
                return True
            return False

        until(is_gone, pause=0.1)
        known = {(each.account, each.job) for each in rig.samplers.list_references()}
        assert (reference.account, reference.job) not in known
