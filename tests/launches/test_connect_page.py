"""The page Connect: what it names, for whom, and that its code is code. tests/e2e/test_connect.py runs it as pasted."""

from __future__ import annotations

import ast

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django.fixtures import Settings

from accounts.models import Account
from accounts.requests import NO_ACCOUNT
from accounts.roles import Role
from connections.providers.spec import TrainerMode
from proofs.desk import code
from tests.launches.makers import make_tiny_version
from tests.makers import make_account, make_member, make_shape, make_user, make_version, sign_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def reader(client: Client, local: Account) -> Client:
    return sign_in(client, make_member(account=local, role=Role.LAUNCHER))


def page(client: Client) -> str:
    return client.get("/connect").content.decode()


def test_it_names_the_address_and_where_keys_are_made(reader: Client, settings: Settings) -> None:
    settings.SLIPWAY_URL = "https://slipway.example"
    version = make_tiny_version()
    html = page(reader)
    assert 'id="base-url">https://slipway.example<' in html
    assert 'href="/keys"' in html
    assert "export FIREWORKS_BASE_URL='https://slipway.example'" in code(html, "environment")
    for key in ("sdk", "curl", "cookbook-environment", "cookbook"):
        assert "https://slipway.example" not in code(html, key), "the environment is the one place that says it"
    for key in ("sdk", "curl", "cookbook"):
        assert version.shape.name in code(html, key)
        assert version.shape.base_model.name in code(html, key)


def test_python_compiles_and_the_recipe_is_the_cookbooks(reader: Client) -> None:
    version = make_tiny_version()
    html = page(reader)
    compile(code(html, "sdk"), "sdk", "exec")
    tree = ast.parse(code(html, "cookbook"))
    said = {ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom | ast.Call)}
    assert "from training.recipes.sft_loop import Config, main" in said
    assert "from training.utils import TrainerConfig" in said
    assert f"TrainerConfig(training_shape_id='{version.shape.name}')" in said
    assert ast.unparse(tree.body[-1]).startswith("if __name__ == '__main__':"), "what it starts imports it again"


def test_the_example_is_ones_own_that_trains_on_the_fewest_gpus(reader: Client, local: Account) -> None:
    make_version(gpus=0)  # public, of another account
    make_version(shape=make_shape(account=local), gpus=8)
    make_tiny_version(mode=TrainerMode.FORWARD_ONLY, account=local)
    full = make_tiny_version(mode=TrainerMode.POLICY_TRAINER, account=local)
    assert f'training_shape_id="{full.shape.name}"' in code(page(reader), "sdk")
    assert "lora_rank=0" in code(page(reader), "sdk")
    lora = make_tiny_version(account=local)
    assert f'training_shape_id="{lora.shape.name}"' in code(page(reader), "sdk")


def test_a_public_example_that_nobody_here_runs_says_so(reader: Client) -> None:
    version = make_version(shape=make_shape(account=make_account(account_id="fireworks")), gpus=8)
    html = page(reader)
    assert f'training_shape_id="{version.shape.name}"' in code(html, "sdk")
    assert "No connection can run this." in html


def test_with_no_shape_and_with_no_account_it_says_what_is_missing(reader: Client) -> None:
    assert 'class="empty"' in page(reader)
    make_tiny_version()
    assert 'class="empty"' not in page(reader)
    stranger = sign_in(Client(), make_user())
    assert NO_ACCOUNT in page(stranger)


def test_viewers_are_told_that_they_cannot_launch(local: Account, client: Client) -> None:
    for role, lacks in ((Role.VIEWER, True), (Role.LAUNCHER, False)):
        assert ("data-lacks-role" in page(sign_in(client, make_member(account=local, role=role)))) == lacks


def test_queries_do_not_grow_with_the_shapes(reader: Client, local: Account) -> None:
    counts = []
    for _ in range(2):
        make_tiny_version(account=local)
        with CaptureQueriesContext(connection) as captured:
            page(reader)
        counts.append(len(captured))
    assert counts[0] == counts[1]
