"""`manage stop_local_trainers`, which `./run` gives as it stops."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import connection
from pytest_django.fixtures import Settings

from connections.providers.states import Reason
from tests.connections.local_rig import make_rig
from tests.connections.rig import make_reference, make_submission, wait_ready


@pytest.mark.django_db
def test_trainers_end_in_order_where_the_code_is_newer_than_the_tables(settings: Settings, tmp_path: Path) -> None:
    settings.SLIPWAY_HOME = tmp_path
    rig, reference, said = make_rig(tmp_path), make_reference(), io.StringIO()
    try:
        rig.provider.submit(make_submission(reference))
        wait_ready(rig.provider, reference)
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE connections_connection DROP COLUMN kind CASCADE")
            cursor.execute("ALTER TABLE launches_attempt RENAME COLUMN lease_token TO token")
        call_command("stop_local_trainers", stdout=said, stderr=said)
        assert said.getvalue().startswith("1 trainer ended\nNot recorded now, but by the next start: ")
        assert rig.provider.observe(reference).reason is Reason.HOST_STOPPED
    finally:
        rig.end()
