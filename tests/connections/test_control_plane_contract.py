"""The provider of another control plane keeps the contract, against a second Slipway over real sockets.

It has no files to read, for the wire has none; its slots are not ours to count, and it counts no attempts.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

import httpx
import pytest
from pytest_django.fixtures import Settings

from accounts.actors import SYSTEM
from catalog.domain.sync_catalog import sync_catalog
from catalog.models import BaseModel, ShapeVersion
from catalog.states import SyncOutcome
from catalog.version_queries import find_linked
from connections.domain.add_connection import add_connection
from connections.providers.attempts import NEWEST_ATTEMPT, Observation, Reference
from connections.providers.base import Provider
from connections.providers.capabilities import Credential
from connections.providers.capacity import Capacity
from connections.providers.control_plane.names import remote_id
from connections.providers.errors import Gone, NotYet, Rejected, Retryable, SecretRefused, Unreachable
from connections.providers.states import AttemptState
from tests.connections.contract import ProviderContract
from tests.connections.control_plane_rig import (
    ACCOUNT,
    INSTANCE,
    LOOPBACK,
    ControlPlaneRig,
    ControlPlaneServing,
    SecondSlipway,
    endpoint_path,
    make_provider,
    make_rig,
    second_slipway,
)
from tests.connections.fault_proxy import (
    Fault,
    FaultProxy,
    cut_to_good_json,
    dripped,
    fault_proxy,
    half_answered,
    hung_up_after,
    hung_up_before,
    lied,
    refused,
    refused_by_something_else,
    timed_out_after,
    timed_out_before,
)
from tests.connections.rig import make_reference, make_submission, until, wait_for, wait_ready
from tests.connections.sampler_contract import SamplerContract, ServingRig, new, wait
from tests.connections.sampler_contract import submission as sampler_submission

pytestmark = pytest.mark.e2e
PATIENCE, HASTE = 60.0, 1.5
"""Seconds that a request behind the proxy may take, and one that is to get lost, which costs so many."""


@pytest.fixture(scope="module")
def slipway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecondSlipway]:
    from tests.conftest import E2E_OFFSET, broker_url, worker_number

    broker = broker_url(E2E_OFFSET + 4 + worker_number() % 4)  # those before are of the servers of browser tests
    with second_slipway(tmp_path_factory.mktemp("second"), broker) as running:
        yield running


@pytest.fixture
def proxy(slipway: SecondSlipway) -> Iterator[FaultProxy]:
    with fault_proxy(slipway.url) as proxy:
        yield proxy


@pytest.fixture
def faulty(slipway: SecondSlipway, proxy: FaultProxy) -> ControlPlaneRig:
    """A rig whose provider reaches the second Slipway through the proxy."""
    return make_rig(slipway, proxy.url, patience=PATIENCE)


@pytest.fixture
def hasty(slipway: SecondSlipway, proxy: FaultProxy) -> ControlPlaneRig:
    """The same, which waits for no answer that is to get lost."""
    return make_rig(slipway, proxy.url, patience=HASTE)


class TestControlPlane(ProviderContract):
    counts_attempts = False

    @pytest.fixture
    def rig(self, slipway: SecondSlipway) -> ControlPlaneRig:
        return make_rig(slipway)

    def test_says_who_we_are_there(self, rig: ControlPlaneRig) -> None:
        identity = rig.provider.identify()
        facts = dict(identity.facts)
        assert facts["Accounts that the key shows"] == facts["Jobs are made in"] == "local"
        assert facts["Address"] == rig.provider.there.client.url
        assert "listed" in facts["Training shapes there"]
        assert "listed" in facts["Deployments there"]
        assert "quota" in identity.unknown
        assert rig.provider.capacity() == Capacity()

    def test_a_key_that_is_none_is_said_and_ends_nothing(self, rig: ControlPlaneRig, slipway: SecondSlipway) -> None:
        reference = make_reference()
        stranger = make_provider(slipway.url, "fw_nobody")
        for look in (stranger.identify, stranger.capacity, stranger.list_references):
            with pytest.raises(SecretRefused, match=r"refuses \(401\)"):
                look()
        for verb in (lambda: stranger.observe(reference), lambda: stranger.submit(make_submission(reference))):
            with pytest.raises(Retryable, match="a key that is in force"):
                verb()

    def test_its_endpoint_takes_the_connections_key(self, rig: ControlPlaneRig, slipway: SecondSlipway) -> None:
        reference = make_reference()
        rig.provider.submit(make_submission(reference))
        ready = wait_ready(rig.provider, reference)
        assert ready.endpoint == slipway.url + endpoint_path(reference)
        assert ready.remote_id == remote_id(INSTANCE, ACCOUNT, reference.job)
        assert ready.remote_state == "RUNNING"
        assert ready.remote_version.startswith("accounts/local/trainingShapes/tiny-qwen3-2k-lora/versions/")
        assert rig.provider.capabilities.credential is Credential.CONNECTION_SECRET
        answer = httpx.get(f"{ready.endpoint}/api/v1/healthz", headers={"X-Api-Key": slipway.key}, timeout=60)
        assert answer.status_code == httpx.codes.OK

    def test_brings_a_tokenizer_that_is_there(self, rig: ControlPlaneRig) -> None:
        files = rig.provider.tokenizer("accounts/local/models/tiny-qwen3")
        assert json.loads(files["tokenizer.json"])
        assert rig.provider.tokenizer("accounts/local/models/nothing") == {}
        assert rig.provider.tokenizer("accounts/nobody/models/tiny-qwen3") == {}

    def test_a_refusal_keeps_the_other_sides_words(self, rig: ControlPlaneRig) -> None:
        with pytest.raises(Rejected, match=r"(?s)4096.*Change what it names"):
            rig.provider.submit(make_submission(make_reference(), lora_rank=4096))
        missing = "accounts/local/trainingShapes/not-offered/versions/abcd1234"
        with pytest.raises(Rejected, match=r"not-offered.*choose another"):
            rig.provider.submit(make_submission(make_reference(), training_shape_version=missing))

    def test_has_a_model_made_of_what_was_saved_there(self, rig: ControlPlaneRig) -> None:
        reference = make_reference()
        account, job = reference.account, reference.job
        rig.tell(job, models={"final": 3}, checkpoints={"step-3": 3})
        rig.provider.submit(make_submission(reference))
        wait_ready(rig.provider, reference)
        listed = {record.name: record for record in rig.provider.checkpoints(account, job).records}
        assert {name: record.promotable_there for name, record in listed.items()} == {"final": True, "step-3": False}
        asked = {"model": f"of-{job}"[:63], "base_model": "accounts/local/models/tiny-qwen3"}
        found = rig.provider.promote(account, job, "final", **asked)
        name = found.name
        assert name == f"accounts/local/models/{remote_id(INSTANCE, account, asked['model'])}"
        until = time.monotonic() + PATIENCE
        while not found.done and time.monotonic() < until:
            again = rig.provider.promotion(account, asked["model"], found.operation)
            assert again is not None
            found = again
        assert (found.done, found.failure) == (True, "")
        assert rig.provider.promote(account, job, "final", **asked).name == name  # the same again is the same model
        with pytest.raises(Rejected, match="to train on from"):
            rig.provider.promote(account, job, "step-3", model="never", base_model="")
        assert rig.provider.promotion(account, "mine", "accounts/local/operations/promote-none") is None

    def test_an_id_that_was_deleted_is_not_used_again(self, rig: ControlPlaneRig) -> None:
        reference = make_reference()
        rig.finish(reference.job)
        rig.provider.submit(make_submission(reference))
        wait_for(rig.provider, reference, {AttemptState.COMPLETED})
        rig.provider.delete(reference.account, reference.job)
        for attempt in (1, 2):
            with pytest.raises(Rejected, match="was deleted there"):
                rig.provider.submit(make_submission(replace(reference, attempt=attempt)))

    def test_lists_no_job_of_another_slipway(self, rig: ControlPlaneRig, slipway: SecondSlipway) -> None:
        other = make_provider(slipway.url, slipway.key, instance="another001")
        ours, theirs, long = make_reference(), make_reference(), make_reference("j" * 63, account="a" * 60)
        rig.provider.submit(make_submission(ours))
        rig.provider.submit(make_submission(long))
        other.submit(make_submission(theirs))
        listed = rig.provider.list_references()
        assert replace(ours, attempt=NEWEST_ATTEMPT) in listed
        assert replace(theirs, attempt=NEWEST_ATTEMPT) not in listed
        assert other.list_references() == [replace(theirs, attempt=NEWEST_ATTEMPT)]
        cut = Reference("", remote_id(INSTANCE, long.account, long.job), NEWEST_ATTEMPT)
        assert cut in listed
        rig.provider.cancel(cut)
        wait_for(rig.provider, long, {AttemptState.CANCELLED})
        with pytest.raises(Gone):
            other.observe(cut)


def serving(slipway: SecondSlipway, url: str = "", *, patience: float = 15.0) -> ControlPlaneServing:
    """Its deployments, reached at another address where one is given."""
    provider = make_provider(url or slipway.url, slipway.key, patience=patience)
    return ControlPlaneServing(provider.samplers, slipway.behaviour, slipway.key)


class TestControlPlaneSamplers(SamplerContract):
    has_log = False
    lists_what_slept = True

    @pytest.fixture
    def rig(self, slipway: SecondSlipway) -> ControlPlaneServing:
        return serving(slipway)

    @pytest.fixture(autouse=True)
    def _trains_there(self, slipway: SecondSlipway) -> None:
        self.trains = make_rig(slipway)

    def job_of(self, rig: ServingRig) -> str:
        job = make_reference()
        self.trains.provider.submit(make_submission(job))
        return job.job

    def test_what_gets_lost_makes_one_deployment_and_ends_none(
        self, slipway: SecondSlipway, proxy: FaultProxy, subtests: pytest.Subtests
    ) -> None:
        rig, hasty = serving(slipway, proxy.url, patience=PATIENCE), serving(slipway, proxy.url, patience=HASTE)
        reference = new()
        there = remote_id(INSTANCE, ACCOUNT, reference.job)
        for fault in (hung_up_before, refused(429, 8), refused(500, 13, after=True), half_answered):
            proxy.fail(fault, "POST", there)
            with suppress(Retryable):
                rig.samplers.start(sampler_submission(reference))
        insist(lambda: rig.samplers.start(sampler_submission(reference)))
        up = wait(rig.samplers, reference, {AttemptState.RUNNING})
        assert len(rig.pids(reference.job)) == 1
        assert up.remote_id == f"accounts/local/deployments/{there}"
        for name, fault, asked in [
            ("timed out", timed_out_before, hasty),
            ("half", half_answered, rig),
            ("500", refused(500, 13), rig),
            ("401", refused(401, 16), rig),
            ("404 of a balancer", refused_by_something_else(404), rig),
            ("another one", lied(with_name), rig),
        ]:
            with subtests.test(name):
                proxy.fail(fault, "GET", f"/{there}")
                with pytest.raises(Retryable):
                    asked.samplers.observe(reference)
        proxy.fail(refused(404, 5), "GET", f"/{there}")
        assert rig.samplers.observe(reference) == up, "one answer is not enough to say that it is gone"
        with subtests.test("more replicas are asked for, and refused in its words"):
            with pytest.raises(Retryable, match="this machine runs one"):  # and not for good: the one there goes on
                rig.samplers.start(replace(sampler_submission(reference), most=2))
            assert rig.samplers.observe(reference) == up
        with subtests.test("what was loaded into it ends it not"):
            loaded = sampler_submission(reference, snapshot="accounts/local/models/x")
            rig.samplers.start(loaded)
            assert rig.samplers.observe(reference) == up
        proxy.fail(hung_up_after, "PATCH", f"/{there}")
        with pytest.raises(Retryable):
            rig.samplers.stop(reference)
        rig.samplers.stop(reference)
        wait(rig.samplers, reference, {AttemptState.CANCELLED})
        proxy.fail(hung_up_after, "DELETE", f"/{there}")
        with pytest.raises(Retryable):
            rig.samplers.delete(ACCOUNT, reference.job)
        insist(lambda: rig.samplers.delete(ACCOUNT, reference.job))

    def test_it_waits_for_its_trainer_and_knows_no_other_slipways(self, slipway: SecondSlipway) -> None:
        rig, reference, job = serving(slipway), new(), make_reference()
        wanted = sampler_submission(reference, trainer_job=job.job)
        with pytest.raises(NotYet, match=f"{job.job}, whose weights it loads, is not at"):
            rig.samplers.start(wanted)
        self.trains.provider.submit(make_submission(job))
        rig.samplers.start(wanted)
        other = make_provider(slipway.url, slipway.key, instance="another001").samplers
        assert reference not in other.list_references()
        with pytest.raises(Gone):
            other.observe(reference)
        rig.samplers.stop(reference)
        wait(rig.samplers, reference, {AttemptState.CANCELLED})
        rig.samplers.delete(ACCOUNT, reference.job)


def with_name(job: dict[str, Any]) -> dict[str, Any]:
    """The job under another name."""
    return {**job, "name": "accounts/local/rlorTrainerJobs/another"}


SUBMISSIONS: dict[str, Fault] = {
    "timed out before": timed_out_before,
    "timed out after": timed_out_after,
    "hung up before": hung_up_before,
    "hung up after": hung_up_after,
    "half answered": half_answered,
    "answered with nothing": cut_to_good_json,
    "dripped": dripped,
    "nothing at all": lambda passage: passage.answer(200, b"{}"),
    "409 for nothing": refused(409, 6),
    "409 after": refused(409, 6, after=True),
    "429": refused(429, 8),
    "500 before": refused(500, 13),
    "500 after": refused(500, 13, after=True),
    "503 of a balancer": refused_by_something_else(503),
    "404 of a balancer": refused_by_something_else(404),
    "400 after": refused(400, 3, after=True),
    "403 after": refused(403, 7, after=True),
    "another job": lied(with_name),
}
"""What may happen to the request that makes a job."""
LOST = ("timed out before", "timed out after", "dripped")


def answered(body: Any) -> Fault:
    """That instead of what was answered."""
    return lied(lambda _: body)


def with_state(state: Any, job: dict[str, Any]) -> dict[str, Any]:
    """The job in another state."""
    return {**job, "state": state}


def insist(verb: Callable[[], None], seconds: float = 300) -> None:
    """As a worker does: again, as long as that may help."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return verb()
        except Retryable:
            assert time.monotonic() < deadline
            time.sleep(0.1)


