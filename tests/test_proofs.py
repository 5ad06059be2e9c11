"""`./run prove` before it begins: what it asks for. The proofs themselves are run by hand."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from embedded import temporary
from embedded.temporary import take_settings
from proofs import cookbook, cookbook_rl, gameday
from proofs.__main__ import main
from proofs.desk import Desk
from proofs.waits import waits_of


@pytest.mark.parametrize(
    "arguments",
    [[], ["cookbook"], ["nothing", "/tmp"], ["snippets", "/tmp", "/tmp"], ["retention", "/tmp"], ["gpu", "9B"]],
)
def test_a_wrong_call_is_told_the_right_one(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert "usage: ./run prove cookbook|cookbook-rl|embeddings|recipes|snippets PATH [SDK]" in capsys.readouterr().err


def test_a_folder_that_is_no_cookbook_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["snippets", str(tmp_path), "1.2.9"]) == 2
    assert f"{tmp_path} is no checkout of the cookbook" in capsys.readouterr().err


def test_who_asks_for_help_waits_for_no_slipway(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delattr(temporary, "slipway")
    assert temporary.run("shots", ["--help"]) == 0
    assert "usage: ./run shots" in capfd.readouterr().out


def test_a_proof_has_room_for_two_samplers_whatever_its_caller_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", os.environ | {"SLIPWAY_LOCAL_SAMPLERS": "1", "SLIPWAY_LOCAL_SLOTS": "1"})
    take_settings("prove")
    assert (os.environ["SLIPWAY_LOCAL_SAMPLERS"], "SLIPWAY_LOCAL_SLOTS" in os.environ) == ("2", False)
    take_settings("bench")
    assert "SLIPWAY_LOCAL_SAMPLERS" not in os.environ


def test_an_attempt_without_any_record_is_not_whole() -> None:
    assert [gameday.is_whole(many, last) for many, last in ((3, 3), (2, 3), (0, 0))] == [True, False, False]


def test_programs_for_recipes_are_python() -> None:
    for recipe in cookbook.RECIPES:
        compile(cookbook._program(recipe, **cookbook._from_model(recipe)), recipe.name, "exec")
    compile(cookbook._reading("model = None"), "reading", "exec")
    for loop in cookbook_rl.RECIPES:
        compile(cookbook_rl.program(loop), loop.name, "exec")


def test_what_a_recipe_waited_for_is_read_from_its_log() -> None:
    said = """1000.0 Saving DCP checkpoint 'step-20'...
1001.0 DCP checkpoint 'step-20' saved (1.0s)
1016.5 Saving sampler checkpoint 'step-20'...
1017.0 Sampler checkpoint 'step-20' saved (0.5s)
1107.0 Promoting newest promotable checkpoint: step-20-abcdef01 -> sft-loop
"""
    assert waits_of(said) == {"waited for the one to train on": 0.5, "for the promotable one": 90.0}


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
