"""The tables that `./run test` starts from are kept, and are never those of other migrations."""

from __future__ import annotations

import os
from pathlib import Path

from embedded.home import ROOT, Home
from embedded.kept_tables import MOST_KEPT, bring, digest


def test_another_migration_is_another_digest(tmp_path: Path) -> None:
    room = tmp_path / "catalog" / "migrations"
    room.mkdir(parents=True)
    found = [digest(tmp_path)]
    for name, text in (("0001_initial.py", "a"), ("0001_initial.py", "b"), ("0002_more.py", "b")):
        (room / name).write_text(text)
        found.append(digest(tmp_path))
    (room / "0002_more.py").rename(room / "0003_more.py")
    assert len({*found, digest(tmp_path)}) == 5


def test_what_is_kept_is_copied_and_the_newest_stay(tmp_path: Path) -> None:
    current = f"tables-{digest(ROOT)}"
    for age, name in enumerate([current, *(f"tables-{number}" for number in range(MOST_KEPT + 1))]):
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, (1_000 - age, 1_000 - age))
    (tmp_path / current / "PG_VERSION").write_text("17\n")
    home = Home(tmp_path / "home")
    home.prepare()
    bring(home, tmp_path)
    assert (home.postgres / "PG_VERSION").read_text() == "17\n"
    stayed = [f"tables-{number}" for number in range(MOST_KEPT - 1)]
    assert sorted(path.name for path in tmp_path.glob("tables-*")) == sorted([current, *stayed])
