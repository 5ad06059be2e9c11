"""What was launched together, as one page shows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from catalog.enums import MODE_LABELS
from connections.providers.spec import TrainerSpec
from connections.providers.states import FINAL, AttemptState
from deployments.pages.standing import DeploymentStanding
from deployments.queries import DeploymentRow
from deployments.states import DeploymentState
from launches.models import Attempt, Launch
from launches.pages.stepper import LABELS
from launches.states import FAILURES
from wire.counts import quantity


@dataclass(frozen=True)
class TrainerMember:
    """The policy or a reference, and its newest attempt."""

    launch: Launch
    attempt: Attempt

    @property
    def role(self) -> str:
        """What it is in the set."""
        if self.launch.reference_of_id:
            return "Reference"
        mode = MODE_LABELS[TrainerSpec.from_json(self.launch.spec).trainer_mode]
        return mode if mode.endswith("olicy") else f"{mode} policy"

    @property
    def gpus(self) -> int:
        """What its trainers take while they run."""
        return TrainerSpec.from_json(self.launch.spec).trainer_gpus

    @property
    def label(self) -> str:
        """Its state for people."""
        return LABELS[AttemptState(self.launch.state)]

    @property
    def runs(self) -> bool:
        """Whether it is not over."""
        return AttemptState(self.attempt.state) not in FINAL

    @property
    def failed(self) -> bool:
        """Whether it ended as nobody wanted it."""
        return AttemptState(self.attempt.state) in FAILURES


@dataclass(frozen=True)
class SamplerMember:
    """A deployment that loads the policy's weights."""

    row: DeploymentRow

    @property
    def standing(self) -> DeploymentStanding:
        """What its row says of itself."""
        return DeploymentStanding(self.row.deployment)

    @property
    def failed(self) -> bool:
        """Whether it serves nobody until somebody sees to it."""
        return self.row.deployment.state == DeploymentState.FAILED


@dataclass(frozen=True)
class LaunchSet:
    """The policy, its references, and its samplers."""

    policy: TrainerMember
    references: Sequence[TrainerMember]
    samplers: Sequence[SamplerMember]

    @property
    def trainers(self) -> Sequence[TrainerMember]:
        """The policy first."""
        return (self.policy, *self.references)

    @property
    def gpus(self) -> str:
        """What all of it takes together, in words."""
        trainers = sum(member.gpus for member in self.trainers)
        total = trainers + sum(
            member.standing.row.sampler_spec.gpus * member.row.deployment.max_replicas for member in self.samplers
        )
        return f"{quantity(total, 'GPU')} in all" if total else "no GPU: runs on the CPU"

    @property
    def troubles(self) -> list[str]:
        """What of it failed while the policy goes on, a sentence each."""
        if not self.policy.runs:
            return []
        told = "The policy goes on without it; a loop that asks it is refused."
        return [
            *(f"The reference {each.launch} failed. {told}" for each in self.references if each.failed),
            *(f"The sampler {each.row.deployment} failed. {told}" for each in self.samplers if each.failed),
        ]
