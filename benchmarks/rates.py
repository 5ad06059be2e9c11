"""Pages a second for 8 callers at once, beside a plain Django view of 50 rows (`plain_page.py`) for as many.

Noted as the seconds of one page when so many are asked for: twice the plain view's is half its pages a second.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import httpx

from benchmarks.callers import ask_again
from benchmarks.noted import note
from benchmarks.results import Figure
from benchmarks.session import BASE_URL
from embedded.addresses import free_port
from embedded.home import ROOT
from embedded.services import processes_at_once

CALLERS, SECONDS = 8, 4.0
START_SECONDS = 60


def note_rates(pages: Mapping[str, str], client: httpx.Client) -> None:
    """Print and note the rate of each page, by name, of who has the client's session."""
    session = f"Cookie: sessionid={client.cookies['sessionid']}"
    with plain_server() as plain:
        floors = {path: _rate(plain, path, "") for path in ("/launches", "/shapes")}
        print(
            f"\n{CALLERS} callers at once; plain views: {floors['/launches']:.0f} and {floors['/shapes']:.0f} a second"
        )
        for name, path in pages.items():
            rate, floor = _rate(BASE_URL, path, session), floors[plain_path(name)]
            print(f"{name:24}{rate:8.1f} a second, 1 : {floor / rate:.1f}")
            note(Figure(f"page, {name}, {CALLERS} at once", 1 / rate, 1 / floor, rate=rate))


def plain_path(name: str) -> str:
    """Where the plain view of the rows of the page of that name is."""
    return "/launches" if name.startswith("launches") else "/shapes"


def _rate(base_url: str, path: str, header: str) -> float:
    """Answers a second; one that is no page is an error."""

    async def ask() -> float:
        await ask_again(base_url, path, header, 0.5)
        found = await asyncio.gather(*(ask_again(base_url, path, header, SECONDS) for _ in range(CALLERS)))
        if strange := {status for one in found for status in one.statuses} - {httpx.codes.OK}:
            raise RuntimeError(f"{path} was answered with {strange}.")
        return sum(one.statuses[httpx.codes.OK] for one in found) / SECONDS

    return asyncio.run(ask())


@contextmanager
def plain_server() -> Iterator[str]:
    """The address of the plain view, in as many processes as serve our own pages."""
    port = free_port()
    argv = [sys.executable, "-m", "granian", "--interface", "asginl", "--host", "127.0.0.1", "--port", str(port)]
    with subprocess.Popen(
        [*argv, "--workers", str(processes_at_once()), "benchmarks.plain_page:application"],
        cwd=ROOT,
        env=os.environ | {"SLIPWAY_DATABASE_POOL": "10"},
        stdout=subprocess.DEVNULL,
    ) as process:
        try:
            transport = httpx.HTTPTransport(retries=20)  # with pauses that grow
            with httpx.Client(
                base_url=f"http://127.0.0.1:{port}", transport=transport, timeout=START_SECONDS
            ) as client:
                client.get("/shapes").raise_for_status()
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
