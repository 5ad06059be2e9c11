"""Where a base model is downloaded from: a repository of a hub that speaks Hugging Face's protocol. Pure."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from wire.hosts import is_this_machine

EXAMPLE = "https://huggingface.co/Qwen/Qwen3-8B@main"
MAIN = "main"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}")
_REVISION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,99}")

_BENEATH = frozenset({"blob", "resolve", "tree"})
"""What hubs begin the addresses of a repository's own files with."""


@dataclass(frozen=True)
class HubAddress:
    """`repository` is ORG/NAME at the hub `endpoint`, `revision` a branch, a tag or a commit of it."""

    endpoint: str
    repository: str
    revision: str

    @classmethod
    def read(cls, written: str) -> HubAddress:
        """Of https://HUB/ORG/NAME, with @REVISION or, as browsers show it, /tree/REVISION. Errors: `ValueError`."""
        wrong = ValueError(f"{written[:100]!r} is neither a whole path nor a repository, such as {EXAMPLE}")
        address, _, revision = written.strip().rstrip("/").partition("@")
        if not revision and "/tree/" in address:
            address, _, revision = address.partition("/tree/")
        try:
            parts = urlsplit(address)
            host, _ = parts.hostname or "", parts.port
        except ValueError:
            raise wrong from None
        *before, organisation, name = ["", "", *parts.path.strip("/").split("/")]
        revision = revision or MAIN
        if not address.isascii() or not address.isprintable() or parts.query or parts.fragment or not host:
            raise wrong
        words = (*filter(None, before), organisation, name)
        if parts.username is not None or not all(map(_NAME.fullmatch, words)):
            raise wrong
        if ".." in revision or not _REVISION.fullmatch(revision):
            raise wrong
        if beneath := sorted(_BENEATH.intersection(words)):
            raise ValueError(
                f"{written[:100]!r} is an address beneath a repository's page (/{beneath[0]}/): write that of the page "
                f"itself, such as {EXAMPLE}"
            )
        if not _is_repository(organisation, name):
            raise ValueError(
                f"{written[:100]!r} names no repository of a hub: such names hold no -- and no .., end with a letter, "
                f"a digit or _, and not with .git; an example is {EXAMPLE}"
            )
        if parts.scheme != "https" and not (parts.scheme == "http" and is_this_machine(host)):
            raise ValueError(
                f"{written[:100]!r} would be read on its way: use https://; http:// is for this machine alone"
            )
        path = "".join(f"/{word}" for word in before if word)
        return cls(f"{parts.scheme}://{parts.netloc}{path}", f"{organisation}/{name}", revision)

    def __str__(self) -> str:
        return f"{self.endpoint}/{self.repository}@{self.revision}"

    @property
    def folder(self) -> str:
        """What its files lie in: a name that says which model it is, and that no other address has."""
        return f"{self.repository.replace('/', '--')}-{hashlib.sha256(str(self).encode()).hexdigest()[:12]}"


def _is_repository(organisation: str, name: str) -> bool:
    """Whether the client that downloads from hubs would ask for it at all."""
    whole = f"{organisation}/{name}"
    return not (organisation[-1] in "-." or name[-1] in "-." or "--" in whole or ".." in whole or name.endswith(".git"))
