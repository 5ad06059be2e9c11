"""Side by side, field by field: two versions of a shape, and up to four shapes."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Sequence
from urllib.parse import urlencode

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from accounts.models import Account
from accounts.requests import SlipwayRequest
from catalog.fields.differences import FieldDifference, compare
from catalog.models import ShapeVersion
from catalog.shape_queries import siblings
from catalog.version_queries import find_newest, find_version, named_versions, page_of_versions, versions_of
from catalog.views.access import catalog_reader, member_of
from lists.pages import Page, show
from wire.names import DEPLOYMENT_SHAPES, TRAINING_SHAPES, parse_version_name

MOST_SHAPES = 4
PAGE = 20
"""Versions that can be chosen at once."""
LONGEST_NAME = 160
ONLY = {"only": "differences"}
"""In the address: leave out what is the same."""


@require_safe
@catalog_reader
def compare_versions(request: SlipwayRequest, account: str, shape_id: str) -> HttpResponse:
    """`?from=` and `?to=` are version ids, and what can be chosen is older than `?before=`.

    Without them it is the latest validated version after the newest one that is older; where nothing is older, the
    newest version after it.
    """
    mine = member_of(request)
    asked_old, asked_new = (_asked(request, mine, account, shape_id, name) for name in ("from", "to"))
    new = asked_new or find_newest(mine, account, shape_id)
    if new is None:
        raise Http404("There is no such shape.")
    old = asked_old or versions_of(mine, new.shape, older_than=new).first()
    if old is None:
        old, new = new, versions_of(mine, new.shape).first() or new
    versions = [old, new]
    page = show(request.GET.get("before", ""), lambda cursor: _choices(mine, versions[1], cursor))
    only = request.GET.get("only") == ONLY["only"]
    asked = {"from": old.version_id, "to": new.version_id}
    chosen = asked | (ONLY if only else {})
    context = {
        "section": "catalog",
        "shape": new.shape,
        "old": old,
        "new": new,
        "columns": versions,
        "choices": list(dict.fromkeys([*page.rows, new.version_id, old.version_id])),
        **page.links(lambda cursor: "?" + urlencode(chosen | ({"before": cursor} if cursor else {}))),
        "name": _text((account, shape_id, new.version_id)),
        "only": only,
        "all_url": "?" + urlencode(asked),
        "only_url": "?" + urlencode(asked | ONLY),
        "swapped_url": "?" + urlencode({"from": new.version_id, "to": old.version_id} | (ONLY if only else {})),
        **_lines(versions, only),
    }
    return render(request, "catalog/compare_versions.html", context)


@require_safe
@catalog_reader
def compare_shapes(request: SlipwayRequest) -> HttpResponse:
    """`?shape=` up to four times: a shape's or a version's resource name, or `account/shape`, `/versions/...` after it;
    or the id of a shape of the active account.

    A bare shape stands for its latest version, or its newest one that the reader may see. What cannot be shown is said
    in words.
    """
    asked = list(dict.fromkeys(text.strip() for text in request.GET.getlist("shape") if text.strip()))
    account = request.standing.account if request.user.is_authenticated else None
    parsed = {text: _parse(text, account) for text in asked[:MOST_SHAPES]}
    found = named_versions(member_of(request), [name for name in parsed.values() if name])
    texts: dict[int, str] = {}
    for name, version in found.items():
        texts.setdefault(version.pk, _text(name))
    versions, names = list({version.pk: version for version in found.values()}.values()), list(texts.values())
    only = request.GET.get("only") == ONLY["only"]
    here = reverse("compare")
    context = {
        "section": "catalog",
        "columns": [
            (v, _address(here, [n for n in names if n != name], only)) for v, name in zip(versions, names, strict=True)
        ],
        "names": names,
        "unknown": [text[:LONGEST_NAME] for text, name in parsed.items() if name not in found],
        "left_out": max(0, len(asked) - MOST_SHAPES),
        "most": MOST_SHAPES,
        "bare": account,
        "only": only,
        "all_url": _address(here, names, False),
        "only_url": _address(here, names, True),
        "suggestions": siblings(member_of(request), versions[0].shape) if versions else [],
        **_lines(versions, only),
    }
    return render(request, "catalog/compare.html", context)


def _asked(
    request: SlipwayRequest, mine: Collection[int], account: str, shape_id: str, parameter: str
) -> ShapeVersion | None:
    """The version of the shape whose id the parameter gives; None where it gives none."""
    version_id = request.GET.get(parameter, "")
    if not version_id:
        return None
    version = find_version(mine, account, shape_id, version_id)
    if version is None:
        raise Http404("There is no such version.")
    return version


def _choices(mine: Collection[int], shown: ShapeVersion, cursor: str) -> Page[str]:
    """The ids of versions of the same shape, newest first. Errors: `NoSuchPage`."""
    page = page_of_versions(mine, shown.shape, cursor, size=PAGE)
    return page.of([version.version_id for version in page.rows])


def _parse(text: str, account: Account | None) -> tuple[str, str, str] | None:
    """The account, shape and version that were named; an id alone is a shape of the account given."""
    named = text if "/" in text or account is None else f"{account.account_id}/{text}"
    return parse_version_name(named, TRAINING_SHAPES, DEPLOYMENT_SHAPES)


def _text(name: tuple[str, str, str]) -> str:
    """The name as `compare_shapes` reads it."""
    account, shape, version = name
    return f"{account}/{shape}/versions/{version}" if version else f"{account}/{shape}"


def _address(here: str, names: Sequence[str], only: bool) -> str:
    return f"{here}?" + urlencode({"shape": list(names)} | (ONLY if only else {}), doseq=True, safe="/")


def _lines(versions: Sequence[ShapeVersion], only: bool) -> dict[str, object]:
    """The lines under their groups, and how many there are in all and how many differ."""
    lines = compare([(version.frozen_snapshot, version.fields) for version in versions]) if versions else []
    shown = [line for line in lines if line.differs] if only else lines
    groups: list[tuple[str, list[FieldDifference]]] = [
        (group, list(members)) for group, members in itertools.groupby(shown, key=lambda line: line.group)
    ]
    return {"groups": groups, "differing": sum(line.differs for line in lines), "in_all": len(lines)}
