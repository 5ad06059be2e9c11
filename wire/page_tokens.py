"""Page tokens: where the next page starts, signed, and good for the same question only. Pure.

A token is base64url of a MAC and the JSON of the cursor. The MAC covers what was asked (path, filter, order, caller),
so a token that is changed, made up, or used with another question is refused instead of answered wrongly.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Sequence

LONGEST = 2000
_MAC = 16

Cursor = list[str | int | bool | None]


class PageTokenError(ValueError):
    """The token is none of ours for this question."""


def write_token(cursor: Cursor, *, question: Sequence[str], key: bytes) -> str:
    """The token for the page after `cursor`; `question` is everything that must be the same when it comes back."""
    content = json.dumps(cursor, separators=(",", ":"), ensure_ascii=False).encode()
    return base64.urlsafe_b64encode(_mac(content, question, key) + content).decode().rstrip("=")


def read_token(token: str, *, question: Sequence[str], key: bytes) -> Cursor:
    """The cursor that the token was written for. Errors: `PageTokenError`."""
    refused = PageTokenError(
        "The pageToken does not belong to this request. Send the same parameters as for the page before, or leave it "
        "out to start again."
    )
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise refused from None
    mac, content = raw[:_MAC], raw[_MAC:]
    if len(token) > LONGEST or not hmac.compare_digest(mac, _mac(content, question, key)):
        raise refused
    cursor: Cursor = json.loads(content)
    return cursor


def _mac(content: bytes, question: Sequence[str], key: bytes) -> bytes:
    asked = json.dumps(list(question), ensure_ascii=True).encode()
    covered = len(asked).to_bytes(8, "big") + asked + content
    return hmac.new(key, covered, hashlib.sha256).digest()[:_MAC]
