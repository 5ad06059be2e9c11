"""The catalog asked by 256 connections at once, for ten seconds: what is served, what refused, and what goes on beside.

served    pages a second, and the time that 95 % of them took from the request to the answer
refused   with 503 at once; what is neither, or was broken off, is counted as failed
beside    the API, the health check and a static file meanwhile, by one caller each; the floor is the same without load
starved   the API meanwhile beside the health check meanwhile, which asks nothing and waits for the processor alone: the
          256 callers are on the same machine
"""

from __future__ import annotations

import asyncio

import httpx

from benchmarks.callers import Tally, ask_again
from benchmarks.noted import note
from benchmarks.results import Figure
from benchmarks.session import BASE_URL, make_api_key, sign_in

CONNECTIONS, SECONDS = 256, 10.0
QUIET_SECONDS = 3.0
SHAPES = "/v1/accounts/-/trainingShapes"
_AWAITED = (httpx.codes.OK, httpx.codes.SERVICE_UNAVAILABLE)


def main() -> None:
    """Print what was served and refused, and each of those beside it with its floor."""
    session = sign_in().cookies["sessionid"]
    asyncio.run(_measure(f"Cookie: sessionid={session}", f"X-Api-Key: {make_api_key('bench load')}"))


async def _measure(cookie: str, key: str) -> None:
    style = "/static/css/app.css"
    callers = {"the API": (SHAPES, key), "health": ("/healthz", ""), "a static file": (style, "")}
    quiet = await asyncio.gather(
        *(ask_again(BASE_URL, path, header, QUIET_SECONDS) for path, header in callers.values())
    )
    loaded = [ask_again(BASE_URL, "/", cookie, SECONDS) for _ in range(CONNECTIONS)]
    answers = await asyncio.gather(
        *(ask_again(BASE_URL, path, header, SECONDS) for path, header in callers.values()), *loaded
    )
    pages = Tally()
    for one in answers[len(callers) :]:
        for status, times in one.times.items():
            for seconds in times:
                pages.add(status, seconds)
    strange = {status: n for status, n in pages.statuses.items() if status not in _AWAITED}
    served, refused = pages.statuses[200] / SECONDS, pages.statuses[503] / SECONDS
    print(f"{CONNECTIONS} connections: {served:.1f} pages/s, 95 % within {pages.tail(200):.2f} s; ", end="")
    print(f"{refused:.0f} refused a second, 95 % within {pages.tail(503) * 1000:.0f} ms")
    print(f"failed, by status (0 where it broke off): {strange or 'none'}")
    note(Figure(f"catalog asked by {CONNECTIONS} at once, 95 %", pages.tail(200), rate=served))
    note(Figure(f"catalog asked by {CONNECTIONS} at once, failed", sum(strange.values()), unit="times"))
    tails = {}
    for name, before, beside in zip(callers, quiet, answers, strict=False):
        failed = sum(count for status, count in beside.statuses.items() if status != httpx.codes.OK)
        tails[name] = took = beside.tail(200)
        floor = before.tail(200)
        print(f"{name} meanwhile: 95 % within {took * 1000:.0f} ms, alone {floor * 1000:.0f} ms; {failed} failed")
        note(Figure(f"{name} beside that, 95 %", took, floor))
    note(Figure("the API beside that, than health, 95 %", tails["the API"], tails["health"]))
