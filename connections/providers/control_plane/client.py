"""Requests to a control plane: one at a time, none repeated, none redirected, every answer bounded."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from connections.providers.control_plane.exchange import HttpAnswer, ask
from connections.providers.control_plane.refusals import refusal
from connections.providers.errors import Retryable, Unreachable
from wire.client_address import Network

PATIENCE_SECONDS = 15.0
LIST_SECONDS = 20.0
PROBE_SECONDS = 3.0
MOST_BYTES = 16 * 1024 * 1024
PAGE_SIZE = 200
MOST_PAGES = 50
"""So that a list that never ends does."""


@dataclass(frozen=True)
class ControlPlaneClient:
    """Speaks to the control plane at `url` with the key; private addresses only where `networks` has them.

    `patience` is how many seconds one request may take in all, so that the few of a verb stay below a minute.
    """

    url: str
    secret: str = field(repr=False)
    networks: Sequence[Network] = ()
    patience: float = PATIENCE_SECONDS

    @property
    def host(self) -> str:
        """What people know it by."""
        return urlsplit(self.url).netloc

    def call(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
        *,
        seconds: float | None = None,
    ) -> Mapping[str, Any]:
        """The JSON object that it answers. Errors: `RemoteRefusal`; `Unreachable` where no whole answer came."""
        answer = self.send(method, path, query, body, seconds=seconds)
        try:
            said = json.loads(answer.body) if answer.body else {}
        except (ValueError, RecursionError):  # HTML of something in between, half of a body, or brackets without end
            said = None
        if not answer.is_good:
            refused = refusal(self.host, answer.status, said)
            raise refused if refused.is_said or answer.status < 500 else Unreachable(str(refused))
        if not isinstance(said, dict):
            raise Unreachable(f"{self.host} sent something else than the JSON of its API. This is tried again.")
        return said

    def pages(self, path: str, key: str, query: Mapping[str, Any] | None = None) -> Iterator[Mapping[str, Any]]:
        """The objects of a list, page by page. Errors: as `call`, while it is read."""
        token, deadline = "", time.monotonic() + LIST_SECONDS
        for _ in range(MOST_PAGES):
            asked = {"pageSize": PAGE_SIZE, **(query or {}), **({"pageToken": token} if token else {})}
            said = self.call("GET", path, asked, seconds=max(0.1, deadline - time.monotonic()))
            rows = said.get(key)
            yield from (row for row in rows if isinstance(row, dict)) if isinstance(rows, list) else ()
            before, token = token, str(said.get("nextPageToken") or "")
            if not token or token == before:
                return

    def send(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
        *,
        seconds: float | None = None,
    ) -> HttpAnswer:
        """Whatever it answers. Errors: `Retryable`."""
        if not self.secret.isascii() or not self.secret.isprintable():
            raise Retryable("The connection's key holds a character that no key has: a superuser has to set it anew.")
        target = f"{self.url}{quote(path, safe='/:')}" + (f"?{urlencode(query)}" if query else "")
        content = None if body is None else json.dumps(body).encode()
        answer = ask(
            method,
            target,
            networks=self.networks,
            seconds=min(self.patience, seconds or self.patience),
            most_bytes=MOST_BYTES,
            headers=self._headers(content),
            content=content,
        )
        if len(answer.body) > MOST_BYTES:
            raise Unreachable(f"{self.host} sent more than {MOST_BYTES // 1024**2} MiB. This is tried again.")
        return answer

    def answers(self, path: str) -> bool | None:
        """Whether something there answers with 200; None where that was not found out."""
        try:
            status = self.send("GET", path, seconds=PROBE_SECONDS).status
        except Retryable:
            return False
        return None if status in (401, 403, 429) else status == 200

    def _headers(self, content: bytes | None) -> list[tuple[str, str]]:
        headers = [
            ("Accept", "application/json"),
            ("X-Api-Key", self.secret),
            ("Authorization", f"Bearer {self.secret}"),  # which a gateway to trainers may ask for instead
        ]
        return headers if content is None else [*headers, ("Content-Type", "application/json")]
