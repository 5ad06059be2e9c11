"""Links of the launch form: what was filled in comes along, and what could not is told."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from django.test import Client
from django.urls import reverse

from accounts.actors import SYSTEM
from accounts.models import Membership, User
from accounts.roles import Role
from catalog.domain.deprecate_version import deprecate_version
from catalog.domain.withdraw_version import withdraw_version
from catalog.fields.launch_fields import common_fields
from connections.providers.spec import TrainerMode
from launches.models import Launch
from tests.launches.makers import make_launch, make_tiny_version
from tests.launches.test_form_page import form_url, hidden, text
from tests.makers import make_account, make_version, sign_in

pytestmark = pytest.mark.django_db
FILLED = {"lora_rank": "64", "recipe": "none", "display_name": "mine & yours", "region": ""}


@pytest.fixture
def browser(client: Client, launcher: User) -> Client:
    return sign_in(client, launcher)


def link(response: Any, words: str) -> str:
    """Where the link with these words leads."""
    found = re.search(rf'<a class="link" href="([^"]+)"[^>]*>{re.escape(words)}</a>', text(response))
    assert found, f"there is no link {words!r}"
    return found[1]


def filled_in(page: str) -> dict[str, str]:
    """What stands in the fields that were filled in."""
    inputs = dict(re.findall(r'<input class="input" id="id_\w+" name="(\w+)" type="text" value="([^"]*)"', page))
    chosen = re.findall(
        r'name="(\w+)" data-default[^>]*>\s*(?:<option[^>]*>[^<]*</option>)*?<option value="([^"]*)" sel', page
    )
    return {name: value for name, value in (inputs | dict(chosen)).items() if name in FILLED}


def test_a_new_form_has_a_new_key_and_what_was_typed(browser: Client) -> None:
    version = make_tiny_version()
    form = hidden(browser.get(form_url(version)))
    browser.post(form_url(version), form | {"lora_rank": "8"})
    for rank in ("64", "66"):  # the second as after Back and another change
        typed = FILLED | {"lora_rank": rank}
        refused = browser.post(form_url(version), form | typed)
        assert refused.status_code == 409
        opened = browser.get(link(refused, "Open a new form"))
        assert filled_in(text(opened)) == typed
        form = hidden(opened)
        assert browser.post(form_url(version), form | typed).status_code == 303
    assert Launch.objects.count() == 3


def test_a_new_form_stays_pinned(browser: Client) -> None:
    old = make_tiny_version()
    make_version(shape=old.shape, gpus=0)
    form = hidden(browser.get(form_url(old), {"version": old.version_id}))
    browser.post(form_url(old), form)
    refused = browser.post(form_url(old), form | {"lora_rank": "8"})
    assert hidden(browser.get(link(refused, "Open a new form")))["version"] == old.version_id


def test_the_latest_version_and_the_successor_are_opened_with_what_was_filled_in(browser: Client) -> None:
    old, successor = make_tiny_version(), make_tiny_version()
    deprecate_version(actor=SYSTEM, version=old, message="Old.", successor=successor.shape)
    latest = make_version(shape=old.shape, gpus=0)
    page = browser.post(
        form_url(old),
        hidden(browser.get(form_url(old), {"version": old.version_id})) | FILLED | {"inactivity_timeout": "x"},
    )
    for words, version in (
        ("Use the latest one", latest),
        (f"Launch {successor.shape.shape_id} instead", successor),
    ):
        opened = browser.get(link(page, words))
        assert hidden(opened)["version"] == version.version_id
        assert filled_in(text(opened)) == FILLED
        assert "What you had filled in was carried over. Not all of it can be used here:" in text(opened)
        assert "'x' is not a duration" in text(opened)


def test_a_clone_is_carried_on(browser: Client, launcher: User) -> None:
    old = make_tiny_version()
    launch = make_launch(owner=launcher, version=old, lora_rank="64", recipe="none", display_name="mine & yours")
    make_version(shape=old.shape, gpus=0)
    page = browser.get(f"/launches/{launch.uid}/clone", follow=True)
    assert filled_in(text(browser.get(link(page, "Use the latest one")))) == FILLED


def test_defaults_are_left_to_the_other_form(browser: Client) -> None:
    old = make_tiny_version()
    fields = [
        replace(field, default=8) if field.name == "lora_rank" else field
        for field in common_fields(TrainerMode.LORA_TRAINER)
    ]
    latest = make_version(shape=old.shape, gpus=0, launch_fields=fields)
    page = browser.get(form_url(old), {"version": old.version_id, "display_name": "mine"})
    address = link(page, "Use the latest one")
    assert dict(parse_qsl(urlsplit(address).query)) == {"display_name": "mine"}
    opened = text(browser.get(address))
    assert 'name="lora_rank" type="text" value="8"' in opened
    assert latest.version_id in opened


def test_what_the_other_form_has_no_field_for_is_told_and_left_out(browser: Client) -> None:
    policy = make_tiny_version(mode=TrainerMode.POLICY_TRAINER)
    page = browser.get(form_url(policy), {"lora_rank": "64", "display_name": "kept", "colour": "blue"})
    assert "LoRA rank: LoRA rank '64' needs a LoRA shape" in text(page)
    assert "colour" not in text(page)
    assert 'value="kept"' in text(page)
    assert '"loraRank": 0' in text(page), "what is left can be launched"
    assert "lora_rank" not in link_of_the_menu(page)


def test_a_recipe_that_nothing_offers_is_told(browser: Client) -> None:
    page = text(browser.get(form_url(make_version(gpus=2)), {"recipe": "sample-sft"}))
    assert "Recipe: It is left out. No connection can run this. This machine: " in page


def test_what_an_address_cannot_take_is_told(browser: Client) -> None:
    version = make_tiny_version()
    long = "x" * 301
    form = hidden(browser.get(form_url(version)))
    browser.post(form_url(version), form)
    address = link_of_the_menu(browser.post(form_url(version), form | {"display_name": long, "lora_rank": "8"}))
    assert len(address) < 200
    opened = text(browser.get(address))
    assert "Display name</a>: What stood there has more than 300 characters" in opened
    assert 'name="lora_rank" type="text" value="8"' in opened


@pytest.mark.parametrize(
    "hostile", ["lora_rank=1&lora_rank=2", "lora_rank=%00", "left=%00&left=colour", "display_name=%F0%9F"]
)
def test_a_hostile_address_opens_a_form(browser: Client, hostile: str) -> None:
    assert browser.get(f"{form_url(make_tiny_version())}?{hostile}").status_code == 200


def link_of_the_menu(response: Any) -> str:
    """Where the menu of accounts comes back to."""
    found = re.search(r'name="next" value="([^"]*)"', text(response))
    assert found
    return found[1]


def test_switching_the_account_comes_back_to_what_was_filled_in(browser: Client, launcher: User) -> None:
    Membership.objects.create(account=make_account(account_id="zeta"), user=launcher, role=Role.LAUNCHER)
    version = make_tiny_version()
    form = hidden(browser.get(form_url(version)))
    refused = browser.post(form_url(version), form | FILLED | {"inactivity_timeout": "x"})
    back = browser.post(reverse("switch_account"), {"account": "zeta", "next": link_of_the_menu(refused)}, follow=True)
    assert hidden(back)["account"] == "zeta"
    assert filled_in(text(back)) == FILLED


def test_what_is_said_of_a_clones_version_is_true(browser: Client, launcher: User) -> None:
    old = make_tiny_version()
    launch = make_launch(owner=launcher, version=old)
    make_version(shape=old.shape, gpus=0)
    superseded = text(browser.get(form_url(old), {"clone": str(launch.uid)}))
    assert "can still be launched" in superseded
    assert "cannot be launched any more" not in superseded
    withdraw_version(actor=SYSTEM, version=old)
    assert "cannot be launched any more" in text(browser.get(form_url(old), {"clone": str(launch.uid)}))
    other = text(browser.get(form_url(make_tiny_version()), {"clone": str(launch.uid)}))
    assert f"a launch of another shape, {old.shape.shape_id}" in other
