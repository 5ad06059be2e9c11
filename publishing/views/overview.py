"""What an account has in work, what waits to be published, and its shapes; and one shape with its versions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from accounts.requests import SlipwayRequest, actor_of
from catalog.domain.shape_lock import latest_of
from catalog.enums import MODE_LABELS
from catalog.labels import context_label
from catalog.models import ShapeVersion, TrainingShape
from lists import pages
from publishing.bundled import offers_for
from publishing.pages.actions import DELETE_SHAPE, ActionText, Verb, legal_verbs, words_of
from publishing.pages.addresses import action_page
from publishing.queries import (
    VERSIONS_PAGE,
    LaunchHistory,
    awaiting,
    count_in_words,
    expired,
    in_work,
    list_shapes,
    list_versions,
    records_of,
)
from publishing.views.access import published_shape, publishers_page, publishing_account

WORK, AWAITING, EXPIRED, SHAPES = "work", "awaiting", "expired", "shapes"
INLINE = 2
"""Actions that stand beside a version; the others are in its menu."""


@dataclass(frozen=True)
class NextAction:
    """A verb that is legal now, with where it is done."""

    verb: Verb
    words: ActionText
    url: str


@dataclass(frozen=True)
class VersionRow:
    """A version with the words of its line."""

    version: ShapeVersion
    mode: str
    context: str
    record: LaunchHistory
    actions: tuple[NextAction, ...]

    @property
    def leads(self) -> bool:
        """Whether its first action is what comes next; what was published before is fine as it is."""
        return self.version.published_at is None

    @property
    def first(self) -> tuple[NextAction, ...]:
        """What stands beside it."""
        return self.actions[:INLINE]

    @property
    def more(self) -> tuple[NextAction, ...]:
        """What its menu holds."""
        return self.actions[INLINE:]


@require_safe
@publishers_page
def publish(request: SlipwayRequest) -> HttpResponse:
    """`/publish`: `?show=` is one of four lists of the active account; `before` and `after` are cursors of pages."""
    account = publishing_account(request)
    show = request.GET.get("show", WORK)
    lists = {WORK: in_work(account), AWAITING: awaiting(account), EXPIRED: expired(account, timezone.now())}
    show = show if show in {*lists, SHAPES} else WORK
    tabs = [
        (WORK, "In work", count_in_words(lists[WORK])),
        (AWAITING, "Awaiting publication", count_in_words(lists[AWAITING])),
        (EXPIRED, "Evidence expired", count_in_words(lists[EXPIRED])),
        (SHAPES, "Shapes", count_in_words(TrainingShape.objects.filter(account=account))),
    ]
    context: dict[str, Any] = {"section": "publish", "account": account, "show": show, "tabs": tabs}
    if not request.htmx:
        context["offers"] = offers_for(actor_of(request))
    if show == SHAPES:
        shapes = pages.show(request.GET.get("after", ""), lambda cursor: list_shapes(account, cursor))
        context |= {"shapes": shapes.rows, **shapes.links(lambda cursor: _address(show, after=cursor))}
    else:
        page = pages.show(request.GET.get("before", ""), lambda cursor: list_versions(lists[show], cursor))
        context |= {
            "rows": [_row(version, LaunchHistory(), None) for version in page.rows],
            **page.links(lambda cursor: _address(show, before=cursor)),
        }
    return render(request, "publishing/rows.html" if request.htmx else "publishing/publish.html", context)


@require_safe
@publishers_page
def publish_shape(request: SlipwayRequest, account_id: str, shape_id: str) -> HttpResponse:
    """`/publish/<account>/<shape>`: its versions, newest first, with what can be done to each."""
    shape = published_shape(request, account_id, shape_id)
    page = pages.show(
        request.GET.get("before", ""),
        lambda cursor: list_versions(shape.versions.all(), cursor, size=VERSIONS_PAGE),
    )
    records = records_of(page.rows)
    latest = latest_of(shape)
    here = reverse("publish_shape", args=[account_id, shape_id])
    context = {
        "section": "publish",
        "shape": shape,
        "rows": [_row(version, records.get(version.pk, LaunchHistory()), latest) for version in page.rows],
        "latest": latest,
        "delete_words": DELETE_SHAPE,
        **page.links(lambda cursor: f"{here}?before={cursor}" if cursor else here),
    }
    return render(request, "publishing/versions.html" if request.htmx else "publishing/shape.html", context)


def _row(version: ShapeVersion, record: LaunchHistory, latest: ShapeVersion | None) -> VersionRow:
    verbs = legal_verbs(version)
    return VersionRow(
        version=version,
        mode=MODE_LABELS[version.trainer_mode],
        context=context_label(version.max_context),
        record=record,
        actions=tuple(NextAction(verb, words_of(verb, version, latest), action_page(verb, version)) for verb in verbs),
    )


def _address(show: str, **cursor: str) -> str:
    """The page of a list that the cursor names."""
    asked = {"show": show} | {name: value for name, value in cursor.items() if value}
    return f"{reverse('publish')}?{urlencode(asked)}"
