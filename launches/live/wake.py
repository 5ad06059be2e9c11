"""Tell the pages that look at a launch that something changed, over the broker.

A lost message costs nothing but time: pages render from the database, and refetch when their stream reconnects.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Collection
from functools import cache

import redis
from django.conf import settings
from django.db import transaction

from launches.models import Launch
from queues.afterwards import after_answer
from queues.broker import broker

CHANNEL_PREFIX = "slipway:wake:"
WATCHED_PREFIX = "slipway:watched:"
WATCHED_SECONDS = 15
"""For which a process that has streams of an account says so, again and again."""


def channel(account_pk: int) -> str:
    """The broker channel of one account's launches."""
    return f"{CHANNEL_PREFIX}{account_pk}"


@cache
def _channels() -> redis.Redis:
    return redis.Redis.from_url(settings.REDIS_URL, socket_connect_timeout=1, socket_timeout=1)


def wake(launch: Launch) -> None:
    """Once the transaction is committed and the request answered, publish that the launch changed."""
    wake_pages(launch.account_id, launch.uid, sequence=launch.last_event, state=launch.state)


def wake_pages(account_pk: int, uid: uuid.UUID, **standing: object) -> None:
    """The same of anything that has a page, and an id of its own that the page names as its launch."""
    message = json.dumps({"launch": str(uid), **standing})
    transaction.on_commit(lambda: after_answer(lambda: _publish(channel(account_pk), message)))


def _publish(to: str, message: str) -> None:
    broker.tell("wake.lost", lambda: _channels().publish(to, message))


def watched_among(account_pks: Collection[int]) -> frozenset[int]:
    """Those of the accounts whose launches a page follows; none where the broker does not say."""
    asked, told = list(account_pks), []
    broker.tell("watched.unknown", lambda: told.extend(_channels().mget(f"{WATCHED_PREFIX}{pk}" for pk in asked)))
    return frozenset(pk for pk, found in zip(asked, told, strict=False) if found is not None)
