"""docs/OPERATIONS.md: its commands leave secrets to their owner, and are right the second time, too."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from config.environment import KNOWN
from proofs.replicas import commands

STAND_INS = {"docker": 'echo "$@"', "openssl": "echo secret", "git": "echo commit"}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder to run commands in, whose files and folders everybody may read where nobody says otherwise."""
    (tmp_path / "bin").mkdir()
    for name, does in STAND_INS.items():
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{does}\n")
        (tmp_path / "bin" / name).chmod(0o755)
    folder = tmp_path / "checkout"
    folder.mkdir()
    return folder


def run(text: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": f"{folder.parent}/bin:{os.defpath}", **variables}
    argv = ["sh", "-c", f"umask 022\n{text}"]
    return subprocess.run(argv, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def settings(folder: Path) -> dict[str, str]:
    """Of its .env file, each named once."""
    lines = [line.split("=", 1) for line in (folder / ".env").read_text().splitlines()]
    assert len(dict(lines)) == len(lines)
    return dict(lines)


def test_the_file_of_settings_is_its_owners_alone_whatever_was_there(checkout: Path) -> None:
    (checkout / ".env").write_text("from before")
    assert run(commands("Two replicas, by the compose file"), checkout).returncode == 0
    assert mode(checkout / ".env") == 0o600
    assert set(settings(checkout)) <= {"POSTGRES_PASSWORD", "REDIS_PASSWORD", *KNOWN}


def test_a_backup_is_its_owners_alone_and_comes_back_as_it_is(checkout: Path) -> None:
    backup = checkout.parent / "not" / "yet" / "there"
    (checkout / ".env").write_text("SLIPWAY_URL=https://slipway.example")
    for _ in range(2):
        assert run(commands("Back up"), checkout, BACKUP=str(backup)).returncode == 0
    assert mode(backup) == 0o700
    assert {path.name: mode(path) for path in backup.iterdir()} == dict.fromkeys(
        (".env", "database", "state.tar"), 0o600
    )
    (checkout / ".env").unlink()
    assert run(commands("Restore"), checkout, BACKUP=str(backup)).returncode == 0
    assert mode(checkout / ".env") == 0o600 and settings(checkout)["SLIPWAY_URL"] == "https://slipway.example"


def test_a_backup_that_fails_half_way_says_so(checkout: Path) -> None:
    (checkout / ".env").write_text("")
    (checkout.parent / "bin" / "docker").write_text("#!/bin/sh\n[ $5 != pg_dump ]")
    assert run(commands("Back up"), checkout, BACKUP=str(checkout / "backup")).returncode


KEEPER = """case "$*" in
    *make_sealing_key) echo "key-$(wc -l < "$0.asked")"; echo >> "$0.asked" ;;
    *sealing-key) echo kept ;;
    *) grep KEYS .env >> "$0.known" ;;
esac"""
"""docker of a Slipway whose first key is kept in its folder; it notes which keys each start and sealing knows."""


def test_a_sealing_key_takes_the_place_of_the_one_before_which_is_known_until_all_is_sealed(checkout: Path) -> None:
    docker = checkout.parent / "bin" / "docker"
    docker.write_text(f"#!/bin/sh\n{KEEPER}\n")
    (checkout.parent / "bin" / "docker.asked").touch()
    (checkout / ".env").write_text("REDIS_PASSWORD=secret\n")
    (checkout / ".env").chmod(0o600)
    text = commands("Keys").partition("docker compose exec -T web ./run manage drain_trainer_host\n")[0]
    for _ in range(2):
        done = run(text, checkout)
        assert done.returncode == 0, done.stderr
    known = [line.partition("=")[2] for line in Path(f"{docker}.known").read_text().splitlines()]
    first, second = ["key-0,kept"] * 2 + ["key-0"], ["key-1,key-0"] * 2 + ["key-1"]
    assert known == first + second
    assert settings(checkout) == {"REDIS_PASSWORD": "secret", "SLIPWAY_SEALING_KEYS": "key-1"}
    assert mode(checkout / ".env") == 0o600


@pytest.mark.parametrize("name", ["SLIPWAY_SEALING_KEYS", "SLIPWAY_SECRET_KEY"])
def test_a_key_in_a_file_is_not_put_into_the_settings_too(checkout: Path, name: str) -> None:
    (checkout / ".env").write_text(f"{name}_FILE=/run/secrets/key")
    before, drain, after = commands("Keys").partition("docker compose exec -T web ./run manage drain_trainer_host\n")
    done = run(before.partition("\n)\n")[0] + "\n)\n" if name == "SLIPWAY_SEALING_KEYS" else drain + after, checkout)
    assert done.returncode == 1 and f"{name}_FILE=" in done.stdout
    assert settings(checkout) == {f"{name}_FILE": "/run/secrets/key"}


def test_without_a_key_that_is_known_none_is_written(checkout: Path) -> None:
    (checkout / ".env").write_text("REDIS_PASSWORD=secret")
    docker = checkout.parent / "bin" / "docker"
    docker.write_text('#!/bin/sh\ncase "$*" in *make_sealing_key) echo new ;; *) exit 1 ;; esac\n')
    assert run(commands("Keys").partition("\n)\n")[0] + "\n)\n", checkout).returncode
    assert settings(checkout) == {"REDIS_PASSWORD": "secret"}


def test_a_secret_key_is_there_once_and_trainers_are_drained_before(checkout: Path) -> None:
    (checkout / ".env").write_text("SLIPWAY_SECRET_KEY=old\n")
    _, drain, rest = commands("Keys").partition("docker compose exec -T web ./run manage drain_trainer_host\n")
    done = run(drain + rest, checkout)
    assert [line.split()[-1] for line in done.stdout.splitlines()] == ["drain_trainer_host", "worker=2", "--undo"]
    assert settings(checkout) == {"SLIPWAY_SECRET_KEY": "secret"}


def test_a_copied_folder_comes_back_as_it_was_last(checkout: Path) -> None:
    place = checkout.parent / "srv"
    place.mkdir()
    (checkout / "run").write_text('#!/bin/sh\ncat "$SLIPWAY_HOME/state"')
    (checkout / "run").chmod(0o755)
    (checkout / "var").mkdir()
    copy, back = commands("Keep and bring back").replace("/srv/slipway", str(place / "slipway")).splitlines()
    for number in (1, 2):
        (checkout / "var" / "state").write_text(f"of copy {number}")
        assert run(copy, checkout, BACKUP=str(place / "backups" / str(number))).returncode == 0
    assert run(copy, checkout, BACKUP=str(place / "backups" / "2")).returncode, "two copies are no copy"
    assert mode(place / "backups") == 0o700
    assert run(back, checkout, BACKUP=str(place / "backups" / "2")).stdout == "of copy 2"
