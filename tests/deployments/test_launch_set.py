"""A policy with its reference and its sampler: launched, shown, cancelled, resumed and deleted as one."""

from __future__ import annotations

import re
import threading
from dataclasses import replace
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.actors import user_actor
from accounts.models import Account, User
from accounts.roles import Role
from catalog.models import ShapeVersion
from connections.models import Connection
from connections.opened import open_provider
from connections.providers.attempts import Observation
from connections.providers.capacity import GpuPool
from connections.providers.spec import TrainerMode
from connections.providers.states import AttemptState, Reason
from deployments.domain.advance_deployment import advance_deployment
from deployments.domain.cancel_launch_set import cancel_launch_set
from deployments.domain.create_launch_set import create_launch_set
from deployments.models import Deployment
from launches.domain.cancel_launch import cancel_launch
from launches.models import Attempt, Launch
from tests.deployments.engine import RUNS, UP, Samplers, ServingEngine
from tests.launches.makers import attempt_of, bring_to
from tests.makers import make_member, make_shape, make_version, sign_in

pytestmark = pytest.mark.django_db
S = AttemptState
BOTH = {"reference": "yes", "deployment_replica_count": "1"}


@pytest.fixture
def policy(version: ShapeVersion, team: Account) -> ShapeVersion:
    """A full-parameter shape that links the deployment shape, with a forward-only shape of the same model beside it."""
    facts = {"gpus": 4, "context": 2048, "accelerator_type": "NVIDIA_H100_80GB"}
    model = version.shape.base_model
    forward = make_shape(base_model=model, account=team, shape_id="forward")
    make_version(shape=forward, mode=TrainerMode.FORWARD_ONLY, **facts)
    shape = make_shape(base_model=model, account=team, shape_id="policy")
    return make_version(shape=shape, mode=TrainerMode.POLICY_TRAINER, deployment_shape_version=version.name, **facts)


@pytest.fixture
def lenas(client: Client, lena: User) -> Client:
    return sign_in(client, lena)


def address(version: ShapeVersion, name: str = "launch_new") -> str:
    return reverse(name, args=[version.shape.account.account_id, version.shape.shape_id])


def text(response: Any) -> str:
    return re.sub(r"\s+", " ", unescape(response.content.decode()))


def make_set(lena: User, team: Account, policy: ShapeVersion, key: str = "key", **inputs: str) -> Launch:
    return create_launch_set(
        actor=user_actor(lena), account=team, version=policy, inputs=BOTH | inputs, idempotency_key=key
    )


def members(launch: Launch) -> tuple[list[str], list[str]]:
    """States of the policy and its references, and of the samplers."""
    trainers = Launch.objects.filter(pk=launch.pk) | Launch.objects.filter(reference_of=launch)
    return [row.state for row in trainers.order_by("pk")], [row.state for row in Deployment.objects.order_by("pk")]


def step() -> None:
    """What a worker does with each deployment once it is due."""
    Deployment.objects.update(next_check_at=timezone.now() - timedelta(seconds=1))
    for row in Deployment.objects.all():
        advance_deployment(row.pk)


def see(launch: Launch, *states: AttemptState) -> None:
    """Let the connection say these, one after the other."""
    for state in states:
        Attempt.objects.filter(launch=launch).update(next_check_at=timezone.now() - timedelta(seconds=1))
        bring_to(launch, state)


