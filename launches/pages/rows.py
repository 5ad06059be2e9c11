"""Rows of lists of launches: what each shows, and its HTML, made once for as long as it shows the same."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils.safestring import SafeString

from connections.providers.spec import TrainerSpec
from connections.providers.states import FINAL, AttemptState
from launches.queries import LaunchRow
from lists.rendered import rendered


@dataclass(frozen=True)
class ShownLaunch:
    """All that `launches/row.html` shows. `shape` and `version` are "" where the list is one shape's.

    Of what stands beside the state, what counts only while the launch is not over is None or False once it is.
    """

    uid: uuid.UUID
    label: str
    job: str
    reference_of: str
    shape: str
    version: str
    owner: str
    gpus: int
    loss: float | None
    step: int | None
    duration: str
    created_at: datetime
    attempts: int
    state: str
    deleted: bool
    kept_until: datetime | None
    no_answer_since: datetime | None
    waits_for_yes: bool
    ready: bool
    silent_since: datetime | None
    queue_position: int | None

    @classmethod
    def of(cls, row: LaunchRow, *, with_shape: bool) -> ShownLaunch:
        """What is shown of the launch with its newest attempt."""
        launch, attempt = row.launch, row.attempt
        unfinished = attempt if attempt and AttemptState(attempt.state) not in FINAL else None
        return cls(
            uid=launch.uid,
            label=launch.display_name or launch.job_id,
            job=launch.job_id if launch.display_name else "",
            reference_of=launch.reference_of,
            shape=launch.shape_id if with_shape else "",
            version=launch.version_id if with_shape else "",
            owner=launch.owner,
            gpus=TrainerSpec.from_json(launch.spec).trainer_gpus,
            loss=launch.last_loss,
            step=launch.last_step,
            duration=launch.duration,
            created_at=launch.created_at,
            attempts=launch.attempt_count,
            state=launch.state,
            deleted=launch.deleted_at is not None,
            kept_until=launch.kept_until,
            no_answer_since=launch.unreachable_since or launch.refused_since if unfinished else None,
            waits_for_yes=bool(unfinished and unfinished.version_asked_at),
            ready=bool(attempt and attempt.ready),
            silent_since=attempt.silent_since if attempt else None,
            queue_position=attempt.queue_position if attempt else None,
        )


def rows_as_html(rows: Sequence[LaunchRow], *, with_shape: bool) -> SafeString:
    """All rows of the table; "" where there is none."""
    made = (rendered("launches/row.html", row=ShownLaunch.of(row, with_shape=with_shape)) for row in rows)
    return SafeString("".join(made))
