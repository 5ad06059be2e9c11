"""What the documentation says about settings is what the code reads."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from config.environment import KNOWN
from config.environment_variable import Setting
from connections.kinds import KINDS

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "CONFIGURATION.md"
PAPERS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
ROOMS = (
    *(
        "accounts",
        "api",
        "benchmarks",
        "catalog",
        "config",
        "datasets",
        "deployments",
        "connections",
        "docs",
        "downloads",
        "embedded",
        "launches",
        "lists",
        "proofs",
        "queues",
    ),
    *("publishing", "pushes", "requirements", "runner", "sampler", "static", "templates", "tests", "trainer", "wire"),
)
APPS = ("accounts", "catalog", "connections", "datasets", "deployments", "launches", "publishing", "pushes", "wire")
READS_ENVIRONMENT = re.compile(r"(environ|getenv)\b.*\b(SLIPWAY_\w+|DATABASE_URL|REDIS_URL|PORT)\b")


def row(setting: Setting) -> str:
    """A setting's row of the table."""
    match setting.default:
        case bool(value):
            default = "on" if value else "off"
        case None | "":
            default = ""
        case value:
            default = f"`{value}`"
    return f"| `{setting.name}` | {default} | {setting.help} |"


def documented_names() -> list[str]:
    """The settings that have a row in the first table, in its order."""
    first = PAGE.read_text().split("\n## ")[1]
    return re.findall(r"^\| `(\w+)` \|", first, flags=re.MULTILINE)


@pytest.mark.parametrize("setting", KNOWN.values(), ids=list(KNOWN))
def test_every_setting_is_documented_with_its_default_and_meaning(setting: Setting) -> None:
    assert row(setting) in PAGE.read_text().splitlines(), f"docs/CONFIGURATION.md needs the row: {row(setting)}"


def test_nothing_is_documented_that_is_not_read() -> None:
    assert sorted(documented_names()) == sorted(KNOWN)


def test_every_kind_of_connection_is_documented_with_its_variables() -> None:
    page = (ROOT / "docs" / "CONNECTIONS.md").read_text()
    missing = [name for name in KINDS if f"| `{name}` |" not in page]
    missing += [field.variable for kind in KINDS.values() for field in kind.fields if f"`{field.variable}`" not in page]
    assert [name for name in missing if name] == [], "docs/CONNECTIONS.md names each kind and what locks a setting"


def test_every_field_that_a_command_sets_is_named() -> None:
    page = (ROOT / "docs" / "CONNECTIONS.md").read_text()
    rows = {name: next(line for line in page.splitlines() if line.startswith(f"| `--kind {name}` |")) for name in KINDS}
    missing = [f.name for kind in KINDS.values() for f in kind.fields if f"`{f.name}`" not in rows[kind.name]]
    assert missing == [], "docs/CONNECTIONS.md lists what --set takes"


def test_apps_read_settings_and_not_the_environment() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for app in APPS
        for path in (ROOT / app).rglob("*.py")
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if READS_ENVIRONMENT.search(line)
    ]
    assert not found, "read these through config/environment.py and django.conf.settings"


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.md")), ids=lambda page: page.stem)
def test_files_that_the_documentation_names_are_there(page: Path) -> None:
    named = set(re.findall(r"`([\w/.]+\.(?:py|yaml|css|html|sh))`", page.read_text()))
    known = [path.relative_to(ROOT).as_posix() for room in ROOMS for path in (ROOT / room).rglob("*.*")]
    known += [path.name for path in ROOT.iterdir()]
    missing = {name for name in named if not any(f"/{path}".endswith(f"/{name}") for path in known)}
    assert not missing, f"{page.name} names files that are not there"


def test_commands_of_fine_tuning_by_the_api_go_into_one_shell_with_one_key(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "FINE-TUNING.md").read_text().split("\n## A dataset by the API\n")[1]
    pasted = "".join(re.findall(r"^```\n(.*?)^```$", page.split("\n## What the trainer")[0], re.MULTILINE | re.DOTALL))
    (tmp_path / "rows.jsonl").write_text("{}")
    curl = 'curl() { printf "%s\n" "$*" >> asked; cat > /dev/null; }\n'
    given = {"SLIPWAY_URL": "https://slipway.example", "SLIPWAY_API_KEY": "secret", "PATH": os.defpath}
    subprocess.run(["bash", "-euc", curl + pasted], cwd=tmp_path, env=given, stdin=subprocess.DEVNULL, check=True)
    asked = (tmp_path / "asked").read_text().splitlines()
    assert len(asked) == 5
    for call in asked:
        assert re.findall(r"X-Api-Key: .*?secret", call) == ["X-Api-Key: secret"], call
        assert " https://slipway.example/v1/accounts/local/" in call


@pytest.mark.parametrize("page", PAPERS, ids=lambda page: page.stem)
def test_links_between_papers_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\((?!https?:|#)([^)#\s]+)", page.read_text())
    assert [target for target in targets if not (page.parent / target).exists()] == []
