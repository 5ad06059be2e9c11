"""Run the proof named on the command line, against a Slipway of its own."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from proofs import (
    cookbook,
    cookbook_rl,
    embeddings,
    gameday,
    gpu,
    lighthouse,
    recipes,
    retention,
    snippets,
    trainer_host,
)
from proofs.workplace import Workplace

OF_A_CHECKOUT = {
    "cookbook": lambda path, *sdk: cookbook.prove(Workplace(path, *sdk)),
    "cookbook-rl": lambda path, *sdk: cookbook_rl.prove(Workplace(path, *sdk)),
    "embeddings": lambda path, *sdk: embeddings.prove(Workplace(path, *sdk)),
    "recipes": recipes.prove,
    "snippets": lambda path, *sdk: snippets.prove(Workplace(path, *sdk)),
}
BY_THEMSELVES = {
    "lighthouse": lighthouse.prove,
    "retention": retention.prove,
    "trainer-host": trainer_host.prove,
}
USAGE = (
    "usage: ./run prove cookbook|cookbook-rl|embeddings|recipes|snippets PATH [SDK]\n"
    f"       ./run prove {'|'.join(BY_THEMSELVES)}\n"
    "       ./run prove upgrade|gameday COMMIT\n"
    f"       ./run prove gpu {'|'.join(gpu.SIZES)}\n"
    "COMMIT is the release before. "
    "PATH is a checkout of the official cookbook, SDK a version of the official SDK other than the one that pages name."
)


def main(arguments: list[str]) -> int:
    """Answers an exit code: 0 where all was as it should be, 1 where something was not, 2 for a wrong call."""
    match arguments:
        case [name] if name in BY_THEMSELVES:
            return 0 if BY_THEMSELVES[name]() else 1
        case ["upgrade" | "gameday" as name, commit]:
            return 0 if gameday.prove(commit, everything=name == "gameday") else 1
        case ["gpu", size] if size in gpu.SIZES:
            return 0 if gpu.prove(size) else 1
        case [name, path, *sdk] if _is_right(name, sdk) and (Path(path) / "training" / "pyproject.toml").is_file():
            return 0 if OF_A_CHECKOUT[name](Path(path), *sdk) else 1
        case [name, path, *sdk] if _is_right(name, sdk):
            print(f"{path} is no checkout of the cookbook: it has no training/pyproject.toml.", file=sys.stderr)
        case _:
            print(USAGE, file=sys.stderr)
    return 2


def _is_right(name: str, sdk: list[str]) -> bool:
    return name in OF_A_CHECKOUT and len(sdk) <= 1 and all(re.fullmatch(r"[0-9]+(\.[0-9]+)+", word) for word in sdk)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
