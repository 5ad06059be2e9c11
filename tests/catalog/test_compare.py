"""Side by side: two versions of a shape, and up to four shapes."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import Account
from accounts.roles import Role
from catalog.enums import AcceleratorType
from catalog.fields.launch_fields import common_fields
from catalog.models import ShapeVersion
from catalog.states import VersionState
from connections.providers.spec import ShardingScheme, TrainerMode
from tests.makers import make_member, make_model, make_shape, make_version, narrow_field, sign_in

pytestmark = pytest.mark.django_db
ROW = re.compile(
    r"<tr( class=\"compared-differs\")?><th scope=\"row\" title=\"([^\"]+)\">(.*?)</th>(.*?)</tr>", re.DOTALL
)
FROM_A: dict[str, Any] = {
    "accelerator_type": AcceleratorType.NVIDIA_H100_80GB,
    "trainer_sharding_scheme": ShardingScheme(2),
}


@pytest.fixture
def reader(client: Client, team: Account) -> Client:
    return sign_in(client, make_member(account=team, role=Role.VIEWER))


def rows(client: Client, address: str) -> dict[str, list[str]]:
    """The lines of the table: the field's path and the values, with "!" before the path where they differ."""
    response = client.get(address)
    assert response.status_code == 200
    return {
        ("!" if differs else "") + key: [unescape(cell) for cell in re.findall(r"<td[^>]*>(.*?)</td>", cells)]
        for differs, key, _, cells in ROW.findall(response.content.decode())
    }


def test_two_versions_field_by_field(reader: Client, team: Account) -> None:
    shape = make_shape(base_model=make_model(account=team), shape_id="own")
    old = make_version(shape=shape, gpus=1, public=False, **FROM_A)
    fields = [
        narrow_field(field, {"maximum": 64}) if field.name == "lora_rank" else field
        for field in common_fields(TrainerMode.LORA_TRAINER)
        if field.name != "region"
    ]
    new = make_version(shape=shape, gpus=2, public=False, launch_fields=fields, **FROM_A)
    everything = rows(reader, f"/shapes/team-a/own/compare?from={old.version_id}&to={new.version_id}")
    assert everything["!accelerator_count"] == ["1", "2"]
    assert everything["node_count"] == ["1", "1"]
    assert everything["trainer_sharding_scheme.tensor_parallelism"] == ["2", "2"]
    assert everything["!launch_fields.lora_rank.maximum"] == ["128", "64"]
    assert everything["!launch_fields.region"] == ["offered", "not offered"]
    only = rows(reader, f"/shapes/team-a/own/compare?from={old.version_id}&to={new.version_id}&only=differences")
    assert only == {key: values for key, values in everything.items() if key.startswith("!")}
    assert rows(reader, "/shapes/team-a/own/compare") == everything


def test_a_version_that_one_may_not_see_is_not_there(client: Client, team: Account, settings) -> None:  # type: ignore[no-untyped-def]
    settings.SLIPWAY_PUBLIC_CATALOG = True
    shape = make_shape(base_model=make_model(account=team), shape_id="own")
    hidden = make_version(shape=shape, public=False)
    make_version(shape=shape)
    assert client.get("/shapes/team-a/own/compare").status_code == 200
    for query in (f"from={hidden.version_id}", f"to={hidden.version_id}", "from=nosuchid", "to=%00"):
        assert client.get(f"/shapes/team-a/own/compare?{query}").status_code == 404, query
    sign_in(client, make_member(account=team, role=Role.VIEWER))
    assert client.get(f"/shapes/team-a/own/compare?from={hidden.version_id}").status_code == 200


def test_shapes_side_by_side_by_either_name(reader: Client, team: Account) -> None:
    for number, name in enumerate(("one", "two"), start=1):
        make_version(shape=make_shape(base_model=make_model(account=team), shape_id=name), gpus=number, public=False)
    found = rows(reader, "/compare?shape=team-a/one&shape=accounts/team-a/trainingShapes/two")
    assert found["!accelerator_count"] == ["1", "2"]
    assert found["max_supported_context_length"] == ["32,768 tokens (32k)"] * 2