def test_the_form_makes_the_set_and_sent_twice_makes_one(
    lenas: Client, samplers: Samplers, policy: ShapeVersion, team: Account
) -> None:
    form = text(lenas.get(address(policy)))
    assert "with forward (Forward-only, 4 GPUs)" in form
    shown = text(lenas.post(address(policy, "launch_preview"), {"version": policy.version_id, **BOTH}))
    assert "8 GPUs in all: 4 of the trainer and 4 of the reference" in shown
    sent = {"version": policy.version_id, "idempotency_key": "k", "display_name": "First", **BOTH}
    sent |= {"when_interrupted": "go-on"}
    pages = {lenas.post(address(policy), sent)["Location"] for _ in range(2)}
    launch, reference = Launch.objects.order_by("pk")
    (deployment,) = Deployment.objects.all()
    assert pages == {f"/launches/{launch.uid}"}
    assert (reference.reference_of, reference.display_name, reference.spec["trainer_mode"]) == (
        launch, "First (reference)", "FORWARD_ONLY",
    )  # fmt: skip
    assert launch.goes_on and reference.goes_on, "asked of the one, the other follows"
    assert (deployment.trainer, deployment.min_replicas, deployment.replicas) == (launch, 1, 1)
    assert {each.connection.name for each in (launch, reference, deployment)} == {"near"}
    told = launch.events.get(kind="set").message
    assert told == f"Launched with its reference {reference.job_id} and its sampler {deployment.deployment_id}"
    changed = lenas.post(address(policy), sent | {"reference": ""})
    assert (changed.status_code, Launch.objects.count()) == (409, 2), "other values under the same key"
    clone = text(lenas.get(lenas.get(reverse("launch_clone", args=[launch.uid]))["Location"]))
    assert '<option value="yes" selected>' in clone
    assert re.search(r'name="deployment_replica_count" type="text" value="1"', clone)
    listed = text(lenas.get("/launches"))
    assert "reference of First" in listed
    choice = '<noscript><label class="choice"><input class="checkbox" type="checkbox" name="samplers" value="end">'
    asked = [lenas.get(f"/launches/{each.uid}").content.decode().count(choice) for each in (launch, reference)]
    assert asked == [2, 0], "without scripts Cancel and Delete of the policy ask about its sampler, too"


def test_the_page_shows_its_members_and_which_of_them_failed(
    lenas: Client, samplers: Samplers, policy: ShapeVersion, team: Account, lena: User
) -> None:
    launch = make_set(lena, team, policy, display_name="First")
    reference, deployment = Launch.objects.get(reference_of=launch), Deployment.objects.get()
    page = text(lenas.get(f"/launches/{launch.uid}"))
    assert f'hx-get="/launches/{launch.uid}/set"' in page and f"/launches/{launch.uid}/set?ask=cancel" in page
    assert "reference of" in text(lenas.get(f"/launches/{reference.uid}"))
    for uid in (launch.uid, reference.uid):
        for headers in ({}, {"HX-Request": "true"}):
            shown = text(lenas.get(f"/launches/{uid}/set", headers=headers))
            assert "8 GPUs in all" in shown
            for role, link in (("Policy", launch), ("Reference", reference), ("Sampler", deployment)):
                assert f'muted">{role}</span>' in shown and str(link) in shown
            assert "failed" not in shown
    asked = text(lenas.get(f"/launches/{launch.uid}/set?ask=delete"))
    assert "Deleted with it" in asked and 'value="end" form="delete-launch" checked' in asked
    assert "radio" not in text(lenas.get(f"/launches/{reference.uid}/set?ask=cancel"))
    see(reference, S.PENDING, S.CREATING, S.FAILED)
    samplers.rejects = "It will not."
    step()
    shown = text(lenas.get(f"/launches/{launch.uid}/set"))
    assert "The reference First (reference) failed. The policy goes on without it" in shown
    assert f"The sampler {deployment} failed." in shown
    assert members(launch)[0][0] == "QUEUED", "failing alone they fail no policy"
    alone = text(lenas.get(f"/launches/{create_alone(lena, team, policy).uid}"))
    assert "launch-set" not in alone


def create_alone(lena: User, team: Account, policy: ShapeVersion) -> Launch:
    return create_launch_set(actor=user_actor(lena), account=team, version=policy, inputs={}, idempotency_key="alone")


