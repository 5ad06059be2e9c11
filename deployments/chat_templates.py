"""Whether a base model has a template for chats, which is asked of its connection once in a few minutes.

To ask reads the whole tokenizer, of a connection elsewhere over the network; its models change about never.
"""

from __future__ import annotations

import time

from connections.models import Connection
from connections.opened import open_provider
from connections.providers.errors import ProviderError

KEPT_SECONDS = 300.0
MOST_KEPT = 1_000
_kept: dict[tuple[int, str], tuple[float, bool]] = {}
"""By connection and base model until when it counts, and the answer; of this process."""


def has_chat_template(connection: Connection, base_model: str, *, asking: bool = True) -> bool:
    """True also where nobody knows: the sampler says then. Without `asking` only what was asked before is known."""
    key = (connection.pk, base_model)
    until, known = _kept.get(key, (0.0, True))
    if time.monotonic() < until or not asking:
        return known
    if len(_kept) >= MOST_KEPT:
        _kept.clear()
    found = _ask(connection, base_model)
    _kept[key] = (time.monotonic() + KEPT_SECONDS, found)
    return found


def _ask(connection: Connection, base_model: str) -> bool:
    try:
        files = open_provider(connection).tokenizer(base_model)
    except ProviderError:
        return True
    told = files.get("tokenizer_config.json", b"")
    return not files or "chat_template.jinja" in files or b'"chat_template"' in told
