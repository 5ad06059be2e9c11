"""Check that stored versions are what they were when their digest was taken."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from catalog.fields.snapshots import digest_of_stored
from catalog.models import ShapeVersion

CHUNK = 500


@dataclass(frozen=True)
class VersionCheck:
    """One version by resource name, and what is wrong with it, "" for nothing."""

    name: str
    wrong: str


def verify_versions() -> Iterator[VersionCheck]:
    """Every version there is, one after the other; only some of them are in memory at a time."""
    versions = ShapeVersion.objects.select_related("shape__account", "shape__base_model__account").order_by("pk")
    for version in versions.iterator(chunk_size=CHUNK):
        yield VersionCheck(version.name, "; ".join(_wrong(version)))


def _wrong(version: ShapeVersion) -> Iterator[str]:
    found = digest_of_stored(version.snapshot, version.launch_fields)
    if found != version.digest:
        yield f"its content has the digest {found}, and {version.digest} is stored"
    if not isinstance(version.snapshot, dict):
        yield "its snapshot is no object"
        return
    named = (("name", version.shape.name), ("baseModel", version.shape.base_model.name))
    for key, wanted in named:
        if version.snapshot.get(key) != wanted:
            yield f"its snapshot says {key} {version.snapshot.get(key)}, and the row {wanted}"
