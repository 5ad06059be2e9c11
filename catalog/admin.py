"""Django's admin for superusers: the catalog, to be read. A version changes by the verbs only, and some are here.

A verb asks for the same right as everywhere: a superuser who is no publisher of the account reads why not.
"""

from __future__ import annotations

from collections.abc import Callable

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts.actors import Actor
from accounts.admin import ReadOnlyAdmin
from accounts.requests import actor_of
from catalog.domain.restore_version import restore_version
from catalog.models import BaseModel, ShapeVersion, TrainingShape
from wire.errors import Refusal


@admin.register(BaseModel)
class BaseModelAdmin(ReadOnlyAdmin):
    """Base models."""

    list_display = ("model_id", "account", "title", "family", "architecture", "parameter_count")
    list_filter = ("account", "family")
    list_select_related = ("account",)
    search_fields = ("model_id", "title")


@admin.register(TrainingShape)
class TrainingShapeAdmin(ReadOnlyAdmin):
    """Shapes; what they own stands in their versions."""

    list_display = ("shape_id", "account", "base_model", "display_name", "publishing_page")
    list_filter = ("account",)
    list_select_related = ("account", "base_model__account")
    search_fields = ("shape_id", "display_name")

    @admin.display(description="publishing page")
    def publishing_page(self, shape: TrainingShape) -> SafeString:
        """Where everything that can be done to it is done."""
        url = reverse("publish_shape", args=[shape.account.account_id, shape.shape_id])
        return format_html('<a href="{}">open</a>', url)


@admin.register(ShapeVersion)
class ShapeVersionAdmin(ReadOnlyAdmin):
    """Versions, and the verbs on them."""

    list_display = (
        "version_id",
        "shape",
        "state",
        "is_latest_validated",
        "is_public",
        "deprecated_at",
        "withdrawn_at",
        "created_by",
    )
    list_filter = ("state", "is_latest_validated", "is_public", "shape__account")
    list_select_related = ("shape__account",)
    search_fields = ("version_id", "shape__shape_id", "digest")
    actions = ("roll_back_to", "lift_deprecation", "withdraw")
    show_full_result_count = False

    @admin.action(description="Roll back or forward to the selected version, after a question")
    def roll_back_to(self, request: HttpRequest, chosen: QuerySet[ShapeVersion]) -> HttpResponse | None:
        """It changes what everybody launches, so it is asked first."""
        return self._ask(request, chosen, "roll-back")

    @admin.action(description="Lift the deprecation of the selected version")
    def lift_deprecation(self, request: HttpRequest, chosen: QuerySet[ShapeVersion]) -> None:
        """By the verb."""
        self._do(request, chosen, lambda actor, version: restore_version(actor=actor, version=version))

    @admin.action(description="Withdraw the selected version, after a question")
    def withdraw(self, request: HttpRequest, chosen: QuerySet[ShapeVersion]) -> HttpResponse | None:
        """It is final, so it is asked first."""
        return self._ask(request, chosen, "withdraw")

    def _ask(self, request: HttpRequest, chosen: QuerySet[ShapeVersion], verb: str) -> HttpResponse | None:
        """On to the page that says what the verb touches, and that knows what was the latest version then."""
        version = self._one(request, chosen)
        if version is None:
            return None
        where = [version.shape.account.account_id, version.shape.shape_id, version.version_id, verb]
        return HttpResponseRedirect(reverse("publish_verb", args=where))

    def _do(
        self, request: HttpRequest, chosen: QuerySet[ShapeVersion], verb: Callable[[Actor, ShapeVersion], object]
    ) -> None:
        version = self._one(request, chosen)
        if version is None:
            return
        try:
            verb(actor_of(request), version)
        except Refusal as refusal:
            messages.error(request, refusal.message)
        else:
            messages.success(request, f"{version}: done.")

    def _one(self, request: HttpRequest, chosen: QuerySet[ShapeVersion]) -> ShapeVersion | None:
        """The version that was selected; None, and words, where there are several: which comes last would matter."""
        versions = list(chosen.select_related("shape__account", "shape__base_model__account")[:2])
        if len(versions) != 1:
            messages.error(request, "Select one version at a time.")
            return None
        return versions[0]
