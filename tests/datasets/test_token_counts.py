"""Tokens that were asked for: counted once a tokenizer, told why not, and tried again; by a counter in memory."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.test import Client

from accounts.actors import user_actor
from connections.providers.errors import Rejected, Retryable
from connections.providers.optional import TokenLengths
from datasets.domain.ask_token_count import ask_token_count
from datasets.domain.count_tokens import MOST_FAILURES, count_tokens
from datasets.models import Dataset, TokenCount
from datasets.shown import ShownCount
from tests.connections.makers import local_connection
from tests.datasets.makers import CHAT, lines, make_dataset
from tests.makers import make_account, make_model, make_shape, make_version, sign_in
from wire.errors import InvalidArgument

pytestmark = pytest.mark.django_db


class MemoryCounter:
    """Has the tokenizer of one model, and says what it is told to."""

    def __init__(self) -> None:
        shown = {"name": "", "tokens": 5, "learnt": 2, "is_cut": False, "parts": [["<i>Why?", False], ["<b>No.", True]]}
        samples = [{"line": 1, "sequences": [shown]}]
        self.answer: TokenLengths | Exception = TokenLengths([0, 0, 0, 2, 1], 20, 9, samples)

    def has_tokenizer(self, base_model: str) -> bool:
        return base_model.endswith("tiny-qwen3")

    def count_tokens(self, base_model: str, dataset: Path) -> TokenLengths:
        assert dataset.read_bytes() == lines(*CHAT)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
def counter(monkeypatch: pytest.MonkeyPatch) -> MemoryCounter:
    counter = MemoryCounter()
    local_connection()
    for module in ("ask_token_count", "count_tokens"):
        monkeypatch.setattr(f"datasets.domain.{module}.token_counter", lambda _: counter)
    return counter


@pytest.fixture
def dataset(counter: MemoryCounter) -> Dataset:
    return make_dataset()


def ask(dataset: Dataset) -> TokenCount:
    """The count by the one model that there is."""
    model = make_model(account=make_account(account_id="local"), model_id="tiny-qwen3")
    make_version(shape=make_shape(base_model=model))
    return ask_token_count(actor=user_actor(dataset.owner), dataset=dataset, base_model=model.name)


def test_it_is_counted_once(client: Client, dataset: Dataset, counter: MemoryCounter) -> None:
    asked, address = ask(dataset), f"/datasets/{dataset.uid}/tokens"
    sign_in(client, dataset.owner)
    assert "is being counted" in client.get(address).text
    assert count_tokens(asked.pk) is None and count_tokens(asked.pk) is None
    asked.refresh_from_db()
    shown = ShownCount(asked)
    assert (shown.lengths.total, shown.lengths.rows, [bar.count for bar in shown.bars]) == (20, 3, [2, 1])
    again = ask_token_count(actor=user_actor(dataset.owner), dataset=dataset, base_model=asked.base_model)
    assert again.pk == asked.pk and again.finished_at
    page = client.get(address, headers={"HX-Request": "true"}).text
    assert "20 tokens, 7 a row on average, 9 the longest" in page and "hx-trigger" not in page
    assert "2 of 5 tokens are learnt" in page and "&lt;i&gt;Why?<mark>&lt;b&gt;No.</mark>" in page
    assert client.post(address, {"base_model": asked.base_model}).status_code == 303


def test_why_not_is_told_and_what_may_pass_is_tried_again(dataset: Dataset, counter: MemoryCounter) -> None:
    asked = ask(dataset)
    counter.answer = Retryable("The count broke off.")
    assert count_tokens(asked.pk)
    TokenCount.objects.update(failures=MOST_FAILURES, next_check_at=asked.next_check_at)
    assert count_tokens(asked.pk) is None
    asked.refresh_from_db()
    assert asked.finished_at and "broke off" in asked.detail
    counter.answer = Rejected("No chat template.")
    ask_token_count(actor=user_actor(dataset.owner), dataset=dataset, base_model=asked.base_model)
    count_tokens(asked.pk)
    asked.refresh_from_db()
    assert asked.detail == "No chat template."
    with pytest.raises(InvalidArgument, match="No connection has"):
        ask_token_count(actor=user_actor(dataset.owner), dataset=dataset, base_model="accounts/local/models/none")
