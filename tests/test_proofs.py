"""`./run prove` before it begins: what it asks for. The proofs themselves are run by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from proofs import cookbook
from proofs.__main__ import main
from proofs.desk import Desk


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


def test_a_desk_makes_its_environment_until_that_has_worked(tmp_path: Path) -> None:
    asked = tmp_path / "asked"
    pages = "pip() { echo \"$@\" >> asked; }\npip install this\nexport FIREWORKS_API_KEY=''\n"
    desk = Desk("a key", tmp_path)
    for program, times in (("exit 3", 1), ('echo "$FIREWORKS_API_KEY"', 2), ('echo "$FIREWORKS_API_KEY"', 2)):
        done = desk.run(pages, program, by="sh")
        assert (done.returncode, done.stdout) == ((3, "") if "exit" in program else (0, "a key\n")), done.stderr
        assert asked.read_text() == "install this\n" * times
    assert Desk("another", tmp_path).run(pages, "echo", by="sh").returncode == 0
    assert asked.read_text() == "install this\n" * 3
