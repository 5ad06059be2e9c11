"""One line a log record, whoever logs: our code or a library, with or without an exception."""

from __future__ import annotations

import os
import subprocess
import sys

PROGRAM = """
import django; django.setup()
import logging, structlog
logging.getLogger("library").warning("from %s", "elsewhere")
structlog.get_logger("ours").warning("ours.happened", count=3)
try:
    1 / 0
except ZeroDivisionError:
    logging.getLogger("library").exception("it broke")
"""


def test_every_record_is_one_line_of_pairs() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "config.settings"},
        capture_output=True,
        text=True,
        check=True,
    )
    plain, ours, broke = done.stderr.splitlines()
    assert 'logger=library event="from elsewhere"' in plain
    assert "logger=ours event=ours.happened count=3" in ours
    assert "ZeroDivisionError" in broke
