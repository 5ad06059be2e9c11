"""Choose a training shape where none was named. Pure.

A shape fits a model where it is made for exactly that one, or for one of the same type and the same number of
parameters. Of those that fit, and have the mode, the context and the image asked for, the choice is, in this order: one
for exactly the model; one of the very mode; of the account that launches, then of the model's own account, then of any
other; one that is not deprecated; the smallest context; the fewest GPUs; the first by name. So a stranger's shape is
preferred neither to one's own nor to one by those who offer the model. Where a forward-only shape is asked for, a LoRA
shape will do, too, which at rank 0 is the base model alone.

The public control plane also takes models of about the same size (buckets 1B wide under 10B, 10B wide above). Here
such a shape is only told of as a near miss: no launch, by whichever door, takes a model that its shape does not fit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from catalog.enums import MODE_LABELS
from catalog.labels import context_label
from connections.providers.spec import TrainerMode
from wire.names import parse_model_name

BILLION = 10**9
MOST_NEAR_MISSES = 5


@dataclass(frozen=True)
class ShapeRequirements:
    """What a launch of `account` needs: `context` tokens at least (0: any), that image ("": any), and the model's type
    and size where they are known.
    """

    base_model: str
    mode: TrainerMode
    context: int = 0
    model_type: str | None = None
    parameter_count: int | None = None
    image: str = ""
    account: str = ""

    @property
    def modes(self) -> tuple[TrainerMode, ...]:
        """Those that will do, the best first."""
        bare = (TrainerMode.LORA_TRAINER,) if self.mode is TrainerMode.FORWARD_ONLY else ()
        return (self.mode, *bare)

    @property
    def model_account(self) -> str:
        """The account that offers the model."""
        account, _ = parse_model_name(self.base_model) or ("", "")
        return account


@dataclass(frozen=True)
class Candidate:
    """The latest validated version of a shape, as far as choosing needs it."""

    pk: int
    shape: str
    base_model: str
    mode: TrainerMode
    context: int
    gpus: int
    model_type: str | None = None
    parameter_count: int | None = None
    image: str = ""
    account: str = ""
    deprecated: bool = False


@dataclass(frozen=True)
class NearMiss:
    """A shape that will not do, and by what."""

    shape: str
    fails: str


def choose(wanted: ShapeRequirements, candidates: Sequence[Candidate]) -> Candidate | None:
    """The shape that the rule picks; None where none will do."""
    will_do = [c for c in candidates if _is_near(wanted, c) and not _failures(wanted, c)]
    return min(will_do, key=lambda c: _rank(wanted, c), default=None)


def near_misses(wanted: ShapeRequirements, candidates: Sequence[Candidate]) -> list[NearMiss]:
    """Shapes for the model, or one of about its size, that fail by the fewest things, as a rule one; at most five."""
    failing = [(c, fails) for c in candidates if _is_near(wanted, c) and (fails := _failures(wanted, c))]
    fewest = min((len(fails) for _, fails in failing), default=0)
    closest = [(c, fails) for c, fails in failing if len(fails) == fewest]
    closest.sort(key=lambda found: _rank(wanted, found[0]))
    return [NearMiss(c.shape, " and ".join(fails)) for c, fails in closest[:MOST_NEAR_MISSES]]


def bucket(parameter_count: int) -> tuple[int, int]:
    """(width, number) in billions of the bucket that a size falls into."""
    width = 1 if parameter_count < 10 * BILLION else 10
    return width, parameter_count // (width * BILLION)


def _rank(wanted: ShapeRequirements, candidate: Candidate) -> tuple[bool, bool, int, bool, int, int, str]:
    """The closest first."""
    exact, mode = _is_exact(wanted, candidate), candidate.mode is wanted.mode
    distance = (wanted.account, wanted.model_account, candidate.account).index(candidate.account)
    context = abs(candidate.context - wanted.context)
    return not exact, not mode, distance, candidate.deprecated, context, candidate.gpus, candidate.shape


def _is_exact(wanted: ShapeRequirements, candidate: Candidate) -> bool:
    return candidate.base_model == wanted.base_model


def _is_near(wanted: ShapeRequirements, candidate: Candidate) -> bool:
    """For exactly the model, or for one of its type and about its size."""
    if _is_exact(wanted, candidate):
        return True
    if not (wanted.model_type and wanted.parameter_count and candidate.parameter_count):
        return False
    same_bucket = bucket(candidate.parameter_count) == bucket(wanted.parameter_count)
    return candidate.model_type == wanted.model_type and same_bucket


def _failures(wanted: ShapeRequirements, candidate: Candidate) -> list[str]:
    """Why a shape that is near will not do."""
    found = []
    if not _is_exact(wanted, candidate) and candidate.parameter_count != wanted.parameter_count:
        found.append(f"its model's parameters are {candidate.parameter_count:,}, not {wanted.parameter_count:,}")
    if candidate.mode not in wanted.modes:
        found.append(f"its mode is {MODE_LABELS[candidate.mode]}, not {MODE_LABELS[wanted.mode]}")
    if candidate.context < wanted.context:
        context = context_label(candidate.context)
        found.append(f"its context is {context}, under the {wanted.context:,} tokens asked for")
    if wanted.image and candidate.image != wanted.image:
        found.append(f"its image is {candidate.image or 'left to the provider'}, not {wanted.image}")
    return found
