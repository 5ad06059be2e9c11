"""What a connection's pages say of its deployments, and that it is not retired under them."""

from __future__ import annotations

import pytest
from django.test import Client
from django.utils import timezone

from accounts.actors import SYSTEM
from accounts.models import Account, User
from accounts.roles import Role
from catalog.models import ShapeVersion
from connections.models import Connection
from deployments.domain.retire_connection import retire_connection
from deployments.models import Deployment
from deployments.states import DeploymentState
from tests.deployments.engine import Samplers
from tests.deployments.makers import make_deployment
from tests.makers import make_account, make_member, make_user, sign_in
from wire.errors import FailedPrecondition

pytestmark = pytest.mark.django_db
THERE = "/connections/near/deployments"


@pytest.fixture
def row(team: Account, lena: User, version: ShapeVersion, samplers: Samplers) -> Deployment:
    near = Connection.objects.get(name="near")
    return make_deployment(owner=lena, account=team, version=version, connection=near, state="READY")


def test_a_connections_page_shows_its_deployments_to_whom_they_belong(row: Deployment, team: Account) -> None:
    other = make_account(account_id="team-b")
    make_deployment(
        owner=make_member(account=other), account=other, version=row.shape_version, connection=row.connection,
        deployment_id="theirs",
    )  # fmt: skip
    admin = sign_in(Client(), make_member(account=team, role=Role.ADMIN))
    superuser = sign_in(Client(), make_user(superuser=True))
    assert f'hx-get="{THERE}"' in superuser.get("/connections/near").content.decode()
    told = admin.get(THERE).content.decode()
    assert (f'href="/deployments/{row.uid}"' in told, "theirs" in told, "1 deployment." in told) == (True, False, True)
    told = superuser.get(THERE, HTTP_HX_REQUEST="true").content.decode()
    assert ("theirs" in told, "2 deployments." in told, "href" in told) == (True, True, False)


def test_it_is_retired_only_once_no_deployment_needs_it(row: Deployment) -> None:
    superuser = sign_in(Client(), make_user(superuser=True))
    assert "delete them first" in superuser.get("/connections/near/retire").content.decode()
    refused = superuser.post("/connections/near/retire")
    assert (refused.status_code, b"1 deployment there is not over" in refused.content) == (422, True)
    rows = Deployment.objects.filter(pk=row.pk)
    rows.update(replicas=0)  # a request would start it there again
    with pytest.raises(FailedPrecondition):
        retire_connection(actor=SYSTEM, connection=row.connection, now=timezone.now())
    rows.update(state=DeploymentState.DELETING)
    with pytest.raises(FailedPrecondition):  # it answers, so that ends
        retire_connection(actor=SYSTEM, connection=row.connection, now=timezone.now())
    Connection.objects.filter(pk=row.connection_id).update(unreachable_since=timezone.now(), failures=9)
    assert superuser.post("/connections/near/retire").status_code == 303
    row.refresh_from_db()
    assert (row.state, row.events[-1]["message"]) == ("DELETED", "Deleted: Near never answered, and was retired.")
