"""A launch's page, the panel that the live page refetches, and the records that its charts are drawn from."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.actors import require, right_to_control
from accounts.requests import SlipwayRequest, actor_of
from accounts.roles import Right
from catalog.labels import duration_label, value_label
from catalog.usage import environment
from catalog.views.access import member_of
from connections.providers.errors import ProviderError
from connections.providers.spec import TrainerSpec
from connections.providers.states import AttemptState, Reason
from launches.domain.resume_launch import never_resumed, recipe_is_done
from launches.gateway.application import PREFIX
from launches.models import Attempt, Launch, Metric
from launches.pages.actions import actions_for
from launches.pages.checkpoints import shown_checkpoints
from launches.pages.connection_code import connection_code
from launches.pages.endings import ending_of
from launches.pages.engine import engine_sentence
from launches.pages.evaluations import progress_of, shown_evaluations
from launches.pages.facts import gpu_total, locked_facts
from launches.pages.going_on import going_on_sentence
from launches.pages.other_version import other_version
from launches.pages.preview import recorded_json
from launches.pages.runs import shown_run
from launches.pages.stepper import LABELS, meaning_of, steps_of
from launches.queries import (
    attempts_of,
    deleted_by,
    find_launch,
    find_measured,
    log_tail_of,
    states_of,
    timeline_of,
)
from launches.resolve import REFERENCE
from launches.series import Position, curve_of, evaluations_of, newest_of, records_by_attempt
from launches.states import RESUMABLE
from launches.tokens import takes_own_token, token_of
from lists.pages import show
from wire.errors import Refusal

STALE_AFTER = timedelta(seconds=30)


@dataclass(frozen=True)
class LaunchView:
    """What a request looks at: a launch, its attempts newest first, and the one shown."""

    launch: Launch
    attempts: list[Attempt]
    attempt: Attempt


@require_safe
@login_required
@never_cache
def launch(request: SlipwayRequest, uid: uuid.UUID) -> HttpResponse:
    """The page of a launch; `?attempt=` shows an earlier attempt, `?before=` older events."""
    return launch_page(request, uid)


def launch_page(
    request: SlipwayRequest, uid: uuid.UUID, *, status: int = HTTPStatus.OK, refusal: str = ""
) -> HttpResponse:
    """The page, with a refusal on top where a verb has just refused."""
    context = _context(request, look_at(request, uid))
    return render(request, "launches/page.html", context | {"refusal": refusal}, status=status)


@require_safe
@login_required
@never_cache
def launch_panel(request: SlipwayRequest, uid: uuid.UUID) -> HttpResponse:
    """Everything of the page that changes while it runs; not the log where `?log=` says that the page has it."""
    return render(request, "launches/panel.html", _context(request, look_at(request, uid)))


@require_safe
@login_required
@never_cache
def launch_metrics(request: SlipwayRequest, uid: uuid.UUID) -> HttpResponse:
    """`{records, evaluations}` of all attempts; records beyond `?after=`: an attempt's number, a dot, and a record's.

    Evaluations are losses of held-out rows by step, all of them: each comes after the record of its step.
    """
    launch = find_measured(member_of(request), uid)
    if launch is None:
        raise Http404("There is no such launch.")
    series = records_by_attempt(launch)
    records = curve_of(series, after=_position(request))
    measured = evaluations_of(series) if launch.plan else []
    evaluations = {each.step: each.loss for each in measured if each.loss is not None}
    return JsonResponse(
        {"records": [record.as_json(attempt=number) for number, record in records], "evaluations": evaluations}
    )


def look_at(request: SlipwayRequest, uid: uuid.UUID) -> LaunchView:
    """What the URL names. Errors: `Http404` for what is not there or belongs to somebody else's account."""
    found = find_launch(member_of(request), uid)
    if found is None:
        raise Http404("There is no such launch.")
    attempts = attempts_of(found)
    wanted = _number(request, "attempt")
    shown = next((attempt for attempt in attempts if attempt.number == wanted), None) if wanted else attempts[0]
    if shown is None:
        raise Http404("There is no such attempt.")
    return LaunchView(found, attempts, shown)


