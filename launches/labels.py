"""What a program notes on a launch that it makes: kept and shown, and of no effect. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from catalog.text_rules import refuse_text
from wire.errors import Violation

LONGEST = 200


@dataclass(frozen=True)
class Labels:
    """`purpose` says what the launch is for, `managed_by` which job made it, as its maker writes them; "" for none."""

    purpose: str = ""
    managed_by: str = ""

    def problems(self) -> list[Violation]:
        """What cannot be kept, each with its remedy."""
        said = ((name, refuse_text(name, text, minimum=None, maximum=LONGEST)) for name, text in vars(self).items())
        return [Violation(name, sentence) for name, sentence in said if sentence]