@pytest.mark.parametrize(
    ("changes", "samplers_say", "pools", "words"),
    [
        ({}, ("No engine.",), (), "Near: Its sampler: No engine."),
        ({"deployment_replica_count": "5"}, (), (), "Near: Its sampler: 5 are more than 4."),
        ({"trainer_slots": 1}, (), (), "two trainers, and one runs there at a time"),
        ({"sampler_slots": 1, "deployment_replica_count": "2"}, (), (), "1 sampler can run there at a time: ask for 1"),
        ({"runs_samplers": False}, (), (), "Near: It runs no samplers: ask for 0 deployment replicas."),
        ({}, (), (("NVIDIA_H100_80GB", 7),), "Together they need 8 GPUs of type NVIDIA_H100_80GB; it has 7."),
    ],
)
def test_one_that_can_never_be_held_is_refused_before_anything_is_created(
    lenas: Client,
    samplers: Samplers,
    policy: ShapeVersion,
    changes: dict[str, Any],
    samplers_say: tuple[str, ...],
    pools: tuple[tuple[str, int], ...],
    words: str,
) -> None:
    row = Connection.objects.get(name="near")
    engine = open_provider(row)
    assert isinstance(engine, ServingEngine)
    engine.capabilities = replace(RUNS, **{name: value for name, value in changes.items() if name not in BOTH})
    samplers.reasons = samplers_say
    if pools:
        row.capacity = {"gpus": [vars(GpuPool(kind, total, 0)) for kind, total in pools]}
        row.save()
    inputs = BOTH | {name: value for name, value in changes.items() if name in BOTH}
    told = text(lenas.post(address(policy, "launch_preview"), {"version": policy.version_id, **inputs}))
    assert words.removeprefix("Near: ") in told
    sent = {"version": policy.version_id, "idempotency_key": "k", "display_name": "First", **inputs}
    answer = lenas.post(address(policy), sent)
    assert answer.status_code == 422
    assert words in text(answer) and 'value="First"' in text(answer) and '<option value="yes" selected>' in text(answer)
    assert not Launch.objects.exists() and not Deployment.objects.exists()


def test_a_reference_is_of_a_full_parameter_policy_alone(
    lenas: Client, samplers: Samplers, policy: ShapeVersion, team: Account
) -> None:
    lora = make_version(
        shape=make_shape(base_model=policy.shape.base_model, account=team, shape_id="adapts"), context=2048, gpus=0
    )
    form = text(lenas.get(address(lora)))
    assert "A LoRA policy is its own reference" in form and 'name="reference"' not in form
    carried = text(lenas.get(f"{address(lora)}?reference=yes"))
    assert "A LoRA policy is its own reference" in carried, "what was filled in for another shape is told"
    sent = {"version": lora.version_id, "idempotency_key": "k", "reference": "yes"}
    refused = lenas.post(address(lora), sent)
    assert (refused.status_code, Launch.objects.count()) == (422, 0)
    assert "is neither yes nor empty" in text(
        lenas.post(address(policy), {"version": policy.version_id, "idempotency_key": "k", "reference": "maybe"})
    )
    ShapeVersion.objects.filter(shape__shape_id="forward").update(is_latest_validated=False)
    assert "with adapts (LoRA, rank 0, no GPU)" in text(lenas.get(address(policy)))
    assert lenas.post(address(policy), {"version": policy.version_id, "idempotency_key": "l", "reference": "yes"})
    reference = Launch.objects.get(reference_of__isnull=False)
    assert (reference.spec["trainer_mode"], reference.spec["lora_rank"]) == ("LORA_TRAINER", 0)
    ShapeVersion.objects.filter(shape__shape_id="adapts").update(is_latest_validated=False)
    gone = lenas.post(address(policy), {"version": policy.version_id, "idempotency_key": "m", "reference": "yes"})
    assert gone.status_code == 422 and "No forward-only and no LoRA shape" in text(gone)


@pytest.mark.parametrize("choice", ["end", "keep"])
def test_it_is_cancelled_resumed_and_deleted_as_one(
    lenas: Client, samplers: Samplers, policy: ShapeVersion, team: Account, lena: User, choice: str
) -> None:
    launch = make_set(lena, team, policy)
    reference = Launch.objects.get(reference_of=launch)
    step()
    samplers.say(UP)
    step()
    ends = choice == "end"

    def act(verb: str) -> None:
        answer = lenas.post(f"/launches/{launch.uid}/{verb}", {"samplers": choice})
        assert answer.status_code == 302, text(answer)

    def wanted() -> int:
        return Deployment.objects.get().replicas

    act("cancel")
    assert (members(launch)[0], wanted()) == (["CANCELLING", "CANCELLING"], 0 if ends else 1)
    step()
    assert members(launch)[1] == ["READY"]
    see(launch, S.CANCELLED)
    early = lenas.post(f"/launches/{launch.uid}/resume")
    assert early.status_code == 422 and "is still ending. Resume once it is over." in text(early)
    assert members(launch)[0] == ["CANCELLED", "CANCELLING"]
    see(reference, S.CANCELLED)
    again = lenas.post(f"/launches/{launch.uid}/cancel", {"samplers": choice})
    assert again.status_code == 422 and "nothing to cancel" in text(again)
    act("resume")
    assert (members(launch)[0], wanted()) == (["QUEUED", "QUEUED"], 1)
    Deployment.objects.update(state="FAILED")
    for each in (launch, reference):
        each.refresh_from_db()
        cancel_launch(actor=user_actor(lena), launch=each)
        see(each, S.CANCELLED)
    act("resume")
    assert members(launch)[1] == ["UPDATING"], "one that failed is tried again"
    act("delete")
    assert all(each.deleted_at for each in Launch.objects.all())
    assert members(launch)[1] == ["DELETING" if ends else "UPDATING"]


