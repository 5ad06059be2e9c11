"""What is said of a trainer, said of what runs beside it: words, and no paths, names or lines of a log."""

from __future__ import annotations

import pytest

from connections.providers.local.wording import said_of


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ("The trainer's environment could not be prepared", "The recipe's environment could not be prepared"),
        ("Waiting for a free slot: 1 ahead (2 trainers run here at a time).",
         "Waiting for a free slot: 1 ahead (2 recipes run here at a time)."),
        ("The process that watched the trainer was killed, and the trainer with it.",
         "The process that watched the recipe was killed, and the recipe with it."),
        ("in which the trainer ran, was started anew. Resume to go on.", "in which the recipe ran, was started anew."),
        ("git cannot read commit 0 of /srv/trainer/cookbook: trainer-kit trainer.py",
         "git cannot read commit 0 of /srv/trainer/cookbook: trainer-kit trainer.py"),
        ("a trainer here may use 1.0 GB (SLIPWAY_TRAINER_MEMORY_GB)", "a recipe here may use 1.0 GB (SLIPWAY_X)"),
        ("The trainer ended with exit code 1.\nLast lines of its log:\nno trainer",
         "The recipe ended with exit code 1.\nLast lines of its log:\nno trainer"),
    ],
)  # fmt: skip
def test_the_word_alone_is_another(told: str, said: str) -> None:
    assert said_of("recipe", told, limit="SLIPWAY_X") == said
