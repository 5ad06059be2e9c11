"""Where samplers run: the connections that an account may use, each asked without the network, by name."""

from __future__ import annotations

from collections.abc import Sequence

from connections.models import Connection
from connections.opened import samplers_at
from connections.providers.errors import Retryable
from connections.providers.samplers import SamplerSpec
from wire.errors import FailedPrecondition, Unimplemented

NO_SAMPLERS = "It runs no samplers."


def choose_connection(connections: Sequence[Connection], spec: SamplerSpec, replicas: int) -> Connection:
    """The first that may run so many replicas and takes launches.

    Errors: `Unimplemented` where none runs samplers at all, `FailedPrecondition` with each one's reasons.
    """
    told, able = [], False
    for connection in connections:
        reasons, runs = reasons_against(connection, spec, replicas)
        able = able or runs
        if not reasons:
            return connection
        told.append(f"{connection}: {' '.join(reasons)}")
    sentence = f"No connection can run this deployment. {' '.join(told) or 'The account has none.'}"
    raise FailedPrecondition(sentence) if able else Unimplemented(sentence)


def reasons_against(connection: Connection, spec: SamplerSpec, replicas: int) -> tuple[Sequence[str], bool]:
    """Why it does not take so many replicas, and whether it runs samplers at all."""
    try:
        samplers = samplers_at(connection)
    except Retryable as error:
        return [str(error)], False
    if samplers is None:
        return [NO_SAMPLERS], False
    closed = [connection.closed_because] if connection.closed_because else []
    return [*samplers.fits(spec, replicas), *closed], True
