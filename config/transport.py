"""The broker's transport: kombu's for Redis, which gives no message back to a broker that is gone."""

from __future__ import annotations

from typing import Any

from kombu.transport import redis


class Channel(redis.Channel):
    """A channel that leaves what it holds where it is when it closes.

    kombu 5.7.0 puts unacknowledged messages back when a channel closes, also where it closes because its broker is
    gone. Celery closes such a connection twice, and the second time kombu asks a transport that has no client any more,
    which is an AttributeError that ends the worker. Messages are hints about rows, so none has to be put back: the
    sweep hints what is due, and the broker delivers again what nobody acknowledged within the visibility timeout.
    """

    do_restore = False

    _sender: Any = None

    def _create_client(self, asynchronous: bool = False) -> Any:
        """What asks the broker: one for as long as the pool of connections is the same, which a fork has anew.

        kombu makes another one for each message, which takes longer than to send it.
        """
        if asynchronous:
            return super()._create_client(asynchronous=True)  # type: ignore[no-untyped-call]
        if self._sender is None or self._sender.connection_pool is not self.pool:
            self._sender = super()._create_client()  # type: ignore[no-untyped-call]
        return self._sender


class Transport(redis.Transport):
    """What CELERY_BROKER_TRANSPORT names."""

    Channel = Channel
