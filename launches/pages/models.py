"""What words the pages of models have."""

from __future__ import annotations

from dataclasses import dataclass

from catalog.models import TrainedModel
from catalog.states import ModelKind, ModelState

KIND_LABELS = {ModelKind.ADAPTER: "Adapter", ModelKind.FULL: "Full model"}
STATE_LABELS = {ModelState.CREATING: "Being made", ModelState.READY: "Ready", ModelState.FAILED: "Failed"}


@dataclass(frozen=True)
class ShownModel:
    """A model with its words; the base model goes by its id, and `percent` is how much of the files is copied."""

    model: TrainedModel

    @property
    def kind(self) -> str:
        """What it is."""
        return KIND_LABELS[ModelKind(self.model.kind)]

    @property
    def state(self) -> str:
        """Where it stands."""
        return STATE_LABELS[ModelState(self.model.state)]

    @property
    def modules(self) -> list[str]:
        """What an adapter changes, each kind of module once."""
        return sorted({name.rpartition(".")[2] for name in self.model.target_modules})

    @property
    def is_here(self) -> bool:
        """Whether it is ready, and its files lie here."""
        return self.model.state == ModelState.READY and self.model.elsewhere is None

    @property
    def base(self) -> str:
        """Id of what was trained."""
        return self.model.base_model.rpartition("/")[2]

    @property
    def percent(self) -> int:
        """0 to 100."""
        return min(100, 100 * self.model.copied_bytes // max(1, self.model.size_bytes))

    @property
    def is_merging(self) -> bool:
        """Whether its adapter is copied, and is folded into its base model now."""
        making = self.model.state == ModelState.CREATING and bool(self.model.merged_from)
        return making and self.model.copied_bytes >= self.model.size_bytes
