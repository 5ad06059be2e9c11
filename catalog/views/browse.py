"""The catalog page: filters, counts and one page of shapes, whole or as the fragment that HTMX swaps."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe
from django_htmx.http import push_url

from accounts.requests import SlipwayRequest
from catalog.filters import TITLES
from catalog.forms import read_filters
from catalog.places import whereabouts
from catalog.results import CatalogQuestion, find_answer, results_html
from catalog.views.access import catalog_reader, member_of
from connections.queries import usable_connections


@require_safe
@catalog_reader
def browse(request: SlipwayRequest) -> HttpResponse:
    """`/`: everything about what is shown stands in the URL."""
    filters, problems = read_filters(request.GET)
    refused = {problem.field for problem in problems} & request.GET.keys()
    question = CatalogQuestion(
        member_of=frozenset(member_of(request)),
        filters=filters,
        problems=tuple(f"{TITLES.get(problem.field, problem.field)}: {problem.description}" for problem in problems),
        typed=tuple((name, request.GET[name]) for name in sorted(refused)),
        cursor=request.GET.get("after", ""),
    )
    answer = find_answer(question)
    connections = tuple(usable_connections(request.standing.account))
    results = results_html(answer, tuple(whereabouts(answer.snapshots, connections)))
    if request.htmx and not request.htmx.history_restore_request:
        response = HttpResponse(results)
    else:
        context = {"section": "catalog", "filters": filters, "results": results}
        response = render(request, "catalog/browse.html", context)
    here = reverse("catalog") + filters.query(after=answer.cursor)
    return push_url(response, here) if request.htmx else response
