"""The broker's transport: kombu's for Redis, which gives no message back to a broker that is gone."""

from __future__ import annotations

from kombu.transport import redis


class Channel(redis.Channel):
    """A channel that leaves what it holds where it is when it closes.

    kombu 5.7.0 puts unacknowledged messages back when a channel closes, also where it closes because its broker is
    gone. Celery closes such a connection twice, and the second time kombu asks a transport that has no client any more,
    which is an AttributeError that ends the worker. Messages are hints about rows, so none has to be put back: the
    sweep hints what is due, and the broker delivers again what nobody acknowledged within the visibility timeout.
    """

    do_restore = False


class Transport(redis.Transport):
    """What CELERY_BROKER_TRANSPORT names."""

    Channel = Channel
