"""The HTTP face of a sampler. Knows nothing of torch; docs/SAMPLER.md tells of each route."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from sampler.answers import Answer, ChoiceAnswer
from sampler.config import SamplerConfig
from sampler.engine import Engine
from sampler.generation import Generation, Tokens
from sampler.holdings import Holdings
from sampler.records import Records
from sampler.wire import Completion, parse_chat, parse_completion, parse_hot_load
from trainer.errors import OperationError
from trainer.fields import shown
from trainer.gate import TokenGate, read_json
from trainer.sessions import Sessions

BODY_LIMIT = 32 * 1024 * 1024
HOLD_SECONDS = 30.0
"""How long the answer to a hot load is held back for its end; the SDK waits 60 s for it."""
RETRY_SECONDS = "1"
TRAINER_JOB_HEADER = "x-slipway-trainer-job"
REQUEST_ID_HEADER = "x-request-id"
IDENTITY_HEADER = "x-slipway-snapshot-identity"
LONGEST_REQUEST_ID = 128
CODES = {
    400: "invalid_request_error", 401: "authentication_error", 404: "not_found", 405: "method_not_allowed",
    409: "conflict", 413: "request_too_large", 500: "internal_error", 503: "overloaded",
}  # fmt: skip


@dataclass(frozen=True)
class Opened:
    """What there is once the model is loaded."""

    engine: Engine
    holdings: Holdings
    tokens: Tokens


class SamplerApi:
    """The endpoints. Until the model is loaded they answer 503, but for the state of hot loads: no replica yet."""

    def __init__(self, config: SamplerConfig, records: Records) -> None:
        self.config = config
        self.records = records
        self.opened: Opened | None = None

    def open(self, engine: Engine, holdings: Holdings, tokens: Tokens) -> None:
        self.opened = Opened(engine, holdings, tokens)

    async def health(self, _: Request) -> Response:
        opened = self._ready()
        computed, waiting = opened.engine.occupied()
        return JSONResponse(
            {
                "status": "ok",
                "engine": self.config.engine,
                "base_model": self.config.base_model,
                "snapshot_identity": opened.holdings.identity,
                "computed": computed,
                "waiting": waiting,
            }
        )

    async def models(self, _: Request) -> Response:
        opened = self._ready()
        told = [
            {
                "id": name,
                "object": "model",
                "created": 0,
                "owned_by": "slipway",
                "root": self.config.base_model,
                "snapshot_identity": served.identity,
                "max_model_len": self.config.max_context_length,
            }
            for name, served in opened.holdings.names().items()
        ]
        return JSONResponse({"object": "list", "data": told})

    async def completions(self, request: Request) -> Response:
        return await self._answer(request, parse_completion)

    async def chat(self, request: Request) -> Response:
        return await self._answer(request, parse_chat)

    async def hot_load_status(self, _: Request) -> Response:
        return JSONResponse(self.opened.holdings.status() if self.opened else {"replicas": []})

    async def hot_load(self, request: Request) -> Response:
        holdings = self._ready().holdings
        _, body = await read_json(request, BODY_LIMIT, "a hot load needs a few lines")
        load = parse_hot_load(body)
        self._check_address(request)
        job = request.headers.get(TRAINER_JOB_HEADER) or self.config.trainer_job
        ending = asyncio.wrap_future(holdings.request(load, job))
        ending.add_done_callback(lambda future: future.cancelled() or future.exception())
        done, _pending = await asyncio.wait({ending}, timeout=HOLD_SECONDS)
        if done:
            ending.result()
        told = {"identity": load.identity, "status": "loaded" if done else "loading"}
        return JSONResponse(told | holdings.status())

    def _ready(self) -> Opened:
        if self.opened is None:
            raise OperationError("The model is being loaded.", 503)
        return self.opened

    def _check_address(self, request: Request) -> None:
        for header, own in (
            ("fireworks-deployment", self.config.deployment),
            ("fireworks-model", self.config.base_model),
        ):
            given = request.headers.get(header)
            if given and given != own:
                raise OperationError(f"{header} is {shown(given)}; this sampler is {own}.", 404)

    async def _answer(self, request: Request, parse: Callable[[Any, str], Completion]) -> Response:
        opened = self._ready()
        _, body = await read_json(request, BODY_LIMIT, "send fewer prompts at once")
        asked = parse(body, self.config.deployment)
        generation = Generation(asked, self.config, opened.engine, opened.tokens, self.records)
        generation.submit(opened.holdings)
        answer = Answer(asked, asked.model, generation.identity)
        decode = opened.tokens.decode
        told = [ChoiceAnswer(index, asked, choice, decode) for index, choice in enumerate(generation.choices)]
        headers = _headers(request, generation)
        if asked.stream:
            return StreamingResponse(_stream(generation, answer, told), media_type="text/event-stream", headers=headers)
        return await _whole(request, generation, answer, told, headers)


async def _whole(
    request: Request, generation: Generation, answer: Answer, told: list[ChoiceAnswer], headers: dict[str, str]
) -> Response:
    watch = asyncio.create_task(_when_gone(request, generation))
    try:
        async for index, event in generation.events():
            told[index].take(event)
    finally:
        watch.cancel()
    metrics = generation.metrics()
    body = answer.wrap(
        [each.tell(part=False) for each in told], part=False, usage=generation.usage, perf_metrics=metrics
    )
    return JSONResponse(body, headers=headers | {f"fireworks-{name}": value for name, value in metrics.items()})


async def _when_gone(request: Request, generation: Generation) -> None:
    """End the computation when the client is gone, which says so instead of a body."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
    generation.break_off()


