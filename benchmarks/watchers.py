"""Many open event streams that read and do nothing else: in a process of their own, so they cost who measures nothing.

python -m benchmarks.watchers ADDRESS PORT TARGET COUNT     the cookie comes on standard input, one line

Prints "open" once all were greeted, and how many still are once its standard input ended, and ends. They stand for
browsers on other machines, so they take as little as can be of the CPUs that they share with what is measured: what
came is read now and then.
"""

from __future__ import annotations

import resource
import selectors
import socket
import sys
import threading
from contextlib import suppress

TOGETHER = 100
"""Streams that are opened at a time, like the tabs of people who come in one after the other."""
GREETED = b"event: hello"
SPARE_FILES = 100
PIECE = 65536
REST_SECONDS = 0.1
"""Between two readings of all: the kernel keeps what comes meanwhile, some hundred bytes a stream."""


def main(address: str, port: int, target: str, count: int) -> None:
    """Watch until standard input ends. Errors: `OSError` where a stream is refused."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, count + SPARE_FILES), most))
    cookie = sys.stdin.readline().strip()
    request = f"GET {target} HTTP/1.1\r\nHost: {address}:{port}\r\nCookie: {cookie}\r\n\r\n".encode()
    watched = selectors.DefaultSelector()
    for opened in range(0, count, TOGETHER):
        batch = [socket.create_connection((address, port)) for _ in range(min(TOGETHER, count - opened))]
        for stream in batch:
            stream.sendall(request)
        for stream in batch:
            _wait_for_greeting(stream)
            stream.setblocking(False)
            watched.register(stream, selectors.EVENT_READ)
    print("open", flush=True)
    _read_on(watched)
    print(len(watched.get_map()), flush=True)


def _wait_for_greeting(stream: socket.socket) -> None:
    came = b""
    while GREETED not in came:
        piece = stream.recv(PIECE)
        came += piece
        if not piece:
            refused = came.partition(b"\r\n")[0].decode("latin-1")
            raise ConnectionError(f"A stream ended with {refused or 'nothing'}.")


def _read_on(watched: selectors.BaseSelector) -> None:
    end = threading.Thread(target=sys.stdin.read, daemon=True)
    end.start()
    goes_on = True
    while goes_on:
        end.join(REST_SECONDS)
        goes_on = end.is_alive()
        for key, _ in watched.select(0):
            if _has_ended(key.fileobj):  # type: ignore[arg-type]
                watched.unregister(key.fileobj)


def _has_ended(stream: socket.socket) -> bool:
    """Having read what came; one that was reset is no affair of the others."""
    try:
        return not stream.recv(PIECE)
    except BlockingIOError:
        return False
    except OSError:
        return True


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        main(sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4]))
