"""Where the weights of base models lie, as a connection's configuration says: a setting of every kind that runs our own
trainer. Each line names a directory, or, where the kind has weights downloaded, a repository of a hub. Pure but for
looking whether a directory is there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from connections.providers.configs import setting
from connections.providers.trainer_files.hub_addresses import HubAddress
from wire.names import parse_model_name

EXAMPLE = "accounts/fireworks/models/qwen3-8b = /srv/models/qwen3-8b"
HUB_EXAMPLE = "accounts/fireworks/models/qwen3-32b = https://huggingface.co/Qwen/Qwen3-32B@main"
MOST = 200


def read_directories(written: str) -> str:
    """Lines MODEL = DIRECTORY, as they are kept. Errors: `ValueError` for the first line that is none."""
    return _read(written, _directory)


def read_places(written: str) -> str:
    """Lines MODEL = DIRECTORY or MODEL = REPOSITORY, as they are kept: of one hub, whose token the connection has.

    Errors: `ValueError` for the first line that is none.
    """
    kept = _read(written, lambda place: _directory(place) if place.startswith("/") else str(HubAddress.read(place)))
    hubs = sorted({address.endpoint for address in repositories_in(kept).values()})
    if len(hubs) > 1:
        raise ValueError(f"{hubs[0]} and {hubs[1]} are two hubs; a connection asks one, to which its token belongs")
    return kept


def _read(written: str, read: Callable[[str], str]) -> str:
    pairs: dict[str, str] = {}
    for line in filter(None, map(str.strip, written.splitlines())):
        model, sign, place = (word.strip() for word in line.partition("="))
        if not sign or parse_model_name(model) is None:
            raise ValueError(f"{line[:100]!r} is no line such as {EXAMPLE}")
        kept = read(place)
        if pairs.setdefault(model, kept) != kept:
            raise ValueError(f"{model} stands there twice, at {pairs[model]} and at {kept}")
    if len(pairs) > MOST:
        raise ValueError(f"{len(pairs)} models are too many; {MOST} is the limit")
    return "\n".join(f"{model} = {place}" for model, place in pairs.items())


def _directory(written: str) -> str:
    if "://" in written:
        raise ValueError(
            f"{written[:100]!r} is no directory: weights are downloaded from a hub for trainers of this machine alone"
        )
    path = PurePosixPath(written)
    if not path.is_absolute() or ".." in path.parts or "\0" in written:
        raise ValueError(f"{written[:100]!r} is no whole path, such as /srv/models/qwen3-8b")
    return str(path)


def directories_in(kept: str) -> Mapping[str, Path]:
    """By model, its directory, of what was read; those from a hub left out."""
    return {model: Path(place) for model, place in _pairs(kept) if place.startswith("/")}


def repositories_in(kept: str) -> Mapping[str, HubAddress]:
    """By model, where it is downloaded from."""
    return {model: HubAddress.read(place) for model, place in _pairs(kept) if not place.startswith("/")}


def _pairs(kept: str) -> Iterator[tuple[str, str]]:
    for line in kept.splitlines():
        model, _, place = line.partition(" = ")
        yield model, place


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


def places_setting(where: str) -> Any:
    """The same of a kind that has weights downloaded."""
    return setting(
        "Base models",
        f"{where}: lines MODEL = DIRECTORY, a Hugging Face directory that trainers can read; or MODEL = ADDRESS of a "
        "repository, with @REVISION where it is not main, which the first launch that needs it downloads. Public "
        "models run here then, too.",
        read=read_places,
        placeholder=f"{EXAMPLE}\n{HUB_EXAMPLE}",
        is_long=True,
    )


def is_model(directory: Path) -> bool:
    """Whether a Hugging Face model lies there."""
    return (directory / "config.json").is_file()
