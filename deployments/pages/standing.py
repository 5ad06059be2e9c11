"""How a deployment stands, for people. Pure but for reading its row."""

from __future__ import annotations

from dataclasses import dataclass

from catalog.labels import duration_label
from deployments.models import Deployment
from deployments.queries import trainer_is_over
from deployments.states import DeploymentState
from wire.counts import quantity

_S = DeploymentState
LABELS = {
    _S.CREATING: "Creating",
    _S.READY: "Ready",
    _S.UPDATING: "Updating",
    _S.FAILED: "Failed",
    _S.DELETING: "Deleting",
    _S.DELETED: "Deleted",
}
MEANINGS = {
    _S.CREATING: "Its sampler is started, and does not answer yet.",
    _S.READY: "It answers.",
    _S.UPDATING: "Another number of samplers or another trainer is wanted, and is not there yet.",
    _S.FAILED: "Its sampler was refused, or ended by itself.",
    _S.DELETING: "It was deleted; what runs of it is ending.",
    _S.DELETED: "Nothing of it runs any more. Its id is free again.",
}
NEXT = "Try again starts its sampler anew; nothing else of it changes. What it said last stands in the log."
COLD_START = (
    "No sampler runs, and no GPU is held. The next request for a completion starts one: a cold start. Until it answers "
    "requests are told 503 and when to repeat, and it comes back with what it serves below."
)
CLOSED = "It may have no replica, so no request starts one. Raise the most replicas to bring it back."


@dataclass(frozen=True)
class DeploymentStanding:
    """What a row says of itself."""

    row: Deployment

    @property
    def is_asleep(self) -> bool:
        """Whether no sampler is wanted now."""
        return self.row.state == _S.READY and not self.row.replicas

    @property
    def look(self) -> str:
        """The state as style sheets name it."""
        return "asleep" if self.is_asleep else self.row.state.lower()

    @property
    def label(self) -> str:
        """The state in a word or two."""
        return "Scaled to 0" if self.is_asleep else LABELS[_S(self.row.state)]

    @property
    def meaning(self) -> str:
        """What the state means for who wants an answer."""
        if self.is_asleep:
            return COLD_START if self.row.max_replicas else CLOSED
        if self.row.state == _S.READY and not self.row.ready_replicas:
            return "Its sampler, which did answer, does not any more."
        if self.row.state == _S.CREATING and not self.row.start:
            return "Accepted; a worker is about to start its sampler."
        return MEANINGS[_S(self.row.state)]

    @property
    def bounds(self) -> str:
        """`0 to 1`, of replicas that it may have."""
        least, most = self.row.min_replicas, self.row.max_replicas
        return f"{least}" if least == most else f"{least} to {most}"

    @property
    def serves(self) -> str:
        """What answers, in short."""
        return self.row.loaded or "/".join(self.row.serves.split("/")[3::2])

    @property
    def gpus(self) -> int:
        """What it holds now, or is about to."""
        holds = self.row.state not in (_S.FAILED, _S.DELETED)
        return self.row.sampler_spec.gpus * self.row.replicas if holds else 0

    @property
    def gpu_words(self) -> str:
        """GPUs of one replica, and of as many as it may have."""
        return gpus_in_all(self.row.sampler_spec.gpus, self.row.min_replicas, self.row.max_replicas)

    @property
    def idle_after(self) -> str:
        """How long nobody asks it before it is scaled down by itself."""
        return duration_label(self.row.sampler_spec.inactivity_timeout_seconds)

    @property
    def idle(self) -> str:
        """When it is scaled down by itself, and to what."""
        least = 0 if trainer_is_over(self.row) else self.row.min_replicas
        return f"{self.idle_after} without a call scale it to {least}"


def gpus_in_all(each: int, least: int, most: int) -> str:
    """GPUs of replicas that take so many each, at least and at most, in words."""
    if not each:
        return "no GPU: runs on the CPU"
    if least == most:
        return f"{quantity(each * most, 'GPU')} in all" + (f" ({each} a replica)" if most > 1 else "")
    return f"{each * least:,} to {quantity(each * most, 'GPU')} in all ({each} a replica)"
