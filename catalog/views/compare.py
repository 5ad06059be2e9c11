"""Side by side, field by field: two versions of a shape, and up to four shapes."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from urllib.parse import urlencode

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from accounts.requests import SlipwayRequest
from catalog import queries
from catalog.differences import Line, compare
from catalog.models import ShapeVersion
from catalog.views.access import catalog_reader, member_of
from wire.names import parse_shape_name

MOST_SHAPES = 4
LONGEST_NAME = 160
ONLY = {"only": "differences"}
"""In the address: leave out what is the same."""


@require_safe
@catalog_reader
def compare_versions(request: SlipwayRequest, account: str, shape_id: str) -> HttpResponse:
    """`?from=` and `?to=` are version ids; without them the newest other version and the latest validated one."""
    mine, asked_for = member_of(request), request.GET.get("to", "")
    found = queries.find_version(mine, account, shape_id, asked_for) if asked_for else None
    new = found if asked_for else queries.find_newest(mine, account, shape_id)
    if new is None:
        raise Http404("There is no such version.")
    others = queries.other_versions(mine, new)
    start = request.GET.get("from", "") or (others[0].version_id if others else new.version_id)
    old = queries.find_version(mine, account, shape_id, start)
    if old is None:
        raise Http404("There is no such version.")
    versions = [old, new]
    only = request.GET.get("only") == ONLY["only"]
    asked = {"from": old.version_id, "to": new.version_id}
    context = {
        "section": "catalog",
        "shape": new.shape,
        "old": old,
        "new": new,
        "columns": versions,
        "choices": _newest_first([*others, old, new]),
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
    """`?shape=` up to four times: a resource name or `account/shape`. What cannot be shown is said in words."""
    asked = list(dict.fromkeys(text.strip() for text in request.GET.getlist("shape") if text.strip()))
    parsed = {text: parse_shape_name(text) for text in asked[:MOST_SHAPES]}
    found = queries.latest_versions(member_of(request), [name for name in parsed.values() if name])
    versions = list({v.pk: v for name in parsed.values() if name and (v := found.get(name))}.values())
    names = [f"{v.shape.account.account_id}/{v.shape.shape_id}" for v in versions]
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
        "only": only,
        "all_url": _address(here, names, False),
        "only_url": _address(here, names, True),
        "suggestions": queries.siblings(member_of(request), versions[0].shape) if versions else [],
        **_lines(versions, only),
    }
    return render(request, "catalog/compare.html", context)


def _newest_first(versions: Sequence[ShapeVersion]) -> list[str]:
    ordered = sorted(versions, key=lambda version: (version.created_at, version.pk), reverse=True)
    return list(dict.fromkeys(version.version_id for version in ordered))


def _address(here: str, names: Sequence[str], only: bool) -> str:
    return f"{here}?" + urlencode({"shape": list(names)} | (ONLY if only else {}), doseq=True, safe="/")


def _lines(versions: Sequence[ShapeVersion], only: bool) -> dict[str, object]:
    """The lines under their groups, and how many there are in all and how many differ."""
    lines = compare([(version.frozen_snapshot, version.fields) for version in versions]) if versions else []
    shown = [line for line in lines if line.differs] if only else lines
    groups: list[tuple[str, list[Line]]] = [
        (group, list(members)) for group, members in itertools.groupby(shown, key=lambda line: line.group)
    ]
    return {"groups": groups, "differing": sum(line.differs for line in lines), "in_all": len(lines)}
