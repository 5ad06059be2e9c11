"""What providers were seen to have: records, checkpoints, and trainers that nobody launched here."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models import Q
from django.utils import timezone

from accounts.models import User
from connections.models import Connection
from connections.providers.checkpoints import CheckpointKind
from connections.providers.spec import TrainerMode
from launches.models.launches import STATE_CHOICES, Attempt, Launch
from wire import names


class Metric(models.Model):
    """One numbered record of the trainer: an optimizer step, or a forward pass of a forward-only trainer."""

    attempt = models.ForeignKey(Attempt, on_delete=models.CASCADE, related_name="metrics")
    number = models.PositiveIntegerField()
    step = models.PositiveIntegerField()
    loss_per_token = models.FloatField(null=True)
    learning_rate = models.FloatField(null=True)
    grad_norm = models.FloatField(null=True)
    tokens = models.PositiveBigIntegerField(null=True)
    seconds = models.FloatField(null=True)
    peak_memory_bytes = models.PositiveBigIntegerField(null=True)
    planned_memory_bytes = models.PositiveBigIntegerField(null=True, help_text="By the trainer, before it loaded.")
    memory = models.JSONField(null=True, help_text="What the peak went to, beside what was planned, where it was told.")
    longest_context = models.PositiveBigIntegerField(null=True, help_text="Tokens of the longest sequence.")
    reward = models.FloatField(null=True, help_text="As the loop told it.")
    recorded_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["attempt", "number"], name="metric_number_unique")]

    def __str__(self) -> str:
        return f"record {self.number}: step {self.step}"

    def as_json(self, *, attempt: int) -> dict[str, Any]:
        """What the charts are drawn from; `attempt` is the number of its attempt."""
        return {
            "attempt": attempt,
            "number": self.number,
            "step": self.step,
            "loss": self.loss_per_token,
            "learningRate": self.learning_rate,
            "gradNorm": self.grad_norm,
            "tokens": self.tokens,
            "seconds": self.seconds,
            "peakMemoryBytes": self.peak_memory_bytes,
        }


class Evaluation(models.Model):
    """How good the model was after a step: the mean loss of rows that are held out, and what it answered to prompts."""

    attempt = models.ForeignKey(Attempt, on_delete=models.CASCADE, related_name="evaluations")
    number = models.PositiveIntegerField()
    step = models.PositiveIntegerField()
    loss = models.FloatField(null=True, help_text="NULL where no rows are held out.")
    samples = models.JSONField(default=list, help_text="Of each prompt: prompt, expected, answer.")
    recorded_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["attempt", "number"], name="evaluation_number_unique")]

    def __str__(self) -> str:
        return f"evaluation at step {self.step}"


class Checkpoint(models.Model):
    """A checkpoint of a launch, as the provider last listed it.

    It outlives the deletion of its launch until `Launch.kept_until`. What the provider does not tell is NULL or empty.
    """

    launch = models.ForeignKey(Launch, on_delete=models.CASCADE, related_name="checkpoints")
    kind = models.CharField(
        max_length=8,
        choices=[(kind.value, kind.value) for kind in CheckpointKind],
        default=CheckpointKind.TRAINING.value,
        db_default=CheckpointKind.TRAINING.value,
    )
    name = models.CharField(max_length=63)
    requested_name = models.CharField(max_length=200, blank=True, help_text="What the client asked to save it as.")
    step = models.PositiveIntegerField()
    size_bytes = models.PositiveBigIntegerField()
    writing = models.BooleanField(default=False, db_default=False, help_text="Whether its bytes are not all there yet.")
    lora_rank = models.PositiveIntegerField(null=True, blank=True, help_text="0: all parameters.")
    lora_alpha = models.PositiveIntegerField(null=True, blank=True)
    precision = models.CharField(max_length=16, blank=True, db_default="")
    files = models.JSONField(default=list, db_default=[], help_text="Of each file: path, size_bytes, sha256.")
    promotable_there = models.BooleanField(
        default=False, db_default=False, help_text="Whether the connection, which keeps its files, makes a model of it."
    )
    saved_at = models.DateTimeField()
    listed_at = models.DateTimeField(default=timezone.now, help_text="When the provider was first seen to list it.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["launch", "kind", "name"], name="checkpoint_unique")]
        indexes = [
            models.Index(
                fields=["-saved_at", "-id"],
                condition=Q(kind=CheckpointKind.TRAINING.value, writing=False),
                name="checkpoints_to_go_on_from",
            )
        ]
        ordering = ["step", "saved_at"]

    def __str__(self) -> str:
        return self.name

    @property
    def resource_name(self) -> str:
        """Needs `launch` with its account."""
        return names.checkpoint_name(self.launch.name, self.name)

    @property
    def promotable(self) -> bool:
        """Whether a model of the account can be made of it."""
        known = bool(self.files) or self.promotable_there
        return self.kind == CheckpointKind.SAMPLER and not self.writing and known

    @property
    def is_adapter(self) -> bool:
        """Whether it holds a LoRA adapter; as the launch was, where the provider does not say. Needs `launch`."""
        spec = self.launch.spec
        rank = spec["lora_rank"] if self.lora_rank is None else self.lora_rank
        return rank > 0 and (self.lora_rank is not None or spec["trainer_mode"] == TrainerMode.LORA_TRAINER)


class UnknownTrainer(models.Model):
    """What a provider runs, or keeps waiting, although nothing of it is recorded here.

    A database that was restored is older than its trainers; or another Slipway shares the provider. The row lasts for
    as long as the provider lists the trainer.
    """

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="unknown_trainers")
    account_name = models.CharField(max_length=63, help_text="Id of the account, which need not exist here.")
    job_id = models.CharField(max_length=63)
    attempt_number = models.PositiveIntegerField()
    state = models.CharField(max_length=12, blank=True, choices=STATE_CHOICES)
    since = models.DateTimeField(null=True, blank=True, help_text="When the provider started or took it.")
    kept = models.JSONField(null=True, blank=True, help_text="What it was asked for, as far as the connection tells.")
    gpus = models.PositiveIntegerField(null=True, blank=True, help_text="Of all its trainers, where that is known.")
    seen_at = models.DateTimeField(help_text="When it was noticed here.")
    end_requested_at = models.DateTimeField(null=True, blank=True)
    end_requested_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["connection", "account_name", "job_id", "attempt_number"], name="unknown_trainer_once"
            )
        ]
        ordering = ["seen_at", "pk"]

    def __str__(self) -> str:
        return f"attempt {self.attempt_number} of {self.name}"

    @property
    def name(self) -> str:
        """The resource name that the job has or had."""
        return names.job_name(self.account_name, self.job_id)
