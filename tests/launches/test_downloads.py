"""Checkpoints leave whole, for whoever may act on their launch: by session, by key, by a signed link, by a command."""

from __future__ import annotations

import hashlib
import io
import tarfile
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from accounts.actors import SYSTEM, user_actor
from accounts.domain.revoke_api_key import revoke_api_key
from accounts.models import ApiKey, AuditEntry
from accounts.roles import Role
from accounts.scopes import Scope
from connections.providers.checkpoints import CheckpointKind
from connections.providers.states import AttemptState
from launches.domain.delete_launch import delete_launch
from launches.models import Checkpoint, Launch
from tests.api.makers import make_key
from tests.connections.remote import RemoteEngine, make_connection
from tests.launches.makers import bring_to, make_launch, make_tiny_version
from tests.makers import make_account, make_member, make_user, sign_in

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("local_home")]
FILES = {"config.json": b"{}", "sub/model.safetensors": b"0123456789" * 100_000, "empty.txt": b""}


@pytest.fixture
def saved() -> Checkpoint:
    """What a launch that is over has saved for sampling, with its files on this machine."""
    account = make_account(account_id="local")
    launch = make_launch(
        owner=make_member(account=account, role=Role.LAUNCHER), account=account, version=make_tiny_version()
    )
    bring_to(launch, AttemptState.COMPLETED)
    return save(launch, CheckpointKind.SAMPLER)


