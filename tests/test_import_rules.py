"""Each import rule of pyproject.toml, broken once: a rule that nothing can break holds nothing."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
BREAKS = {
    "rooms": ("wire/names.py", "import accounts.roles"),
    "publishing": ("publishing/states.py", "import publishing.models"),
    "pushes": ("pushes/states.py", "import pushes.models"),
    "deployments": ("deployments/queries.py", "import deployments.gateway"),
    "launches": ("launches/pages/stepper.py", "import launches.gateway.headers"),
    "datasets": ("datasets/queries.py", "import datasets.domain.create_dataset"),
    "catalog": ("catalog/files/scan.py", "import catalog.forms"),
    "connections": ("connections/sealing.py", "import connections.models"),
    "api": ("api/fields.py", "import api.views"),
    "accounts": ("accounts/domain/add_member.py", "import accounts.requests"),
    "lists": ("lists/pages.py", "import lists.orders"),
    "queues": ("queues/leases.py", "import queues.hints"),
    "downloads": ("downloads/contents.py", "import downloads.ranges"),
    "wire": ("wire/errors.py", "import wire.status"),
    "pure": ("catalog/fields/checks.py", "import django.conf"),
    "supervisor": ("embedded/home.py", "import config.environment"),
    "trainer": ("trainer/config.py", "import connections.providers.spec"),
    "sampler": ("sampler/config.py", "import trainer.models"),
    "runner": ("runner/drive.py", "import trainer.config"),
    "alone": ("connections/providers/local/plan.py", "import trainer.config"),
}
"""By the rule's id: where an import is added, and which."""


def rules() -> dict[str, Any]:
    """What pyproject.toml says."""
    found: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    return found


def verdicts(root: Path) -> dict[str, bool]:
    """By the rule's name, whether the code under the folder keeps it."""
    lint = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]
    said = subprocess.run(lint, cwd=root, capture_output=True, text=True, check=False).stdout
    return {name: word == "KEPT" for name, word in re.findall(r"^(.+) (KEPT|BROKEN)$", said, re.MULTILINE)}


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sources of every room and the rules, in a folder of their own; they are kept there."""
    folder = tmp_path_factory.mktemp("sources")
    shutil.copy(ROOT / "pyproject.toml", folder)
    for room in rules()["root_packages"]:
        for source in (ROOT / room).rglob("*.py"):
            target = folder / source.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)
    assert verdicts(folder) == {rule["name"]: True for rule in rules()["contracts"]}
    return folder


def test_each_rule_has_an_import_that_breaks_it() -> None:
    assert sorted(BREAKS) == sorted(rule["id"] for rule in rules()["contracts"])


@pytest.mark.e2e  # reads every source anew
@pytest.mark.parametrize("rule", BREAKS)
def test_a_forbidden_import_breaks_its_rule_and_no_other(copy: Path, rule: str) -> None:
    path, line = BREAKS[rule]
    kept = (copy / path).read_text()
    (copy / path).write_text(f"{kept}\n{line}\n")
    found = verdicts(copy)
    (copy / path).write_text(kept)
    assert found == {known["name"]: known["id"] != rule for known in rules()["contracts"]}


@pytest.mark.e2e  # reads every source anew
def test_a_module_beside_the_folders_needs_a_place_in_the_layers_of_its_room(copy: Path) -> None:
    rooms = {rule["containers"][0]: rule["name"] for rule in rules()["contracts"] if "containers" in rule}
    for room in rooms:
        (copy / room / "newcomer.py").touch()
    found = verdicts(copy)
    for room in rooms:
        (copy / room / "newcomer.py").unlink()
    assert {name for name, holds in found.items() if not holds} == set(rooms.values())
