"""`./run prove` before it begins: what it asks for. The proofs themselves are run by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from proofs import cookbook
from proofs.__main__ import main


@pytest.mark.parametrize("arguments", [[], ["cookbook"], ["nothing", "/tmp"], ["snippets", "/tmp", "/tmp"]])
def test_a_wrong_call_is_told_the_right_one(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert "usage: ./run prove cookbook|snippets PATH" in capsys.readouterr().err


def test_a_folder_that_is_no_cookbook_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["snippets", str(tmp_path)]) == 2
    assert f"{tmp_path} is no checkout of the cookbook" in capsys.readouterr().err


def test_programs_for_recipes_are_python() -> None:
    for recipe, data in cookbook.RECIPES.items():
        compile(cookbook._program(recipe, data), recipe, "exec")
