"""The catalog asked by 256 connections at once, for ten seconds: what is served, what refused, and what goes on beside.

served    pages a second, and the time that 95 % of them took from the request to the answer
refused   with 503 at once; an answer that is neither is a failure of the bench
beside    the API, the health check and a static file meanwhile, by one caller each; the floor is the same without load
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import httpx

from benchmarks.noted import note
from benchmarks.results import Figure
from benchmarks.session import BASE_URL, make_api_key, percentile, sign_in

CONNECTIONS, SECONDS = 256, 10.0
QUIET_SECONDS = 3.0
PAUSE_SECONDS = 0.5
"""Of who was refused: less than the answer asks for, as impatient readers do."""
SHAPES = "/v1/accounts/-/trainingShapes"


@dataclass
class Tally:
    """What came back: how often each status, and the seconds of each."""

    statuses: Counter[int] = field(default_factory=Counter)
    times: dict[int, list[float]] = field(default_factory=dict)

    def add(self, status: int, seconds: float) -> None:
        """One answer."""
        self.statuses[status] += 1
        self.times.setdefault(status, []).append(seconds)

    def tail(self, status: int) -> float:
        """The 95th percentile of the seconds of that status; 0.0 where there was none."""
        return percentile(self.times[status], 0.95) if status in self.times else 0.0


def main() -> None:
    """Print what was served and refused, and each of those beside it with its floor."""
    session = sign_in().cookies["sessionid"]
    asyncio.run(_measure(f"Cookie: sessionid={session}", f"X-Api-Key: {make_api_key('bench load')}"))


async def _measure(cookie: str, key: str) -> None:
    style = "/static/css/app.css"
    callers = {"the API": (SHAPES, key), "health": ("/healthz", ""), "a static file": (style, "")}
    quiet = await asyncio.gather(*(_call(path, header, QUIET_SECONDS) for path, header in callers.values()))
    loaded = [_call("/", cookie, SECONDS) for _ in range(CONNECTIONS)]
    answers = await asyncio.gather(*(_call(path, header, SECONDS) for path, header in callers.values()), *loaded)
    pages = Tally()
    for one in answers[len(callers) :]:
        for status, times in one.times.items():
            for seconds in times:
                pages.add(status, seconds)
    if strange := set(pages.statuses) - {httpx.codes.OK, httpx.codes.SERVICE_UNAVAILABLE}:
        raise RuntimeError(f"The catalog was answered with {strange}.")
    served, refused = pages.statuses[200] / SECONDS, pages.statuses[503] / SECONDS
    print(f"{CONNECTIONS} connections: {served:.1f} pages/s, 95 % within {pages.tail(200):.2f} s; ", end="")
    print(f"{refused:.0f} refused a second, 95 % within {pages.tail(503) * 1000:.0f} ms")
    note(Figure(f"catalog asked by {CONNECTIONS} at once, 95 %", pages.tail(200), rate=served))
    for name, before, beside in zip(callers, quiet, answers, strict=False):
        failed = sum(count for status, count in beside.statuses.items() if status != httpx.codes.OK)
        took, floor = beside.tail(200), before.tail(200)
        print(f"{name} meanwhile: 95 % within {took * 1000:.0f} ms, alone {floor * 1000:.0f} ms; {failed} failed")
        note(Figure(f"{name} beside that, 95 %", took, floor))


async def _call(path: str, header: str, seconds: float) -> Tally:
    """Ask again and again on one connection, until the time is over."""
    parts, tally, until = urlsplit(BASE_URL), Tally(), time.monotonic() + seconds
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    lines = [f"GET {path} HTTP/1.1", f"Host: {parts.netloc}", *([header] if header else []), "", ""]
    request = "\r\n".join(lines).encode()
    try:
        while (began := time.monotonic()) < until:
            writer.write(request)
            status = await _read_answer(reader)
            tally.add(status, time.monotonic() - began)
            if status == httpx.codes.SERVICE_UNAVAILABLE:
                await asyncio.sleep(PAUSE_SECONDS)
    finally:
        writer.close()
    return tally


async def _read_answer(reader: asyncio.StreamReader) -> int:
    """The status of an answer that is read to its end, by its length or in chunks."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    if "transfer-encoding: chunked" in head:
        while size := int(await reader.readline(), 16):
            await reader.readexactly(size + 2)
        await reader.readline()
    elif "content-length:" in head:
        await reader.readexactly(int(head.partition("content-length:")[2].partition("\r\n")[0]))
    return int(head.split(" ", 2)[1])
