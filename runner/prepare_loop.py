"""Makes the environment of loops of Slipway's own: `python -m runner.prepare_loop ENVIRONMENT TRAINER_ENVIRONMENT`.

ENVIRONMENT gets the official SDK, from a locked list; what tokenizers and losses need comes from the trainer's own
environment, which is made first where it is not there, so that a row becomes the same tokens here as there. Exit code
1, and one line on stderr, where it cannot be done.
"""

from __future__ import annotations

import sys
from pathlib import Path

from trainer.prepare import CannotPrepareError, prepare

REQUIREMENTS = Path(__file__).resolve().parent / "requirements"


def main(arguments: list[str]) -> int:
    if len(arguments) != 2:
        print("Usage: python -m runner.prepare_loop ENVIRONMENT TRAINER_ENVIRONMENT", file=sys.stderr)
        return 1
    environment, trainer_environment = (Path(argument).resolve() for argument in arguments)
    try:
        prepare(trainer_environment)
        prepare(environment, REQUIREMENTS)
    except (CannotPrepareError, OSError) as error:
        print(f"{error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
