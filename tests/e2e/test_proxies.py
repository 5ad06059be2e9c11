"""deploy/proxy in front of a Slipway: nginx and Caddy pass on what people and trainers need, and nothing is claimed."""

from __future__ import annotations

import re
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import httpx
import pytest

from embedded.addresses import free_port
from embedded.proxies import find_proxy
from proofs.replicas import ROOT, commands
from tests.certificates import make_certificate
from tests.conftest import E2E_OFFSET, broker_url, worker_number
from tests.e2e.browser import Browser
from tests.e2e.conftest import SlipwayServer, running_slipway
from tests.overlaid import do
from tests.proxies import NAME, caddy, nginx
from tests.waiting import wait_for

CLAIMED = "203.0.113.77"
API = "/v1/accounts/local"


class Here(httpx.HTTPTransport):
    """Whatever a request's host is, its connection is to this machine."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        here = httpx.Request(
            request.method,
            request.url.copy_with(host="127.0.0.1"),
            headers=request.headers,
            stream=request.stream,
            extensions={**request.extensions, "sni_hostname": NAME},
        )
        return super().handle_request(here)


@dataclass(frozen=True)
class Front:
    """A proxy that runs: its https port, and the certificate that it shows."""

    port: int
    certificate: Path

    @property
    def url(self) -> str:
        return f"https://{NAME}:{self.port}"

    @property
    def context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.certificate))

    def client(self, **headers: str) -> httpx.Client:
        """Asks by the public name, wherever that may point."""
        return httpx.Client(
            base_url=self.url,
            transport=Here(verify=self.context),
            timeout=60,
            headers={"Referer": self.url, "X-Forwarded-For": CLAIMED, **headers},
        )


@contextmanager
def running(command: list[str], folder: Path, front: Front) -> Iterator[None]:
    said = folder / "said"
    with said.open("w") as stream:
        environment = {"HOME": str(folder), "PATH": "/usr/bin:/bin"}
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=stream, stderr=stream)

    def answers() -> bool:
        assert process.poll() is None, said.read_text()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", front.port)) == 0

    try:
        wait_for(answers)
        yield
    finally:
        process.terminate()
        process.wait(30)


@contextmanager
def closed(count: int) -> Iterator[list[str]]:
    """Addresses where nobody listens, nor may: else another test's Slipway might be asked there."""
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        yield [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]


@pytest.fixture(scope="module")
def public_port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, public_port: int) -> Iterator[SlipwayServer]:
    redis_url = broker_url(E2E_OFFSET + (worker_number() + 4) % E2E_OFFSET)
    address = f"https://{NAME}:{public_port}"
    with running_slipway(tmp_path_factory.mktemp("behind"), redis_url, SLIPWAY_URL=address) as running_server:
        yield running_server


@pytest.fixture(params=[nginx, caddy], ids=["nginx", "caddy"])
def proxy(request: pytest.FixtureRequest) -> Callable[..., list[str]]:
    program = request.param.__name__
    if not find_proxy(program):
        pytest.skip(f"there is no {program}")
    command: Callable[..., list[str]] = request.param
    return command


@pytest.fixture
def front(proxy: Callable[..., list[str]], server: SlipwayServer, public_port: int, tmp_path: Path) -> Iterator[Front]:
    made = Front(public_port, make_certificate(NAME, tmp_path))
    up = server.url.removeprefix("http://")
    with closed(3) as down, running(proxy(tmp_path, made.port, made.certificate, [up, *down]), tmp_path, made):
        yield made


@pytest.fixture
def api(front: Front, server: SlipwayServer) -> Iterator[httpx.Client]:
    who = ("--account", "local", "--user", server.username, "--scope", "launch")
    with front.client(**{"X-Api-Key": server.manage("create_api_key", *who).split()[-1]}) as client:
        yield client


def test_what_is_typed_sent_and_watched_passes(front: Front, server: SlipwayServer, api: httpx.Client) -> None:
    browser = Browser(server, front.client())
    cookies = {cookie.name: cookie for cookie in browser.client.cookies.jar}
    assert cookies and all(cookie.secure for cookie in cookies.values())
    assert CLAIMED not in browser.read("/audit") and "127.0.0.1" in browser.read("/audit")

    with browser.client.stream("GET", "/events?account=local") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        told = stream.iter_raw()
        assert next(told), "while the stream is open"

    # More than a proxy lets through where nothing is said.
    rows = b'{"prompt": "a", "completion": "b"}\n' * 230_000  # 8 MB, of one piece
    api.post(f"{API}/datasets", json={"datasetId": f"rows-{front.port}-{id(front)}"}).raise_for_status()
    name = f"{API}/datasets/rows-{front.port}-{id(front)}"
    assert 7 * 1024**2 < len(rows) <= 8 * 1024**2
    api.put(f"{name}:upload", content=rows).raise_for_status()
    wait_for(lambda: api.get(name).json()["state"] == "READY")
    part = api.get(f"{name}:download", headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, rows[10:20])


