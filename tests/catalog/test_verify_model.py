"""`manage verify_model`: a folder is the model that was signed, or what differs is said. No database is asked."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from pytest_django.fixtures import Settings

from config.environment import read
from config.environment_variable import SettingError
from wire.manifests import ModelManifest, new_signing_key, public_half, sign_manifest

FILES = {"config.json": b"{}", "sub/model.safetensors": b"weights", "empty.txt": b""}


@pytest.fixture
def model(tmp_path: Path, settings: Settings) -> Path:
    """A folder, and its manifest beside it, signed by the key of this Slipway."""
    settings.SLIPWAY_SIGNING_KEY = new_signing_key()
    folder = tmp_path / "mine"
    for path, content in FILES.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    digests = {path: hashlib.sha256(content).hexdigest() for path, content in FILES.items()}
    manifest = ModelManifest("accounts/team-a/models/mine", digests, {"launch": "one"})
    signed = sign_manifest(manifest, key=settings.SLIPWAY_SIGNING_KEY)
    (tmp_path / "mine.manifest.json").write_bytes(signed)
    return folder


def verify(folder: Path, **options: object) -> str:
    said = StringIO()
    call_command("verify_model", str(folder), stdout=said, **options)
    return said.getvalue()


def test_a_model_as_it_was_signed_is_verified(model: Path) -> None:
    assert verify(model) == "accounts/team-a/models/mine: 3 files as signed.\n  launch: one\n"


def link(path: Path) -> None:
    """Let it lie elsewhere, and lead there."""
    elsewhere = path.parents[1] / f"{path.name} elsewhere"
    path.rename(elsewhere)
    path.symlink_to(elsewhere)


CHANGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "changed": (lambda folder: (folder / "config.json").write_bytes(b"[]"), "config.json was changed."),
    "missing": (lambda folder: (folder / "empty.txt").unlink(), "empty.txt is missing."),
    "more": (lambda folder: (folder / "more").touch(), "more is not among the files that were signed."),
    "hidden": (lambda folder: (folder / ".more").touch(), ".more is not among the files that were signed."),
    "a link": (lambda folder: link(folder / "config.json"), "config.json is a link, or no regular file."),
    "a linked folder": (
        lambda folder: link(folder / "sub"),
        "sub is not among the files that were signed. sub/model.safetensors is missing.",
    ),
    "no manifest": (lambda folder: (folder.parent / "mine.manifest.json").unlink(), "cannot be read: No such file"),
    "no folder": (lambda folder: folder.rename(folder.parent / "yours"), "is no folder."),
    "a large manifest": (
        lambda folder: (folder.parent / "mine.manifest.json").write_bytes(b" " * 16_000_001),
        "too large for a manifest",
    ),
}


@pytest.mark.parametrize("case", CHANGES)
def test_what_differs_is_said(model: Path, case: str) -> None:
    change, why = CHANGES[case]
    change(model)
    with pytest.raises(CommandError, match=why.replace(".", r"\.")):
        verify(model)


def test_another_slipway_verifies_with_the_public_key(model: Path, settings: Settings) -> None:
    public = model.parent / "public.pem"
    said = StringIO()
    call_command("signing_key", stdout=said)
    public.write_text(said.getvalue())
    assert said.getvalue() == public_half(settings.SLIPWAY_SIGNING_KEY)
    settings.SLIPWAY_SIGNING_KEY = new_signing_key()
    with pytest.raises(CommandError, match="It was signed by another key"):
        verify(model)
    assert "3 files as signed" in verify(model, key=public)
    public.write_text("nonsense")
    with pytest.raises(CommandError, match="is no public key of ECDSA on P-256"):
        verify(model, key=public)


def test_a_key_that_cannot_sign_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLIPWAY_SIGNING_KEY", "nonsense")
    with pytest.raises(SettingError, match=r"^SLIPWAY_SIGNING_KEY is not usable: use a private key"):
        read("SLIPWAY_SIGNING_KEY")
