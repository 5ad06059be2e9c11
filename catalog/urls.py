"""URLs of the catalog app."""

from __future__ import annotations

from django.urls import path

from catalog.views.browse import browse
from catalog.views.compare import compare_shapes, compare_versions
from catalog.views.shape import shape

urlpatterns = [
    path("", browse, name="catalog"),
    path("shapes/<slug:account>/<slug:shape_id>", shape, name="shape"),
    path("shapes/<slug:account>/<slug:shape_id>/compare", compare_versions, name="compare_versions"),
    path("compare", compare_shapes, name="compare"),
]
