"""The launch form through its URL: what it shows, what it refuses, and that it launches once."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from html import unescape
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import Account, Membership, User
from accounts.roles import Role
from catalog.fields.facts import shape_facts
from catalog.fields.launch_fields import common_fields
from catalog.models import ShapeVersion
from connections.providers.spec import TrainerMode
from launches.models import Launch
from tests.launches.makers import make_launch, make_tiny_version
from tests.makers import make_account, make_member, make_shape, make_user, make_version, sign_in

pytestmark = pytest.mark.django_db
FORM_QUERIES = 8  # session, user, memberships, version, models made, checkpoints, role, connections
HIDDEN = re.compile(r'<input type="hidden" name="(idempotency_key|version|account)" value="([^"]*)"')
SUBMIT = re.compile(r'<button class="btn btn-primary[^"]*" type="submit"( disabled|)>')
FIELD = re.compile(r'<(?:input|select) class="(?:input|select)" id="id_\w+" name="(\w+)"')


@pytest.fixture
def signed_in(client: Client, launcher: User) -> Client:
    return sign_in(client, launcher)


def form_url(version: ShapeVersion, name: str = "launch_new") -> str:
    return reverse(name, args=[version.shape.account.account_id, version.shape.shape_id])


def text(response: Any) -> str:
    return unescape(response.content.decode())


def hidden(response: Any) -> dict[str, str]:
    return dict(HIDDEN.findall(response.content.decode()))


def post(client: Client, version: ShapeVersion, **values: Any) -> HttpResponse:
    """Open the form and send it with the values."""
    opened = client.get(form_url(version))
    return client.post(form_url(version), hidden(opened) | values)  # type: ignore[return-value]


def test_a_default_that_cannot_be_used_is_told_and_can_be_replaced(signed_in: Client) -> None:
    fields = [
        replace(field, default="a\nb") if field.name == "display_name" else field
        for field in common_fields(TrainerMode.LORA_TRAINER)
    ]
    version = make_tiny_version(launch_fields=fields)  # as one may have been frozen before defaults were checked
    for address in (form_url(version), form_url(version, "launch_preview"), "/connect"):
        assert signed_in.get(address).status_code == 200, address
    refused = post(signed_in, version)
    assert refused.status_code == 422
    assert "It holds a control character, an invisible one or a line break. Remove it." in text(refused)
    assert post(signed_in, version, display_name="mine").status_code == 303


def test_it_shows_the_users_fields_and_the_shapes_facts(signed_in: Client) -> None:
    version = make_tiny_version()
    page = signed_in.get(form_url(version))
    assert page.status_code == 200
    assert FIELD.findall(text(page)) == [*(field.name for field in version.fields), "recipe"]
    for label in (*(fact.label for fact in shape_facts(version.frozen_snapshot)), "Version"):
        assert f"{label}<span" in text(page)
    assert version.digest[:16] in text(page)
    assert SUBMIT.findall(text(page)) == [""] and "in account <strong" in text(page)


@pytest.mark.parametrize(
    ("mode", "absent"),
    [(TrainerMode.POLICY_TRAINER, {"lora_rank"}), (TrainerMode.FORWARD_ONLY, {"lora_rank", "learning_rate"})],
)
def test_fields_without_meaning_for_the_mode_are_absent(signed_in: Client, mode: TrainerMode, absent: set[str]) -> None:
    page = signed_in.get(form_url(make_tiny_version(mode=mode)))
    assert not absent & set(FIELD.findall(text(page)))


def test_it_launches_and_goes_to_the_launch(signed_in: Client, launcher: User, local: Account) -> None:
    response = post(signed_in, make_tiny_version(), lora_rank="8", display_name="mine", recipe="none")
    launch = Launch.objects.get()
    assert response.status_code == 303
    assert response["Location"] == reverse("launch", args=[launch.uid])
    assert (launch.owner, launch.account, launch.state) == (launcher, local, "QUEUED")
    assert (launch.spec["lora_rank"], launch.spec["recipe"], launch.display_name) == (8, "none", "mine")


def test_what_the_api_makes_of_it_runs_no_recipe_and_the_tabs_say_so(signed_in: Client) -> None:
    version = make_tiny_version()
    for recipe, told in (("sample-sft", 2), ("none", 0)):
        shown = text(signed_in.get(form_url(version, "launch_preview"), {"recipe": recipe}))
        assert len(re.findall(r"data-no-recipe>.*?sample-sft", shown)) == told
        assert shown.count("The same trainer without the recipe") == told


def test_sent_twice_it_is_one_launch(signed_in: Client) -> None:
    version = make_tiny_version()
    data = hidden(signed_in.get(form_url(version))) | {"lora_rank": "8"}
    first, second = (signed_in.post(form_url(version), data) for _ in range(2))
    assert first.status_code == second.status_code == 303
    assert first["Location"] == second["Location"]
    assert Launch.objects.count() == 1


def test_the_same_form_with_other_values_points_to_the_launch_that_it_became(signed_in: Client) -> None:
    version = make_tiny_version()
    data = hidden(signed_in.get(form_url(version)))
    signed_in.post(form_url(version), data | {"lora_rank": "8"})
    second = signed_in.post(form_url(version), data | {"lora_rank": "16"})
    assert second.status_code == 409
    assert reverse("launch", args=[Launch.objects.get().uid]) in text(second)
    assert Launch.objects.count() == 1


def test_a_form_of_an_account_that_was_left_asks_first(signed_in: Client, launcher: User) -> None:
    other = make_account(account_id="zeta")
    Membership.objects.create(account=other, user=launcher, role=Role.LAUNCHER)
    version = make_tiny_version()
    hidden_before = hidden(signed_in.get(form_url(version)))
    data = hidden_before | {"lora_rank": "8", "display_name": "kept"}
    assert data["account"] == "local"
    signed_in.post(reverse("switch_account"), {"account": "zeta"})
    asked = signed_in.post(form_url(version), data)
    assert asked.status_code == 409
    assert (
        "This form was opened for account local; you now work in zeta. "
        "Switch back, or send it again to launch in zeta." in text(asked)
    )
    assert 'value="kept"' in text(asked)
    assert not Launch.objects.exists()
    assert hidden(asked) == hidden_before | {"account": "zeta"}
    assert signed_in.post(form_url(version), data | hidden(asked)).status_code == 303
    assert Launch.objects.get().account == other


def test_who_left_the_account_of_a_form_is_not_told_to_switch_back(signed_in: Client, launcher: User) -> None:
    version = make_tiny_version()
    asked = text(signed_in.post(form_url(version), hidden(signed_in.get(form_url(version))) | {"account": "zeta"}))
    assert "You are no member of that one: send it again to launch in local." in asked
    assert "Switch back" not in asked


def test_the_same_form_is_not_sent_in_two_accounts(signed_in: Client, launcher: User) -> None:
    other = make_account(account_id="zeta")
    Membership.objects.create(account=other, user=launcher, role=Role.LAUNCHER)
    version = make_tiny_version()
    data = hidden(signed_in.get(form_url(version)))
    signed_in.post(form_url(version), data)
    signed_in.post(reverse("switch_account"), {"account": "zeta"})
    second = signed_in.post(form_url(version), data | {"account": "zeta"})
    assert second.status_code == 409
    assert "was sent before in account local" in text(second)
    assert Launch.objects.count() == 1


def test_two_users_with_the_same_key_launch_twice(signed_in: Client, local: Account) -> None:
    version = make_tiny_version()
    data = hidden(signed_in.get(form_url(version)))
    colleague = sign_in(Client(), make_member(account=local, role=Role.LAUNCHER))
    for client in (signed_in, colleague):
        assert client.post(form_url(version), data).status_code == 303
    assert Launch.objects.count() == 2


def test_the_form_is_kept_out_of_caches(signed_in: Client) -> None:
    assert "no-store" in signed_in.get(form_url(make_tiny_version()))["Cache-Control"]


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("accelerator_type", "NVIDIA_H200_141GB", "owned by the shape"),
        ("accelerator_count", "8", "owned by the shape"),
        ("node_count", "2", "owned by the shape"),
        ("custom_image_tag", "latest", "owned by the shape"),
        ("deployment_shape", "x", "owned by the shape"),
        ("max_context_length", "1", "owned by the shape"),
        ("colour", "blue", "colour is not a field of this shape"),
        ("lora_rank", "129", "above the limit of 128"),
        ("learning_rate", "0", "below the limit of 1e-09"),
        ("learning_rate", "NaN", "is not a number"),
        ("learning_rate", "1e9", "above the limit of 1"),
        ("display_name", "x" * 64, "It has 64 characters; the limit is 63"),
        ("trainer_replica_count", "-1", "below the limit of 1"),
        ("deployment_replica_count", "99999", "above the limit of 64"),
        ("inactivity_timeout", "3h1s", "above the limit of 3h"),
        ("base_model", "accounts/other/models/m", "does not fit this shape"),
        ("recipe", "mine", "is not a recipe here"),
    ],
)
def test_a_wrong_value_is_refused_in_words_and_stays(signed_in: Client, name: str, value: str, sentence: str) -> None:
    response = post(signed_in, make_tiny_version(), **{"region": "kept", name: value})
    assert response.status_code == 422
    assert sentence in text(response)
    assert f'href="#id_{name}"' in text(response) or f"<code>{name}</code>" in text(response)
    assert 'value="kept"' in text(response)
    assert not Launch.objects.exists()


def test_errors_come_all_at_once(signed_in: Client) -> None:
    response = post(signed_in, make_tiny_version(), lora_rank="x", learning_rate="0", node_count="2", colour="blue")
    assert response.status_code == 422
    page = text(response)
    assert "4 values cannot be used" in page
    for entry in ('#id_lora_rank">LoRA rank<', '#id_learning_rate">Learning rate<', ">node_count<", ">colour<"):
        assert entry in page
    assert page.count('aria-invalid="true"') == 2


def test_lora_rank_on_a_policy_shape_is_refused(signed_in: Client) -> None:
    response = post(signed_in, make_tiny_version(mode=TrainerMode.POLICY_TRAINER), lora_rank="8")
    assert response.status_code == 422
    assert "needs a LoRA shape" in text(response)


def test_a_field_sent_twice_is_refused(signed_in: Client) -> None:
    response = post(signed_in, make_tiny_version(), lora_rank=["8", "16"])
    assert response.status_code == 422
    assert "lora_rank was sent 2 times ('8', '16'). Send it once." in text(response)
    assert not Launch.objects.exists()


def test_without_its_key_the_form_is_refused(signed_in: Client) -> None:
    response = signed_in.post(form_url(make_tiny_version()), {"lora_rank": "8"})
    assert response.status_code == 422
    assert "idempotency_key" in text(response)


def test_what_was_typed_is_escaped(signed_in: Client) -> None:
    response = post(signed_in, make_tiny_version(), display_name='"><script>alert(1)</script>' * 3, region="<b>")
    assert response.status_code == 422
    assert b"<script>alert" not in response.content
    assert b"<b>" not in response.content


def test_a_shape_that_nothing_can_run_says_why_and_is_not_launched(signed_in: Client) -> None:
    version = make_version(gpus=2)
    page = signed_in.get(form_url(version))
    assert "needs 2 GPUs a replica" in text(page)
    assert '"acceleratorCount": 2' in text(page)
    assert SUBMIT.findall(text(page)) == [" disabled"]
    response = signed_in.post(form_url(version), hidden(page))
    assert response.status_code == 422
    assert "No connection can run this." in text(response)
    assert not Launch.objects.exists()


def test_values_that_nothing_can_run_are_refused(signed_in: Client) -> None:
    response = post(signed_in, make_tiny_version(), trainer_replica_count="3")
    assert response.status_code == 422
    assert "asks for 3 trainer replicas" in text(response)
    assert SUBMIT.findall(text(response)) == [""]  # without scripts other values are tried by pressing it


def test_a_withdrawn_version_is_refused(signed_in: Client) -> None:
    version = make_tiny_version()
    data = hidden(signed_in.get(form_url(version)))
    ShapeVersion.objects.filter(pk=version.pk).update(withdrawn_at=timezone.now(), is_latest_validated=False)
    response = signed_in.post(form_url(version), data)
    assert response.status_code == 422
    assert "was withdrawn by its publisher" in text(response)


def test_the_form_stays_pinned_to_the_version_that_it_showed(signed_in: Client) -> None:
    old = make_tiny_version()
    data = hidden(signed_in.get(form_url(old)))
    new = make_version(shape=old.shape, gpus=0, context=4096)
    signed_in.post(form_url(old), data)
    assert Launch.objects.get().shape_version == old
    assert hidden(signed_in.get(form_url(old)))["version"] == new.version_id


def test_a_viewer_sees_the_form_locked_and_is_refused(client: Client, local: Account) -> None:
    sign_in(client, make_member(account=local, role=Role.VIEWER))
    version = make_tiny_version()
    page = client.get(form_url(version))
    assert "Your role in local is viewer" in text(page)
    assert re.search(r"<fieldset [^>]*disabled>", text(page))
    assert client.post(form_url(version), hidden(page)).status_code == 403
    assert not Launch.objects.exists()


def test_a_member_of_nothing_is_told_so(client: Client) -> None:
    sign_in(client, make_user())
    version = make_version()
    page = client.get(form_url(version))
    assert "You are a member of no account" in text(page)
    assert client.post(form_url(version), hidden(page)).status_code == 403
    assert not Launch.objects.exists()


@pytest.mark.parametrize("name", ["launch_new", "launch_preview"])
def test_a_stranger_does_not_learn_of_a_private_shape(client: Client, name: str) -> None:
    sign_in(client, make_member())
    version = make_tiny_version(account=make_account(), public=False)
    assert client.get(form_url(version, name)).status_code == 404
    assert client.post(form_url(version, name), {"version": version.version_id}).status_code == 404


@pytest.mark.parametrize("name", ["launch_new", "launch_preview"])
@pytest.mark.parametrize("wrong", ["\0", "abcd\0efg", "nosuchid", "x" * 300])
def test_a_version_that_is_none_is_not_there(signed_in: Client, name: str, wrong: str) -> None:
    url = form_url(make_tiny_version(), name)
    assert signed_in.get(url, {"version": wrong}).status_code == 404
    assert signed_in.post(url, {"version": wrong, "idempotency_key": "k"}).status_code == 404


def test_signed_out_it_asks_to_sign_in_and_comes_back(client: Client) -> None:
    url = form_url(make_tiny_version())
    response = client.get(url)
    assert response.status_code == 302
    assert response["Location"].endswith(f"?next={url}")


def test_a_post_without_the_csrf_token_is_refused(launcher: User) -> None:
    client = sign_in(Client(enforce_csrf_checks=True), launcher)
    assert client.post(form_url(make_tiny_version()), {}).status_code == 403


def test_the_preview_follows_what_is_typed(signed_in: Client) -> None:
    version = make_version(shape=make_shape(account=make_account()), gpus=2, nodes=2)
    data = {"idempotency_key": "k", "version": version.version_id, "trainer_replica_count": "3", "lora_rank": "64"}
    page = text(signed_in.post(form_url(version, "launch_preview"), data))
    assert "12 GPUs in all (2 a node x 2 nodes x 3 replicas)" in page
    assert '"loraRank": 64' in page
    assert "training_shape_ref=" in page
    assert "curl --fail-with-body -sS -X POST" in page
    assert "FIREWORKS_BASE_URL" in page and "FIREWORKS_API_KEY" in page
    assert not Launch.objects.exists()


def test_the_preview_shows_what_is_wrong(signed_in: Client) -> None:
    version = make_tiny_version()
    page = text(signed_in.post(form_url(version, "launch_preview"), {"version": version.version_id, "lora_rank": "x"}))
    assert "'x' is not a whole number" in page
    assert "request-json" not in page


def test_the_previewed_job_is_the_launched_one(signed_in: Client) -> None:
    version = make_tiny_version()
    page = signed_in.get(form_url(version))
    signed_in.post(form_url(version), hidden(page))
    assert f"rlorTrainerJobs/{Launch.objects.get().job_id}" in text(page)


def test_a_clone_is_prefilled_with_everything_and_pinned(signed_in: Client, launcher: User) -> None:
    version = make_tiny_version()
    launch = make_launch(
        owner=launcher, version=version, lora_rank="64", display_name="mine", recipe="none", inactivity_timeout="30m",
        trainer_replica_count="1", region="",
    )  # fmt: skip
    make_version(shape=version.shape, gpus=0)
    response = signed_in.get(reverse("launch_clone", args=[launch.uid]), follow=True)
    page = text(response)
    for value in ('value="64"', 'value="mine"', 'value="30m"', '<option value="none" selected>'):
        assert value in page
    assert hidden(response)["version"] == version.version_id


def test_a_clone_of_a_withdrawn_version_goes_to_the_latest(signed_in: Client, launcher: User) -> None:
    version = make_tiny_version()
    launch = make_launch(owner=launcher, version=version, lora_rank="64")
    newer = make_version(shape=version.shape, gpus=0)
    ShapeVersion.objects.filter(pk=version.pk).update(withdrawn_at=timezone.now())
    response = signed_in.get(reverse("launch_clone", args=[launch.uid]), follow=True)
    assert hidden(response)["version"] == newer.version_id
    assert "cannot be launched any more" in text(response)


def test_the_form_costs_the_same_number_of_queries_whatever_there_is(
    signed_in: Client, launcher: User, django_assert_num_queries: Callable[..., Any]
) -> None:
    version = make_tiny_version()
    signed_in.get(form_url(version))  # a process asks once which Slipway it is
    with django_assert_num_queries(FORM_QUERIES):
        signed_in.get(form_url(version))
    for _ in range(20):
        make_launch(owner=launcher, version=version)
    with django_assert_num_queries(FORM_QUERIES):
        signed_in.get(form_url(version))
