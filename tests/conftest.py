"""What every test stands on: the given Postgres and broker, one database of each per pytest-xdist worker."""

from __future__ import annotations

import gc
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from _pytest.runner import pytest_runtest_protocol as run_test
from django.conf import settings
from django.core.cache import caches
from django.template.base import Template
from django.test import TransactionTestCase
from hypothesis import settings as hypothesis_settings

from accounts.models import Account, User
from accounts.roles import Role
from config import health
from connections.models import Connection
from tests.connections.remote import REMOTE, RemoteEngine, make_connection, registered
from tests.databases import empty_tables
from tests.makers import make_account, make_member

HERE = Path(__file__).resolve().parent
SERVERS = ("DATABASE_URL", "REDIS_URL")
BROKER_DATABASES = 16
E2E_OFFSET = 8
LONG_FILES = {HERE / "test_roles.py", HERE / "test_load.py"}
"""Of the quick suite; a file is run by one worker."""
RENDER = Template._render  # type: ignore[attr-defined]
"""As it is before Django's test environment puts its own there."""
hypothesis_settings.register_profile("slipway", deadline=None)  # how fast the machine is proves nothing
hypothesis_settings.register_profile("quick", deadline=None, max_examples=30)


def is_quick(config: pytest.Config) -> bool:
    """Whether this is the quick suite, of which properties see fewer examples than they do where everything runs."""
    return bool(config.option.markexpr == "not e2e")


def broker_url(offset: int) -> str:
    """REDIS_URL as it was given, with another database: `offset` after the given one, wrapping round at the last.

    Databases +1 to +7 are for the workers' own processes, +8 to +15 for the servers that browser tests start.
    """
    parts = urlsplit(GIVEN_BROKER)
    given = int(parts.path.strip("/") or 0)
    return parts._replace(path=f"/{(given + offset) % BROKER_DATABASES}").geturl()


def worker_number() -> int:
    """Which pytest-xdist worker this is, from 0; 0 without xdist."""
    return int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))


GIVEN_BROKER = os.environ.get("SLIPWAY_TEST_BROKER") or os.environ.get("REDIS_URL", "")
"""Kept in the environment, because REDIS_URL is changed below and pytest-xdist's workers inherit that."""


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Point this process, and every process that a test starts, at databases of its own."""
    if missing := [name for name in SERVERS if not os.environ.get(name)]:
        raise pytest.UsageError(
            f"{' and '.join(missing)} not set: the tests need a real Postgres and a real broker. "
            "`./run test` starts them; or give the addresses of your own, with a superuser's name for Postgres."
        )
    os.environ["SLIPWAY_TEST_BROKER"] = GIVEN_BROKER
    os.environ["REDIS_URL"] = broker_url(1 + worker_number() % (E2E_OFFSET - 1))
    settings.REDIS_URL = settings.CELERY_BROKER_URL = os.environ["REDIS_URL"]
    for options in getattr(settings, "CACHES", {}).values():
        if "redis" in options["BACKEND"]:
            options["LOCATION"] = os.environ["REDIS_URL"]
    if tables := os.environ.get("SLIPWAY_TEST_TABLES"):
        settings.DATABASES["default"].setdefault("TEST", {})["TEMPLATE"] = tables
    hypothesis_settings.load_profile("quick" if is_quick(config) else "slipway")
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    settings.STATIC_ROOT.mkdir(parents=True, exist_ok=True)
    settings.STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """The quick suite imports nothing that it leaves out whole: a browser's driver, a schema of the whole API."""
    return True if is_quick(config) and collection_path in (HERE / "e2e", HERE / "api" / "test_schema.py") else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long ones first, so that the workers end at about the same time."""
    items.sort(key=lambda item: (item.get_closest_marker("e2e") is None, item.path not in LONG_FILES))


def pytest_collection_finish() -> None:
    """What is there by now stays; to look through it for garbage again and again would take a tenth of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def _run_with_room(item: pytest.Item, nextitem: pytest.Item | None) -> bool:
    return run_test(item, nextitem)


_run_with_room.__code__ = _run_with_room.__code__.replace(co_stacksize=40_000)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool:
    """Run the test above a frame so large that all other frames lie in the same block of memory as it.

    Python keeps frames in blocks of 16 KB; a loop that calls across the end of one asks the kernel for the next block,
    and gives it back, each time round, which was a sixth of the time.
    """
    return _run_with_room(item, nextitem)


@pytest.fixture(scope="session", autouse=True)
def _templates_render_as_they_do(django_test_environment: None) -> None:
    """Django's test environment copies the context of every part of a page, for tests that ask what was rendered.

    Ours read the page, and the copies took a fifth of the time of those that do.
    """
    Template._render = RENDER  # type: ignore[attr-defined]


@pytest.fixture(scope="session", autouse=True)
def _what_tests_commit_goes_at_once() -> None:
    TransactionTestCase._fixture_teardown = lambda _: empty_tables()  # type: ignore[attr-defined]


@pytest.fixture(autouse=True)
def _nothing_remembered() -> None:
    """No test sees the rate limits that another one used up, nor what it found by a probe."""
    health.forget()
    caches["default"].key_prefix = f"test:{uuid.uuid4().hex}"


@pytest.fixture
def local(db: None) -> Account:
    """The account whose shapes run on this machine."""
    return make_account(account_id="local")


@pytest.fixture
def launcher(local: Account) -> User:
    """Somebody who may launch there."""
    return make_member(account=local, role=Role.LAUNCHER)


@pytest.fixture
def team(db: None) -> Account:
    """Somebody's own account."""
    return make_account(account_id="team-a")


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[RemoteEngine]:
    """The engine in memory of a kind that this Slipway knows for as long as the test runs."""
    engine = RemoteEngine()
    with registered(monkeypatch, REMOTE, engine):
        yield engine


@pytest.fixture
def far(engine: RemoteEngine, db: None) -> Connection:
    """A connection of that kind, for everyone."""
    return make_connection()
