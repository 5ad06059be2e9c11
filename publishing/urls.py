"""URLs of the publishing app."""

from __future__ import annotations

from django.urls import path

from publishing.views.catalog_file import catalog_export, catalog_import
from publishing.views.clone import shape_clone
from publishing.views.confirm import publish_verb, shape_delete
from publishing.views.editor import draft_edit, draft_new, publish_new
from publishing.views.overview import publish, publish_shape
from publishing.views.passport import passport
from publishing.views.validation import validation, validation_by_hand, validation_start, validation_stop

_SHAPE = "publish/<slug:account_id>/<slug:shape_id>"
_VERSION = "shapes/<slug:account_id>/<slug:shape_id>/versions/<slug:version_id>"

urlpatterns = [
    path("publish", publish, name="publish"),
    path("publish/new", publish_new, name="publish_new"),
    path("publish/import", catalog_import, name="catalog_import"),
    path("publish/export", catalog_export, name="catalog_export"),
    path(_SHAPE, publish_shape, name="publish_shape"),
    path(f"{_SHAPE}/new", draft_new, name="draft_new"),
    path(f"{_SHAPE}/delete", shape_delete, name="shape_delete"),
    path(f"{_SHAPE}/versions/<slug:version_id>/edit", draft_edit, name="draft_edit"),
    path(f"{_SHAPE}/versions/<slug:version_id>/clone", shape_clone, name="shape_clone"),
    path(f"{_SHAPE}/versions/<slug:version_id>/<slug:verb>", publish_verb, name="publish_verb"),
    path(f"{_VERSION}/validation", validation, name="validation"),
    path(f"{_VERSION}/validation/start", validation_start, name="validation_start"),
    path(f"{_VERSION}/validation/stop", validation_stop, name="validation_stop"),
    path(f"{_VERSION}/validation/by-hand", validation_by_hand, name="validation_by_hand"),
    path(f"{_VERSION}/passport", passport, name="passport"),
]
