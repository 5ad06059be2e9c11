"""`./run check` asks for an entry in CHANGELOG.md where what users see has changed since its newest section."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from embedded.changelog import complaints

GOOD = "# Changelog\n\n## 2026-11-02\n\n### Added\n\n- More.\n\n## 2026-11-01\n\n### Fixed\n\n- Less.\n"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "CHANGELOG.md").write_text(GOOD)
    git(tmp_path, "init", "--quiet")
    commit(tmp_path, "templates/page.html", "2026-11-02T23:59:59+00:00")
    return tmp_path


def git(folder: Path, *arguments: str, **environment: str) -> None:
    person = {f"GIT_{who}_{what}": "a@b.c" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    subprocess.run(["git", *arguments], cwd=folder, env=os.environ | person | environment, check=True)


def commit(folder: Path, name: str, when: str, message: str = "Change it") -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(when)
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--message", message, GIT_AUTHOR_DATE=when, GIT_COMMITTER_DATE=when)


def test_what_users_see_needs_an_entry_of_its_day_or_later(checkout: Path) -> None:
    assert complaints(checkout) == ""
    commit(checkout, "tests/test_page.py", "2026-11-03T00:00:00+00:00")
    commit(checkout, "launches/urls.py", "2026-11-03T00:00:00+00:00", "Move it\n\nChangelog: none")
    assert complaints(checkout) == ""
    for seen in ("launches/urls.py", "launches/api/views.py", "config/environment.py", "deploy/helm/values.yaml"):
        commit(checkout, seen, "2026-11-03T01:00:00+02:00")
        assert complaints(checkout) == "", "still the day before in UTC"
    commit(checkout, "catalog/management/commands/list.py", "2026-11-03T01:00:00+00:00")
    assert "under `## 2026-11-03`" in complaints(checkout)
    (checkout / "CHANGELOG.md").write_text(GOOD.replace("2026-11-02", "2026-11-03"))
    assert complaints(checkout) == ""


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("2026-11-02", "Unreleased", "a section's heading is a date"),
        ("2026-11-02", "2026-10-31", "the newest first"),
        ("2026-11-02", "2026-11-01", "the newest first"),
        ("### Fixed", "### Mended", "'Mended' is none of Added, "),
        ("- More.", "", "'Added' of a section has no entry"),
    ],
)
def test_its_sections_are_days_with_entries(tmp_path: Path, before: str, after: str, said: str) -> None:
    (tmp_path / "CHANGELOG.md").write_text(GOOD)
    assert complaints(tmp_path) == "", "without a history"
    (tmp_path / "CHANGELOG.md").write_text(GOOD.replace(before, after))
    assert said in complaints(tmp_path)
