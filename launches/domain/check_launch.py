"""Say what would become of a launch, by making it and taking it back, and by asking the engine; nothing is kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.utils import timezone

from accounts.actors import Actor
from accounts.models import Account
from catalog.models import ShapeVersion
from connections.domain.note_answer import note_failure
from connections.models import Connection
from connections.opened import open_provider
from connections.providers.errors import ProviderError, SecretRefused, Unreachable
from connections.providers.spec import TrainerSpec
from connections.providers.trials import Trial, TriesOut
from launches.domain.create_launch import NO_LABELS, create_launch
from launches.labels import Labels
from launches.models import Launch
from launches.offers import Outlook, Verdict
from launches.placement import connections_of, place
from launches.subjects import subject_of
from queues.bulkheads import step_aside

REFUSED = "REFUSED"
"""Beside the outlooks: Slipway would take it, and the engine would not."""


@dataclass(frozen=True)
class CheckedLaunch:
    """The launch as it would be, which is nowhere; where it would go, and what each connection says of it.

    `trial` is the engine's own word, None where the kind has no engine to ask or it gave none, which `silence` says.
    """

    launch: Launch
    verdict: Verdict
    verdicts: tuple[Verdict, ...]
    trial: Trial | None
    silence: str = ""

    @property
    def outlook(self) -> str:
        """One of `Outlook`, or `REFUSED`."""
        return REFUSED if self.trial and not self.trial.would_take else self.verdict.outlook

    @property
    def words(self) -> str:
        """What becomes of it, in a sentence or two."""
        where, waits = self.verdict.connection, self.verdict.waits
        match self.outlook:
            case "REFUSED":
                return f"{where} would refuse it. {self.trial.words if self.trial else ''}"
            case Outlook.AWAY:
                return f"It would go to {where}, which does not answer, and wait there until it does."
            case Outlook.CLOSED:
                return f"{where} takes no launches now. {where.closed_because}"
            case Outlook.FULL:
                return f"It would go to {where}, and wait. {waits}"
        return f"It would go to {where}, and fits there."

    @property
    def others(self) -> tuple[Verdict, ...]:
        """What the other connections say of it."""
        return tuple(each for each in self.verdicts if each is not self.verdict)


def check_launch(
    *,
    actor: Actor,
    account: Account,
    version: ShapeVersion,
    inputs: Mapping[str, Any],
    idempotency_key: str | None,
    job_id: str | None = None,
    as_latest: bool = False,
    labels: Labels = NO_LABELS,
) -> CheckedLaunch:
    """Of what `create_launch` would accept. Errors: as that verb."""
    with transaction.atomic():
        made = create_launch(
            actor=actor,
            account=account,
            version=version,
            inputs=inputs,
            idempotency_key=idempotency_key,
            job_id=job_id,
            as_latest=as_latest,
            labels=labels,
        )
        shown = Launch.objects.select_related("account", "connection", "owner").prefetch_related("attempts")
        launch = shown.get(pk=made.pk)
        transaction.set_rollback(True)
    spec = TrainerSpec.from_json(launch.spec)
    verdicts = place(subject_of(version, account, inputs), inputs, connections_of(account)).offer.verdicts
    verdict = next(each for each in verdicts if each.connection.pk == launch.connection_id)
    trial, silence = _ask(verdict.connection, spec)
    return CheckedLaunch(launch, verdict, verdicts, trial, silence)


def _ask(connection: Connection, spec: TrainerSpec) -> tuple[Trial | None, str]:
    """The engine's own word, and why there is none; that it did not answer is noted of the connection."""
    now = timezone.now()
    if connection.next_try_at is not None and connection.next_try_at > now:
        return None, connection.refused_because or connection.last_error
    try:
        provider = open_provider(connection)
        if not isinstance(provider, TriesOut):
            return None, ""
        step_aside()  # the engine may take its time, and others want a place and a connection meanwhile
        return provider.try_out(spec), ""
    except (Unreachable, SecretRefused) as error:
        note_failure(connection=connection, error=error, now=now)
        connection.refresh_from_db()  # which its verdict goes by
        return None, connection.refused_because or str(error)  # what a key's refusal says is for who set the key
    except ProviderError as error:
        return None, str(error)
