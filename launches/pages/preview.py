"""What a launch would be, before anybody accepts it: the spec or its violations, who takes it, and the request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings

from accounts.models import Account
from catalog.enums import PUBLIC_ACCOUNT
from catalog.fields.facts import Fact
from catalog.fields.inputs import Input
from catalog.labels import duration_label
from catalog.models import ShapeVersion
from catalog.usage import KEY_VARIABLE, PUBLIC_URL, URL_VARIABLE
from connections.opened import runs_here
from connections.providers.spec import NO_RECIPE, TrainerSpec
from launches.domain.create_launch import job_id_from
from launches.estimates import Forecast, TimeEstimate, forecast_of
from launches.models import Launch
from launches.offers import Offer, refusal_sentence
from launches.pages.facts import gpu_total, locked_facts
from launches.pages.forms import LaunchPlace, form_fields
from launches.pages.recipe_inputs import recipe_fields
from launches.pages.render import Address, RenderedRequest, render_request
from launches.placement import connections_of, default_offer, place
from launches.recipes import of_recipe, of_subject
from launches.resolve import CONNECTION, RECIPE, read_recipe, settled
from launches.subjects import subject_of
from wire.counts import quantity
from wire.errors import Violation

PUBLIC_CONTROL_PLANE = Address(
    "the public control plane",
    PUBLIC_URL,
    f"Slipway does not send this; you can, with that address in {URL_VARIABLE} and a key of yours in {KEY_VARIABLE}.",
)


@dataclass(frozen=True)
class LaunchPreview:
    """The form's fields and locked facts, and what they resolve to.

    `recipe_fields` are those of `shown_recipe`, the recipe that was chosen. `request` is None where there are
    violations; `recipe` is what drives the trainer beside it, "" where the user's own loop does; `offer` is who takes
    the spec as it stands, or the defaults' offer where it does not resolve. `default_refusal` says why nothing of this
    shape can be launched here, "" where it can. `forecast` is what a run on a dataset will be, and `takes` how long it
    will take, "" where nobody knows.
    """

    fields: tuple[Input, ...]
    recipe_fields: tuple[Input, ...]
    facts: tuple[Fact, ...]
    violations: tuple[Violation, ...]
    request: RenderedRequest | None
    recipe: str
    gpus: str
    offer: Offer
    default_refusal: str
    forecast: Forecast | None
    takes: str
    shown_recipe: str

    @property
    def all_fields(self) -> tuple[Input, ...]:
        """Those of the shape and of its launch, and those of the recipe."""
        return (*self.fields, *self.recipe_fields)

    @property
    def refusal(self) -> str:
        """Why no connection takes it as it stands; "" where one does."""
        return "" if self.offer.choices else refusal_sentence(self.offer)


def preview_launch(
    version: ShapeVersion,
    account: Account | None,
    inputs: Mapping[str, Any],
    *,
    owner: int | None,
    key: str,
    extra: tuple[Violation, ...] = (),
    is_draft: bool = False,
) -> LaunchPreview:
    """Resolve `inputs` against the version as a launch by `owner` (primary key) in `account` under the key would be.

    `extra` are violations that the caller found before; they are shown with the others. While somebody still fills in
    the form (`is_draft`), a recipe that only another connection offers makes room for the default one of the connection
    that was chosen: they see that. Once it is sent it is refused.
    """
    subject = subject_of(version, account, inputs)
    inputs = settled(subject, inputs)
    connections, wanted = connections_of(account), str(inputs.get(CONNECTION) or "")
    default, offered = default_offer(subject, connections, wanted=wanted)
    shown = offered if offered.connection else offered.unchosen
    if is_draft and _is_of_another(inputs.get(RECIPE), shown):
        inputs = {name: value for name, value in inputs.items() if name != RECIPE}
    chosen = shown.recipe_of(read_recipe(inputs.get(RECIPE), shown.recipe_names)[0])
    chosen = chosen and of_subject(chosen, subject)
    if is_draft:
        inputs = of_recipe(chosen, inputs)
    placement = place(subject, inputs, connections, defaults=offered)
    found = () if isinstance(placement.spec, TrainerSpec) else placement.spec
    violations = (*extra, *(violation for violation in found if violation not in extra))
    spec = placement.spec if isinstance(placement.spec, TrainerSpec) else default
    job, address = job_id_from(owner, key), _address(version)
    request = None if found else render_request(spec, account=_id(account), job=job, address=address)
    forecast = None if found else forecast_of(version, account, spec)
    return LaunchPreview(
        fields=form_fields(subject, shown.recipes, inputs, violations, _places(shown), shown.limits),
        recipe_fields=recipe_fields(chosen, subject.datasets, inputs, violations),
        facts=tuple(locked_facts(subject.snapshot, version_id=version.version_id, digest=version.digest)),
        violations=violations,
        request=request,
        recipe="" if spec.recipe == NO_RECIPE else spec.recipe,
        gpus=gpu_total(spec, None if found else placement.beside.reference),
        offer=placement.offer,
        default_refusal=refusal_sentence(shown) if shown.connection is None else "",
        forecast=forecast,
        takes=_takes(forecast.time if forecast else None),
        shown_recipe=chosen.name if chosen else "",
    )


def _takes(estimate: TimeEstimate | None) -> str:
    """`about 20s to 35s, as 3 earlier runs took`."""
    if estimate is None:
        return ""
    low, high = (duration_label(max(1, round(seconds))) for seconds in (estimate.low, estimate.high))
    span = low if low == high else f"{low} to {high}"
    if estimate.by_validation:
        return f"About {span} of steps, judged by the speed of this version's validation."
    return f"About {span}, judged by {quantity(estimate.runs, 'earlier run')} from this version."


def _is_of_another(recipe: Any, offer: Offer) -> bool:
    """Whether the connection that takes the launch does not offer the recipe, and another one does."""
    elsewhere = {each.name for verdict in offer.verdicts for each in verdict.recipes}
    return recipe in elsewhere and recipe not in offer.recipe_names


def _places(offer: Offer) -> list[LaunchPlace]:
    return [
        LaunchPlace(
            verdict.connection.name,
            str(verdict.connection),
            verdict.connection.free,
            waits=bool(verdict.waits),
            interrupts=not runs_here(verdict.connection),
        )
        for verdict in offer.choices
    ]


def recorded_json(launch: Launch, spec: TrainerSpec) -> str:
    """The recorded spec of a launch, in the words of the preview."""
    address = _address(launch.shape_version)
    return render_request(spec, account=launch.account.account_id, job=launch.job_id, address=address).json


def _id(account: Account | None) -> str:
    return account.account_id if account else "your-account"


def _address(version: ShapeVersion) -> Address:
    """Whose API would be asked for a launch of the shape."""
    if version.shape.account.account_id == PUBLIC_ACCOUNT:
        return PUBLIC_CONTROL_PLANE
    return Address(
        "this Slipway",
        settings.SLIPWAY_URL,
        f"Put that address into {URL_VARIABLE} and an API key into {KEY_VARIABLE}; the page Connect says how.",
    )