def end_of(provider: Provider, reference: Reference) -> AttemptState:
    """Its last state, whatever goes wrong until it is told."""
    while True:
        with suppress(Retryable):
            seen = wait_for(provider, reference, {AttemptState.COMPLETED})
            return seen.state


class TestBehindFaults:
    def test_every_submission_makes_one_trainer(
        self, faulty: ControlPlaneRig, hasty: ControlPlaneRig, proxy: FaultProxy
    ) -> None:
        references = {name: make_reference() for name in SUBMISSIONS}
        for name, fault in SUBMISSIONS.items():
            there = remote_id(INSTANCE, ACCOUNT, references[name].job)
            proxy.fail(fault, "POST", f"rlorTrainerJobId={there}", times=2)

        def launch(name: str) -> AttemptState:
            reference = references[name]
            provider = hasty.provider if name in LOST else faulty.provider
            insist(lambda: provider.submit(make_submission(reference)))
            faulty.finish(reference.job)
            return end_of(faulty.provider, reference)

        with ThreadPoolExecutor(max_workers=6) as pool:
            ended = dict(zip(references, pool.map(launch, references), strict=True))
        assert ended == dict.fromkeys(SUBMISSIONS, AttemptState.COMPLETED)
        started = {name: len(faulty.pids(reference.job)) for name, reference in references.items()}
        assert started == dict.fromkeys(SUBMISSIONS, 1)

    def test_what_is_refused_for_good_starts_nothing(self, faulty: ControlPlaneRig, proxy: FaultProxy) -> None:
        for status, code in ((400, 3), (403, 7), (412, 9)):
            reference = make_reference()
            proxy.fail(refused(status, code), "POST", remote_id(INSTANCE, ACCOUNT, reference.job))
            with pytest.raises(Rejected, match="A proxy made this up"):
                faulty.provider.submit(make_submission(reference))
            with pytest.raises(Gone):
                faulty.provider.observe(reference)

    def test_no_answer_ends_what_runs(self, faulty: ControlPlaneRig, hasty: ControlPlaneRig, proxy: FaultProxy) -> None:
        reference = make_reference()
        there = remote_id(INSTANCE, ACCOUNT, reference.job)
        insist(lambda: faulty.provider.submit(make_submission(reference)))
        ready = until(lambda: _calm(lambda: wait_ready(faulty.provider, reference)))
        silences: dict[str, Fault] = {
            "timed out": timed_out_before,
            "hung up": hung_up_after,
            "half": half_answered,
            "nothing": cut_to_good_json,
            "500": refused(500, 13),
            "401": refused(401, 16),
            "403": refused(403, 7),
            "404 of a balancer": refused_by_something_else(404),
            "another job": lied(with_name),
        }
        for name, fault in silences.items():
            proxy.fail(fault, "GET", f"/{there}")
            with pytest.raises(Retryable):
                (hasty if name == "timed out" else faulty).provider.observe(reference)
        proxy.fail(refused(404, 5), "GET", f"/{there}")
        assert faulty.provider.observe(reference) == ready, "one answer is not enough to say that a job is gone"
        proxy.fail(refused(404, 5), "GET", f"/{there}", times=2)
        with pytest.raises(Gone):
            faulty.provider.observe(reference)

    def test_an_empty_list_is_no_news(self, faulty: ControlPlaneRig, hasty: ControlPlaneRig, proxy: FaultProxy) -> None:
        reference = make_reference()
        insist(lambda: faulty.provider.submit(make_submission(reference)))
        until(lambda: _calm(lambda: wait_ready(faulty.provider, reference)))
        empty: list[Any] = [{"rlorTrainerJobs": []}, {}, {"rlorTrainerJobs": None}, {"rlorTrainerJobs": ["x", 1, {}]}]
        for answer in empty:
            proxy.fail(answered(answer), "GET", "rlorTrainerJobs?pageSize")
            assert faulty.provider.observe_many([reference]) == {}
        for rig, fault in (
            (faulty, half_answered),
            (faulty, refused_by_something_else(502)),
            (hasty, timed_out_before),
        ):
            proxy.fail(fault, "GET", "rlorTrainerJobs?pageSize")
            with pytest.raises(Unreachable):
                rig.provider.observe_many([reference])
        proxy.fail(refused(400, 3), "GET", "filter=")
        (seen,) = faulty.provider.observe_many([reference]).values()
        assert isinstance(seen, Observation), "a list without filters does, too"
        assert seen.ready

    def test_a_state_that_nobody_knows_is_neither_running_nor_over(
        self, faulty: ControlPlaneRig, proxy: FaultProxy
    ) -> None:
        reference = make_reference()
        there = remote_id(INSTANCE, ACCOUNT, reference.job)
        insist(lambda: faulty.provider.submit(make_submission(reference)))
        ready = until(lambda: _calm(lambda: wait_ready(faulty.provider, reference)))
        for state in ("JOB_STATE_DREAMING", "", None, 7, ["JOB_STATE_FAILED"]):
            proxy.fail(lied(partial(with_state, state)), "GET", f"/{there}")
            seen = faulty.provider.observe(reference)
            assert (seen.state, seen.ready, seen.endpoint) == (AttemptState.PENDING, False, "")
        assert faulty.provider.observe(reference) == ready

    def test_running_without_its_healthz_is_not_ready(self, faulty: ControlPlaneRig, proxy: FaultProxy) -> None:
        reference = make_reference()
        proxy.fail(refused_by_something_else(503), "GET", endpoint_path(reference), times=2)
        insist(lambda: faulty.provider.submit(make_submission(reference)))
        seen = until(lambda: _calm(lambda: wait_for(faulty.provider, reference, {AttemptState.RUNNING})))
        assert not seen.ready  # what that means is said by whoever shows it, who knows whether it ever was
        until(lambda: _calm(lambda: wait_ready(faulty.provider, reference)))

    def test_cancels_and_resumes_once(self, faulty: ControlPlaneRig, hasty: ControlPlaneRig, proxy: FaultProxy) -> None:
        first = make_reference()
        second = replace(first, attempt=2)
        there = remote_id(INSTANCE, ACCOUNT, first.job)
        insist(lambda: faulty.provider.submit(make_submission(first)))
        until(lambda: _calm(lambda: wait_ready(faulty.provider, first)))
        for fault in (timed_out_before, half_answered, refused(500, 13, after=True), timed_out_after):
            proxy.fail(fault, "POST", f"{there}:cancel")
        insist(lambda: hasty.provider.cancel(first))
        until(lambda: _calm(lambda: wait_for(faulty.provider, first, {AttemptState.CANCELLED})))
        proxy.heal()
        proxy.fail(refused(412, 9), "POST", f"{there}:resume")
        with pytest.raises(Rejected, match="A proxy made this up"):
            faulty.provider.submit(make_submission(second))
        for fault in (timed_out_before, refused(500, 13), refused(400, 9, after=True)):
            proxy.fail(fault, "POST", f"{there}:resume")
        with pytest.raises(Retryable):
            hasty.provider.submit(make_submission(second))
        insist(lambda: faulty.provider.submit(make_submission(second)))
        until(lambda: _calm(lambda: wait_ready(faulty.provider, second)))
        assert len(faulty.pids(first.job)) == 2
        assert sum(f"POST /v1/accounts/local/rlorTrainerJobs/{there}:resume" in line for line in proxy.requests) == 4


