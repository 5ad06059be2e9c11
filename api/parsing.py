"""What comes in and goes out: JSON, whatever the Accept header says."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import IO, Any, NoReturn

from rest_framework.exceptions import ParseError
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.parsers import JSONParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

from wire.errors import InvalidArgument, Violation, capped

LARGEST_BODY = 1_000_000
LONGEST_NUMBER = 400
"""Characters of one number, far beyond any that can be used."""
_SHOWN = 20


class BodyParser(JSONParser):
    """JSON of at most 1 MB, in which no object has a key twice."""

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,  # noqa: ARG002
        parser_context: Mapping[str, Any] | None = None,  # noqa: ARG002
    ) -> Any:
        """The value that the body holds. Errors: `ParseError`; `InvalidArgument` naming the keys that it has twice."""
        raw = stream.read(LARGEST_BODY + 1)
        if len(raw) > LARGEST_BODY:
            raise ParseError(f"The body is larger than {LARGEST_BODY:,} bytes, which is the limit. Send a smaller one.")
        try:
            text = raw.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise ParseError(f"The body is not UTF-8 from byte {error.start + 1} on. Send JSON as UTF-8.") from None
        return _read(text)


def _read(text: str) -> Any:
    doubled: list[Violation] = []

    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        value: dict[str, Any] = {}
        for name, inner in found:
            if name in value:
                both = f"{shown(value[name])} and {shown(inner)}"
                doubled.append(Violation(sendable(name)[:80], f"It is there twice, as {both}. Send it once."))
            value[name] = inner
        return value

    try:
        found = json.loads(
            text, object_pairs_hook=pairs, parse_int=_whole, parse_float=_fraction, parse_constant=_constant
        )
    except json.JSONDecodeError as error:
        raise ParseError(_no_json(error)) from None
    except RecursionError:
        raise ParseError("The body's JSON is nested too deeply. Send a flatter one.") from None
    if doubled:
        raise InvalidArgument(capped(doubled, field="body"))
    return found


def _no_json(error: json.JSONDecodeError) -> str:
    found = error.doc[error.pos : error.pos + _SHOWN]
    stopped = f"reading stops at {sendable(found)!r}" if found else "it ends too early"
    where = f"line {error.lineno}, column {error.colno}"
    return f"The body is no JSON: {stopped} ({where}). Send a JSON object, such as {{}}."


def _whole(text: str) -> int:
    return int(_short(text))


def _fraction(text: str) -> float:
    return float(_short(text))


def _short(text: str) -> str:
    if len(text) > LONGEST_NUMBER:
        raise ParseError(f"The body has a number of {len(text):,} characters. Send one that fits its field.")
    return text


def _constant(text: str) -> NoReturn:
    raise ParseError(f"The body holds {text}, which JSON does not have. Send a number, or leave the field out.")


def shown(value: object) -> str:
    """A value of a body as JSON writes it, cut where it is long; of an object or a list only what it is."""
    if isinstance(value, dict | list):
        return ("{…}" if isinstance(value, dict) else "[…]") if value else json.dumps(value)
    text = sendable(json.dumps(value, ensure_ascii=False))
    return text if len(text) <= 60 else f"{text[:57]}..."


def sendable(text: str) -> str:
    """The text without halves of surrogate pairs, which JSON can hold and an answer cannot."""
    return text.encode("utf-8", "replace").decode()


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
