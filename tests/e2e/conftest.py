"""A real Slipway, as `./run` starts it, and a browser that lets no error on a page pass."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect, sync_playwright

from embedded.addresses import free_port
from tests.conftest import E2E_OFFSET, broker_url, worker_number
from tests.databases import new_database
from tests.sdk.environments import KEPT
from tests.waiting import is_up

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
READY_SECONDS = 300
STOP_SECONDS = 60
PATIENCE_MS = 60_000
"""Of whoever waits for a page: how fast a busy machine is proves nothing."""
expect.set_options(timeout=PATIENCE_MS)
BROWSER_ARGUMENTS = [
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


@pytest.hookimpl(tryfirst=True)  # before `-m` chooses, and before the long ones are put first
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here is `e2e`; a worker of pytest-xdist starts one server for all that it runs."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.e2e)


@dataclass(frozen=True)
class SlipwayServer:
    """A running Slipway: where it answers, who its admin is, and the environment of its processes."""

    url: str
    home: Path
    username: str
    password: str
    environment: dict[str, str]

    def manage(self, *arguments: str, stdin: str = "") -> str:
        """Standard output of a management command against this server's database; fails the test where it fails."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self.environment,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, f"manage {' '.join(arguments)}: {done.stderr}"
        return done.stdout.strip()


@pytest.fixture(scope="session")
def slipway_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlipwayServer]:
    """Web, worker and beat with a database, a broker database and a state folder of their own, catalog loaded."""
    redis_url = broker_url(E2E_OFFSET + worker_number() % E2E_OFFSET)
    with running_slipway(tmp_path_factory.mktemp("slipway"), redis_url) as server:
        yield server


@contextmanager
def running_slipway(home: Path, redis_url: str, **settings: str) -> Iterator[SlipwayServer]:
    """A Slipway in the folder, with a new database, that broker and settings; it has ended afterwards."""
    port = free_port()
    with new_database(f"slipway_e2e_{worker_number()}_{os.getpid()}_{port}", tables=True) as database_url:
        server = SlipwayServer(
            url=f"http://127.0.0.1:{port}",
            home=home,
            username="admin",
            password="a good long pass phrase",
            environment=os.environ
            | {
                "DATABASE_URL": database_url,
                "REDIS_URL": redis_url,
                "SLIPWAY_HOME": str(home),
                "SLIPWAY_EMBEDDED": "1",
                "SLIPWAY_TRAINER_ENV": str(KEPT / "trainer"),
                "SLIPWAY_CONNECTION_NETWORKS": "127.0.0.0/8",
                "PORT": str(port),
                "SLIPWAY_ADMIN_USER": "admin",
                "SLIPWAY_ADMIN_PASSWORD": "a good long pass phrase",
            }
            | settings,
        )
        with _running(server):
            yield server


@contextmanager
def _running(server: SlipwayServer) -> Iterator[None]:
    output = server.home / "run.out"
    with output.open("w") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "embedded", "start"],
            cwd=ROOT,
            env=server.environment,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            _wait_until_ready(server, process, output)
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_until_ready(server: SlipwayServer, process: subprocess.Popen[bytes], output: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    last = "no answer yet"
    while process.poll() is None and time.monotonic() < deadline:
        try:
            if is_up(lambda path: httpx.get(server.url + path, timeout=30)):
                return
            last = httpx.get(f"{server.url}/statusz", timeout=30).text
        except httpx.HTTPError as error:
            last = str(error)
        time.sleep(0.2)
    pytest.fail(f"Slipway did not become ready ({last}). It said:\n{output.read_text()}")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium rather than a downloaded one; without any the test is skipped.

    It does not outlive its module, because Playwright's event loop counts as running in this thread for as long as it
    is there, and Django refuses the database to whoever runs in a loop.
    """
    program = os.environ.get("SLIPWAY_CHROMIUM") or shutil.which("chromium")
    if not program:
        pytest.skip("NO BROWSER: install chromium or name one with SLIPWAY_CHROMIUM; browser tests did not run")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=BROWSER_ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def context(browser: Browser, slipway_server: SlipwayServer) -> Iterator[BrowserContext]:
    """A session of its own; `page.goto("/")` is relative to the server."""
    context = browser.new_context(base_url=slipway_server.url)
    context.set_default_timeout(PATIENCE_MS)
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext, slipway_server: SlipwayServer) -> Iterator[Page]:
    """A page of the server. Errors of scripts, blocked content and missing files fail the test when it is over."""
    opened = context.new_page()
    problems: list[str] = []
    opened.on("pageerror", lambda error: problems.append(f"script error: {error}"))
    opened.on("console", lambda message: problems.extend(_problem(message, slipway_server)))
    yield opened
    assert not problems, "\n".join(problems)


LEFT_WHILE_LOADING = ("htmx:afterRequest", "htmx:sendAbort")


def _problem(message: ConsoleMessage, server: SlipwayServer) -> list[str]:
    """The console's errors, which include what the content security policy blocked.

    Chromium also logs every answer of 400 and above; that a page refuses something is what some tests are about. HTMX
    logs that a page was left while a part of it was still loading; of any other failure it logs a second line.
    """
    if message.type != "error" or message.text.startswith(LEFT_WHILE_LOADING):
        return []
    refused = message.text.startswith("Failed to load resource: the server responded with a status of 4")
    if refused and not message.location["url"].startswith(f"{server.url}/static/"):
        return []
    return [f"console: {message.text} ({message.location['url']})"]


@pytest.fixture
def admin_page(page: Page, slipway_server: SlipwayServer) -> Page:
    """The page, signed in as the server's admin and showing the catalog."""
    sign_in_page(page, slipway_server.username, slipway_server.password)
    return page


def sign_in_page(page: Page, username: str, password: str) -> None:
    """Sign in by the form, as a person does."""
    page.goto("/sign-in")
    page.get_by_label("Username").fill(username)
    page.get_by_label("Password").fill(password)
    page.locator("main").get_by_role("button", name="Sign in").click()
    expect(page.get_by_label(f"User menu of {username}")).to_be_visible()
