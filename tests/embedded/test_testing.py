"""Runs of the tests side by side do not get in each other's way."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from embedded.home import temporary_home
from embedded.testing import folder_of_its_own


def test_a_run_has_a_folder_of_its_own_that_others_can_pass_through() -> None:
    with temporary_home() as one, temporary_home() as other:
        folders = {folder_of_its_own(home) for home in (one, other)}
        assert len(folders) == 2
        assert all(folder.stat().st_mode & 0o777 == 0o711 for folder in folders)
    assert not any(folder.exists() for folder in folders)


def test_what_tests_write_goes_there(tmp_path: Path) -> None:
    if "SLIPWAY_TEST_TABLES" not in os.environ:
        pytest.skip("these tests were not started by ./run test")
    assert Path(os.environ["PYTEST_DEBUG_TEMPROOT"]) in tmp_path.parents
