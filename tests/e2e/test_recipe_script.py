"""The script that a finished launch links, run as it is pasted: the same losses as the trainer's own recipe.

Here with all parameters trained; test_fine_tuning.py has an adapter, test_recipes_beside.py the same loop elsewhere.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.conftest import SlipwayServer
from tests.e2e.recipes import FULL, Launcher
from tests.e2e.test_fine_tuning import run_script


def test_the_script_has_the_losses_of_the_recipe(slipway_server: SlipwayServer, tmp_path: Path) -> None:
    launcher = Launcher(slipway_server)
    launcher.until_completed([launcher.launch("orpo", FULL, "pasted orpo")])
    script = tmp_path / "script.py"
    script.write_text(launcher.read("pasted orpo", "/script.py"))
    said = run_script(slipway_server, script)
    losses, measured = launcher.curves("pasted orpo")
    assert [value for kind, value in said if kind == "step"] == pytest.approx(losses, abs=1e-5)
    assert [value for kind, value in said if kind == "evaluation"] == pytest.approx(measured, abs=1e-5)
    assert len(losses) == 6 and measured[-1] < measured[0]