def save(launch: Launch, kind: CheckpointKind, **facts: Any) -> Checkpoint:
    """A row, and the files that it lists."""
    for path, content in FILES.items():
        place = folder_of(launch, kind) / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
    listed = [
        {"path": path, "size_bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for path, content in FILES.items()
    ]
    given = {"step": 20, "size_bytes": 1_000_002, "saved_at": timezone.now(), "files": listed} | facts
    return Checkpoint.objects.create(launch=launch, kind=kind, name="final", **given)


def folder_of(launch: Launch, kind: CheckpointKind) -> Path:
    """Where the local provider keeps them."""
    below = {CheckpointKind.TRAINING: "checkpoints", CheckpointKind.SAMPLER: "sampler"}[kind]
    job: Path = settings.SLIPWAY_HOME / "local" / "jobs" / launch.account.account_id / launch.job_id
    return job / below / "final"


def page_of(checkpoint: Checkpoint, end: str = "") -> str:
    return f"/launches/{checkpoint.launch.uid}/saves/{checkpoint.kind.lower()}/{checkpoint.name}{end}"


def address_of(checkpoint: Checkpoint, verb: str = ":download", asked: str = "") -> str:
    return f"/v1/{checkpoint.launch.name}/checkpoints/{checkpoint.name}{verb}{asked}"


def body_of(answer: Any) -> bytes:
    return b"".join(answer.streaming_content) if answer.streaming else bytes(answer.content)


def unpacked(archive: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        return {entry.name: opened.extractfile(entry).read() for entry in opened}  # type: ignore[union-attr]


def browser_of(checkpoint: Checkpoint, role: Role | None) -> Client:
    """The owner's for LAUNCHER, else a member's of that role; None for a member of another account."""
    if role is Role.LAUNCHER:
        return sign_in(Client(), checkpoint.launch.owner)
    account = checkpoint.launch.account if role else None
    return sign_in(Client(), make_member(account=account, role=role) if role else make_user())


def by_key(checkpoint: Checkpoint, *, scope: Scope = Scope.LAUNCH) -> Client:
    """A program with a key of the owner's."""
    key = make_key(account=checkpoint.launch.account, user=checkpoint.launch.owner, scope=scope)
    return Client(headers={"X-Api-Key": key})


WHO: dict[str, tuple[Role | None, int]] = {
    "its owner": (Role.LAUNCHER, 200),
    "a publisher": (Role.PUBLISHER, 200),
    "an admin": (Role.ADMIN, 200),
    "a viewer": (Role.VIEWER, 403),
    "a stranger": (None, 404),
}


def test_who_takes_it_away_in_the_browser(saved: Checkpoint, subtests: pytest.Subtests) -> None:
    for who, (role, status) in WHO.items():
        with subtests.test(who):
            browser = browser_of(saved, role)
            archive, file = browser.get(page_of(saved, "/archive")), browser.get(page_of(saved, "/files/config.json"))
            assert (archive.status_code, file.status_code) == (status, status)
            if status == 200:
                assert unpacked(body_of(archive)) == {f"final/{path}": each for path, each in FILES.items()}
                assert body_of(file) == FILES["config.json"]
    colleague = sign_in(Client(), make_member(account=saved.launch.account, role=Role.LAUNCHER))
    refused = colleague.get(page_of(saved, "/archive"))
    assert refused.status_code == 403
    assert b"control any launch" in refused.content


def test_who_takes_it_away_with_a_key(saved: Checkpoint) -> None:
    program = by_key(saved)
    answer = program.get(address_of(saved, asked="?path=sub/model.safetensors"), headers={"Range": "bytes=999995-"})
    assert (answer.status_code, body_of(answer)) == (206, b"56789")
    assert answer["ETag"] == f'"{hashlib.sha256(FILES["sub/model.safetensors"]).hexdigest()}"'
    whole = program.get(address_of(saved))
    assert unpacked(body_of(whole)) == {f"final/{path}": content for path, content in FILES.items()}
    rest = program.get(address_of(saved), headers={"Range": "bytes=600-", "If-Range": whole["ETag"]})
    assert rest["Content-Range"] == f"bytes 600-{int(whole['Content-Length']) - 1}/{whole['Content-Length']}"
    head = program.head(address_of(saved))
    assert (head.status_code, head["Content-Length"], head.content) == (200, whole["Content-Length"], b"")
    assert program.get(address_of(saved), headers={"If-None-Match": whole["ETag"]}).status_code == 304
    refused = by_key(saved, scope=Scope.READ).get(address_of(saved))
    assert (refused.status_code, refused.json()["details"][0]["reason"]) == (403, "PERMISSION_DENIED")


def test_a_signed_link_opens_one_file_and_nothing_else(saved: Checkpoint) -> None:
    links = by_key(saved).get(address_of(saved, ":getDownloadEndpoint")).json()
    assert set(links["filenameToSignedUrls"]) == set(FILES)
    here = {path: url.removeprefix(settings.SLIPWAY_URL) for path, url in links["filenameToSignedUrls"].items()}
    nobody = Client()
    for path, link in here.items():
        answer = nobody.get(link)
        assert (answer.status_code, body_of(answer)) == (200, FILES[path])
    archive = nobody.get(links["archiveSignedUrl"].removeprefix(settings.SLIPWAY_URL))
    assert set(unpacked(body_of(archive))) == {f"final/{path}" for path in FILES}
    assert archive["Content-Disposition"] == 'attachment; filename="final.tar"'
    _, token, _ = here["config.json"].removeprefix("/").split("/")
    for other in (token[:-1] + ("A" if token[-1] != "A" else "B"), token.partition(".")[0], "", f"{token}."):
        assert nobody.get(f"/downloads/{other}/config.json").status_code == 404


def test_a_signed_link_is_over_with_its_time_its_key_and_its_owner(
    saved: Checkpoint, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def link() -> str:
        answer = by_key(saved).get(address_of(saved, ":getDownloadEndpoint"))
        return str(answer.json()["archiveSignedUrl"]).removeprefix(settings.SLIPWAY_URL)

    def status(address: str) -> int:
        return Client().get(address).status_code

    fresh = link()
    assert status(fresh) == 200
    with monkeypatch.context() as later:
        at = timezone.now().timestamp() + 15 * 60 + 2
        later.setattr("django.core.signing.time.time", lambda: at)
        answer = Client().get(fresh)
        assert answer.status_code == 404
        assert "works for 15 minutes" in answer.json()["message"]
    owner = user_actor(saved.launch.owner)
    revoke_api_key(actor=owner, key=ApiKey.objects.latest("pk"), now=timezone.now())
    assert status(fresh) == 404
    another = link()
    saved.launch.owner.memberships.update(role=Role.VIEWER)
    assert status(another) == 403
    saved.launch.owner.memberships.all().delete()
    assert status(another) == 404


def test_it_is_noted_once_who_took_it(saved: Checkpoint) -> None:
    program = by_key(saved)
    for headers in ({"Range": "bytes=1-"}, {}, {"Range": "bytes=100-"}):
        body_of(program.get(address_of(saved), headers=headers))
    program.head(address_of(saved))
    entry = AuditEntry.objects.get(verb="download_weights")
    assert entry.target == f"{saved.launch.name}/checkpoints/final"
    assert (entry.after, entry.actor) == ({"file": "final.tar"}, saved.launch.owner)


def test_a_file_that_is_not_as_it_was_saved_is_not_sent(saved: Checkpoint) -> None:
    place = folder_of(saved.launch, CheckpointKind.SAMPLER)
    program = by_key(saved)
    (place / "config.json").write_bytes(b"{...}")
    answer = program.get(address_of(saved))
    assert (answer.status_code, answer.json()["message"]) == (
        400,
        f"{saved.launch.name}/checkpoints/final is not as it was saved, so nothing of it is sent: "
        "config.json has 5 bytes; 2 were recorded.",
    )
    (place / "config.json").unlink()
    (place / "config.json").symlink_to("/etc/passwd")
    assert program.get(address_of(saved)).status_code == 404
    assert program.get(address_of(saved, asked="?path=empty.txt")).status_code == 200


HOSTILE = [
    "../secret",
    "/etc/passwd",
    "a/../../secret",
    "sub/../config.json",
    "checkpoint.json",
    "sub",
    "config.json%00",
]


def test_only_what_is_listed_is_there(saved: Checkpoint, subtests: pytest.Subtests) -> None:
    program, browser = by_key(saved), browser_of(saved, Role.LAUNCHER)
    for path in HOSTILE:
        with subtests.test(path):
            assert program.get(address_of(saved, asked=f"?path={path}")).status_code in {400, 404}
            assert browser.get(page_of(saved, f"/files/{path}")).status_code == 404
    saved.files = [{"path": "../secret", "size_bytes": 1, "sha256": "a" * 64}]
    saved.save()
    answer = program.get(address_of(saved))
    assert answer.status_code == 400
    assert "'../secret' is no path below a folder" in answer.json()["message"]


def test_what_is_not_there_to_take_is_refused_in_words(saved: Checkpoint) -> None:
    program, launch = by_key(saved), saved.launch

    def said(**facts: Any) -> tuple[int, str]:
        Checkpoint.objects.filter(pk=saved.pk).update(**{"writing": False, **facts})
        answer = program.get(address_of(saved))
        return answer.status_code, "" if answer.status_code == 200 else answer.json()["message"]

    assert said(writing=True)[0] == 400
    assert "is still being written" in said(writing=True)[1]
    assert "Nobody noted which files" in said(files=[])[1]
    listed = saved.files
    delete_launch(actor=SYSTEM, launch=launch)
    assert said(files=listed) == (200, "")
    Launch.objects.filter(pk=launch.pk).update(kept_until=timezone.now() - timedelta(minutes=1))
    status, message = said()
    assert (status, "was kept until" in message) == (404, True)


def test_of_two_with_one_name_it_has_to_be_said_which(saved: Checkpoint) -> None:
    program = by_key(saved)
    save(saved.launch, CheckpointKind.TRAINING)
    answer = program.get(address_of(saved))
    assert (answer.status_code, answer.json()["message"]) == (
        400,
        "kind: There are two of that name; say which, by TRAINING or SAMPLER.",
    )
    assert program.get(address_of(saved, asked="?kind=ODD")).status_code == 400
    for kind in CheckpointKind:
        assert program.get(address_of(saved, asked=f"?kind={kind}")).status_code == 200


def test_a_connection_that_keeps_weights_to_itself_says_so(engine: RemoteEngine) -> None:
    account = make_account()
    connection = make_connection(account)
    owner = make_member(account=account, role=Role.LAUNCHER)
    launch = make_launch(owner=owner, account=account, version=make_tiny_version())
    Launch.objects.filter(pk=launch.pk).update(connection=connection)
    there = save(launch, CheckpointKind.TRAINING)
    answer = by_key(there).get(address_of(there))
    assert answer.status_code == 501
    assert "Download is not offered by this connection" in answer.json()["message"]
    page = browser_of(there, Role.LAUNCHER).get(page_of(there))
    assert page.status_code == 200
    assert b"Download is not offered by this connection" in page.content
    assert b"/archive" not in page.content


def test_the_page_shows_files_and_lines_to_paste(saved: Checkpoint) -> None:
    page = browser_of(saved, Role.LAUNCHER).get(page_of(saved)).content.decode()
    for path, content in FILES.items():
        assert f'href="{page_of(saved, f"/files/{path}")}"' in page
        assert hashlib.sha256(content).hexdigest() in page
    name = f"{saved.launch.name}/checkpoints/final"
    address = f"{settings.SLIPWAY_URL}/v1/{name}:download?kind=SAMPLER"
    for line in (
        "curl --fail --continue-at - --output final.tar",
        f"&quot;{address}&quot;",
        f"./run manage download --kind SAMPLER {name} final",
    ):
        assert line in page
    assert b"/archive" not in browser_of(saved, Role.VIEWER).get(page_of(saved)).content


def download(checkpoint: Checkpoint, target: Path, **options: Any) -> str:
    said = StringIO()
    name = f"{checkpoint.launch.name}/checkpoints/{checkpoint.name}"
    call_command("download", name, str(target), stdout=said, **options)
    return said.getvalue()


def test_the_command_leaves_a_folder_of_the_files(saved: Checkpoint, tmp_path: Path) -> None:
    target = tmp_path / "taken" / "here"
    assert "3 files of" in download(saved, target)
    there = {each.relative_to(target).as_posix(): each for each in target.rglob("*") if each.is_file()}
    assert {path: each.read_bytes() for path, each in there.items()} == FILES
    (target / "config.json").write_bytes(b"[]")
    again = download(saved, target)
    assert "sub/model.safetensors: there already" in again
    assert "config.json: 2 bytes" in again
    assert (target / "config.json").read_bytes() == b"{}"


def test_the_command_leaves_nothing_that_is_half(saved: Checkpoint, tmp_path: Path) -> None:
    target = tmp_path / "taken"
    (folder_of(saved.launch, CheckpointKind.SAMPLER) / "sub/model.safetensors").write_bytes(b"9" * 1_000_000)
    with pytest.raises(CommandError, match="does not have the bytes that were recorded"):
        download(saved, target)
    assert [each.name for each in (target / "sub").iterdir()] == []
    with pytest.raises(CommandError, match="There is no"):
        download(saved, target, kind="TRAINING")
    with pytest.raises(CommandError, match="is no name to download"):
        call_command("download", "accounts/a/nonsense", str(target))
