"""Adopt a trainer that nobody here knows."""

from __future__ import annotations

from http import HTTPStatus

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from accounts.actors import require_superuser
from accounts.models import Membership
from accounts.refusals import status_of
from accounts.requests import SlipwayRequest, actor_of, see_other
from launches.adoption import Adoption, adoption_of, possible_owners, resolved
from launches.domain.adopt_trainer import adopt_trainer
from launches.models import UnknownTrainer
from launches.unknown_trainers import find_unknown_trainer
from launches.views.unknown_trainers import reader, unmatched_page
from wire.errors import FailedPrecondition, InvalidArgument, Refusal


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
@never_cache
def unknown_trainer_adopt(request: SlipwayRequest, number: int) -> HttpResponse:
    """Show what it would become, or why it cannot be adopted, and ask whose it is; on POST adopt it."""
    try:
        trainer = find_unknown_trainer(reader(request), number)
        require_superuser(actor_of(request))
    except Refusal as refusal:
        return unmatched_page(request, refusal=refusal)
    if request.method != "POST":
        return _page(request, trainer)
    try:
        owner = _owner(request.POST.get("owner", ""))
        job_id = request.POST.get("job_id", "").strip()
        launch = adopt_trainer(actor=actor_of(request), trainer=trainer, owner=owner, job_id=job_id)
    except Refusal as refusal:
        return _page(request, trainer, refusal=refusal)
    messages.success(request, f"{launch} is adopted: it is observed like every launch of {launch.account} from now on.")
    return see_other(reverse("unknown_trainers"))


def _page(request: SlipwayRequest, trainer: UnknownTrainer, *, refusal: Refusal | None = None) -> HttpResponse:
    context: dict[str, object] = {
        "section": "launches",
        "trainer": trainer,
        "refusal": _words(refusal) if refusal else "",
        "chosen": request.POST.get("owner", ""),
        "job_id": request.POST.get("job_id", trainer.job_id),
    }
    try:
        adoption = adoption_of(trainer)
        context |= {"adoption": adoption, "owners": [] if adoption.launch else possible_owners(adoption.account)}
        context |= _facts(adoption)
    except FailedPrecondition as impossible:
        context["impossible"] = impossible.message
    status = status_of(refusal) if refusal else HTTPStatus.OK
    return render(request, "launches/unknown_adopt.html", context, status=status)


def _facts(adoption: Adoption) -> dict[str, object]:
    """Errors: `FailedPrecondition` where the shape is none of an account that is known already."""
    if adoption.launch or (adoption.account is None and adoption.kept.spec is None):
        return {}
    if adoption.account is None:
        return {"spec": adoption.kept.spec}
    return {"spec": resolved(adoption.kept, adoption.account)[1]}


def _owner(written: str) -> Membership | None:
    if not written.isdecimal():
        return None
    return Membership.objects.filter(pk=int(written[:9])).select_related("account", "user").first()


def _words(refusal: Refusal) -> str:
    if isinstance(refusal, InvalidArgument):
        return " ".join(violation.description for violation in refusal.violations)
    return refusal.message
