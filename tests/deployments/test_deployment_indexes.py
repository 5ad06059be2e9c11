"""At 20,000 deployments the list, its filters and what looks for one that serves read an index, not the table."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlencode

import pytest
from django.db import connection as database
from django.http import QueryDict

from accounts.models import Account, User
from benchmarks.filling import FILL_DEPLOYMENTS
from catalog.models import ShapeVersion
from connections.models import Connection
from connections.providers.states import AttemptState
from deployments.filters import DEPLOYMENTS
from deployments.offers import find_serving
from deployments.queries import LIVING, deployed_shapes, list_deployments, used_connections
from tests import plans
from tests.deployments.engine import Samplers
from tests.deployments.makers import make_deployment
from tests.launches.makers import bring_to, make_launch

ROWS = 20_000
pytestmark = [pytest.mark.django_db, pytest.mark.e2e]  # filling the table takes its time


def assert_reads_little(call: Callable[[], object]) -> None:
    plans.assert_reads_little("deployments_", call)


def test_the_list_its_choices_and_who_looks_for_one_read_an_index(
    team: Account, lena: User, version: ShapeVersion, samplers: Samplers
) -> None:
    bring_to(make_launch(owner=lena, account=team), AttemptState.FAILED)
    near = Connection.objects.get(name="near")
    row = make_deployment(owner=lena, account=team, version=version, connection=near)
    with database.cursor() as cursor:
        for statement in FILL_DEPLOYMENTS.split(";\n"):
            if statement.strip():
                cursor.execute(statement, {"rows": ROWS} if "%" in statement else None)

    def listed(among: bool = True, **asked: str) -> list[str]:
        found = DEPLOYMENTS.read(QueryDict(urlencode(asked)))
        assert not found.problems
        wanted = found.condition(lena) & LIVING if among else found.condition(lena)
        return [each.deployment.deployment_id for each in list_deployments([team.pk], wanted, found.order).rows]

    shape = f"team-a/{version.shape.shape_id}"
    for asked in ({}, {"state": "asleep"}, {"state": "orphaned"}, {"state": "FAILED"}, {"owner": "me"},
                  {"shape": shape}, {"connection": "near"}):  # fmt: skip
        assert_reads_little(lambda asked=asked: listed(**asked))  # type: ignore[misc]
    assert_reads_little(lambda: listed(among=False, state="DELETED"))
    assert [len(listed(state=state)) for state in ("asleep", "orphaned", "FAILED")] == [20, 20, 20]
    assert_reads_little(lambda: deployed_shapes(team))
    assert_reads_little(lambda: used_connections(team))
    assert (deployed_shapes(team), used_connections(team)) == ([version.shape], [near])
    assert find_serving(team, f"{row.serves}-{ROWS // 2 + 1}")
    for name in (f"{row.serves}-{ROWS // 2 + 1}", f"{row.serves}-1", "none"):
        assert_reads_little(lambda name=name: find_serving(team, name))  # type: ignore[misc]
