"""The script that a finished launch links, run as it is pasted: the same losses as the trainer's own recipe."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.e2e.conftest import SlipwayServer
from tests.e2e.recipes import FULL, LORA, Curves, Launcher
from tests.e2e.test_fine_tuning import run_script

PREFERENCES = (("dpo", LORA), ("orpo", FULL))


def test_the_script_has_the_losses_of_the_recipe(slipway_server: SlipwayServer, tmp_path: Path) -> None:
    launcher = Launcher(slipway_server)
    labels = [f"pasted {recipe}" for recipe, _ in PREFERENCES]
    launcher.until_completed(
        launcher.launch(recipe, shape, label) for (recipe, shape), label in zip(PREFERENCES, labels, strict=True)
    )

    def pasted(label: str) -> Curves:
        script = tmp_path / f"{label}.py"
        script.write_text(launcher.read(label, "/script.py"))
        said = run_script(slipway_server, script)
        steps, measured = ([value for kind, value in said if kind == wanted] for wanted in ("step", "evaluation"))
        return steps, measured

    with ThreadPoolExecutor() as pool:
        for label, found in zip(labels, pool.map(pasted, labels), strict=True):
            losses, measured = launcher.curves(label)
            assert found[0] == pytest.approx(losses, abs=1e-5) and found[1] == pytest.approx(measured, abs=1e-5)
            assert len(losses) == 6 and measured[-1] < measured[0]
