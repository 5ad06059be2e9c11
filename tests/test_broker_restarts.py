"""A worker's connection whose broker is gone closes without a word, whatever the worker held."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from celery import current_app

from embedded.addresses import free_port
from embedded.broker import Broker, find_server


def test_a_connection_to_a_broker_that_is_gone_can_be_closed(tmp_path: Path) -> None:
    program = find_server()
    assert program
    broker = Broker(tmp_path / "broker", program=program, port=free_port(), log=tmp_path / "log", account=None)
    broker.prepare()
    process = broker.start()
    connection = current_app.connection_for_read(broker.url)
    hints = connection.SimpleQueue("hints", channel=connection.default_channel)
    orders = connection.SimpleQueue("orders", channel=connection.channel())  # as for the worker's remote control
    orders.consumer.consume()
    hints.put({})
    assert hints.get(timeout=60), "the worker holds a message that it has not acknowledged"
    with pytest.raises(hints.Empty):
        hints.get(timeout=0.05)  # and asks for the next one, as it always does
    broker.stop(process, time.monotonic() + 5)

    connection.collect()  # as Celery does when a connection breaks
    connection.close()
