"""Django's ASGI handler, with all of a request done in one go in one thread.

Django's own changes between the event loop and a thread for each part of a request, seven times or more, since none of
our middleware is asynchronous: on a busy machine each change waits for both. And it starts a thread for each request,
where here one that has become idle serves the next.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import IO, Any, TypeVar, cast

import django
from asgiref.sync import ThreadSensitiveContext
from django.core.exceptions import RequestAborted
from django.core.handlers.asgi import ASGIHandler, get_script_prefix
from django.core.signals import request_started
from django.http import FileResponse
from django.http.response import HttpResponseBase
from django.urls import set_script_prefix

from queues.afterwards import Call, awaiting_answer, do_all
from queues.bulkheads import computing, held_place

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Any], Awaitable[None]]
Answer = TypeVar("Answer")

MOST_IDLE = 16
"""Threads that are kept for requests to come."""


def get_application() -> OneThreadHandler:
    """The ASGI application; sets up Django."""
    django.setup(set_prefix=False)
    return OneThreadHandler()


class OneThreadHandler(ASGIHandler):
    """Serves each request in one thread; what it holds is given back before an answer that is there is sent."""

    def __init__(self) -> None:
        super(ASGIHandler, self).__init__()
        self._idle: deque[ThreadPoolExecutor] = deque()
        self.load_middleware(is_async=False)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:  # type: ignore[override]
        """Serve one request."""
        thread = self._idle.pop() if self._idle else ThreadPoolExecutor(1, "request")
        is_idle = True
        try:
            async with ThreadSensitiveContext(executor=thread):  # for what streams from there
                await self._serve(scope, receive, send, thread)
        except asyncio.CancelledError:
            is_idle = False  # it may still be making the answer
            raise
        finally:
            if is_idle and len(self._idle) < MOST_IDLE:
                self._idle.append(thread)
            else:
                thread.shutdown(wait=False)

    async def _serve(self, scope: Message, receive: Receive, send: Send, thread: ThreadPoolExecutor) -> None:
        """As Django's. Who hangs up while something streams breaks that off; what is being made is made to its end."""
        try:
            body = await self.read_body(receive)
        except RequestAborted:
            return
        response = await self._answer(scope, body, send, thread)
        if not response.streaming:
            return
        sending = asyncio.ensure_future(self.send_response(response, send))
        leaving = asyncio.ensure_future(self.listen_for_disconnect(receive))
        try:
            await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if sending.done():
                sending.result()
        finally:
            sending.cancel()
            leaving.cancel()
            await asyncio.gather(sending, leaving, return_exceptions=True)
            await _done_in(thread, response.close)

    async def _answer(
        self, scope: Message, body: IO[bytes], send: Send, thread: ThreadPoolExecutor
    ) -> HttpResponseBase:
        """The answer, sent unless it streams; and what comes right after it, also where the caller gave up."""
        response, calls = None, list[Call]()
        awaiting_answer.set(calls)
        try:
            response = await _done_in(thread, self._respond, scope, body)
            if not response.streaming:
                await self.send_response(response, send)
                if (place := held_place.get()) is not None:
                    place.give_back()
            return response
        finally:
            awaiting_answer.set(None)
            if calls or response is None:  # in the one thread, and so behind what still makes the answer
                await _done_in(thread, do_all, calls)

    def _respond(self, scope: Message, body: IO[bytes]) -> HttpResponseBase:
        """The answer. One that is there as a whole is closed, and with it what its request held."""
        set_script_prefix(get_script_prefix(scope))
        request_started.send(sender=type(self), scope=scope)
        with computing():
            request, refusal = self.create_request(scope, body)
            response = self.get_response(request) if request is not None else cast(HttpResponseBase, refusal)
        response._handler_class = type(self)  # type: ignore[attr-defined]
        if isinstance(response, FileResponse):
            response.block_size = self.chunk_size
        response._resource_closers.append(body.close)  # type: ignore[attr-defined]
        if not response.streaming:
            response.close()
        return response


async def _done_in(thread: ThreadPoolExecutor, call: Callable[..., Answer], *given: Any) -> Answer:
    """The call's answer, made in that thread with the request's context variables.

    asgiref's own way there and back takes twice as long, for callers that change those, or call coroutines of the loop:
    that is `queues.bulkheads.wait_for` here.
    """
    return await asyncio.get_running_loop().run_in_executor(thread, copy_context().run, call, *given)