def _calm(look: Callable[[], Any]) -> Any:
    """What the look gives; None where the machine was too slow for the proxy's patience."""
    with suppress(Retryable):
        return look()
    return None


@pytest.mark.django_db
def test_its_catalog_comes_here_under_its_own_names(slipway: SecondSlipway, settings: Settings) -> None:
    settings.SLIPWAY_CONNECTION_NETWORKS = LOOPBACK
    config = {"url": slipway.url, "accounts": "peer=local"}
    peer = add_connection(actor=SYSTEM, name="peer", kind="control_plane", config=config, secret=slipway.key)
    run = sync_catalog(actor=SYSTEM, connection=peer)
    assert (run.outcome, run.refused) == (SyncOutcome.APPLIED, [])
    headers = {"X-Api-Key": slipway.key}
    there = set()
    for kind in ("training", "deployment"):
        path = f"/v1/accounts/local/{kind}Shapes/-/versions"
        listed = httpx.get(slipway.url + path, headers=headers, timeout=60).json()[f"{kind}ShapeVersions"]
        there |= {row["name"] for row in listed if row["latestValidated"]}
    here = ShapeVersion.objects.filter(shape__account__account_id="peer").select_related("shape__account")
    assert {version.name.replace("accounts/peer/", "accounts/local/") for version in here} == there
    assert len(there) == run.counts["offered"] > 3
    links = [found for version in here if (found := find_linked([], version.frozen_snapshot))]
    assert {found.shape.account.account_id for found in links} == {"peer"}, "what samplers run from came, too"
    titles = set(BaseModel.objects.filter(account__account_id="peer").values_list("title", "named_here"))
    assert titles == {("Tiny Qwen 3", False), ("Tiny Qwen 3 Chat", False)}
    again = sync_catalog(actor=SYSTEM, connection=peer)
    assert (again.outcome, again.counts) == (SyncOutcome.UNCHANGED, {"offered": len(there), "refused": 0})