async def _stream(generation: Generation, answer: Answer, told: list[ChoiceAnswer]) -> AsyncIterator[bytes]:
    """Parts as the SDK and OpenAI's clients read them, each of the tokens that came since the last one."""
    try:
        async for index, event in generation.events():
            told[index].take(event)
            if generation.left and generation.has_more:
                continue
            pending = [each for each in told if each.is_pending]
            for each in pending:
                is_last = not generation.left and each is pending[-1]
                more = {"usage": generation.usage, "perf_metrics": generation.metrics()} if is_last else {}
                yield _event(answer.wrap([each.tell(part=True)], part=True, **more))
    except OperationError as error:
        yield _event(_error(error.detail, error.status))
        return
    if answer.request.include_usage:
        yield _event(answer.wrap([], part=True, usage=generation.usage))
    yield b"data: [DONE]\n\n"


def _event(value: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode() + b"\n\n"


def _headers(request: Request, generation: Generation) -> dict[str, str]:
    given = request.headers.get(REQUEST_ID_HEADER, "")
    is_plain = given.isascii() and given.isprintable() and 0 < len(given) <= LONGEST_REQUEST_ID
    return {
        REQUEST_ID_HEADER: given if is_plain else uuid.uuid4().hex,
        IDENTITY_HEADER: generation.identity or "",
        "fireworks-prompt-tokens": str(generation.usage["prompt_tokens"]),
    }


def make_app(api: SamplerApi, token: str, sessions: Sessions) -> ASGIApp:
    """The sampler's ASGI application; every path needs the token."""
    routes = [
        Route("/inference/v1/completions", api.completions, methods=["POST"]),
        Route("/inference/v1/chat/completions", api.chat, methods=["POST"]),
        Route("/inference/v1/models", api.models, methods=["GET"]),
        Route("/v1/completions", api.completions, methods=["POST"]),
        Route("/v1/chat/completions", api.chat, methods=["POST"]),
        Route("/v1/models", api.models, methods=["GET"]),
        Route("/hot_load/v1/models/hot_load", api.hot_load_status, methods=["GET"]),
        Route("/hot_load/v1/models/hot_load", api.hot_load, methods=["POST"]),
        Route("/api/v1/healthz", api.health, methods=["GET"]),
        Route("/health", api.health, methods=["GET"]),
    ]
    handlers: Any = {OperationError: _answer_refusal, HTTPException: _answer_http}
    return TokenGate(Starlette(routes=routes, exception_handlers=handlers), token, sessions, _refusal)


def _error(detail: str, status: int) -> dict[str, Any]:
    code = CODES.get(status, "error")
    return {"error": {"message": detail, "type": code, "code": code}}


def _refusal(detail: str, status: int) -> JSONResponse:
    # What the fields refuse is a bad request to every client of completions; some repeat a 422.
    status = 400 if status == 422 else status
    return JSONResponse(
        _error(detail, status), status, headers={"retry-after": RETRY_SECONDS} if status == 503 else None
    )


async def _answer_refusal(_: Request, error: OperationError) -> Response:
    return _refusal(error.detail, error.status)


async def _answer_http(request: Request, error: HTTPException) -> Response:
    return _refusal(f"{request.method} {request.url.path}: {error.detail}.", error.status_code)
