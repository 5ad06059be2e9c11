"""Models that accounts made come to the cluster once, however often that breaks off, and go when they are gone here."""

from __future__ import annotations

import os
import time
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from connections.providers.errors import NotYet
from connections.providers.slurm import capability, made_models
from connections.providers.slurm.client import SlurmClient
from connections.providers.slurm.config import SlurmConfig
from connections.providers.slurm.ground import SlurmGround
from connections.providers.slurm.sftp_paths import sftp_paths
from connections.providers.trainer_files import files
from tests.connections.rig import make_spec, until
from tests.connections.sshd import needs_sshd, sshd_running

MODEL, ADAPTER = "accounts/team-a/models/mine", "accounts/team-a/models/small"
WEIGHTS = os.urandom(9_000_000)


@pytest.fixture
def ground(tmp_path: Path) -> SlurmGround:
    """With a model and an adapter here, and nothing on the shared directory."""
    config = SlurmConfig(shared=str(tmp_path / "shared"))
    ground = SlurmGround(SlurmClient(), config, "i", tmp_path / "trainer", tmp_path / "weights", timedelta(0))
    for name, mark in (("mine", "config.json"), ("small", "adapter_config.json")):
        folder = ground.weights / "team-a" / name
        (folder / "sub").mkdir(parents=True)
        (folder / mark).write_text("{}")
        (folder / "sub" / "model.safetensors").write_bytes(WEIGHTS)
    return ground


def test_a_copy_is_made_once_however_often_it_breaks_off(ground: SlurmGround, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = make_spec(base_model=MODEL, continue_from=ADAPTER)
    monkeypatch.setattr(made_models, "STEP_SECONDS", -1.0)
    said = []

    def is_there() -> bool:
        try:
            made_models.bring(ground, spec)
        except NotYet as told:
            said.append(str(told))
            return False
        return True

    until(is_there)
    assert f"Copying {MODEL} to the cluster: 4 of 9 MB." in said
    place = made_models.place_of(ground, MODEL)
    assert place is not None
    assert (place / "sub" / "model.safetensors").read_bytes() == WEIGHTS
    assert sorted(path.name for path in place.rglob("*")) == ["config.json", "model.safetensors", "sub"]
    adapters = ground.root / "models" / "team-a"
    assert (adapters / "small" / "adapter_config.json").is_file(), "a trainer finds it by its name"

    before = place.stat().st_ino
    made_models.bring(ground, spec)
    assert (ground.root / "weights" / place.name).stat().st_ino == before


def test_what_is_made_anew_under_an_id_is_another_copy_and_the_old_one_goes(
    ground: SlurmGround, monkeypatch: pytest.MonkeyPatch
) -> None:
    made_models.bring(ground, make_spec(base_model=MODEL))
    old = made_models.place_of(ground, MODEL)
    (ground.weights / "team-a" / "mine" / "config.json").write_text('{"other": 1}')
    made_models.bring(ground, make_spec(base_model=MODEL))
    new = made_models.place_of(ground, MODEL)
    assert old != new
    assert (ground.root / "models" / "team-a" / "mine").resolve() == new

    made_models.tidy(ground)
    assert old is not None and old.is_dir(), "not at once: somebody may be about to start from it"
    past = time.time() - 2 * made_models.KEPT_SECONDS
    for copy in (ground.root / "weights").iterdir():
        os.utime(copy, (past, past))
    made_models.tidy(ground)
    assert [path.name for path in (ground.root / "weights").glob("[!.]*")] == [new.name if new else ""]

    monkeypatch.undo()
    for path in sorted((ground.weights / "team-a" / "mine").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    (ground.weights / "team-a" / "mine").rmdir()
    made_models.tidy(ground)
    assert not list((ground.root / "weights").glob("[!.]*"))
    assert not (ground.root / "models" / "team-a" / "mine").is_symlink()


def test_a_copy_that_nobody_goes_on_with_goes_and_one_that_is_promised_stays(
    ground: SlurmGround, monkeypatch: pytest.MonkeyPatch
) -> None:
    def age() -> None:
        past = time.time() - 2 * made_models.KEPT_SECONDS
        for copy in filter(Path.is_dir, (ground.root / "weights").iterdir()):
            os.utime(copy, (past, past))

    def copies() -> set[str]:
        return {path.name for path in (ground.root / "weights").iterdir() if path.is_dir()}

    with monkeypatch.context() as slow, pytest.raises(NotYet):
        slow.setattr(made_models, "STEP_SECONDS", -1.0)
        made_models.bring(ground, make_spec(base_model=MODEL))
    (part,) = copies()
    made_models.tidy(ground)
    assert copies() == {part}
    age()
    with files.locked(ground.root / "weights" / f".{part.removeprefix('.part-')}.lock", 0) as held:
        assert held
        made_models.tidy(ground)
        assert copies() == {part}, "somebody goes on with it"
    made_models.tidy(ground)
    assert not copies()

    made_models.bring(ground, make_spec(base_model=MODEL))
    (copy,) = copies()
    link = ground.root / "models" / "team-a" / "mine"
    link.unlink()
    age()
    locked = files.locked

    def after_a_launch(path: Path, seconds: float) -> AbstractContextManager[object | None]:
        monkeypatch.undo()
        made_models.bring(ground, make_spec(base_model=MODEL))
        return locked(path, seconds)

    monkeypatch.setattr(files, "locked", after_a_launch)
    made_models.tidy(ground)
    assert copies() == {copy} and (link / "config.json").is_file()
    link.unlink()
    (ground.root / "weights" / ".gone-x").mkdir()
    made_models.tidy(ground)
    assert not copies(), "what was half removed goes, too"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"base_model": MODEL}, ""),
        ({"continue_from": ADAPTER}, ""),
        ({"base_model": ADAPTER}, "is an adapter and no base model"),
        ({"base_model": "accounts/team-a/models/gone"}, "is not on the cluster"),
        ({"continue_from": "accounts/team-a/models/gone"}, "is not here (any more)"),
    ],
)
def test_what_fits(ground: SlurmGround, changes: dict[str, str], words: str) -> None:
    reasons = " ".join(capability.reasons_against(make_spec(**changes), ground.config, {}, ground.weights))
    assert bool(reasons) == bool(words)
    assert words in reasons


@needs_sshd
def test_they_come_and_go_over_ssh_as_well(
    ground: SlurmGround, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with sshd_running(tmp_path) as sshd:
        far = replace(ground, place=sftp_paths(sshd.node(), ground.config.root("i")))
        monkeypatch.setattr(made_models, "STEP_SECONDS", -1.0)
        with pytest.raises(NotYet, match="of 9 MB"):
            made_models.bring(far, make_spec(base_model=MODEL))
        monkeypatch.setattr(made_models, "STEP_SECONDS", 60.0)
        for _ in range(2):
            made_models.bring(far, make_spec(base_model=MODEL))
        link = ground.root / "models" / "team-a" / "mine"
        assert (link / "sub" / "model.safetensors").read_bytes() == WEIGHTS
        assert str(made_models.place_of(far, MODEL)) == str(link.resolve())
        monkeypatch.setattr(made_models, "KEPT_SECONDS", -3600.0)
        made_models.tidy(far)
        assert link.is_dir()
        (ground.weights / "team-a" / "mine").rename(ground.weights / "gone")
        made_models.tidy(far)
        assert not list(ground.root.glob("models/*/*")) + list(ground.root.glob("weights/[!.]*"))
