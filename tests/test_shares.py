"""What a process does at once never needs more connections to the database than it has."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis.strategies import integers, none

from config.environment_variable import SettingError
from config.shares import UNPOOLED, Shares, shares_of

CHOSEN = none() | integers(1, 50)


@given(pool=integers(5, 200))
def test_all_that_is_done_at_once_finds_a_connection(pool: int) -> None:
    shares = shares_of(pool, streams=1, pages=None, api=None, gateway=None)
    assert shares.pages + shares.api + shares.gateway + 2 <= pool
    assert min(shares.pages, shares.api, shares.gateway) >= 1


@given(pool=integers(1, 60), pages=CHOSEN, api=CHOSEN, gateway=CHOSEN)
def test_what_was_chosen_is_taken_or_refused(
    pool: int, pages: int | None, api: int | None, gateway: int | None
) -> None:
    try:
        shares = shares_of(pool, streams=1, pages=pages, api=api, gateway=gateway)
    except SettingError:
        assert pages or api or gateway
        return
    for chosen, share in ((pages, shares.pages), (api, shares.api), (gateway, shares.gateway)):
        assert chosen in (None, share)


def test_without_a_pool_as_many_are_usual_as_with_one() -> None:
    usual = shares_of(UNPOOLED, streams=1, pages=None, api=None, gateway=None)
    assert usual == shares_of(0, streams=1, pages=None, api=None, gateway=None) == Shares(pages=3, api=3, gateway=1)
    assert shares_of(0, streams=1, pages=50, api=50, gateway=50) == Shares(50, 50, 50), "where nobody waits for one"


def test_a_pool_that_is_too_small_is_told_with_what_it_needs() -> None:
    with pytest.raises(SettingError, match="SLIPWAY_DATABASE_POOL=6 is not usable: use 8 at least"):
        shares_of(6, streams=1, pages=4, api=None, gateway=None)
