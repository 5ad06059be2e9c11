"""Work out what following a connection's catalog would change here. Writes nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

from accounts.models import Account
from catalog.domain.carry_out import lock_catalog
from catalog.fields.snapshots import Snapshot
from catalog.files.current import empty_catalog, read_current
from catalog.files.plan import Plan, StepKind
from catalog.files.planning import make_plan
from catalog.models import BaseModel, Offering, ShapeVersion
from catalog.states import VersionState
from catalog.sync.offers import Offered, OfferedShape, RefusedLine
from catalog.sync.wanted import KnownVersion, Standing, Wanted, want
from connections.models import Connection
from connections.states import ConnectionState

FEW = 0.5
"""Where more than this part of what was offered is gone at once, somebody looks before anything is done."""


@dataclass(frozen=True)
class AccountSync:
    """What one account here would become; `account` is None where there is none yet."""

    account: Account | None
    wanted: Wanted
    plan: Plan


@dataclass(frozen=True)
class SyncPlan:
    """What all accounts of a connection would become, and which lines of its catalog are left out.

    `had` counts the shapes that the last sync found there.
    """

    syncs: tuple[AccountSync, ...]
    refused: tuple[RefusedLine, ...]
    had: int

    @property
    def fingerprint(self) -> str:
        """Knows the plan again; "" where there is nothing to do."""
        marks = [sync.plan.fingerprint for sync in self.syncs if sync.plan.steps]
        return hashlib.sha256("\n".join(marks).encode()).hexdigest() if marks else ""

    @property
    def counts(self) -> dict[str, int]:
        """How many shapes are offered, lines left out, and steps of each kind."""
        steps = {kind.value: sum(sync.plan.counts[kind] for sync in self.syncs) for kind in StepKind}
        offered = sum(len(sync.wanted.offered) for sync in self.syncs)
        return {"offered": offered, "refused": len(self.refused)} | {kind: n for kind, n in steps.items() if n}

    @property
    def alarm(self) -> str:
        """Why nobody should believe it unseen, in a sentence; "" where nothing is odd."""
        gone = sum(len(sync.wanted.missing) for sync in self.syncs)
        if not gone or gone <= self.had * FEW:
            return ""
        return (
            f"{gone} of the {self.had} shapes that it offered are not in its answer any more. Nothing was changed: "
            "look, and apply it if it is true."
        )


def plan_sync(connection: Connection, offered: Offered, *, today: date) -> SyncPlan:
    """The plan for what the connection offers now, with the accounts and their shapes locked. Needs a transaction.

    A few queries for each account, whatever the number of shapes.
    """
    refused = list(offered.refused)
    known: set[str] = set()
    syncs, had = [], 0
    for account_id, shapes in offered.shapes.items():
        account = lock_catalog(account_id)
        standing = _standing(connection, account, account_id, shapes, known)
        wanted = want(
            standing,
            shapes,
            listed=offered.listed[account_id],
            facts=offered.facts,
            source=str(connection),
            today=today,
        )
        refused += wanted.refused
        had += sum(standing.brought.values())
        known |= {model.name for model in wanted.document.models}
        if account or wanted.offered:
            plan = make_plan(standing.current, wanted.document, file=connection.resource_name, prune=False)
            syncs.append(AccountSync(account, wanted, plan))
    return SyncPlan(tuple(syncs), tuple(refused), had)


def _standing(
    connection: Connection, account: Account | None, account_id: str, offered: Sequence[OfferedShape], known: set[str]
) -> Standing:
    """How the account stands to the connection; `known` are models that this sync brings before."""
    wanted = {shape.snapshot.base_model for shape in offered}
    models = BaseModel.objects.filter(model_id__in={name.rpartition("/")[2] for name in wanted})
    there = frozenset(model.name for model in models.select_related("account")) | known
    if account is None:
        return Standing(empty_catalog(account_id), {}, models=frozenset(there))
    offerings = Offering.objects.filter(shape__account=account)
    brought = offerings.filter(connection=connection).values_list("shape__shape_id", "missing_since")
    elsewhere = offerings.filter(missing_since__isnull=True).exclude(connection=connection)
    return Standing(
        read_current(account, public=True),
        {shape_id: missing_since is None for shape_id, missing_since in brought},
        frozenset(
            elsewhere.exclude(connection__state=ConnectionState.RETIRED).values_list("shape__shape_id", flat=True)
        ),
        _older(account, offered),
        frozenset(there),
    )


def _older(account: Account, offered: Sequence[OfferedShape]) -> dict[tuple[str, str], KnownVersion]:
    """Of what is offered, the versions that are here and are not their shape's latest."""
    wanted = {(shape.shape_id, shape.version_id) for shape in offered}
    versions = (
        ShapeVersion.objects.filter(shape__account=account, version_id__in={version for _, version in wanted})
        .exclude(is_latest_validated=True)
        .select_related("shape__base_model__account")
    )
    return {
        key: KnownVersion(
            replace(Snapshot.from_json(version.snapshot), base_model=version.shape.base_model.name),
            is_open=version.state == VersionState.VALIDATED
            and version.published_at is not None
            and version.withdrawn_at is None,
        )
        for version in versions
        if (key := (version.shape.shape_id, version.version_id)) in wanted
    }
