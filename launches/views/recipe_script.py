"""The script that does what a launch's recipe did, as a file."""

from __future__ import annotations

import uuid

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.requests import SlipwayRequest
from catalog.views.access import member_of
from connections.providers.spec import TrainerSpec
from launches.pages.recipe_script import can_be_written, write_script
from launches.queries import find_launch


@require_safe
@login_required
@never_cache
def launch_script(request: SlipwayRequest, uid: uuid.UUID) -> HttpResponse:
    """Python, to be saved; of a launch of which no script does the same there is none."""
    launch = find_launch(member_of(request), uid)
    if launch is None:
        raise Http404("There is no such launch.")
    spec = TrainerSpec.from_json(launch.spec)
    if not can_be_written(spec):
        raise Http404("No script does the same: it ran no recipe on a dataset, or began with other weights.")
    answer = HttpResponse(write_script(spec), content_type="text/x-python; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="{launch.job_id}.py"'
    return answer
