"""URLs of the catalog app."""

from __future__ import annotations

from django.urls import path

from catalog.views.browse import browse
from catalog.views.compare import compare_shapes, compare_versions
from catalog.views.shape import shape
from catalog.views.syncs import model_rename, sync_now, sync_runs
from catalog.views.unnamed import connection_unnamed

urlpatterns = [
    path("", browse, name="catalog"),
    path("shapes/<slug:account>/<slug:shape_id>", shape, name="shape"),
    path("shapes/<slug:account>/<slug:shape_id>/compare", compare_versions, name="compare_versions"),
    path("compare", compare_shapes, name="compare"),
    path("connections/<slug:name>/unnamed", connection_unnamed, name="connection_unnamed"),
    path("connections/<slug:name>/catalog", sync_runs, name="sync_runs"),
    path("connections/<slug:name>/catalog/sync", sync_now, name="sync_now"),
    path("connections/<slug:name>/catalog/rename", model_rename, name="model_rename"),
]
