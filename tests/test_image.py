"""The image is whole in itself: its steps, run here on what it is given, bring all that its processes need."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from django.core.management import call_command
from django.http import HttpResponseBase, HttpResponseNotFound
from django.test import RequestFactory
from pytest_django.fixtures import Settings

from config.static import ServeStaticFiles, share_static_files
from embedded.addresses import free_port
from proofs.dockerfile import command, make_image
from tests.launches.gateway_parts import database_address
from tests.waiting import wait_for

ROOT = Path(__file__).resolve().parent.parent
SECRETS = (".env", ".env.before", "slipway.env", "docker-compose.override.yml")


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with what the Dockerfile copies and makes below /app; Python and its packages are ours."""
    folder = tmp_path_factory.mktemp("image") / "app"
    asked = ["git", "ls-files", "-co", "--exclude-standard"]
    for name in subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, folder / name)
    for name in SECRETS:  # as an operator has them beside the files that are built
        (folder / name).write_text("POSTGRES_PASSWORD=secret")
    make_image(folder, environment_of_image())
    yield folder


def environment_of_image() -> dict[str, str]:
    """Nothing of ours but Python."""
    return {"PATH": f"{Path(sys.executable).parent}:{os.defpath}", "DJANGO_SETTINGS_MODULE": "config.settings"}


def test_git_takes_no_secret_of_an_operator() -> None:
    done = subprocess.run(["git", "check-ignore", *SECRETS], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout.split() == list(SECRETS)


@pytest.mark.e2e  # a web server of its own
@pytest.mark.django_db(transaction=True)
def test_a_replica_with_an_empty_home_serves_its_files_and_knows_the_commands(image: Path, tmp_path: Path) -> None:
    port = free_port()
    home = tmp_path / "home"
    environment = environment_of_image() | {"SLIPWAY_HOME": str(home), "DATABASE_URL": database_address()}
    run = subprocess.run(
        ["./run", "manage", "make_keys"], cwd=image, env=environment, capture_output=True, text=True, check=True
    )
    assert run.stdout.count("made ") == 3, run.stderr
    assert not any((image / name).exists() for name in SECRETS)
    assert not list(image.rglob("*-key")) and not list(image.glob("var"))
    argv = [sys.executable, *command(ROOT)[1:], "--host", "127.0.0.1", "--port", str(port)]
    process = subprocess.Popen(argv, cwd=image, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            wait_for(lambda: answers(client))
            ready = client.get("/readyz").json()["checks"]
            assert (ready["static"], ready["keys"], ready["database"]) == ("ok", "ok", "ok")
            page = client.get("/sign-in").text
            addresses = set(re.findall(r'(?:href|src)="(/static/[^"#]+)', page))
            assert any(re.fullmatch(r"/static/css/app\.[0-9a-f]{12}\.css", address) for address in addresses)
            assert {client.get(address).status_code for address in addresses} == {200}
    finally:
        process.terminate()
        process.wait(60)


def answers(client: httpx.Client) -> bool:
    try:
        return client.get("/healthz").is_success
    except httpx.HTTPError:
        return False


def release(folder: Path, settings: Settings, text: str) -> tuple[Callable[[str], HttpResponseBase], str]:
    """What asks a web process of a release whose stylesheet says that for a path, and the stylesheet's address."""
    (folder / "source").mkdir(parents=True)
    (folder / "source" / "app.css").write_text(text)
    settings.STATICFILES_DIRS, settings.STATIC_ROOT = [folder / "source"], folder / "root"
    settings.STATICFILES_FINDERS = ["django.contrib.staticfiles.finders.FileSystemFinder"]  # none of the admin's
    settings.STORAGES = settings.STORAGES | {"staticfiles": {"BACKEND": "config.static.StaticFiles"}}
    call_command("collectstatic", "--noinput", verbosity=0)
    settings.STORAGES = dict(settings.STORAGES)  # another process: what the first one remembers is not there
    share_static_files()
    (hashed,) = [path.name for path in (folder / "root").glob("app.*.css")]
    serve = ServeStaticFiles(lambda _: HttpResponseNotFound())
    return lambda path: serve(RequestFactory().get(path)), f"/static/{hashed}"


def test_processes_of_two_releases_serve_the_files_of_both_and_of_none_before(
    tmp_path: Path, settings: Settings
) -> None:
    settings.SLIPWAY_HOME = tmp_path / "home"
    first, red = release(tmp_path / "a", settings, "a { color: red }")
    time.sleep(0.01)  # of two starts one is later
    second, blue = release(tmp_path / "b", settings, "a { color: blue }")
    for ask in (first, second):
        for address, colour in ((red, b"red"), (blue, b"blue")):
            answer = ask(address)
            assert colour in b"".join(answer) and "immutable" in answer["Cache-Control"]
        for outside in ("../releases", "..%2fsecret-key", "../../secret-key", "releases", "nothing.css", ""):
            assert ask(f"/static/{outside}").status_code == 404
    time.sleep(0.01)
    third, green = release(tmp_path / "c", settings, "a { color: green }")
    assert [third(address).status_code for address in (red, blue, green)] == [404, 200, 200]