def test_an_id_alone_is_a_shape_of_the_account_that_one_works_in(reader: Client, team: Account, settings: Any) -> None:
    settings.SLIPWAY_PUBLIC_CATALOG = True
    make_version(shape=make_shape(base_model=make_model(account=team), shape_id="one"), gpus=3)
    assert rows(reader, "/compare?shape=one")["accelerator_count"] == ["3"]
    html = reader.get("/compare?shape=nothing").content.decode()
    assert "<code>nothing</code> names no shape" in html
    assert "Write the id of a shape of account team-a, ACCOUNT/SHAPE or a resource name" in html
    anonymous = Client().get("/compare?shape=one").content.decode()
    assert "<code>one</code> names no shape" in anonymous
    assert "Write ACCOUNT/SHAPE or a resource name" in anonymous


def test_unknown_and_surplus_shapes_are_said_in_words(reader: Client, team: Account) -> None:
    foreign = make_version(public=False)
    names = [f"team-a/s{number}" for number in range(5)]
    for name in names:
        make_version(shape=make_shape(base_model=make_model(account=team), shape_id=name[-2:]), public=False)
    secret = f"{foreign.shape.account.account_id}/{foreign.shape.shape_id}"
    html = reader.get("/compare", {"shape": [*names[:3], secret, names[4]]}).content.decode()
    assert f"<code>{secret}</code> names no shape and no version that you may see" in html
    assert "4 shapes are the most; 1 more was left out" in html
    odd = reader.get("/compare", {"shape": ["<b>", "\0", "a/b/c", "x" * 500]}).content.decode()
    assert "<b> is" not in odd
    assert "<code>&lt;b&gt;</code> names no shape" in odd
    assert "No shape chosen" in odd


def test_versions_of_any_shapes_stand_side_by_side(reader: Client, team: Account) -> None:
    source, clone = (make_shape(base_model=make_model(account=team), shape_id=name) for name in ("source", "clone"))
    first = make_version(shape=source, gpus=1, public=False)
    make_version(shape=source, gpus=2, public=False)
    draft = make_version(shape=clone, gpus=4, state=VersionState.DRAFT)
    address = f"/compare?shape={first.name}&shape=team-a/source&shape=team-a/clone/versions/{draft.version_id}"
    assert rows(reader, address)["!accelerator_count"] == ["1", "2", "4"]
    assert rows(reader, f"{address}&shape=team-a/source/versions/latest")["!accelerator_count"] == ["1", "2", "4"]
    html = reader.get(address).content.decode()
    assert f"?version={first.version_id}" in html
    assert "shape=team-a/source&amp;shape=team-a/clone/versions/" in html, "the link that leaves out the first"


def test_a_shape_that_is_not_published_is_compared_by_its_newest_version_for_members(
    reader: Client, team: Account, settings: Any
) -> None:
    settings.SLIPWAY_PUBLIC_CATALOG = True
    shape = make_shape(base_model=make_model(account=team), shape_id="own")
    make_version(shape=shape, gpus=1, state=VersionState.REJECTED)
    draft = make_version(shape=shape, gpus=2, state=VersionState.DRAFT)
    assert rows(reader, "/compare?shape=team-a/own")["accelerator_count"] == ["2"]
    stranger = sign_in(Client(), make_member(role=Role.ADMIN))
    for browser in (Client(), stranger):
        for name in ("team-a/own", draft.name):
            shown = browser.get("/compare", {"shape": name}).content.decode()
            assert f"<code>{name}</code> names no shape and no version that you may see" in shown


