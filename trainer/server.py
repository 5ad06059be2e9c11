"""The HTTP face: checks the token, reads bodies, queues operations, holds long polls. Knows nothing of torch.

Everything lies under /api/v1/ and is JSON; `trainer/wire.py` says what the bodies hold.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from trainer.errors import OperationError
from trainer.fields import Fields
from trainer.gate import TokenGate, read_json
from trainer.sessions import Sessions
from trainer.work import Answer, Later, Ticket, Work, repeat_keys

BODY_LIMIT = 256 * 1024 * 1024
POLL_SECONDS = 30.0


class Operations(Protocol):
    """What the server needs of the trainer."""

    def prepare(self, operation: str, body: Any) -> Callable[[], Answer | Later]:
        """What runs the operation on a body. Raises OperationError for an operation that does not exist."""

    def describe_model(self, model_id: str) -> dict[str, Any]: ...
    def capabilities(self) -> dict[str, Any]: ...
    def checkpoint_names(self) -> list[str]: ...
    @property
    def is_ready(self) -> bool: ...


@dataclass(frozen=True)
class Api:
    """The endpoints. Each takes a Starlette request and answers JSON."""

    operations: Operations
    work: Work
    sessions: Sessions
    poll_seconds: float = POLL_SECONDS

    async def healthz(self, _: Request) -> Response:
        if not self.operations.is_ready:
            return _refusal("The model is being loaded.", 503)
        return JSONResponse({"status": "ok"})

    async def capabilities(self, _: Request) -> Response:
        return JSONResponse(self.operations.capabilities())

    async def list_checkpoints(self, _: Request) -> Response:
        return JSONResponse({"checkpoints": await asyncio.to_thread(self.operations.checkpoint_names)})

    async def client_config(self, _: Request) -> Response:
        return JSONResponse({})

    async def create_session(self, request: Request) -> Response:
        await _read_json(request)
        return JSONResponse({"type": "create_session", "session_id": self.sessions.open()})

    async def session_heartbeat(self, request: Request) -> Response:
        _, body = await _read_json(request)
        self.sessions.beat(Fields(body).text("session_id"))
        return JSONResponse({"type": "session_heartbeat"})

    async def telemetry(self, _: Request) -> Response:
        return JSONResponse({"status": "accepted"})

    async def get_info(self, request: Request) -> Response:
        _, body = await _read_json(request)
        return JSONResponse(self.operations.describe_model(Fields(body).text("model_id")))

    async def submit(self, request: Request) -> Response:
        operation = request.path_params["operation"]
        raw, body = await _read_json(request)
        run = await asyncio.to_thread(self.operations.prepare, operation, body)
        keys = repeat_keys(operation, body, raw, request.headers.get("x-idempotency-key"))
        answer = {"request_id": self.work.submit(operation, run, keys)}
        model = body.get("model_id")
        return JSONResponse(answer | ({"model_id": model} if isinstance(model, str) and model.isprintable() else {}))

    async def retrieve_future(self, request: Request) -> Response:
        _, body = await _read_json(request)
        ticket = self.work.ticket(Fields(body).text("request_id"))
        waiter = asyncio.wrap_future(ticket.future)
        # The refusal is read from the ticket; asyncio would log one that nobody takes from the waiter.
        waiter.add_done_callback(lambda future: future.cancelled() or future.exception())
        done, _ = await asyncio.wait({waiter}, timeout=self.poll_seconds)
        self.sessions.touch()
        if not done:
            return JSONResponse({"queue_state": "active"}, 408)
        return await asyncio.to_thread(_settled, ticket)


def make_app(
    operations: Operations, work: Work, sessions: Sessions, token: str, *, poll_seconds: float = POLL_SECONDS
) -> ASGIApp:
    """The trainer's ASGI application; every path needs the token."""
    api = Api(operations, work, sessions, poll_seconds)
    routes = [
        Route("/api/v1/healthz", api.healthz, methods=["GET"]),
        Route("/api/v1/get_server_capabilities", api.capabilities, methods=["GET"]),
        Route("/api/v1/list_checkpoints", api.list_checkpoints, methods=["GET"]),
        Route("/api/v1/client/config", api.client_config, methods=["POST"]),
        Route("/api/v1/create_session", api.create_session, methods=["POST"]),
        Route("/api/v1/session_heartbeat", api.session_heartbeat, methods=["POST"]),
        Route("/api/v1/telemetry", api.telemetry, methods=["POST"]),
        Route("/api/v1/get_info", api.get_info, methods=["POST"]),
        Route("/api/v1/retrieve_future", api.retrieve_future, methods=["POST"]),
        Route("/api/v1/{operation}", api.submit, methods=["POST"]),
    ]
    handlers: Any = {OperationError: _answer_refusal, HTTPException: _answer_http}
    return TokenGate(Starlette(routes=routes, exception_handlers=handlers), token, sessions, _refusal)


async def _read_json(request: Request) -> tuple[bytes, dict[str, Any]]:
    return await read_json(request, BODY_LIMIT, "send the data in several calls")


def _settled(ticket: Ticket) -> Response:
    """The answer of a finished operation.

    One that broke for another reason, an answer that is no JSON included, answers 200 with `error`: the client retries
    5xx for ever.
    """
    try:
        return JSONResponse(ticket.future.result())
    except OperationError as error:
        return _refusal(error.detail, error.status)
    except Exception as error:
        return JSONResponse(
            {"error": f"{ticket.operation} failed: {type(error).__name__}: {error}", "category": "server"}
        )
    finally:
        ticket.mark_fetched()


def _refusal(detail: str, status: int) -> JSONResponse:
    return JSONResponse({"detail": detail}, status)


async def _answer_refusal(_: Request, error: OperationError) -> Response:
    return _refusal(error.detail, error.status)


async def _answer_http(request: Request, error: HTTPException) -> Response:
    return _refusal(f"{request.method} {request.url.path}: {error.detail}.", error.status_code)
