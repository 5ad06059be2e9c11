"""The makers make what the constraints of the database accept, also when called again and again."""

from __future__ import annotations

import pytest

from catalog.states import VersionState
from connections.providers.spec import TrainerMode
from tests.makers import make_member, make_shape, make_version

pytestmark = pytest.mark.django_db


def test_a_second_version_takes_the_mark_of_the_latest() -> None:
    shape = make_shape(shape_id="qwen3-8b-lora")
    first = make_version(shape=shape)
    second = make_version(shape=shape, mode=TrainerMode.POLICY_TRAINER, gpus=8, nodes=2)

    first.refresh_from_db()
    assert (first.is_latest_validated, second.is_latest_validated) == (False, True)
    assert (second.trainer_mode, second.gpus) == ("POLICY_TRAINER", 16)
    assert second.name.startswith("accounts/fireworks/trainingShapes/qwen3-8b-lora/versions/")


def test_a_draft_is_neither_public_nor_latest() -> None:
    draft = make_version(state=VersionState.DRAFT)
    assert not (draft.is_public or draft.is_latest_validated or draft.published_at)


def test_members_are_distinct_people() -> None:
    assert make_member().pk != make_member(role="viewer").pk
