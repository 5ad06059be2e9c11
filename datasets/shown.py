"""What the pages say of a dataset."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from datasets.checking.formats import DatasetFormat
from datasets.checking.lengths import Lengths, read_lengths
from datasets.checking.problems import Finding, read_findings
from datasets.models import Dataset, TokenCount
from datasets.states import WORKED_ON, DatasetState

LABELS = {
    DatasetState.UPLOADING: "Uploading",
    DatasetState.CHECKING: "Checking",
    DatasetState.READY: "Ready",
    DatasetState.REFUSED: "Refused",
    DatasetState.DELETED: "Deleted",
}
FORMATS = {
    DatasetFormat.CHAT: "Chat messages",
    DatasetFormat.COMPLETION: "Prompt and completion",
    DatasetFormat.PREFERENCE: "Preference pairs",
    DatasetFormat.TEXT: "Plain text",
}
_LOOKS = {
    DatasetState.UPLOADING: "creating",
    DatasetState.CHECKING: "updating",
    DatasetState.READY: "ready",
    DatasetState.REFUSED: "rejected",
    DatasetState.DELETED: "deleted",
}


@dataclass(frozen=True)
class ShownDataset:
    """A dataset as its pages show it."""

    row: Dataset

    @property
    def state(self) -> DatasetState:
        """Where it stands."""
        return DatasetState(self.row.state)

    @property
    def label(self) -> str:
        """Its state in words."""
        return LABELS[self.state]

    @property
    def look(self) -> str:
        """The state of an attempt that its state looks like."""
        return _LOOKS[self.state]

    @property
    def format(self) -> str:
        """Its format in words; "" as long as nobody looked."""
        return FORMATS[DatasetFormat(self.row.format)] if self.row.format else ""

    @property
    def is_moving(self) -> bool:
        """Whether a worker is about to change it."""
        return self.state is DatasetState.CHECKING or (self.state in WORKED_ON and bool(self.row.source_path))

    @property
    def percent(self) -> int:
        """How much of it was received, or is checked, 0 to 100."""
        done = self.row.checked_bytes if self.state is DatasetState.CHECKING else self.row.received_bytes
        return min(100, 100 * done // max(1, self.row.size_bytes or 0))

    @cached_property
    def refusals(self) -> list[Finding]:
        """What refuses it."""
        return [each for each in read_findings(self.row.findings) if each.wording.refuses]

    @cached_property
    def warnings(self) -> list[Finding]:
        """What does not."""
        return [each for each in read_findings(self.row.findings) if not each.wording.refuses]

    @cached_property
    def lengths(self) -> Lengths:
        """How long its rows are, in characters."""
        return read_lengths(self.row.lengths)

    @property
    def bars(self) -> list[LengthBar]:
        """The histogram."""
        return bars_of(self.lengths)


def bars_of(lengths: Lengths) -> list[LengthBar]:
    """A histogram of lengths."""
    bars = lengths.bars()
    most = max((count for _, _, count in bars), default=0)
    return [LengthBar(first, beyond - 1 if beyond else 0, count, most) for first, beyond, count in bars]


@dataclass(frozen=True)
class ShownCount:
    """Tokens of a dataset by one tokenizer, as its page shows them."""

    row: TokenCount

    @property
    def lengths(self) -> Lengths:
        """In tokens."""
        return read_lengths(self.row.lengths)

    @property
    def bars(self) -> list[LengthBar]:
        """The histogram."""
        return bars_of(self.lengths)


@dataclass(frozen=True)
class LengthBar:
    """The rows from one length to another, both included; `most` is the highest bar."""

    first: int
    last: int
    count: int
    most: int