def test_any_two_of_many_versions_can_be_chosen(reader: Client, team: Account) -> None:
    shape = make_shape(base_model=make_model(account=team), shape_id="own")
    versions = [make_version(shape=shape, gpus=number, public=False) for number in range(1, 46)]
    options = re.compile(r"<option(?: selected)?>([a-z0-9]{8})</option>")
    address, offered = "/shapes/team-a/own/compare", set()
    while address:
        html = reader.get(address).content.decode()
        offered |= set(options.findall(html))
        older = re.search(r'href="([^"]*)">Choose from older ones', html)
        address = f"/shapes/team-a/own/compare{unescape(older[1])}" if older else ""
    assert offered == {version.version_id for version in versions}
    pair = f"/shapes/team-a/own/compare?from={versions[0].version_id}&to={versions[1].version_id}"
    assert rows(reader, pair)["!accelerator_count"] == ["1", "2"]
    assert rows(reader, f"{pair}&before=nosuchid")["!accelerator_count"] == ["1", "2"]


def test_it_starts_with_the_version_before_and_not_with_a_newer_draft(reader: Client, team: Account) -> None:
    shape = make_shape(base_model=make_model(account=team), shape_id="own")
    first = make_version(shape=shape, gpus=1, public=False)
    assert "one version that you may see" in reader.get("/shapes/team-a/own/compare").content.decode()
    make_version(shape=shape, gpus=4, state=VersionState.DRAFT)
    assert rows(reader, "/shapes/team-a/own/compare")["!accelerator_count"] == ["1", "4"], "nothing is older"
    latest = make_version(shape=shape, gpus=2, public=False)
    ShapeVersion.objects.filter(pk=first.pk).update(created_at=latest.created_at - timedelta(hours=2))
    ShapeVersion.objects.filter(pk=latest.pk).update(created_at=latest.created_at - timedelta(hours=1))
    assert rows(reader, "/shapes/team-a/own/compare")["!accelerator_count"] == ["1", "2"]
    assert rows(reader, f"/shapes/team-a/own/compare?to={first.version_id}")["!accelerator_count"] == ["1", "4"]
    twice = reader.get(f"/shapes/team-a/own/compare?from={first.version_id}&to={first.version_id}")
    assert "It is the same version twice." in twice.content.decode()


def test_values_that_differ_never_read_the_same(reader: Client, team: Account) -> None:
    shape = make_shape(base_model=make_model(account=team), shape_id="own")
    changes: list[dict[str, dict[str, Any]]] = [
        {"learning_rate": {"default": 1.23456e-4}, "display_name": {"choices": ["a", "b"], "default": "a"}},
        {"learning_rate": {"default": 1.234561e-4}, "display_name": {"choices": ["a, b"], "default": "a, b"}},
        {"learning_rate": {"default": 1.234562e-4}, "region": {"default": "none"}},
    ]
    versions = []
    for change in changes:
        fields = [narrow_field(field, change.get(field.name, {})) for field in common_fields(TrainerMode.LORA_TRAINER)]
        versions.append(make_version(shape=shape, public=False, launch_fields=fields))
    query = "&".join(f"shape={version.name}" for version in versions)
    found = rows(reader, f"/compare?{query}")
    assert found["!launch_fields.learning_rate.default"] == ["0.000123456", "0.0001234561", "0.0001234562"]
    assert found["!launch_fields.display_name.choices"] == ["a, b", '"a, b"', "none"]
    assert found["!launch_fields.region.default"] == ["none", "none", '"none"']


def test_more_shapes_and_versions_cost_no_more_queries(reader: Client, team: Account) -> None:
    model = make_model(account=team)
    names = []
    for number in range(4):
        shape = make_shape(base_model=model, shape_id=f"s{number}")
        for _ in range(number + 1):
            make_version(shape=shape, public=False)
        names.append(f"team-a/s{number}")

    def queries(address: str) -> int:
        with CaptureQueriesContext(
            connection,
        ) as captured:
            assert reader.get(address).status_code == 200
        return len(captured)

    reader.get("/compare")
    one, four = (queries("/compare?" + "&".join(f"shape={name}" for name in names[:n])) for n in (1, 4))
    assert one == four
    assert queries("/shapes/team-a/s1/compare") == queries("/shapes/team-a/s3/compare")
