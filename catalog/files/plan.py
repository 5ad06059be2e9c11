"""What a catalog document would change, as a list of steps. Pure.

A plan is exact: applying it does its steps and nothing else. Its fingerprint covers the file, the versions that it was
made from and its steps, so a plan that somebody reviewed is known again, or is known to be stale.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from catalog.fields.differences import FieldDifference
from catalog.files.document import Document, ModelEntry, ShapeEntry
from wire import names

ID_SOURCE = "id_source"
"""The one field of a shape that no version keeps."""


@dataclass(frozen=True)
class CurrentCatalog:
    """What an account offers now: the latest validated version of every shape.

    `document` also has the account's models without any; `versions` are their version ids by shape id, and
    `base_models` the resource names of the base models of all its shapes, private ones too, as `kinds` their kinds.
    `there` says whether there is such an account.
    """

    document: Document
    versions: dict[str, str] = field(default_factory=dict)
    base_models: dict[str, str] = field(default_factory=dict)
    kinds: dict[str, str] = field(default_factory=dict)
    there: bool = True


class StepKind(StrEnum):
    """What a step does to the account, a shape, a base model, or (`order`) their order in the catalog."""

    ADD_ACCOUNT = "add_account"
    CHANGE_ACCOUNT = "change_account"
    ADD_MODEL = "add_model"
    CHANGE_MODEL = "change_model"
    ORDER = "order"
    ADD = "add"
    CHANGE = "change"
    DEPRECATE = "deprecate"
    RESTORE = "restore"


@dataclass(frozen=True)
class PlanStep:
    """One change: `name` is a resource name, `lines` hold one value each where there was none before, else two.

    `publishes` says whether the shape gets a new version. A shape is named by one step only: one that changes and is
    deprecated at once is a change, with a line that says so. `entry` is how it is to be.
    """

    kind: StepKind
    name: str
    lines: tuple[FieldDifference, ...]
    publishes: bool = False
    note: str = ""
    entry: ModelEntry | ShapeEntry | None = None

    @property
    def short_name(self) -> str:
        """The id at the end of the name."""
        return self.name.rpartition("/")[2]

    @property
    def compares(self) -> bool:
        """Whether there is something before."""
        return any(len(line.values) > 1 for line in self.lines)

    def as_json(self) -> dict[str, Any]:
        """As `plan_catalog --json` prints it; docs/CATALOG.md lists the keys."""
        return {
            "kind": self.kind,
            "name": self.name,
            "new_version": self.publishes,
            "note": self.note,
            "fields": [
                {
                    "field": line.key,
                    "label": line.label,
                    "before": line.values[0] if len(line.values) > 1 else None,
                    "after": line.values[-1],
                }
                for line in self.lines
            ],
        }


@dataclass(frozen=True)
class Plan:
    """The steps that bring an account to what the file says, and the fingerprint that knows the plan again.

    `file` is the sha256 of the file's bytes; `renew` is as in `make_plan`.
    """

    account_id: str
    file: str
    steps: tuple[PlanStep, ...]
    fingerprint: str
    renew: bool = False

    @property
    def vouching(self) -> str:
        """What applying it says of the new versions, none of which is run before; "" where there is none."""
        words = "New versions count as validated by file: nothing is run, and who applies the file vouches for it."
        return words if any(step.publishes for step in self.steps) else ""

    @property
    def counts(self) -> dict[StepKind, int]:
        """How many steps there are of each kind, all kinds named."""
        found = Counter(step.kind for step in self.steps)
        return {kind: found[kind] for kind in StepKind}

    def as_json(self) -> dict[str, Any]:
        """As `plan_catalog --json` prints it; docs/CATALOG.md lists the keys."""
        return {
            "account": names.account_name(self.account_id),
            "file_sha256": self.file,
            "fingerprint": self.fingerprint,
            "counts": self.counts,
            "vouching": self.vouching,
            "steps": [step.as_json() for step in self.steps],
        }
