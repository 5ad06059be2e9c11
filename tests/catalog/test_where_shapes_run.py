"""What pages say of shapes that nothing runs: which connection they need, and what a connection asks about them."""

from __future__ import annotations

import re
from html import unescape

import pytest
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext

from connections.kinds import SLURM
from connections.models import Connection
from tests.connections.remote import make_connection
from tests.makers import make_member, make_user, make_version, sign_in

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("public_catalog")]
H100, H200 = "NVIDIA_H100_80GB", "NVIDIA_H200_141GB"
GRES = f"{H100} = gpu:h100\n{H200} = gpu:h200"
QUESTION = "/connections/cluster/unnamed"


def words(client: Client, path: str, **headers: str) -> str:
    page = re.sub(r"<[^>]+>", " ", client.get(path, headers=headers).content.decode())
    return " ".join(unescape(page).split())


def make_cluster(*models: str, **config: str) -> Connection:
    lines = "\n".join(f"{model} = /shared/models" for model in models)
    return make_connection(name="cluster", kind=SLURM, config={"shared": "/shared", "models": lines, **config})


def test_a_shape_that_nothing_runs_says_what_it_needs_and_where_its_row_leads(client: Client) -> None:
    large = make_version(gpus=8, nodes=2, accelerator_type=H200)
    open_type = make_version(gpus=1)
    hidden = make_version(gpus=0, hide_specs=True)
    cluster = make_cluster(large.shape.base_model.name, gres=GRES, processes="one")
    needed = {
        large: "a connection with 8 GPUs (H200 141 GB) on each of 2 nodes, and a trainer there that runs as several",
        open_type: "a connection with 1 GPU (of a type that the shape leaves open).",
        hidden: "a connection that offers it.",
    }
    rows = client.get("/").content.decode()
    for version, what in needed.items():
        page = f"/shapes/{version.shape.account}/{version.shape.shape_id}"
        assert f'href="{page}#where"' in rows
        assert f"It needs {what}" in words(client, page)
        assert 'id="where"' in client.get(page).content.decode()
    told = words(client, f"/shapes/{large.shape.account}/{large.shape.shape_id}")
    assert "Cluster The shape needs 16 GPUs a replica; the connection says that its trainer runs as one" in told

    Connection.objects.filter(pk=cluster.pk).update(config={**cluster.config, "processes": "several"})
    assert "Where it runs Cluster" in words(client, f"/shapes/{large.shape.account}/{large.shape.shape_id}")


def test_which_gpu_shapes_get_that_name_none_is_asked_once(client: Client) -> None:
    waiting, named = [make_version(gpus=1) for _ in range(2)], make_version(gpus=1, accelerator_type=H100)
    make_version(gpus=8)  # which runs nowhere there, whatever the answer
    models = [version.shape.base_model.name for version in (*waiting, named)]
    cluster = make_cluster(*models, gres=GRES)
    shape = f"/shapes/{waiting[0].shape.account}/{waiting[0].shape.shape_id}"
    assert "does not say which to give then" in words(client, shape)
    sign_in(client, make_user(superuser=True))

    assert f'hx-get="{QUESTION}"' in client.get("/connections/cluster").content.decode()
    for told in (words(client, QUESTION, HX_Request="true"), words(client, QUESTION)):
        assert "2 shapes say how many GPUs they need and not which: which shall they get here?" in told
        assert "H100 80 GB H200 141 GB none: they never run here" in told
    with CaptureQueriesContext(database) as few:
        client.get(QUESTION)
    make_version(gpus=1)
    with CaptureQueriesContext(database) as more:
        client.get(QUESTION)
    assert len(more) == len(few)

    answer = {"setting": "unnamed_type", "shown": H200}
    confirm = "/connections/cluster/confirm"
    assert "is not usable" in client.post(confirm, answer | {"shown": "gpu:h200"}).content.decode()
    assert "GPU type where a shape names none is set." in client.post(confirm, answer, follow=True).content.decode()
    cluster.refresh_from_db()
    assert cluster.config["unnamed_type"] == H200
    assert "Where it runs Cluster" in words(client, shape)
    assert QUESTION not in client.get("/connections/cluster").content.decode()
    assert "There is nothing to ask" in words(client, QUESTION)
    assert client.post(confirm, answer | {"shown": H100}).status_code == 422, "asked once"


def test_none_is_an_answer_too_and_edit_changes_it(client: Client) -> None:
    version = make_version(gpus=1)
    cluster = make_cluster(version.shape.base_model.name, gres=GRES)
    sign_in(client, make_user(superuser=True))
    client.post("/connections/cluster/confirm", {"setting": "unnamed_type", "shown": "none"})
    assert QUESTION not in client.get("/connections/cluster").content.decode()
    shape = f"/shapes/{version.shape.account}/{version.shape.shape_id}"
    assert "the connection gives such shapes none" in words(client, shape)
    fields = {"display_name": "Cluster"} | {f"config.{name}": text for name, text in cluster.config.items()}
    assert client.post("/connections/cluster/edit", fields | {"config.unnamed_type": H100}).status_code == 303
    assert "Where it runs Cluster" in words(client, shape)


def test_nothing_is_asked_where_no_shape_waits_or_no_gpu_is_there(client: Client) -> None:
    version = make_version(gpus=1, accelerator_type=H100)
    cluster = make_cluster(version.shape.base_model.name, gres=GRES)
    sign_in(client, make_user(superuser=True))
    assert "There is nothing to ask" in words(client, QUESTION)
    make_version(gpus=1)  # whose base model is not there
    assert "There is nothing to ask" in words(client, QUESTION)
    Connection.objects.filter(pk=cluster.pk).update(config={"shared": "/shared"})
    assert QUESTION not in client.get("/connections/cluster").content.decode()
    sign_in(client, make_member())
    assert client.get(QUESTION).status_code in (403, 404)