def test_it_ends_nobody_elses_sampler_and_is_ended_by_nobody_else(
    samplers: Samplers, policy: ShapeVersion, team: Account, lena: User, client: Client
) -> None:
    launch = make_set(lena, team, policy)
    other = make_member(account=team, role=Role.LAUNCHER)
    assert sign_in(client, other).post(f"/launches/{launch.uid}/delete").status_code == 403
    assert members(launch)[0] == ["QUEUED", "QUEUED"]
    Deployment.objects.update(owner=other)
    mine = sign_in(client, lena)
    assert "radio" not in text(mine.get(f"/launches/{launch.uid}/set?ask=cancel"))
    assert mine.post(f"/launches/{launch.uid}/cancel", {"samplers": "end"}).status_code == 302
    assert (members(launch)[0], Deployment.objects.get().replicas) == (["CANCELLING", "CANCELLING"], 1)


def test_a_policy_that_is_over_takes_its_reference_along_and_its_sampler_idles_to_0(
    samplers: Samplers, policy: ShapeVersion, team: Account, lena: User
) -> None:
    launch = make_set(lena, team, policy)
    reference, idle = Launch.objects.get(reference_of=launch), Observation(S.CANCELLED, "No call.", Reason.INACTIVE)
    step()
    samplers.say(idle)
    step()
    assert Deployment.objects.get().replicas == 1, "the least number, while somebody trains"
    see(launch, S.PENDING, S.CREATING, S.RUNNING)
    assert members(launch)[0] == ["RUNNING", "QUEUED"]
    see(launch, S.COMPLETED)
    assert members(launch)[0] == ["COMPLETED", "CANCELLING"]
    see(reference, S.CANCELLED)
    assert attempt_of(reference).reason == Reason.POLICY_OVER
    step()
    samplers.say(idle)
    step()
    row = Deployment.objects.get()
    assert (row.replicas, row.min_replicas, row.state) == (0, 1, "READY")


def test_what_breaks_between_two_members_leaves_none(
    samplers: Samplers, policy: ShapeVersion, team: Account, lena: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(**_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("deployments.domain.create_launch_set.create_deployment", die)
    with pytest.raises(KeyboardInterrupt):
        make_set(lena, team, policy)
    assert not Launch.objects.exists()
    monkeypatch.undo()


@pytest.mark.django_db(transaction=True)
def test_two_requests_at_once_make_one_set_and_a_cancel_meets_all_of_it(
    samplers: Samplers, policy: ShapeVersion, team: Account, lena: User
) -> None:
    made: list[Launch] = []
    together = threading.Barrier(4)

    def launch() -> None:
        together.wait()
        made.append(make_set(lena, team, policy))
        connection.close()

    run_all([launch] * 4)
    assert len({each.pk for each in made}) == 1
    assert (Launch.objects.count(), Deployment.objects.count()) == (2, 1)

    def start() -> None:
        for row in Deployment.objects.all():
            advance_deployment(row.pk)
        connection.close()

    def cancel() -> None:
        cancel_launch_set(actor=user_actor(lena), launch=made[0], end_samplers=True)
        connection.close()

    run_all([start, cancel, start])
    assert members(made[0])[0] == ["CANCELLING", "CANCELLING"]
    for _ in range(3):
        step()
    row = Deployment.objects.get()
    assert (row.state, row.replicas, row.running) == ("READY", 0, False)


def run_all(jobs: list[Any]) -> None:
    threads = [threading.Thread(target=job) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
