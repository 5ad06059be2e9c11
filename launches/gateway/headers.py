"""What of a request and of an answer is passed on. Pure.

Hop-by-hop fields (RFC 9110, 7.6.1) end here, those that Connection lists too. The trainer learns neither who calls
nor with what; and an answer, since it comes from Slipway's own address, gets no say over that address.
"""

from __future__ import annotations

from collections.abc import Iterable

Fields = list[tuple[bytes, bytes]]

HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
CALLERS_OWN = frozenset(
    {
        *(b"authorization", b"cookie", b"expect", b"forwarded", b"host", b"via", b"x-api-key", b"x-real-ip"),
        b"x-slipway-trainer-job",
    }
)
OURS_TO_SAY = frozenset(
    {
        b"alt-svc",
        b"clear-site-data",
        b"content-location",
        b"content-security-policy",
        b"date",
        b"refresh",
        b"server",
        b"service-worker-allowed",
        b"set-cookie",
        b"set-cookie2",
        b"strict-transport-security",
        b"via",
        b"x-content-type-options",
        b"x-lighttpd-send-file",
        b"x-sendfile",
    }
)
OURS_TO_SAY_BEGINNINGS = (b"access-control-", b"x-accel-")
"""The latter, and x-sendfile, would have a web server in front of Slipway send files of its own."""
LAST = (b"connection", b"close")
"""For an answer to a request whose body was not read to its end: the connection cannot serve another one."""
ALWAYS = [(b"x-content-type-options", b"nosniff"), (b"content-security-policy", b"default-src 'none'; sandbox")]


def secret_in(fields: Iterable[tuple[bytes, bytes]]) -> str:
    """The caller's API key: X-Api-Key, else Authorization: Bearer; "" where there is none."""
    given = {name.lower(): value for name, value in fields}
    scheme, _, bearer = given.get(b"authorization", b"").partition(b" ")
    secret = given.get(b"x-api-key") or (bearer if scheme.lower() == b"bearer" else b"")
    return secret.strip().decode("latin-1")


def content_length_in(fields: Iterable[tuple[bytes, bytes]]) -> bytes | None:
    """Bytes of the body as digits, None where it is not told or where Transfer-Encoding, which is stronger, stands too.

    Errors: `ValueError` where it is told in two ways.
    """
    given = [(name.lower(), value.strip()) for name, value in fields]
    told = {value for name, value in given if name == b"content-length"}
    if not told or _is_chunked(given):
        return None
    if len(told) > 1 or not (length := told.pop()).isdigit():
        raise ValueError("Content-Length is no number of bytes.")
    return length


def announces_body(fields: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether a body comes, or may come, after these fields of an HTTP/1.1 request."""
    given = [(name.lower(), value.strip()) for name, value in fields]
    return _is_chunked(given) or any(name == b"content-length" and value != b"0" for name, value in given)


def request_fields(
    fields: Iterable[tuple[bytes, bytes]], *, host: bytes, token: bytes, is_bearer: bool = False
) -> Fields:
    """What the trainer is sent; the framing of the body is not in it. `is_bearer` shows the token both ways."""
    given = [(name.lower(), value) for name, value in fields]
    dropped = HOP_BY_HOP | CALLERS_OWN | _listed_by_connection(given) | {b"content-length"}
    kept = [field for field in given if field[0] not in dropped and not field[0].startswith(b"x-forwarded-")]
    bearer = [(b"authorization", b"Bearer " + token)] if is_bearer else []
    return [(b"host", host), (b"x-api-key", token), *bearer, *kept]


def response_fields(fields: Iterable[tuple[bytes, bytes]], *, origin: bytes, prefix: bytes) -> Fields:
    """What the caller is sent. A redirection within `origin` stays within `prefix`; any other is not passed on."""
    given = [(name.lower(), value) for name, value in fields]
    dropped = HOP_BY_HOP | OURS_TO_SAY | _listed_by_connection(given) | {b"location"}
    if _is_chunked(given):
        dropped |= {b"content-length"}
    kept = [field for field in given if field[0] not in dropped and not field[0].startswith(OURS_TO_SAY_BEGINNINGS)]
    places = [_within(value, origin, prefix) for name, value in given if name == b"location"]
    return [*kept, *((b"location", place) for place in places if place), *ALWAYS]


def _is_chunked(fields: Fields) -> bool:
    return any(name == b"transfer-encoding" for name, _ in fields)


def _listed_by_connection(fields: Fields) -> set[bytes]:
    listed = (value.split(b",") for name, value in fields if name == b"connection")
    # Content-Length is no option of a connection: who lists it must not have the body reframed.
    return {name.strip().lower() for names in listed for name in names} - {b"content-length"}


def _within(location: bytes, origin: bytes, prefix: bytes) -> bytes:
    """`origin` may have a path of its own, which callers never see; b"" for a place that is not below it."""
    host = b"/".join(origin.split(b"/", 3)[:3])
    absolute = host + location if location.startswith(b"/") else location
    path = absolute.removeprefix(origin)
    below = absolute.startswith(origin) and path.startswith(b"/") and not path.startswith(b"//")
    return prefix + path if below else b""
