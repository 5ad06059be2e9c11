"""Lines to paste that take weights away: by curl, in Python, and on the machine of Slipway itself."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

from django.conf import settings

_CURL = """\
curl --fail --continue-at - --output {folder}.tar \\
  --header "X-Api-Key: $FIREWORKS_API_KEY" \\
  "{address}"
tar --extract --file {folder}.tar"""
_PYTHON = """\
import os, tarfile, urllib.request

asked = urllib.request.Request(
    "{address}",
    headers={{"X-Api-Key": os.environ["FIREWORKS_API_KEY"]}},
)
with urllib.request.urlopen(asked) as answer, tarfile.open(fileobj=answer, mode="r|") as archive:
    archive.extraction_filter = getattr(tarfile, "data_filter", None)  # from Python 3.11.4 on
    archive.extractall()"""


@dataclass(frozen=True)
class DownloadLine:
    """One way: an id for the page, what it is called, and what to paste."""

    id: str
    title: str
    text: str


def download_code(name: str, *, folder: str, kind: str = "") -> list[DownloadLine]:
    """For the resource of that name; `kind` tells a checkpoint from another of its name. They leave a folder."""
    asked = f"?{urlencode({'kind': kind})}" if kind else ""
    address = f"{settings.SLIPWAY_URL}/v1/{name}:download{asked}"
    option = f" --kind {kind}" if kind else ""
    return [
        DownloadLine("download-curl", "curl", _CURL.format(folder=folder, address=address)),
        DownloadLine("download-python", "Python", _PYTHON.format(address=address)),
        DownloadLine("download-manage", "On this machine", f"./run manage download{option} {name} {folder}"),
    ]
