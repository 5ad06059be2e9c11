"""Callers of the API, with keys."""

from __future__ import annotations

import json
from itertools import count
from typing import Any

from django.test import Client
from django.utils import timezone

from accounts.actors import SYSTEM
from accounts.domain.create_api_key import create_api_key
from accounts.models import Account, User
from accounts.scopes import Scope

_numbers = count(1)


class Caller:
    """Somebody with a key; `caller.get("/v1/accounts")` answers (status, body)."""

    def __init__(self, secret: str | None) -> None:
        self.secret = secret
        self._client = Client(raise_request_exception=False)

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        """One request; the body goes as JSON. An answer in JSON is decoded, a packed one is bytes."""
        given = {"X-Api-Key": self.secret} if self.secret is not None else {}
        content = {} if body is None else {"data": json.dumps(body), "content_type": "application/json"}
        answer = getattr(self._client, method)(path, headers=given | headers, **content)
        if answer.headers["Content-Type"] == "application/gzip":
            return int(answer.status_code), answer.content
        assert answer.headers["Content-Type"] == "application/json", (path, answer.content[:300])
        return int(answer.status_code), answer.json()

    def get(self, path: str) -> tuple[int, Any]:
        """GET."""
        return self.send("get", path)

    def post(self, path: str, body: Any = None) -> tuple[int, Any]:
        """POST."""
        return self.send("post", path, body)

    def patch(self, path: str, body: Any) -> tuple[int, Any]:
        """PATCH."""
        return self.send("patch", path, body)

    def delete(self, path: str) -> tuple[int, Any]:
        """DELETE."""
        return self.send("delete", path)


def make_key(*, account: Account, user: User, scope: Scope = Scope.PUBLISH) -> str:
    """The secret of a new key that does not expire."""
    _, secret = create_api_key(
        actor=SYSTEM,
        account=account,
        user=user,
        name=f"key {next(_numbers)}",
        scope=scope,
        now=timezone.now(),
        days=None,
    )
    return secret


def make_caller(*, account: Account, user: User, scope: Scope = Scope.PUBLISH) -> Caller:
    """A caller with such a key."""
    return Caller(make_key(account=account, user=user, scope=scope))
