"""What of a repository a model is made of, by what a hub tells of it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

CONFIG, WEIGHTS = "config.json", ".safetensors"
SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"
"""What transformers loads weights from: the one where there is one, else what the other names."""
ORIGIN = "origin.json"
"""Beside a model's files: where they come from, and what each of them is."""
KEPT = (WEIGHTS, ".json", ".jinja", ".model", ".tiktoken", ".txt")
"""Ends of the files that a model and its tokenizer are made of; none of them runs."""
BESIDE = ("LICENSE", "NOTICE")
OF_ADAPTERS = "adapter_"
"""Begins names of files that transformers would put into the base model, unasked."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")
_CONSOLIDATED = re.compile(r"consolidated.*\.safetensors")


class HubError(Exception):
    """The model could not be had; the text says why and what helps."""


@dataclass(frozen=True)
class Repository:
    """`name` is ORG/NAME, `revision` a branch, a tag or a commit; the token is shown to the endpoint alone."""

    endpoint: str
    name: str
    revision: str
    token: str = field(default="", repr=False)

    @property
    def page(self) -> str:
        return f"{self.endpoint}/{self.name}"


@dataclass(frozen=True)
class HubFile:
    """What the list says of a file: its size in bytes, and of a large one its sha256, else git's digest of it."""

    name: str
    size: int
    sha256: str | None
    blob: str | None


@dataclass(frozen=True)
class Listing:
    """The files of one commit that a model is made of."""

    commit: str
    files: tuple[HubFile, ...]

    @property
    def total(self) -> int:
        return sum(each.size for each in self.files)


def listing_of(repository: Repository, commit: str, siblings: Iterable[Any]) -> Listing:
    """What is downloaded of the files that `huggingface_hub` tells of; raises HubError where that is no model."""
    every = [each for each in siblings if _is_kept(each.rfilename)]
    if any(each.rfilename.startswith("model") and each.rfilename.endswith(WEIGHTS) for each in every):
        every = [each for each in every if not _CONSOLIDATED.fullmatch(each.rfilename)]  # the same once more
    files = tuple(
        HubFile(
            each.rfilename,
            each.lfs.size if each.lfs else each.size,
            each.lfs.sha256 if each.lfs else None,
            None if each.lfs else each.blob_id,
        )
        for each in every
    )
    for each in files:
        if not isinstance(each.size, int) or not (each.sha256 or each.blob):
            raise HubError(
                f"The hub does not tell size and digest of {each.name}, so {repository.name} is not downloaded."
            )
    names = {each.name for each in files}
    if CONFIG not in names or names.isdisjoint({SINGLE, INDEX}):
        raise HubError(
            f"{repository.page} has no {CONFIG}, or no weights as safetensors ({SINGLE}, or {INDEX} and "
            "what it names): no others are loaded. Name another repository on the connection."
        )
    return Listing(commit, files)


def check_index(repository: Repository, listing: Listing, index: bytes) -> None:
    """Raise HubError where the index names files of weights that are not listed, or none."""
    try:
        named = set(json.loads(index)["weight_map"].values())
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        named = set()
    if not named:
        raise HubError(
            f"{INDEX} of {repository.page} names no files of weights. Name another repository on the connection."
        )
    if missing := sorted(map(str, named - {each.name for each in listing.files})):
        raise HubError(
            f"{repository.page} is not whole: {len(missing)} of the {len(named)} files that its {INDEX} names are not "
            f"listed, {missing[0][:80]!r} first. Name another revision or repository on the connection."
        )


def _is_kept(name: str) -> bool:
    wanted = name.endswith(KEPT) or name.startswith(BESIDE)
    return wanted and bool(_NAME.fullmatch(name)) and name != ORIGIN and not name.startswith(OF_ADAPTERS)
