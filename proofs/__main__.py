"""Run the proof named on the command line, against a Slipway of its own."""

from __future__ import annotations

import sys
from pathlib import Path

from proofs import cookbook, snippets

PROOFS = {"cookbook": cookbook.prove, "snippets": snippets.prove}
USAGE = "usage: ./run prove cookbook|snippets PATH\nPATH is a checkout of the official cookbook."


def main(arguments: list[str]) -> int:
    """Answers an exit code: 0 where all was as it should be, 1 where something was not, 2 for a wrong call."""
    match arguments:
        case [name, path] if name in PROOFS and (Path(path) / "training" / "pyproject.toml").is_file():
            return 0 if PROOFS[name](Path(path)) else 1
        case [name, path] if name in PROOFS:
            print(f"{path} is no checkout of the cookbook: it has no training/pyproject.toml.", file=sys.stderr)
        case _:
            print(USAGE, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