class Replica(BaseHTTPRequestHandler):
    """A web process that is up."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()


def test_a_replica_that_is_up_is_asked_at_once_wherever_others_are_not(
    proxy: Callable[..., list[str]], tmp_path: Path
) -> None:
    """As in a rolling upgrade: nobody listened where the new ones are, until just before the old ones are gone."""
    made = Front(free_port(), make_certificate(NAME, tmp_path))
    later = free_port()
    with (
        closed(3) as down,
        running(proxy(tmp_path, made.port, made.certificate, [*down, f"127.0.0.1:{later}"]), tmp_path, made),
        made.client() as client,
    ):
        assert client.get("/").status_code in (502, 503)
        with HTTPServer(("127.0.0.1", later), Replica) as replica:
            thread = threading.Thread(target=replica.serve_forever)
            thread.start()
            try:
                assert [client.get("/").status_code for _ in range(8)] == [200] * 8
            finally:
                replica.shutdown()
                thread.join()


SECRET = "a-token-that-opens-something"
SECRETS = (f"/invitations/{SECRET}", f"/downloads/{SECRET}", f"/sign-in?next=/invitations/{SECRET}", "/static/app.css")
"""What a browser with an invitation asks for, its stylesheet with the page as Referer among it."""


def test_no_token_gets_into_a_log_also_where_nobody_answers(proxy: Callable[..., list[str]], tmp_path: Path) -> None:
    made = Front(free_port(), make_certificate(NAME, tmp_path))
    with closed(2) as down:
        command = proxy(tmp_path, made.port, made.certificate, down)
        if proxy is caddy:  # as somebody has it who wants requests logged
            site = tmp_path / "Caddyfile"
            text = site.read_text().replace("lb_try_duration 3s", "lb_try_duration 50ms")
            site.write_text(text.replace("\tbind ", "\tlog\n\tbind ", 1))
        with running(command, tmp_path, made), made.client(Referer=f"{made.url}/invitations/{SECRET}") as client:
            assert {client.get(path).status_code for path in SECRETS} <= {502, 503}
            assert client.get("/models", headers={"Referer": ""}).status_code in (502, 503)
    said = "".join(path.read_text() for path in (tmp_path / "said", *tmp_path.glob("*.log")))
    assert "/models" in said, "of others a line stays"
    assert SECRET not in said
    assert "Connection refused" not in said, "a replica that is not there is no line for each request"


class Invited(Replica):
    """A web process to which somebody signed in whom an invitation brought."""

    def do_GET(self) -> None:
        self.send_response(303 if self.path.startswith("/sign-in") else 200)
        self.send_header("Location", f"/invitations/{SECRET}")
        self.send_header("Content-Length", "0")
        self.end_headers()


def test_no_token_gets_into_a_log_by_an_answer(proxy: Callable[..., list[str]], tmp_path: Path) -> None:
    made = Front(free_port(), make_certificate(NAME, tmp_path))
    with HTTPServer(("127.0.0.1", 0), Invited) as replica:
        thread = threading.Thread(target=replica.serve_forever)
        thread.start()
        command = proxy(tmp_path, made.port, made.certificate, [f"127.0.0.1:{replica.server_port}"])
        if proxy is caddy:
            site = tmp_path / "Caddyfile"
            site.write_text(site.read_text().replace("\tbind ", "\tlog\n\tbind ", 1))
        try:
            with running(command, tmp_path, made), made.client() as client:
                wait_for(lambda: client.get("/sign-in").status_code == 303)
        finally:
            replica.shutdown()
            thread.join()
    said = "".join(path.read_text() for path in (tmp_path / "said", *tmp_path.glob("*.log")))
    assert "/sign-in" in said and SECRET not in said


def test_the_documents_commands_give_nginx_and_caddy_their_files(tmp_path: Path) -> None:
    """nginx finds them whole; Caddy would ask for a certificate, so its file is looked at alone."""
    if not all(map(find_proxy, ("nginx", "caddy"))):
        pytest.skip("nginx and Caddy are not both here")
    certificate = make_certificate("here.example", tmp_path)
    folder = tmp_path / "upper" / "etc" / "ssl" / "slipway"
    folder.mkdir(parents=True)
    for name in ("fullchain.pem", "privkey.pem"):
        shutil.copy2(certificate, folder / name)
    do(commands("Proxies"), tmp_path, {"systemctl": 'echo "$@" >> "$PLACE/asked"'}, ROOT, NAME="here.example")
    asked = (tmp_path / "asked").read_text().splitlines()
    assert asked == ["reload nginx", "reload caddy", "restart nginx", "reload nginx", "reload caddy"]
    caddyfile = (tmp_path / "upper/etc/caddy/Caddyfile").read_text()
    assert "here.example {" in caddyfile
    site = (tmp_path / "upper/etc/nginx/conf.d/slipway.conf").read_text()
    for port in range(8000, 8008):  # all that the compose file may give to web
        assert f"\n    server 127.0.0.1:{port} max_fails=0;\n" in site
        assert re.search(rf"\treverse_proxy .*\b127\.0\.0\.1:{port} .*\{{", caddyfile)
    main = (tmp_path / "upper/etc/nginx/nginx.conf").read_text()
    assert "worker_connections 16384;" in main and main.startswith("worker_rlimit_nofile 65536;")
