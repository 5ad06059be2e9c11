"""Traces by OpenTelemetry, off unless its own variables say where to: a span for each request and each task.

`OTEL_EXPORTER_OTLP_ENDPOINT` (or `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`) turns it on, `OTEL_SDK_DISABLED=true` off again;
the rest of `OTEL_*` means what the SDK says. Nothing of it is loaded where it is off.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

from celery.signals import task_postrun, task_prerun

if TYPE_CHECKING:
    from opentelemetry.trace import Span, Tracer

ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


@cache
def tracer() -> Tracer | None:
    """What makes spans of this process; None where tracing is off."""
    is_off = os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true"
    if is_off or not any(os.environ.get(name) for name in ENDPOINTS):
        return None
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    from config.version import version  # noqa: PLC0415

    known = {"service.name": os.environ.get("OTEL_SERVICE_NAME", "slipway"), "service.version": version()}
    provider = TracerProvider(resource=Resource.create(known))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider.get_tracer("slipway")


@contextmanager
def request_span(method: str, door: str, fields: Sequence[tuple[bytes, bytes]]) -> Iterator[Span | None]:
    """A span for one request, part of the caller's trace where it names one; None where tracing is off.

    It has no path: names of jobs may be in it, and tokens.
    """
    found = tracer()
    if found is None:
        yield None
        return
    from opentelemetry.trace import SpanKind  # noqa: PLC0415
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415

    carrier = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in fields}
    context = TraceContextTextMapPropagator().extract(carrier)
    about = {"http.request.method": method, "slipway.door": door}
    with found.start_as_current_span(f"{method} {door}", context, kind=SpanKind.SERVER, attributes=about) as span:
        yield span


def note_answer(span: Span | None, said: Mapping[str, str | int]) -> None:
    """What came of the request."""
    if span is not None:
        span.set_attributes(said)


_running: dict[str, Span] = {}


@task_prerun.connect  # type: ignore[untyped-decorator]
def _begin(task_id: str = "", task: Any = None, **_: Any) -> None:
    if found := tracer():
        _running[task_id] = found.start_span(f"task {task.name}")


@task_postrun.connect  # type: ignore[untyped-decorator]
def _end(task_id: str = "", state: str = "", **_: Any) -> None:
    if span := _running.pop(task_id, None):
        span.set_attribute("celery.state", state)
        span.end()
