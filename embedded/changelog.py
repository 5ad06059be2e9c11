"""CHANGELOG.md against the history: what users see and what is written for them are of one day."""

from __future__ import annotations

import re
import subprocess
from datetime import UTC, date, datetime
from pathlib import Path

USERS_SEE = (
    *("templates", "static/js", "run", "deploy", "Dockerfile", "docker-compose.yml"),
    *("config/environment.py", "config/environment_variable.py", "config/parsers.py"),
    *(":(glob)*/urls.py", ":(glob)*/api/*.py", ":(glob)*/management/commands/*.py"),
)
"""Pages, routes, settings, commands and what deploys them, as git's paths."""
GROUPS = ("Added", "Changed", "Deprecated", "Removed", "Fixed", "Security")
NOTHING_SEEN = "Changelog: none"
"""The trailer of a commit that touches those files and that no user notices."""
SECTION = re.compile(r"^## (?P<day>.*)$", re.MULTILINE)


def complaints(root: Path) -> str:
    """What is wrong with the file of that checkout, one line each; nothing where all is well.

    A folder without history is judged by the file alone, a shallow clone by the commits that it has.
    """
    text = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    found = _of_the_file(text)
    if not found and (newest := _newest_seen(root)):
        day, commit = newest
        written = _days(text)[0]
        if day > written:
            found.append(
                f"CHANGELOG.md ends with {written}, and commit {commit} of {day} changes what users see: write what"
                f" they notice under `## {day}`, or end the commit's message with `{NOTHING_SEEN}`."
            )
    return "\n".join(found)


def _days(text: str) -> list[date]:
    """Of its sections, in their order. Errors: `ValueError` where a heading is no date."""
    return [date.fromisoformat(heading["day"]) for heading in SECTION.finditer(text)]


def _of_the_file(text: str) -> list[str]:
    try:
        days = _days(text)
    except ValueError as error:
        return [f"CHANGELOG.md: a section's heading is a date, as in `## 2026-11-27`: {error}."]
    if not days or days != sorted(set(days), reverse=True):
        return ["CHANGELOG.md: the sections are one for each date, the newest first."]
    found = []
    for section in SECTION.split(text)[2::2]:
        for group in re.split(r"^### ", section, flags=re.MULTILINE)[1:]:
            name, _, entries = group.partition("\n")
            if name not in GROUPS:
                found.append(f"CHANGELOG.md: {name!r} is none of {', '.join(GROUPS)}.")
            if not re.search(r"^- \S", entries, re.MULTILINE):
                found.append(f"CHANGELOG.md: {name!r} of a section has no entry.")
    return found


def _newest_seen(root: Path) -> tuple[date, str] | None:
    """The day, in UTC, on which what users see was last changed, and by which commit."""
    ask = ["git", "log", "--no-merges", "--format=%at %h %(trailers:key=Changelog,valueonly,separator=%x2C)", "--"]
    if not (root / ".git").exists():
        return None
    said = subprocess.run([*ask, *USERS_SEE], cwd=root, capture_output=True, text=True, check=True).stdout
    lines = [line.split(maxsplit=2) for line in said.splitlines()]
    seen = [(int(line[0]), line[1]) for line in lines if line[2:] != ["none"]]
    if not seen:
        return None
    moment, commit = max(seen)
    return datetime.fromtimestamp(moment, UTC).date(), commit
