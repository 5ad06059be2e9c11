"""What a deprecated version's users are sent to, as publishers write it and read it."""

from __future__ import annotations

from collections.abc import Collection

from catalog.models import ShapeVersion, TrainingShape
from catalog.version_queries import find_newest, find_version
from wire.errors import InvalidArgument, Violation
from wire.names import is_version_id, parse_version_name


def read_successor(
    typed: str, version: ShapeVersion, member_of: Collection[int]
) -> TrainingShape | ShapeVersion | None:
    """The shape or the version that was typed for the deprecated `version`; None for none.

    A word is a version of the same shape, or else a shape of the same account; longer it is account/shape or a resource
    name. A version of a shape is the shape with /versions/id behind it. Errors: `InvalidArgument` where the reader sees
    none.
    """
    if not typed:
        return None
    account, shape = version.shape.account.account_id, version.shape.shape_id
    if is_version_id(typed) and (found := find_version(member_of, account, shape, typed)):
        return found
    own = "/" not in typed or typed.split("/")[1] == "versions"
    parsed = parse_version_name(f"{account}/{typed}" if own else typed)
    if parsed and parsed[2]:
        if found := find_version(member_of, *parsed):
            return found
        raise _wrong(f"{typed[:100]!r} is no version that you may see. Look its id up on the page of its shape.")
    seen = find_newest(member_of, *parsed[:2]) if parsed else None
    if seen is None:
        raise _wrong(
            f"{typed[:100]!r} is no published shape that you may see. Write its id, or account/shape; a version is its "
            "id, or account/shape/versions/id."
        )
    return seen.shape


def successor_text(version: ShapeVersion) -> str:
    """The version's successor as it is typed. Needs `successor__account` loaded, and `successor_version`."""
    if version.successor is None:
        return ""
    shape = f"{version.successor.account.account_id}/{version.successor.shape_id}"
    pinned = version.successor_version
    if pinned is None:
        return shape
    return pinned.version_id if pinned.shape_id == version.shape_id else f"{shape}/versions/{pinned.version_id}"


def _wrong(sentence: str) -> InvalidArgument:
    return InvalidArgument([Violation("successor", sentence)])
