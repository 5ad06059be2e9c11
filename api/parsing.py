"""What comes in and goes out: JSON, whatever the Accept header says."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import IO, Any

from rest_framework.exceptions import ParseError
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.parsers import JSONParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

LARGEST_BODY = 1_000_000


class BodyParser(JSONParser):
    """JSON of at most 1 MB."""

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        """The value that the body holds. Errors: `ParseError`."""
        raw = stream.read(LARGEST_BODY + 1)
        if len(raw) > LARGEST_BODY:
            raise ParseError(f"The body is larger than {LARGEST_BODY:,} bytes, which is the limit. Send a smaller one.")
        try:
            return super().parse(io.BytesIO(raw), media_type, parser_context)
        except RecursionError:
            raise ParseError("The body's JSON is nested too deeply. Send a flatter one.") from None


class AlwaysJson(DefaultContentNegotiation):
    """Answers are JSON, so that a browser, too, reads what a refusal says."""

    def select_renderer(
        self,
        request: Request,  # noqa: ARG002
        renderers: Any,
        format_suffix: str | None = None,  # noqa: ARG002
    ) -> tuple[BaseRenderer, str]:
        """The one renderer that there is."""
        return renderers[0], renderers[0].media_type
