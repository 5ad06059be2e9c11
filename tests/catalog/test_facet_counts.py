"""What the catalog counts as it is written is what is there, whoever writes, and however many at once."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest
from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone

from catalog.domain.recount_shapes import recount_shapes
from catalog.enums import AcceleratorType
from catalog.facet_queries import counted_groups, found_groups
from catalog.facets import FacetBucket
from catalog.filters import CatalogFilters
from catalog.models import BaseModel, FacetCount, ShapeVersion
from catalog.states import VersionState
from tests.catalog.test_query_counts import add_many
from tests.makers import make_account, make_model, make_shape, make_version


def added_up(groups: list[FacetBucket]) -> Counter[FacetBucket]:
    return Counter({group._replace(shapes=0, first=0): group.shapes for group in groups})


def agrees(*member_of: int) -> Counter[FacetBucket]:
    """The counts, which are those of the shapes themselves."""
    counted = added_up(counted_groups(member_of))
    assert counted == added_up(found_groups(member_of, CatalogFilters()))
    return counted


@pytest.mark.django_db
def test_each_write_adds_what_it_changes() -> None:
    ours, theirs = make_account(), make_account()
    model = make_model(account=ours, family="Qwen")
    shapes = [make_shape(base_model=model, account=account) for account in (ours, ours, theirs)]
    make_version(shape=shapes[0], gpus=0, context=2048)
    make_version(shape=shapes[1], gpus=8, public=False)
    make_version(shape=shapes[2], gpus=8, public=False)
    assert (agrees().total(), agrees(ours.pk).total(), agrees(ours.pk, theirs.pk).total()) == (1, 2, 3)
    for _ in range(2):  # a newer one takes the place of the one before
        make_version(shape=shapes[0], gpus=4)
    assert {group.gpus for group in agrees()} == {4}
    draft = make_version(shape=shapes[0], gpus=2, state=VersionState.DRAFT, public=False, latest=False, published=False)
    draft.delete()
    written = FacetCount.objects.count()
    ShapeVersion.objects.update(deprecated_at=timezone.now())
    BaseModel.objects.update(position=F("position") + 1)
    assert FacetCount.objects.count() == written  # nothing that is counted by
    BaseModel.objects.filter(pk=model.pk).update(family="Gemma", architecture="moe", runs_here=True)
    assert {(group.of("family"), group.of("architecture"), group.here) for group in agrees(ours.pk)} == {
        ("Gemma", "moe", True)
    }
    ShapeVersion.objects.filter(shape=shapes[1]).update(is_public=True)
    assert agrees().total() == 2
    ShapeVersion.objects.filter(shape=shapes[1]).update(is_latest_validated=False)
    before = agrees(ours.pk, theirs.pk)
    recount_shapes(now=timezone.now())
    assert agrees(ours.pk, theirs.pk) == before
    assert FacetCount.objects.count() == len(before) == 2


@pytest.mark.django_db
def test_what_a_shape_hides_is_not_counted_by() -> None:
    for hidden in (False, True):
        make_version(gpus=8, accelerator_type=AcceleratorType.NVIDIA_H100_80GB, hide_specs=hidden)
    assert {group.of("accelerator") for group in agrees()} == {"NVIDIA_H100_80GB", "unspecified"}


@pytest.mark.django_db(transaction=True)
def test_a_recount_beside_writers_loses_none() -> None:
    """One has written and not committed when all is counted anew; another writes only then."""
    model = make_model()
    make_version(shape=make_shape(base_model=model))
    written, counted = Event(), Event()

    def publish(*, before: bool) -> None:
        try:
            with transaction.atomic():
                if before:
                    make_version(shape=make_shape(base_model=model))
                    written.set()
                assert counted.wait(30)
                make_version(shape=make_shape(base_model=model))
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        writers = [pool.submit(publish, before=True), pool.submit(publish, before=False)]
        assert written.wait(30)
        recount_shapes(now=timezone.now())
        assert agrees().total() == 1
        counted.set()
        for writer in writers:
            writer.result()
    assert agrees().total() == 4
    recount_shapes(now=timezone.now())
    assert agrees().total() == 4


@pytest.mark.django_db(transaction=True)
def test_many_are_added_at_once_to_tables_that_look_empty() -> None:
    """Statistics taken while nothing is there, of tables that were larger: as after a first file that was refused."""
    with transaction.atomic():
        make_shape(base_model=make_model(account=make_account(account_id="fireworks")))
        add_many(6_000)
        transaction.set_rollback(True)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE catalog_basemodel, catalog_trainingshape, catalog_shapeversion")
        cursor.execute("SET statement_timeout = '60s'")  # hours, or one second
        try:
            make_shape(base_model=make_model(account=make_account(account_id="fireworks")))
            add_many(6_000)
            BaseModel.objects.update(family="Kimi")
        finally:
            cursor.execute("RESET statement_timeout")
    assert agrees().total() == 6_001
