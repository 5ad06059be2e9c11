"""What is kept of the catalog page is never older than a write that was committed before it was asked for."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone

from catalog.domain.recount_shapes import recount_shapes
from catalog.models import BaseModel, CatalogChange, ShapeVersion
from catalog.revision import revision
from connections.kinds import SLURM
from connections.models import Connection
from connections.states import ConnectionState
from tests.connections.remote import make_connection
from tests.makers import make_model, make_shape, make_version

PATIENCE_SECONDS = 60
pytestmark = pytest.mark.usefixtures("public_catalog")


def shown(address: str = "/") -> tuple[int, set[str]]:
    """How many shapes the page counts, and which it lists."""
    page = Client().get(address).content.decode()
    total = re.search(r"data-total>([\d,]+)<", page)
    assert total
    return int(total[1]), set(re.findall(r"/shapes/fireworks/([\w-]+)\"", page))


@contextmanager
def writer(model: BaseModel, name: str) -> Iterator[Callable[[], None]]:
    """A transaction that has published a shape; what it yields commits it."""
    written, may_commit = Event(), Event()

    def publish() -> None:
        try:
            with transaction.atomic():
                make_version(shape=make_shape(base_model=model, shape_id=name))
                written.set()
                assert may_commit.wait(PATIENCE_SECONDS)
        finally:
            written.set()
            connection.close()

    with ThreadPoolExecutor(1) as thread:
        ending: Future[None] = thread.submit(publish)

        def commit() -> None:
            may_commit.set()
            ending.result(PATIENCE_SECONDS)

        assert written.wait(PATIENCE_SECONDS)
        yield commit
        may_commit.set()


@contextmanager
def published_behind(table: str, model: BaseModel, name: str) -> Iterator[None]:
    """A shape is published by another as soon as the table was read in the block."""
    reads = 0
    with writer(model, name) as commit:

        def commit_behind(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
            nonlocal reads
            result = execute(sql, *rest)
            if sql.startswith("SELECT") and table in sql:
                reads += 1
                commit()
            return result

        with connection.execute_wrapper(commit_behind):
            yield
    assert reads, table


@pytest.mark.django_db(transaction=True)
def test_each_commit_is_on_the_next_page_whichever_of_two_writers_is_first() -> None:
    model = make_model()
    make_version(shape=make_shape(base_model=model, shape_id="there"))
    with writer(model, "one") as commit_one, writer(model, "two") as commit_two:
        assert shown() == shown() == (1, {"there"})
        commit_two()
        assert shown() == (2, {"there", "two"})
        recount_shapes(now=timezone.now())
        assert shown() == (2, {"there", "two"})
        commit_one()
        assert shown() == (3, {"there", "one", "two"})
    make_version(shape=make_shape(base_model=model, shape_id="after"))
    assert shown() == (4, {"there", "one", "two", "after"})


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("behind", ["catalog_catalogchange", "catalog_facetcount", "catalog_shapeversion"])
def test_a_page_that_is_read_while_something_is_published_is_shown_to_nobody_later(behind: str) -> None:
    """The write is committed as soon as that table was read for the page."""
    model = make_model()
    make_version(shape=make_shape(base_model=model, shape_id="there"))
    with published_behind(behind, model, "meanwhile"):
        shown()
    assert shown() == (2, {"there", "meanwhile"})


@pytest.mark.django_db
def test_any_write_that_changes_rows_is_another_revision() -> None:
    version = make_version()
    seen = {revision()}
    writes: list[Callable[[], object]] = [
        lambda: ShapeVersion.objects.update(deprecated_at=timezone.now()),
        lambda: BaseModel.objects.update(title="Another"),
        lambda: make_shape(base_model=version.shape.base_model),
        lambda: make_version(shape=version.shape),
        lambda: recount_shapes(now=timezone.now()),
    ]
    for number, write in enumerate(writes, start=2):
        write()
        seen.add(revision())
        assert len(seen) == number
    assert CatalogChange.objects.count() == 1
    BaseModel.objects.filter(pk=0).update(title="Nobody")
    assert revision() in seen


@pytest.mark.django_db
def test_where_a_shape_runs_is_as_new_as_the_page(client: Client) -> None:
    version = make_version(gpus=1, accelerator_type="NVIDIA_H100_80GB")
    models = f"{version.shape.base_model.name} = /shared/models"
    config = {"shared": "/shared", "models": models, "gres": "NVIDIA_H100_80GB = gpu:h100"}
    cluster = Connection.objects.filter(pk=make_connection(name="cluster", kind=SLURM, config=config).pk)

    def place() -> str:
        found = re.search(r"class=\"place[^>]*>([^<]*)<", client.get("/").content.decode())
        assert found
        return found[1]

    cluster.update(display_name="Nine")
    assert place() == "Nine"
    cluster.update(display_name="Ten")
    assert place() == "Ten"
    cluster.update(state=ConnectionState.PAUSED)
    assert place() == "no connection yet"
