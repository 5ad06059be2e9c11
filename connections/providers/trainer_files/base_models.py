"""Where the weights of base models lie, as a connection's configuration says: a setting of every kind that runs our own
trainer. Pure but for looking whether a directory is there.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from connections.providers.configs import setting
from wire.names import parse_model_name

EXAMPLE = "accounts/fireworks/models/qwen3-8b = /srv/models/qwen3-8b"
MOST = 200


def read_directories(written: str) -> str:
    """Lines MODEL = DIRECTORY, as they are kept. Errors: `ValueError` for the first line that is none."""
    pairs: dict[str, str] = {}
    for line in filter(None, map(str.strip, written.splitlines())):
        model, sign, directory = (word.strip() for word in line.partition("="))
        if not sign or parse_model_name(model) is None:
            raise ValueError(f"{line[:100]!r} is no line such as {EXAMPLE}")
        path = PurePosixPath(directory)
        if not path.is_absolute() or ".." in path.parts or "\0" in directory:
            raise ValueError(f"{directory[:100]!r} is no whole path, such as /srv/models/qwen3-8b")
        if pairs.setdefault(model, str(path)) != str(path):
            raise ValueError(f"{model} stands there twice, at {pairs[model]} and at {path}")
    if len(pairs) > MOST:
        raise ValueError(f"{len(pairs)} models are too many; {MOST} is the limit")
    return "\n".join(f"{model} = {directory}" for model, directory in pairs.items())


def directories_in(kept: str) -> Mapping[str, Path]:
    """By model, its directory, of what `read_directories` answered."""
    pairs = (line.partition(" = ") for line in kept.splitlines())
    return {model: Path(directory) for model, _, directory in pairs}


def directories_setting(where: str) -> Any:
    """The field of a kind's dataclass; `where` begins its help: which weights, and who looks there."""
    return setting(
        "Base models",
        f"{where}: lines MODEL = DIRECTORY, each a Hugging Face directory that trainers can read. Public models run "
        "here then, too.",
        read=read_directories,
        placeholder=EXAMPLE,
        is_long=True,
    )


def is_model(directory: Path) -> bool:
    """Whether a Hugging Face model lies there."""
    return (directory / "config.json").is_file()
