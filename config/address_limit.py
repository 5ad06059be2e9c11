"""How many requests one address may send. Pure but for a lock.

A bucket an address, which holds a minute's worth and fills up again all the time. Addresses are counted in each process
by itself; of more than MOST_REMEMBERED the one that asked longest ago is forgotten, and so begins anew.
"""

from __future__ import annotations

import threading
from collections import OrderedDict

from wire.client_address import neighbourhood

MOST_REMEMBERED = 20_000


class AddressLimit:
    """So many requests a minute from one address; of IPv6 its /64 network counts as one."""

    def __init__(self, per_minute: int) -> None:
        self.per_minute = per_minute
        self._rate = per_minute / 60
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def wait(self, address: str, now: float) -> float:
        """Count one more at `now` (seconds of a steady clock); 0.0 where it is within the limit, else how many seconds
        to wait for the next one. An address that is not known ("") has no limit.
        """
        if not address:
            return 0.0
        key = neighbourhood(address)
        with self._lock:
            left, before = self._left.pop(key, (float(self.per_minute), now))
            left = min(float(self.per_minute), left + (now - before) * self._rate)
            served = left >= 1.0
            self._left[key] = (left - served, now)
            if len(self._left) > MOST_REMEMBERED:
                self._left.popitem(last=False)
        return 0.0 if served else (1.0 - left) / self._rate
