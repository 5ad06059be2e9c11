"""Places and the line in front of them; how many requests one address may send."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from config.address_limit import AddressLimit
from queues.bulkheads import Arrival, Bulkhead, Crowded, Places


def test_who_comes_is_served_waits_or_is_refused_and_the_line_is_served_in_its_order() -> None:
    places: Places[str] = Places(at_once=1, most_waiting=2)
    assert [places.arrive(who) for who in "abcd"] == [Arrival.SERVED, Arrival.WAITS, Arrival.WAITS, Arrival.REFUSED]
    assert places.give_up("b") and not places.give_up("b")
    assert places.arrive("e") is Arrival.WAITS
    assert [places.leave() for _ in range(3)] == ["c", "e", None]
    assert places.taken == 0 and places.take_now() and not places.take_now()


def test_a_place_that_comes_too_late_or_to_somebody_who_left_goes_to_the_next() -> None:
    async def run() -> None:
        bulkhead = Bulkhead(1, 3, longest_wait=0.05)
        await bulkhead.enter()
        with pytest.raises(Crowded):
            await bulkhead.enter()
        left, late = (asyncio.create_task(bulkhead.enter()) for _ in range(2))
        await asyncio.sleep(0)
        bulkhead.leave()  # it is the turn of who leaves in the same moment
        left.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await left
        await late
        bulkhead.leave()
        assert bulkhead.enter_now() and not bulkhead.enter_now()

    asyncio.run(run())


def test_an_address_may_send_so_many_a_minute_and_another_one_as_many() -> None:
    limit = AddressLimit(per_minute=60)
    assert [limit.wait("192.0.2.1", 0.0) for _ in range(60)] == [0.0] * 60
    assert limit.wait("192.0.2.1", 0.0) == 1.0
    assert limit.wait("192.0.2.1", 0.5) == 0.5
    assert limit.wait("192.0.2.1", 1.0) == 0.0
    assert limit.wait("192.0.2.2", 1.0) == limit.wait("", 1.0) == 0.0
    assert [limit.wait("2001:db8::1", 1.0) for _ in range(60)][-1] == 0.0
    assert limit.wait("2001:db8::ffff", 1.0) == 1.0, "of one network"
    assert [limit.wait("192.0.2.1", 3600.0) for _ in range(61)].count(0.0) == 60, "no more is saved up than a minute's"
