"""Where something can be tried: a deployment that serves it already, or a shape and a connection for a new one."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from django.db.models import Q

from accounts.models import Account
from catalog.enums import ShapeKind
from catalog.model_queries import find_model
from catalog.models import ShapeVersion
from catalog.trained_queries import find_trained
from catalog.visibility import listed
from connections.models import Connection
from connections.opened import runs_elsewhere
from connections.queries import usable_connections
from deployments.models import Deployment
from deployments.placement import choose_connection
from deployments.queries import living_deployments
from deployments.resolved import spec_of
from deployments.served import find_served
from deployments.states import DeploymentState
from launches.models import Checkpoint, Launch
from launches.subjects import for_models_like
from wire.errors import InvalidArgument, Refusal
from wire.names import near_id, parse_checkpoint_name

MOST_VERSIONS = 12
MOST_SERVING = 50
TAKES = (DeploymentState.CREATING, DeploymentState.READY, DeploymentState.UPDATING)
NO_SHAPE = (
    "No deployment shape that you see is for its base model, or for models of its type and size. A publisher makes one "
    "under Publish."
)


@dataclass(frozen=True)
class ServingOffer:
    """A shape's version that can serve it, and the connection that takes its samplers."""

    version: ShapeVersion
    connection: Connection


@dataclass(frozen=True)
class ServingOffers:
    """Those that there are, the smallest first; and, where there are none, why, a sentence each."""

    offers: Sequence[ServingOffer]
    against: Sequence[str] = ()

    @property
    def first(self) -> ServingOffer | None:
        """What is taken where nobody chooses."""
        return self.offers[0] if self.offers else None


def find_serving(account: Account, name: str) -> Deployment | None:
    """The newest deployment of the account that answers as what has the name, or will once it is started.

    Elsewhere it is not known what a trainer loaded into it.
    """
    rows = living_deployments(account).filter(serves=name, state__in=TAKES, max_replicas__gt=0)
    for row in rows.order_by("-created_at", "-pk")[:MOST_SERVING]:
        is_known = row.trainer is None or not runs_elsewhere(row.connection)
        if is_known and row.loaded in ("", row.spec.get("snapshot", "")):
            return row
    return None


def can_be_named(member_of: Collection[int], account: Account, name: str) -> bool:
    """Whether there is a base model, a model or a checkpoint of that name that the account may see."""
    if parsed := parse_checkpoint_name(name):
        saved = Checkpoint.objects.filter(launch__account=account, launch__account__account_id=parsed[0])
        return saved.filter(launch__job_id=parsed[1], name=parsed[2]).exists()
    return find_trained([account.pk], name) is not None or find_model(member_of, name) is not None


def find_offers(member_of: Collection[int], account: Account, name: str) -> ServingOffers:
    """What could serve a base model, a model or a checkpoint of the account. Never touches the network."""
    rows = listed(member_of, ShapeKind.DEPLOYMENT).filter(_fits(member_of, account, name), deprecated_at__isnull=True)
    rows = rows.select_related("shape__account", "shape__base_model__account")
    offers: list[ServingOffer] = []
    against: list[str] = []
    for version in rows.order_by("gpus", "-max_context", "shape__shape_id", "pk")[:MOST_VERSIONS]:
        try:
            offers.append(ServingOffer(version, _connection_for(version, account, name)))
        except InvalidArgument as refusal:
            against.extend(f"{version.shape.shape_id}: {each.description}" for each in refusal.violations)
        except Refusal as refusal:
            against.append(f"{version.shape.shape_id}: {refusal.message}")
    return ServingOffers(offers, against or (() if offers else (NO_SHAPE,)))


def free_id(account: Account, name: str) -> str:
    """An id for a deployment that serves what has the name, which none of the account's has."""
    parts = name.split("/")
    stem = near_id("-".join(parts[3::2]))[:50].strip("-") or "deployment"
    taken = set(
        living_deployments(account).filter(deployment_id__startswith=stem).values_list("deployment_id", flat=True)
    )
    numbered = (f"{stem}-{number}" for number in range(2, len(taken) + 3))
    return next(each for each in (stem, *numbered) if each not in taken)


def _connection_for(version: ShapeVersion, account: Account, name: str) -> Connection:
    """Errors: as of `find_served` and `choose_connection`."""
    served = find_served(version, account, name)
    places = [each for each in usable_connections(account) if served.connection in (None, each)]
    return choose_connection(places, spec_of(version, account, "deployment", None, served), 1)


def _fits(member_of: Collection[int], account: Account, name: str) -> Q:
    """Versions that may serve it, by the base model that all of its training began with."""
    if (parsed := parse_checkpoint_name(name)) is not None:
        launch = Launch.objects.filter(account=account, account__account_id=parsed[0], job_id=parsed[1]).first()
        name = launch.spec["base_model"] if launch else ""
    if model := find_trained([account.pk], name):
        return for_models_like(model.root_model, model.model_type, model.parameter_count)
    base = find_model(member_of, name)
    return for_models_like(name, base.model_type if base else None, base.parameter_count if base else None)
