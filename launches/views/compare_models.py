"""Models that people made, side by side."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from urllib.parse import urlencode

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from accounts.guards import guarded_page
from accounts.requests import SlipwayRequest
from catalog.models import TrainedModel
from catalog.trained_queries import NEWEST_FIRST, named_trained, trained_models
from catalog.views.access import member_of
from launches.models import Launch
from launches.pages.compared_models import compare_models
from launches.pages.models import ShownModel
from wire.names import model_name

MOST_COMPARED, MOST_SUGGESTED = 4, 20
LONGEST_NAME = 160
ONLY = "differences"


@require_safe
@guarded_page("models")
def models_compare(request: SlipwayRequest) -> HttpResponse:
    """`?model=` up to four times: a resource name, or the id of a model of the active account; `?only=differences`."""
    account, mine = request.standing.account, member_of(request)
    asked = list(dict.fromkeys(text.strip() for text in request.GET.getlist("model") if text.strip()))
    shown = asked[:MOST_COMPARED]
    names = {text: text if "/" in text or account is None else model_name(account.account_id, text) for text in shown}
    found = named_trained(mine, names.values())
    models = list({model.pk: model for name in names.values() if (model := found.get(name))}.values())
    only = request.GET.get("only") == ONLY
    lines = compare_models(models, _launches(mine, models)) if models else []
    listed = [line for line in lines if line.differs] if only else lines
    addresses = [model.name for model in models]
    context = {
        "section": "models",
        "columns": [
            (ShownModel(model), _address([name for name in addresses if name != model.name], only)) for model in models
        ],
        "names": addresses,
        "unknown": [text[:LONGEST_NAME] for text, name in names.items() if name not in found],
        "left_out": len(asked) - len(shown),
        "most": MOST_COMPARED,
        "suggestions": trained_models([account.pk] if account else []).order_by(*NEWEST_FIRST.columns)[:MOST_SUGGESTED],
        "only": only,
        "all_url": _address(addresses, False),
        "only_url": _address(addresses, True),
        "groups": [(group, list(each)) for group, each in itertools.groupby(listed, key=lambda line: line.group)],
        "differing": sum(line.differs for line in lines),
        "in_all": len(lines),
    }
    return render(request, "models/compare.html", context)


def _launches(mine: Sequence[int], models: Sequence[TrainedModel]) -> dict[str, Launch]:
    """Those that the models came from, by uid, as far as they are still there."""
    uids = [uid for model in models if (uid := model.provenance.get("launch_uid"))]
    rows = Launch.objects.filter(uid__in=uids, account__in=mine).select_related("connection")
    return {str(launch.uid): launch for launch in rows}


def _address(names: Sequence[str], only: bool) -> str:
    query = {"model": list(names)} | ({"only": ONLY} if only else {})
    return f"{reverse('models_compare')}?" + urlencode(query, doseq=True, safe="/")
