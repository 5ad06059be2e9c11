"""A browser without JavaScript: pages, forms, a session. Fast, and enough for what is not about scripts."""

from __future__ import annotations

import re
import time

import httpx
import pytest

from tests.e2e.conftest import SlipwayServer

READY_SECONDS = 600
"""The first launch makes the trainer's environment, which takes a minute or two."""


class Browser:
    """Signed in as the server's admin."""

    def __init__(self, server: SlipwayServer, client: httpx.Client | None = None) -> None:
        """`client` reaches the server another way than by its own address."""
        self.client = client or httpx.Client(base_url=server.url, headers={"Referer": server.url}, timeout=60)
        answer = self.post("/sign-in", "/sign-in", login=server.username, password=server.password)
        assert answer.is_redirect, (answer.status_code, answer.text)

    def read(self, path: str) -> str:
        """A page's HTML."""
        return self.client.get(path).raise_for_status().text

    def post(self, page: str, action: str, **fields: str) -> httpx.Response:
        """Send the form of a page, hidden fields and all."""
        html = self.read(page)
        hidden = re.findall(r'<input type="hidden" name="(idempotency_key|version)" value="([^"]*)"', html)
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]*)"', html)
        assert token
        return self.client.post(action, data=dict(hidden) | fields | {"csrfmiddlewaretoken": token[1]})

    def launch(self, shape: str, **fields: str) -> str:
        """Launch from the form; answers the path of the launch's page."""
        path = f"/shapes/local/{shape}/launch"
        answer = self.post(path, path, **fields)
        assert answer.status_code == httpx.codes.SEE_OTHER, answer.text
        return answer.headers["location"]

    def job_of(self, path: str) -> str:
        """The job id of a launch that was made by the form."""
        found = re.search(r"\blaunch-[0-9a-f]{12}\b", self.read(path))
        assert found
        return found[0]

    def wait_for(self, path: str, pattern: str) -> str:
        """The page once it matches; fails where it does not in time or the launch is over before."""
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            html = self.read(path)
            if re.search(pattern, html):
                return html
            assert not re.search(r'data-state="(FAILED|LOST|REJECTED)"', html), html
            time.sleep(0.3)
        pytest.fail(f"{path} did not show {pattern} in {READY_SECONDS} s")
