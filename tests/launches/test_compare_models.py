"""The page that shows models side by side."""

from __future__ import annotations

import re

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import Account
from launches.models import Launch
from tests.launches.makers import make_launch
from tests.makers import make_account, make_member, make_trained_model, sign_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def browser(local: Account) -> Client:
    return sign_in(Client(), make_member(account=local))


def lines(browser: Client, query: str) -> dict[str, list[str]]:
    """By the title of each line its values."""
    page = browser.get(f"/models/compare?{query}").text
    rows = re.findall(r'<th scope="row" title="([^"]*)">(.*?)</tr>', page, re.S)
    return {title: re.findall(r"<td[^>]*>(.*?)</td>", rest) for title, rest in rows}


def test_models_stand_side_by_side_with_their_launches_and_digests(browser: Client, local: Account) -> None:
    launch = make_launch(learning_rate="0.002")
    Launch.objects.filter(pk=launch.pk).update(last_loss=1.25)
    files = [{"path": "adapter_model.safetensors", "size_bytes": 5, "sha256": "ab" * 32}]
    noted = {"launch": launch.name, "launch_uid": str(launch.uid), "step": 20, "by": "lena"}
    make_trained_model(account=local, model_id="one", provenance=noted, files=files)
    make_trained_model(account=local, model_id="two", lora_rank=8)
    found = lines(browser, "model=one&model=accounts/local/models/two")
    assert found["What it is: LoRA rank"] == ["16", "8"]
    assert found["Launch: Learning rate"] == ["0.002", "the launch is gone"]
    assert found["Launch: Last loss"] == ["1.2500", "the launch is gone"]
    assert found["files: adapter_model.safetensors"] == ["ab" * 6, "a" * 12]
    assert found["What it is: Kind"] == ["Adapter", "Adapter"]
    only = lines(browser, "model=one&model=two&only=differences")
    assert "What it is: Kind" not in only
    assert "files: adapter_model.safetensors" in only


def test_what_cannot_be_shown_is_said(browser: Client, local: Account) -> None:
    make_trained_model(account=make_account(account_id="team-b"), model_id="theirs")
    for number in range(5):
        make_trained_model(account=local, model_id=f"m-{number}")
    page = browser.get("/models/compare?model=accounts/team-b/models/theirs&model=none&model=a/b").text
    assert page.count("names no model that you may see") == 3
    assert "No model chosen" in page
    page = browser.get("/models/compare?" + "&".join(f"model=m-{number}" for number in range(5))).text
    assert "1 more was left out" in page
    assert browser.get("/models").text.count('name="model" value="accounts/local/models/m-') == 5


def test_the_page_costs_the_same_however_many_are_compared(browser: Client, local: Account) -> None:
    def queries(*names: str) -> int:
        with CaptureQueriesContext(connection) as captured:
            browser.get("/models/compare?" + "&".join(f"model={name}" for name in names))
        return len(captured)

    for number in range(3):
        make_trained_model(account=local, model_id=f"m-{number}")
    assert queries("m-0", "m-1") == queries("m-0", "m-1", "m-2")