def _number(request: SlipwayRequest, name: str) -> int | None:
    return _read(request.GET.get(name, ""))


def _position(request: SlipwayRequest) -> Position:
    attempt, _, record = request.GET.get("after", "").partition(".")
    return _read(attempt) or 0, _read(record) or 0


def _read(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def _context(request: SlipwayRequest, seen: LaunchView) -> dict[str, Any]:
    launch, attempt, version = seen.launch, seen.attempt, seen.launch.shape_version
    spec = TrainerSpec.from_json(launch.spec)
    timeline = show(request.GET.get("before", ""), lambda cursor: timeline_of(launch, cursor))
    series = records_by_attempt(launch)
    history = states_of(attempt)
    asked = next((who for state, _, who in history if state is AttemptState.CANCELLING), "")
    records = newest_of(series)
    metrics = [record for _, record in records]
    kept = shown_checkpoints(launch)
    detail, more_detail = _split(attempt.detail)
    return {
        "section": "launches",
        "launch": launch,
        "attempt": attempt,
        "attempts": seen.attempts,
        "is_newest": attempt.number == launch.attempt_count,
        "state": "DELETED" if launch.deleted_at else launch.state,
        "state_label": "Deleted" if launch.deleted_at else LABELS[AttemptState(launch.state)],
        "steps": steps_of([(state, at) for state, at, _ in history]),
        "as_of": _as_of(attempt),
        "meaning": meaning_of(
            AttemptState(attempt.state), ready=attempt.ready, silent=attempt.silent_since is not None, asked=asked
        ),
        "ending": ending_of(
            AttemptState(attempt.state), Reason(attempt.reason) if attempt.reason else None, asked=asked
        ),
        "engine": engine_sentence(attempt, spec, timezone.now()),
        "going_on": going_on_sentence(launch),
        "other": other_version(launch, attempt, member_of(request)),
        "deleted_by": deleted_by(launch) if launch.deleted_at else "",
        "detail": detail,
        "more_detail": more_detail,
        "events": [(event, *_split(event.message)) for event in timeline.rows],
        **timeline.links(lambda cursor: _query(request, before=cursor)),
        "panel_query": _query(request),
        "series": series,
        "records": records,
        "record_count": sum(part.read for part in series),
        "newest_metric": metrics[0] if metrics else None,
        "speed": _tokens_per_second(metrics),
        "learning_rate": _learning_rate(spec, metrics),
        **kept,
        **(shown_evaluations(series, kept["checkpoints"]) if launch.plan else {}),
        **progress_of(launch, spec, metrics, runs=not attempt.is_final and attempt.number == launch.attempt_count),
        "spec": spec,
        "settings": _settings(spec),
        "recorded": recorded_json(launch, spec),
        "facts": locked_facts(version.frozen_snapshot, version_id=version.version_id, digest=version.digest),
        "gpus": gpu_total(spec),
        "in_set": bool(launch.tied_at or launch.reference_of_id or launch.inputs.get(REFERENCE)),
        **_log(request, attempt),
        "run": shown_run(attempt, spec),
        **_rights(request, launch, attempt, spec),
    }


def _closed(launch: Launch, state: AttemptState) -> str:
    """Why it is not resumed for now where it ran: its connection takes no launches."""
    row = launch.connection
    return f"{row} takes no launches. {row.closed_because}" if state in RESUMABLE and row.closed_because else ""


def _rights(request: SlipwayRequest, launch: Launch, attempt: Attempt, spec: TrainerSpec) -> dict[str, Any]:
    """The buttons; and for those who may control it, how to connect, token and all. Nobody else gets the token."""
    control = _refusal(request, launch, right_to_control(actor_of(request), launch))
    state = AttemptState(launch.state)
    rights: dict[str, Any] = {
        "actions": actions_for(
            state,
            control=control,
            launch=_refusal(request, launch, Right.LAUNCH),
            resume=never_resumed(launch) or _closed(launch, state),
            closed=_closed(launch, state),
            complete=recipe_is_done(launch) and not spec.is_driven_from_here,  # these know no extension
        ),
        "may_control": not control,
        "control_refusal": control,
    }
    if attempt.endpoint and not attempt.is_final:
        rights |= {"code": connection_code(spec, launch.job_id), "environment": environment(settings.SLIPWAY_URL)}
        if not control and launch.deleted_at is None:
            rights["token"] = _own_token(attempt)
            rights["gateway"] = f"{settings.SLIPWAY_URL}{PREFIX}{launch.account.account_id}/{launch.job_id}"
    return rights


def _own_token(attempt: Attempt) -> str:
    """What opens the trainer without Slipway in between; "" where nothing does, or the connection cannot be used."""
    try:
        return token_of(attempt) if takes_own_token(attempt.launch) else ""
    except ProviderError:
        return ""


def _refusal(request: SlipwayRequest, launch: Launch, right: Right) -> str:
    try:
        require(actor_of(request), launch.account, right)
    except Refusal as refusal:
        return refusal.message
    return ""


def _as_of(attempt: Attempt) -> str:
    """How far the observation is to be trusted: over, unseen, stale or fresh."""
    if attempt.is_final:
        return "over"
    if attempt.observed_at is None:
        return "unseen"
    return "stale" if timezone.now() - attempt.observed_at > STALE_AFTER else "fresh"


def _log(request: SlipwayRequest, attempt: Attempt) -> dict[str, Any]:
    mark = f"{attempt.number}.{attempt.log_offset}"
    if request.GET.get("log") == mark:
        return {"log_mark": mark, "log_kept": True}
    return {"log_mark": mark, "log": log_tail_of(attempt)}


def _split(text: str) -> tuple[str, str]:
    """The sentence, and what follows it on lines of its own, such as the end of a log."""
    first, _, rest = text.partition("\n")
    return first, rest


def _query(request: SlipwayRequest, **changes: str) -> str:
    """What the URL asks for besides the launch, changed."""
    kept = {name: request.GET.get(name, "") for name in ("attempt", "before")} | changes
    return "?" + urlencode({name: value for name, value in kept.items() if value})


def _learning_rate(spec: TrainerSpec, metrics: list[Metric]) -> str:
    """That of the newest record, which a loop may have set; else that of the launch."""
    used = metrics[0].learning_rate if metrics else None
    rate = spec.learning_rate if used is None else used
    return "" if rate is None else f"{rate:.3g}"


def _tokens_per_second(metrics: list[Metric]) -> float | None:
    """Over the newest records that say both tokens and seconds."""
    timed = [(record.tokens or 0, record.seconds) for record in metrics[:10] if record.seconds]
    seconds = sum(duration for _, duration in timed)
    return sum(tokens for tokens, _ in timed) / seconds if seconds else None


def _settings(spec: TrainerSpec) -> list[tuple[str, str]]:
    """What the user set, or left as it was, in the order of the form."""
    rate = [] if spec.learning_rate is None else [("Learning rate", value_label(spec.learning_rate))]
    return [
        ("Base model", spec.base_model),
        ("LoRA rank", str(spec.lora_rank) if spec.lora_rank else "0 (no adapter)"),
        *rate,
        ("Display name", spec.display_name or "none"),
        ("Trainer replicas", str(spec.trainer_replica_count)),
        ("Deployment replicas", str(spec.deployment_replica_count)),
        ("Region", spec.region or "chosen by the provider"),
        ("Inactivity timeout", duration_label(spec.inactivity_timeout_seconds)),
        ("Recipe", spec.recipe),
        *([("Dataset", spec.dataset.name)] if spec.dataset else []),
        *([("Evaluation dataset", spec.evaluation.name)] if spec.evaluation else []),
        *(
            (name.replace("_", " ").capitalize(), value_label(each))
            for name, each in (spec.recipe_parameters or {}).items()
        ),
        *([("Steps more", str(spec.extra_steps))] if spec.extra_steps else []),
        *([("Continues from", spec.continue_from)] if spec.continue_from else []),
    ]
