"""The wire's enumerations of the catalog, with the words that people read."""

from __future__ import annotations

from enum import StrEnum

from accounts.roles import SHARED_ACCOUNT
from connections.providers.spec import TrainerMode
from wire.names import DEPLOYMENT_SHAPES, TRAINING_SHAPES

NO_GPU = "none"
UNSPECIFIED = "unspecified"
"""What the filter by accelerator calls shapes without one, and those of which it is not said."""


class ShapeKind(StrEnum):
    """What runs from a shape: trainers, or the samplers that serve what is trained."""

    TRAINING = "training"
    DEPLOYMENT = "deployment"

    @property
    def collection(self) -> str:
        """Where its names stand on the wire."""
        return DEPLOYMENT_SHAPES if self is ShapeKind.DEPLOYMENT else TRAINING_SHAPES


MODE_LABELS: dict[TrainerMode | None, str] = {
    TrainerMode.POLICY_TRAINER: "Policy",
    TrainerMode.LORA_TRAINER: "LoRA",
    TrainerMode.FORWARD_ONLY: "Forward-only",
    None: "Sampler",
}
"""None is that of a deployment shape."""
MODE_MEANINGS: dict[TrainerMode | None, str] = {
    TrainerMode.POLICY_TRAINER: "Trains all parameters of the base model.",
    TrainerMode.LORA_TRAINER: "Trains a low-rank adapter; the base model stays frozen.",
    TrainerMode.FORWARD_ONLY: "Computes log-probabilities only: the frozen reference of reinforcement learning.",
    None: "A deployment shape: serves the base model, or the newest weights of a trainer.",
}


class AcceleratorType(StrEnum):
    """GPU types that a shape may name."""

    NVIDIA_A100_40GB = "NVIDIA_A100_40GB"
    NVIDIA_A100_80GB = "NVIDIA_A100_80GB"
    NVIDIA_A10G_24GB = "NVIDIA_A10G_24GB"
    NVIDIA_L4_24GB = "NVIDIA_L4_24GB"
    NVIDIA_H100_80GB = "NVIDIA_H100_80GB"
    NVIDIA_H200_141GB = "NVIDIA_H200_141GB"
    NVIDIA_B200_180GB = "NVIDIA_B200_180GB"
    NVIDIA_B300_288GB = "NVIDIA_B300_288GB"
    NVIDIA_GB200 = "NVIDIA_GB200"
    NVIDIA_GB300 = "NVIDIA_GB300"
    AMD_MI300X_192GB = "AMD_MI300X_192GB"
    AMD_MI325X_256GB = "AMD_MI325X_256GB"
    AMD_MI350X_288GB = "AMD_MI350X_288GB"


class WeightPrecision(StrEnum):
    """Precision of the base model's weights."""

    BFLOAT16 = "BFLOAT16"
    INT8 = "INT8"
    NF4 = "NF4"
    FP8 = "FP8"
    FP4_FP8 = "FP4_FP8"


class Engine(StrEnum):
    """What a sampler serves with."""

    TRANSFORMERS = "TRANSFORMERS"
    VLLM = "VLLM"


def known_or_text(kind: type[StrEnum], text: str) -> str:
    """The member of that value; the text itself where it is one that this release does not know yet."""
    return next((member for member in kind if member.value == text), text)


class Architecture(StrEnum):
    """How the base model is built."""

    DENSE = "dense"
    MOE = "moe"


ARCHITECTURE_LABELS = {Architecture.DENSE: "Dense", Architecture.MOE: "Mixture of experts"}


class IdSource(StrEnum):
    """Where a shape's id comes from; a derived one was seen nowhere and is shown as unconfirmed."""

    DOCUMENT = "document"
    PUBLISHED = "published"
    DERIVED = "derived"
    OWN = "own"


PUBLIC_ACCOUNT = SHARED_ACCOUNT
"""The account of the public control plane's shapes, which the SDK finds at its own default address."""
