"""What a launch's page says of the deployments that load its weights."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import Account, User
from accounts.roles import Role
from catalog.models import ShapeVersion
from launches.models import Launch
from tests.deployments.engine import Samplers
from tests.deployments.makers import make_deployment
from tests.launches.makers import make_launch
from tests.makers import make_member, make_shape, make_version, sign_in

pytestmark = pytest.mark.django_db


def launch_of(team: Account, lena: User, version: ShapeVersion, **facts: Any) -> Launch:
    shape = make_shape(base_model=version.shape.base_model, account=team)
    return make_launch(owner=lena, account=team, version=make_version(shape=shape, gpus=0, **facts))


def test_a_launch_shows_its_deployments_and_leads_to_the_form_of_the_linked_shape(
    client: Client, samplers: Samplers, team: Account, lena: User, version: ShapeVersion
) -> None:
    launch = launch_of(team, lena, version, deployment_shape_version=version.name)
    rows = {name: {"trainer": launch} for name in ("asleep", "gone")} | {"another": {}}
    made = {
        name: make_deployment(
            owner=lena, account=team, version=version, deployment_id=name, connection=launch.connection, **facts
        )
        for name, facts in rows.items()
    }
    type(made["gone"]).objects.filter(pk=made["gone"].pk).update(state="DELETED", finished_at=timezone.now())
    type(made["asleep"]).objects.filter(pk=made["asleep"].pk).update(state="READY", replicas=0)
    pages = sign_in(client, lena)
    assert f'hx-get="/launches/{launch.uid}/deployments"' in pages.get(f"/launches/{launch.uid}").content.decode()
    told = pages.get(f"/launches/{launch.uid}/deployments").content.decode()
    seen = [name for name, row in made.items() if f'href="/deployments/{row.uid}"' in told]
    assert (seen, "Scaled to 0" in told) == (["asleep"], True)
    form = f"/shapes/team-a/sampler/deploy?version=abcd1234&amp;trainer={launch.job_id}"
    assert form in told
    assert f'value="{launch.job_id}" selected' in pages.get(form.replace("&amp;", "&")).content.decode()
    viewer = sign_in(Client(), make_member(account=team, role=Role.VIEWER))
    assert form not in viewer.get(f"/launches/{launch.uid}/deployments").content.decode()


def test_a_launch_without_any_says_nothing(
    client: Client, samplers: Samplers, team: Account, lena: User, version: ShapeVersion
) -> None:
    launch = launch_of(team, lena, version)
    assert sign_in(client, lena).get(f"/launches/{launch.uid}/deployments").content.strip() == b""
