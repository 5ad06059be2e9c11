"""A third party's hub, on loopback: what its protocol says of one repository, and what goes wrong on the way.

Large files are stored elsewhere and redirected to, as LFS has it, and are asked for in ranges. Standard library only.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"
LARGE = 1_000_000
PATIENCE_S = 60.0


@dataclass
class FakeHub:
    """`files` are those of `repository`, whose branch main is at `commit`. A `token` has to be shown where one is set.

    page: what comes in place of the list, where it says anything.
    hold: of a large file that many bytes come, and the rest once `go_on` is set; lies: the names of those whose bytes
    are others than the list says, and `excess` more of them. asked: name and Range of every request for a large file;
    shown: what was shown.
    """

    files: dict[str, bytes]
    repository: str = "acme/tiny"
    commit: str = COMMIT
    token: str = ""
    gated: bool = False
    page: bytes = b""
    hold: int | None = None
    lies: set[str] = field(default_factory=set)
    excess: int = 0
    asked: list[tuple[str, str]] = field(default_factory=list)
    shown: set[str] = field(default_factory=set)
    go_on: threading.Event = field(default_factory=threading.Event)
    url: str = ""
    wake: Callable[[], None] = lambda: None

    @property
    def address(self) -> str:
        return f"{self.url}/{self.repository}"

    def listing(self) -> dict[str, object]:
        return {"id": self.repository, "sha": self.commit, "siblings": [*map(self._sibling, self.files)]}

    def _sibling(self, name: str) -> dict[str, object]:
        content = self.files[name]
        told: dict[str, object] = {"rfilename": name, "size": len(content), "blobId": blob_of(content)}
        if len(content) >= LARGE:
            told["lfs"] = {"sha256": sha256_of(content), "size": len(content), "pointerSize": 134}
        return told


def sha256_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def blob_of(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


class _HubHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _HubServer

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def log_message(self, format: str, *arguments: object) -> None:
        """Nothing."""

    def _answer(self) -> None:
        hub, path = self.server.hub, urlsplit(self.path).path
        own = not path.startswith("/stored/")
        if own and (shown := self.headers.get("Authorization")):
            hub.shown.add(shown)
        if own and hub.token and self.headers.get("Authorization") != f"Bearer {hub.token}":
            self._refuse(401, "RepoNotFound")
        elif own and hub.gated:
            self._refuse(403, "GatedRepo")
        elif path == f"/api/models/{hub.repository}/revision/none":
            self._refuse(404, "RevisionNotFound")
        elif path == f"/api/models/{hub.repository}/revision/main":
            self._send(hub.page or json.dumps(hub.listing()).encode(), {"Content-Type": "application/json"})
        elif (name := path.removeprefix(f"/{hub.repository}/resolve/{hub.commit}/")) in hub.files:
            self._resolve(name)
        elif not own:
            self._store(path.rpartition("/")[2])
        else:
            self._refuse(404, "RepoNotFound")

    def _resolve(self, name: str) -> None:
        content = self._content(name)
        if len(content) < LARGE:
            told = {"ETag": f'"{blob_of(content)}"', "X-Repo-Commit": self.server.hub.commit}
            self._send(content, told)
            return
        self.send_response(302)
        self.send_header("Location", f"{self.server.hub.url.replace('127.0.0.1', 'localhost')}/stored/{name}")
        self.send_header("X-Linked-Etag", f'"{sha256_of(self.server.hub.files[name])}"')
        self.send_header("X-Linked-Size", str(len(content)))
        self.send_header("X-Repo-Commit", self.server.hub.commit)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _store(self, name: str) -> None:
        """Where large files lie: no token is shown there."""
        assert "Authorization" not in self.headers
        hub, content = self.server.hub, self._content(name)
        asked = self.headers.get("Range", "")
        hub.asked.append((name, asked))
        first = int(asked.removeprefix("bytes=").partition("-")[0]) if asked else 0
        self.send_response(206 if asked else 200)
        self.send_header("Content-Length", str(len(content) - first))
        if asked:
            self.send_header("Content-Range", f"bytes {first}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        if hub.hold is not None and not hub.go_on.is_set():
            self.wfile.write(content[first : hub.hold])
            hub.go_on.wait(PATIENCE_S)
            first = max(first, hub.hold)
        self.wfile.write(content[first:])

    def _content(self, name: str) -> bytes:
        hub, content = self.server.hub, self.server.hub.files[name]
        return content[:-1] + bytes([content[-1] ^ 1]) + bytes(hub.excess) if name in hub.lies else content

    def _send(self, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(200)
        for header, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(header, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def _refuse(self, status: int, code: str) -> None:
        self.send_response(status)
        if code:
            self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()


class _HubServer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, hub: FakeHub) -> None:
        super().__init__(("127.0.0.1", 0), _HubHandler, bind_and_activate=False)
        self.server_bind()
        self.hub = hub
        hub.url = f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Who asked may be gone by now."""


@contextmanager
def running_hub(hub: FakeHub, *, asleep: bool = False, mute: bool = False) -> Iterator[FakeHub]:
    """It answers for as long as the block lasts, or, where it is asleep, from when it is woken on.

    Until then it refuses, or, where it is mute, takes whoever connects and says nothing.
    """
    server = _HubServer(hub)
    if mute:
        server.server_activate()

    def serve() -> None:
        if not mute:
            server.server_activate()
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        hub.wake = lambda: None

    hub.wake = serve
    if not (asleep or mute):
        hub.wake()
    try:
        yield hub
    finally:
        hub.go_on.set()
        hub.wake()  # what does not serve cannot be told to stop
        server.shutdown()
        server.server_close()


def files_of(directory: Path) -> dict[str, bytes]:
    """Those of a model's directory."""
    return {path.name: path.read_bytes() for path in directory.iterdir() if path.is_file()}
