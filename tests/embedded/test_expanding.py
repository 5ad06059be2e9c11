"""`./run check` refuses migrations that the release before would not survive."""

from __future__ import annotations

import pytest

from embedded import expanding
from embedded.expanding import complaints, under_the_rule

pytestmark = pytest.mark.django_db


def test_what_takes_away_is_named_and_what_adds_is_not() -> None:
    said = complaints([("accounts", "0009_keys_for_one_job"), ("deployments", "0004_remote_name")])
    assert said.startswith("(deployments, 0004_remote_name)... ERR\n\tNOT NULL constraint"), said
    assert "DROPPING columns" in complaints([("launches", "0013_launch_has_a_connection")])


def test_it_is_for_what_is_newer_and_no_declared_contraction(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(expanding.SINCE, "datasets", "0002_freeze_datasets")
    monkeypatch.setitem(expanding.CONTRACTS, ("datasets", "0003_token_counts"), "a test")
    newer = [name for app, name in under_the_rule() if app == "datasets"]
    assert newer[:1] == ["0004_index_lists"]
