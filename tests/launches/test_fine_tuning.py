"""Recipes that train on a dataset, from the form and the API to what is recorded, and their runs as pages show them."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import Account, User
from accounts.roles import Role
from accounts.scopes import Scope
from catalog.enums import Architecture
from catalog.fields.launch_fields import newest_edition
from catalog.fields.narrowing import narrow
from catalog.models import BaseModel
from connections.kinds import CONTROL_PLANE
from connections.models import Connection, CookbookCheckout
from connections.providers.checkpoints import CheckpointKind
from connections.providers.evaluations import EvaluationRecord, RunPlan, Sample
from connections.providers.spec import NO_RECIPE, TrainerMode, TrainerSpec
from connections.providers.states import AttemptState
from connections.providers.telemetry import MetricPage
from connections.sealing import seal
from connections.states import ConnectionState
from datasets.models import TokenCount
from launches.domain.apply_report import apply_report
from launches.domain.claim_attempt import claim_attempt
from launches.models import Launch
from tests.api.makers import make_caller
from tests.connections.remote import make_connection
from tests.datasets.makers import lines, make_dataset
from tests.launches.makers import NOW, attempt_of, bring_to, make_launch, make_tiny_version, metric, seen
from tests.launches.weights import make_checkpoint
from tests.makers import make_member, sign_in

pytestmark = pytest.mark.django_db
CHAT_MODEL = "tiny-qwen3-chat"
PAIRS = lines(*({"prompt": f"{n}?", "chosen": "Yes.", "rejected": "No."} for n in range(20)))
CHATS = lines(
    *(
        {"messages": [{"role": "user", "content": f"{n}?"}, {"role": "assistant", "content": f"{n}."}]}
        for n in range(20)
    )
)


@pytest.fixture
def signed_in(client: Client, launcher: User) -> Client:
    return sign_in(client, launcher)


def text(response: Any) -> str:
    return " ".join(unescape(response.content.decode()).split())


def form(version: Any, name: str = "launch_new") -> str:
    return reverse(name, args=[version.shape.account.account_id, version.shape.shape_id])


def test_the_form_shows_the_fields_of_the_recipe_and_launches_it(
    signed_in: Client, local: Account, launcher: User
) -> None:
    version, chats = (
        make_tiny_version(model_id=CHAT_MODEL),
        make_dataset(account=local, owner=launcher, data=CHATS, dataset_id="chats"),
    )
    make_dataset(account=local, owner=launcher, data=PAIRS, dataset_id="pairs")
    assert "recipe.epochs" not in text(signed_in.get(form(version)))
    asked = {"recipe": "sft", "shown_recipe": "sample-sft", "recipe.epochs": "4"}
    swapped = text(signed_in.post(form(version, "launch_preview"), asked))
    assert (
        'id="recipe-fields" hx-swap-oob' in swapped and "chats (chat, 20 rows)" in swapped and "pairs (" not in swapped
    )
    assert "Stanford Alpaca (2023) trains its 52,000 rows for 3 epochs." in swapped
    kept = text(signed_in.post(form(version, "launch_preview"), asked | {"shown_recipe": "sft"}))
    assert 'id="recipe-fields"' not in kept, "what somebody types in is not replaced"

    posted = {
        "recipe": "sft",
        "dataset": chats.name,
        "recipe.epochs": "4",
        "recipe.batch_rows": "5",
        "version": version.version_id,
    }
    outlook = text(signed_in.post(form(version, "launch_preview"), posted))
    assert "16 steps</strong>, 4 an epoch; 1 row held out to measure; 1 checkpoint, of a size" in outlook
    assert "Tokens: not counted." in outlook
    assert signed_in.post(form(version), posted | {"idempotency_key": "k1"}).status_code == 303
    spec = TrainerSpec.from_json(Launch.objects.get().spec)
    assert spec.dataset is not None and spec.recipe_parameters is not None
    assert (spec.recipe, spec.dataset.name, spec.dataset.rows) == ("sft", chats.name, 20)
    assert (spec.dataset.file, spec.dataset.sha256) == (f"{chats.uid.hex}.jsonl", chats.sha256)
    assert [spec.recipe_parameters[name] for name in ("epochs", "batch_rows", "schedule")] == [4, 5, "cosine"]
    Launch.objects.update(state=AttemptState.COMPLETED, plan={"steps": 16}, run_seconds=8, last_step=16)
    told = text(signed_in.post(form(version, "launch_preview"), posted | {"recipe.epochs": "8"}))
    assert "About 16s, judged by 1 earlier run from this version." in told
    continued = Launch.objects.get().spec | {"continue_step": 1000}
    Launch.objects.update(spec=continued, last_step=1016)
    assert told == text(signed_in.post(form(version, "launch_preview"), posted | {"recipe.epochs": "8"}))
    Launch.objects.update(last_step=1000)  # it had none to do
    assert "judged by" not in text(signed_in.post(form(version, "launch_preview"), posted))
    Launch.objects.update(spec=continued | {"continue_step": None}, last_step=16)
    cloned = text(signed_in.get(signed_in.get(reverse("launch_clone", args=[Launch.objects.get().uid]))["Location"]))
    assert f'value="{chats.name}" selected' in cloned and 'name="recipe.epochs" type="text" value="4"' in cloned


def test_all_that_is_wrong_is_refused_at_once_by_form_and_api(
    signed_in: Client, local: Account, launcher: User
) -> None:
    version, chats = (
        make_tiny_version(model_id=CHAT_MODEL),
        make_dataset(account=local, owner=launcher, data=CHATS, dataset_id="chats"),
    )
    pairs = make_dataset(account=local, owner=launcher, data=PAIRS, dataset_id="pairs")
    theirs = make_dataset(data=PAIRS, dataset_id="theirs")
    wrong = {"beta": "0", "schedule": "steep", "packing": "yes"}
    sentences = {
        "dataset": f"{chats.name} has chat rows, and recipe dpo trains on preference rows. Use {pairs.name}, or",
        "recipe.beta": "0 is below the limit of 0.001. Use 0.001 to 10.",
        "recipe.schedule": "'steep' is not a choice. Use one of cosine, linear, constant.",
        "recipe.packing": "'packing' is no parameter of recipe dpo",
        "lora_rank": "999 is above the limit of 128",
    }
    inputs = {"recipe": "dpo", "dataset": chats.name, "lora_rank": "999"} | {f"recipe.{k}": v for k, v in wrong.items()}
    answer = signed_in.post(form(version), inputs | {"idempotency_key": "k", "version": version.version_id})
    assert answer.status_code == 422 and all(sentence in text(answer) for sentence in sentences.values())
    assert 'name="recipe.beta" type="text" value="0"' in text(answer), "what was typed stays"

    caller = make_caller(account=local, user=launcher, scope=Scope.LAUNCH)
    jobs = f"/v1/accounts/local/rlorTrainerJobs?trainingShape={version.shape.name}"
    body = {"dataset": chats.name, "recipe": {"name": "dpo"} | wrong, "trainingConfig": {"loraRank": 999}}
    status, refused = caller.post(jobs, body)
    told = {v["field"]: v["description"] for v in refused["details"][1]["fieldViolations"]}
    assert status == 400 and set(told) == {*sentences, "trainingConfig.loraRank"} - {"lora_rank"}
    assert told["recipe.beta"] == sentences["recipe.beta"]

    body = {"dataset": theirs.name, "recipe": {"name": "dpo"}}
    assert "is no dataset of this account that is ready" in str(caller.post(jobs, body)[1])
    assert "where no recipe is named" in str(caller.post(jobs, {"dataset": pairs.name})[1])
    body = {"dataset": "pairs", "recipe": {"name": "dpo", "epochs": 2, "batch_rows": 5}}
    status, checked = caller.post(f"{jobs}&validateOnly=true", body)
    wanted = {"steps": 8, "stepsPerEpoch": 4, "heldOutRows": 1, "checkpoints": 1}
    unknown = dict.fromkeys(("tokensPerEpoch", "longestRowTokens", "cutRows", "checkpointBytes"))
    assert checked["run"] == wanted | {"estimatedSeconds": [], "exact": True} | unknown
    status, made = caller.post(jobs, body)
    assert status == 200 and made["dataset"] == pairs.name and made["recipe"]["beta"] == 0.1
    assert caller.post(jobs, {"recipe": {"name": "orpo"}})[0] == 400, "it names no dataset"


def test_what_is_trained_on_measures_nothing_and_a_recipe_that_measures_nothing_asks_for_none(
    signed_in: Client, local: Account, launcher: User
) -> None:
    CookbookCheckout.objects.create(name="official", path="/nowhere", commit="0" * 40, sdk="1.2.24")
    version, caller = make_tiny_version(), make_caller(account=local, user=launcher, scope=Scope.LAUNCH)
    jobs = f"/v1/accounts/local/rlorTrainerJobs?trainingShape={version.shape.name}&validateOnly=true"
    for name, data in (("pairs", PAIRS), ("again", PAIRS), ("others", PAIRS * 2)):
        make_dataset(account=local, owner=launcher, data=data, dataset_id=name)

    def refused(recipe: str, measured: str) -> str:
        posted = {"recipe": recipe, "dataset": "pairs", "evaluation_dataset": measured, "version": version.version_id}
        body = {"dataset": "pairs", "evaluationDataset": measured, "recipe": {"name": recipe}}
        (told,) = caller.post(jobs, body)[1]["details"][1]["fieldViolations"]
        assert told["field"] == "evaluationDataset"
        answer = signed_in.post(form(version), posted | {"idempotency_key": "k"})
        assert answer.status_code == 422 and told["description"] in text(answer)
        if recipe == "dpo":
            assert told["description"] in text(signed_in.post(form(version, "launch_preview"), posted))
        return str(told["description"])

    assert "pairs is the dataset that is trained on" in refused("dpo", "pairs")
    assert "again is the same file as accounts/local/datasets/pairs" in refused("dpo", "again")
    assert refused("official/dpo_loop", "others").startswith("Recipe official/dpo_loop measures no second dataset.")
    shown = {name: text(signed_in.get(form(version) + f"?recipe=official/{name}_loop")) for name in ("sft", "dpo")}
    assert 'name="dataset"' in shown["dpo"] and 'name="evaluation_dataset"' not in shown["dpo"]
    assert 'name="evaluation_dataset"' in shown["sft"]


def test_the_recipes_field_says_what_cannot_be_had_where_it_goes(signed_in: Client, local: Account) -> None:
    config = {"url": "https://there.example", "accounts": "local=local"}
    make_connection(name="there", kind=CONTROL_PLANE, config=config, secret=seal("a key"))
    lora, full = make_tiny_version(), make_tiny_version(mode=TrainerMode.POLICY_TRAINER)

    def hint(version: Any, where: str) -> str:
        return text(signed_in.get(f"{form(version)}?connection={where}"))

    theirs = "The trainer there is not Slipway's own: recipes drive it from this machine, and write no samples."
    assert f"once it runs. {theirs}<" in hint(lora, "there")
    assert f"once it runs. {theirs} dpo needs a LoRA shape there.<" in hint(full, "there")
    assert theirs not in hint(lora, "local")
    Connection.objects.filter(name="local").update(state=ConnectionState.RETIRED, retired_at=timezone.now())
    nowhere = "would drive it from this machine, where no connection lets anything run."
    assert nowhere in hint(lora, "there") and ">dpo" not in hint(lora, "there")
    refused = text(signed_in.post(form(lora), {"recipe": "dpo", "version": lora.version_id, "idempotency_key": "k"}))
    assert f"'dpo' is not a recipe here. Use none. Slipway's own recipes {nowhere}" in refused


def test_what_the_version_narrows_is_the_limit_of_form_api_and_record(
    signed_in: Client, local: Account, launcher: User
) -> None:
    changes: dict[str, Any] = {"recipe.epochs": {"maximum": 2}, "recipe.schedule": {"choices": ["linear", "constant"]}}
    fields = narrow(TrainerMode.LORA_TRAINER, newest_edition(), changes).fields
    version = make_tiny_version(model_id=CHAT_MODEL, launch_fields=fields)
    make_dataset(account=local, owner=launcher, data=CHATS, dataset_id="chats")
    posted = {"recipe": "sft", "dataset": "chats", "version": version.version_id, "idempotency_key": "k"}
    shown = text(signed_in.get(form(version) + "?recipe=sft"))
    assert "Default 2: this shape version." in shown and "1 to 2" in shown and ">cosine<" not in shown
    refused = signed_in.post(form(version), posted | {"recipe.epochs": "3", "lora_rank": "999"})
    assert (
        refused.status_code == 422 and "3 is above the limit of 2" in text(refused) and "999 is above" in text(refused)
    )
    caller = make_caller(account=local, user=launcher, scope=Scope.LAUNCH)
    jobs = f"/v1/accounts/local/rlorTrainerJobs?trainingShape={version.shape.name}&validateOnly=true"
    status, answer = caller.post(
        jobs, {"dataset": "chats", "recipe": {"name": "sft", "epochs": 3, "schedule": "cosine"}}
    )
    told = {v["field"]: v["description"] for v in answer["details"][1]["fieldViolations"]}
    assert status == 400 and told["recipe.epochs"].startswith("3 is above the limit of 2")
    assert set(told) == {"recipe.epochs", "recipe.schedule"}
    assert signed_in.post(form(version), posted).status_code == 303
    parameters = Launch.objects.get().spec["recipe_parameters"]
    assert (parameters["epochs"], parameters["schedule"], parameters["warmup"]) == (2, "linear", 3)


def test_a_dataset_says_which_launches_were_given_it(signed_in: Client, local: Account, launcher: User) -> None:
    version = make_tiny_version(model_id=CHAT_MODEL)
    chats = make_dataset(account=local, owner=launcher, data=CHATS, dataset_id="chats")
    other = make_dataset(account=local, owner=launcher, data=CHATS * 2, dataset_id="other")

    def launched(name: str, **given: str) -> Launch:
        return make_launch(owner=launcher, version=version, recipe="sft", display_name=name, **given)  # type: ignore[arg-type]

    trained, measured_by = launched("on", dataset="chats"), launched("by", dataset="other", evaluation_dataset="chats")
    launched("neither", dataset="other")
    url = reverse("dataset_launches", args=[chats.uid])
    page, part = text(signed_in.get(url)), text(signed_in.get(url, headers={"HX-Request": "true"}))
    assert url in text(signed_in.get(reverse("dataset", args=[chats.uid])))
    assert url in text(signed_in.get(reverse("dataset_delete", args=[chats.uid])))
    for launch in (trained, measured_by):
        assert str(launch.uid) in page and str(launch.uid) in part
    assert "neither" not in page and "neither" in text(signed_in.get(reverse("dataset_launches", args=[other.uid])))
    stranger = sign_in(Client(), make_member())
    assert stranger.get(url).status_code == 404


def test_a_dataset_leads_to_the_form_of_a_shape_that_takes_it(
    signed_in: Client, local: Account, launcher: User
) -> None:
    make_tiny_version()
    version = make_tiny_version(model_id=CHAT_MODEL)
    chats = make_dataset(account=local, owner=launcher, data=CHATS, dataset_id="chats")
    url = reverse("dataset_launches", args=[chats.uid])
    page = text(signed_in.get(f"{url}?forms=1", headers={"HX-Request": "true"}))
    (address,) = re.findall(r'href="(/shapes/[^"]*)"', page)
    assert address.startswith(form(version))
    opened = text(signed_in.get(address))
    assert (
        f'<option value="{chats.name}" selected>' in opened and "steps" in opened and 'id="form-errors"' not in opened
    )
    viewer = make_member(account=local, role=Role.VIEWER)
    assert form(version) not in text(sign_in(Client(), viewer).get(f"{url}?forms=1"))


def test_conversations_are_refused_where_the_base_model_has_no_template(
    signed_in: Client, local: Account, launcher: User
) -> None:
    version, chats = make_tiny_version(), make_dataset(account=local, owner=launcher, data=CHATS, dataset_id="chats")
    posted = {"recipe": "sft", "dataset": "chats", "version": version.version_id}
    words = f"{chats.name} has conversations, and {version.shape.base_model.name} has no chat template"
    assert words in text(signed_in.post(form(version, "launch_preview"), posted))
    refused = signed_in.post(form(version), posted | {"idempotency_key": "k"})
    assert refused.status_code == 422 and "Use a base model that has one, or rows with prompt" in text(refused)


def test_what_a_run_will_take_is_the_same_for_form_and_api(signed_in: Client, local: Account, launcher: User) -> None:
    version, chats = (
        make_tiny_version(model_id=CHAT_MODEL),
        make_dataset(account=local, owner=launcher, data=CHATS, dataset_id="chats"),
    )
    make_dataset(account=local, owner=launcher, data=CHATS * 2, dataset_id="others")
    posted = {"recipe": "sft", "dataset": "chats", "evaluation_dataset": "others", "recipe.batch_tokens": "6000"}
    posted |= {"version": version.version_id, "recipe.epochs": "2", "idempotency_key": "k"}
    unknown = text(signed_in.post(form(version, "launch_preview"), posted))
    assert "At most <strong" in unknown and ">40 steps<" in unknown and "not counted" in unknown
    shape = version.shape.base_model
    counts = [0] * 11 + [17, 3]  # 17 rows of 1,024 to 2,047 tokens, 3 of up to 4,095
    TokenCount.objects.create(
        dataset=chats, base_model=shape.name, connection=Connection.objects.get(), finished_at=NOW,
        lengths={"counts": counts, "total": 30_000, "longest": 3000},
    )  # fmt: skip
    counted = text(signed_in.post(form(version, "launch_preview"), posted))
    assert "About <strong" in counted and ">10 steps<" in counted and "held out to measure" not in counted
    assert "At most 30,000 tokens an epoch; the longest row has 3,000." in counted
    assert ">3 rows</strong> are longer than the context of 2,048 tokens, and cut" in counted

    assert signed_in.post(form(version), posted).status_code == 303
    launch = Launch.objects.get()
    assert launch.spec["evaluation"]["name"].endswith("/others")
    make_checkpoint(launch, kind=CheckpointKind.TRAINING, size_bytes=3000)
    make_checkpoint(launch, kind=CheckpointKind.SAMPLER, size_bytes=1000)
    caller = make_caller(account=local, user=launcher, scope=Scope.LAUNCH)
    jobs = f"/v1/accounts/local/rlorTrainerJobs?trainingShape={version.shape.name}&validateOnly=true"
    body = {"dataset": "chats", "evaluationDataset": "others", "recipe": {"name": "sft", "epochs": 2}}
    body["recipe"] |= {"batch_tokens": 6000}  # type: ignore[operator]
    run = caller.post(jobs, body)[1]["run"]
    told = [run[name] for name in ("steps", "heldOutRows", "tokensPerEpoch", "cutRows", "checkpointBytes", "exact")]
    assert told == [10, 0, "30000", 3, "4000", False]
    refused = caller.post(jobs, body | {"evaluationDataset": "nowhere"})[1]
    assert refused["details"][1]["fieldViolations"][0]["field"] == "evaluationDataset"


def measured(number: int, step: int, loss: float) -> EvaluationRecord:
    answer = f"after {step} <b>steps</b>"
    return EvaluationRecord(number, step, loss, (Sample("Where?", "Here.", answer),), NOW + timedelta(seconds=number))


def test_the_page_shows_the_run_its_samples_and_the_best_weights(
    signed_in: Client, local: Account, launcher: User
) -> None:
    make_dataset(account=local, owner=launcher, data=CHATS, dataset_id="chats")
    launch = make_launch(owner=launcher, version=make_tiny_version(model_id=CHAT_MODEL), recipe="sft", dataset="chats")
    page = reverse("launch", args=[launch.uid])
    assert "evaluations-title" not in text(signed_in.get(page))
    plan = RunPlan(1, 40, 10, 20, 4, 1, 2, 5000)
    steps = tuple(metric(number + 2) for number in range(3))
    page_of_records = MetricPage(steps, 1, (), (measured(2, 0, 3.0), measured(5, 4, 1.5), measured(6, 5, 2.0)), plan)
    report = seen(AttemptState.RUNNING)
    claim = claim_attempt(attempt_of(launch).pk, now=timezone.now())
    assert claim is not None
    told = replace(
        report, metrics=page_of_records.records, metrics_offset=1, evaluations=page_of_records.evaluations, plan=plan
    )
    apply_report(claim, told, now=timezone.now())
    for step in (4, 5):
        make_checkpoint(launch, name=f"step-{step}", step=step)
    shown = text(signed_in.get(page))
    assert "of 40 · 36s left" in shown, "a step a second"
    assert "2 rows were longer than the context of 2,048 tokens" in shown and "1 row had no token to learn" in shown
    assert "Before training" in shown and "after 5 &lt;b&gt;steps" in signed_in.get(page).content.decode()
    assert reverse("checkpoint_promote", args=[launch.uid, "step-4"]) in shown.split("Keep the best")[0]
    answer = signed_in.get(reverse("launch_metrics", args=[launch.uid])).json()
    assert answer["evaluations"] == {"0": 3.0, "4": 1.5, "5": 2.0} and len(answer["records"]) == 3


def test_what_ran_to_its_end_is_extended_and_nothing_else(signed_in: Client, launcher: User) -> None:
    launch = make_launch(owner=launcher, recipe="sample-sft")
    address = reverse("launch_extend", args=[launch.uid])
    assert "Only a recipe that has run to its end is extended" in text(signed_in.post(address, {"steps": "5"}))
    bring_to(launch, AttemptState.COMPLETED)
    refused = signed_in.post(address, {"steps": "0"})
    assert refused.status_code == 422 and "Use a whole number from 1 to 1,000,000." in text(refused)
    assert signed_in.post(address, {"steps": "5"}).status_code == 302
    launch.refresh_from_db()
    assert (launch.state, launch.attempt_count, launch.spec["extra_steps"]) == (AttemptState.QUEUED, 2, 5)
    assert launch.events.order_by("-sequence").first().message == "Extended by 5 steps: attempt 2"  # type: ignore[union-attr]
    own = make_launch(owner=launcher, recipe=NO_RECIPE)
    bring_to(own, AttemptState.COMPLETED)
    assert signed_in.post(reverse("launch_extend", args=[own.uid]), {"steps": "5"}).status_code == 422


def test_an_adapter_of_a_mixture_leaves_its_experts_alone(signed_in: Client, local: Account, launcher: User) -> None:
    version = make_tiny_version(model_id=CHAT_MODEL)
    BaseModel.objects.filter(pk=version.shape.base_model.pk).update(architecture=Architecture.MOE)
    chats = make_dataset(account=local, owner=launcher, data=CHATS, dataset_id="chats")
    posted = {"recipe": "sft", "dataset": chats.name, "version": version.version_id}
    shown = text(signed_in.post(form(version, "launch_preview"), posted | {"shown_recipe": "sample-sft"}))
    assert '<option value="attention" selected' in shown and "the base model is a mixture of experts" in shown
    all_layers = posted | {"recipe.adapted": "all", "idempotency_key": "k0"}
    answer = signed_in.post(form(version), all_layers)
    assert answer.status_code == 422 and "Use attention, or a shape that trains all parameters." in text(answer)
    assert '<option value="all" selected' in text(answer), "what was chosen stays"

    caller = make_caller(account=local, user=launcher, scope=Scope.LAUNCH)
    jobs = f"/v1/accounts/local/rlorTrainerJobs?trainingShape={version.shape.name}"
    asked: dict[str, Any] = {"dataset": chats.name, "recipe": {"name": "sft", "adapted": "all"}}
    status, refused = caller.post(jobs, asked)
    (violation,) = refused["details"][1]["fieldViolations"]
    assert status == 400 and violation["field"] == "recipe.adapted"
    status, made = caller.post(jobs, asked | {"recipe": {"name": "sft"}})
    assert status == 200 and made["recipe"]["adapted"] == "attention", "it is on record"
    BaseModel.objects.update(architecture=Architecture.DENSE)
    assert caller.post(jobs, asked)[1]["recipe"]["adapted"] == "all"
    policy = make_tiny_version(model_id=CHAT_MODEL, mode=TrainerMode.POLICY_TRAINER)
    assert "recipe.adapted" not in text(signed_in.post(form(policy, "launch_preview"), posted | {"shown_recipe": ""}))
