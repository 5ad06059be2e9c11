"""How measurements get in, as a browser, as a program and as the project itself; and the arithmetic they share."""

from __future__ import annotations

import os
import re
import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import django
import httpx
import psutil

from embedded.home import Home

BASE_URL = os.environ.get("SLIPWAY_BASE_URL", "")


def sign_in() -> httpx.Client:
    """A client with the admin's session. Errors: `RuntimeError` where the sign-in fails."""
    client = httpx.Client(base_url=BASE_URL, headers={"Referer": BASE_URL}, timeout=30)
    client.get("/sign-in").raise_for_status()
    answer = client.post(
        "/sign-in",
        data={
            "login": os.environ["SLIPWAY_ADMIN_USER"],
            "password": os.environ["SLIPWAY_ADMIN_PASSWORD"],
            "csrfmiddlewaretoken": client.cookies["csrftoken"],
        },
    )
    if "sessionid" not in client.cookies:
        raise RuntimeError(f"The sign-in failed with {answer.status_code}.")
    return client


def set_up_django() -> None:
    """Let this process import models and call verbs, on the measured Slipway's database."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()


def make_api_key(name: str) -> str:
    """The secret of a new key of the admin in account `local`, scope launch."""
    set_up_django()
    from django.utils import timezone  # noqa: PLC0415 -- models can be imported only once Django is set up

    from accounts.actors import SYSTEM  # noqa: PLC0415
    from accounts.domain.create_api_key import create_api_key  # noqa: PLC0415
    from accounts.models import Account, User  # noqa: PLC0415
    from accounts.scopes import Scope  # noqa: PLC0415

    _, secret = create_api_key(
        actor=SYSTEM,
        account=Account.objects.get(account_id="local"),
        user=User.objects.get(username=os.environ["SLIPWAY_ADMIN_USER"]),
        name=name,
        scope=Scope.LAUNCH,
        now=timezone.now(),
        days=30,
    )
    return secret


def queries_of(path: str, client: httpx.Client) -> int:
    """How many queries the page costs, asked for by the client's session in this process."""
    set_up_django()
    from django.test import Client  # noqa: PLC0415 -- once Django is set up

    here = Client(SERVER_NAME="127.0.0.1")
    here.cookies["sessionid"] = client.cookies["sessionid"]
    here.get(path)  # so that all is loaded that it takes
    return queries_here(partial(here.get, path))


def queries_here(call: Callable[[], object]) -> int:
    """How many queries the call makes in this process."""
    set_up_django()
    from django.db import connection  # noqa: PLC0415 -- once Django is set up
    from django.test.utils import CaptureQueriesContext  # noqa: PLC0415

    with CaptureQueriesContext(connection) as asked:
        call()
    return len(asked)


def call_here(method: str, path: str, client: httpx.Client, body: object = None) -> None:
    """The client's request, by its key, to the application in this process. Errors: `RuntimeError` for a refusal."""
    set_up_django()
    from django.test import Client  # noqa: PLC0415 -- once Django is set up

    given: dict[str, Any] = {"headers": {"X-Api-Key": client.headers["X-Api-Key"]}}
    if body is not None:
        given |= {"data": body, "content_type": "application/json"}
    answer = getattr(Client(SERVER_NAME="127.0.0.1"), method)(path, **given)
    if answer.status_code != httpx.codes.OK:
        raise RuntimeError(f"{path} was answered with {answer.status_code}: {answer.content[:300]!r}")


def hidden_fields(html: str, form: str) -> dict[str, str]:
    """Names and values of the hidden inputs of the form with that id."""
    found = {}
    inside = html.partition(f'id="{form}"')[2].partition("</form>")[0]
    for tag in re.findall(r"<input[^>]*type=\"hidden\"[^>]*>", inside):
        name, value = re.search(r'name="([^"]*)"', tag), re.search(r'value="([^"]*)"', tag)
        if name:
            found[name[1]] = value[1] if value else ""
    return found


def interleaved(calls: Sequence[Callable[[], object]], rounds: int) -> list[float]:
    """Median seconds of each call, taken in turns so that noise hits all alike; the first round is not counted."""
    taken: list[list[float]] = [[] for _ in calls]
    for _ in range(rounds + 1):
        for call, times in zip(calls, taken, strict=True):
            times.append(seconds_of(call))
    return [statistics.median(times[1:]) for times in taken]


def paired(floor: Callable[[], float], ours: Callable[[], float], rounds: int) -> list[tuple[float, float]]:
    """The seconds that both tell, round by round; who begins alternates, and the first round is not counted."""
    taken = []
    for number in range(rounds + 1):
        if number % 2:
            least, took = floor(), ours()
        else:
            took, least = ours(), floor()
        taken.append((least, took))
    return taken[1:]


def seconds_of(call: Callable[[], object]) -> float:
    """How long the call takes."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which that share of the values lies; the smallest such one."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def web_processes() -> list[psutil.Process]:
    """Those that serve the measured Slipway, and who started them."""
    running = Home.from_environment().read_running()
    assert running is not None
    web = psutil.Process(running.children["web"].pid)
    return [web, *web.children(recursive=True)]


def footprint(processes: list[psutil.Process]) -> tuple[int, int]:
    """Bytes that are the processes' own, and their threads."""
    return sum(p.memory_full_info().uss for p in processes), sum(p.num_threads() for p in processes)
