"""A catalog file that says no more than it has to: whatever is unknown, every page about it can be read."""

from __future__ import annotations

import pytest
from django.test import Client

from accounts.actors import SYSTEM
from accounts.models import Account
from accounts.roles import Role
from catalog.domain.apply_catalog import apply_catalog
from catalog.files.reader import read_document
from tests.api.makers import make_caller
from tests.makers import make_account, make_member, make_model, make_shape, make_version, sign_in

BARE = """
account: bare
public: true
models:
- model: accounts/bare/models/m
  title: M
  family: F
  shapes:
  - id: one
    trainer_mode: LORA_TRAINER
    max_supported_context_length: 4096
    gpus: 1
  - id: two
    trainer_mode: FORWARD_ONLY
    max_supported_context_length: 4096
    gpus: 0
"""
PAGES = (
    "/",
    "/?architecture=dense",
    "/?architecture=moe&q=nothing-like-it",
    "/?q=one&sort=-gpus",
    "/shapes/bare/one",
    "/shapes/bare/two",
    "/shapes/bare/one/launch",
    "/compare?shape=bare/one&shape=bare/two",
    "/connect",
    "/publish",
    "/publish?show=shapes",
    "/publish/bare/one",
    "/publish/bare/one/new",
    "/publish/export",
)
pytestmark = pytest.mark.django_db


@pytest.fixture
def bare() -> Account:
    account = make_account(account_id="bare")
    apply_catalog(actor=SYSTEM, document=read_document(BARE, source="bare"), file="0" * 64, source="bare")
    return account


def test_every_page_can_be_read(bare: Account, client: Client, subtests: pytest.Subtests) -> None:
    sign_in(client, make_member(account=bare, role=Role.PUBLISHER))
    for path in PAGES:
        with subtests.test(path):
            assert client.get(path).status_code == 200


def test_the_api_lists_it(bare: Account) -> None:
    caller = make_caller(account=bare, user=make_member(account=bare, role=Role.PUBLISHER))
    for path, key in (("trainingShapes", "trainingShapes"), ("trainingShapes/-/versions", "trainingShapeVersions")):
        status, body = caller.get(f"/v1/accounts/bare/{path}")
        assert (status, len(body[key])) == (200, 2)


def test_an_unknown_architecture_is_counted_by_no_filter(bare: Account, client: Client) -> None:
    make_version(shape=make_shape(base_model=make_model(account=make_account(account_id="fireworks"))))
    sign_in(client, make_member(account=bare))
    html = client.get("/").content.decode()
    assert "data-total>3<" in html
    assert 'data-count="architecture="' not in html
    html = client.get("/?architecture=dense").content.decode()
    assert "data-total>1<" in html
    assert 'data-count="architecture=dense">1<' in html
