"""Under which account the embedded servers run. Postgres refuses root, for good reasons."""

from __future__ import annotations

import os
from pathlib import Path

from embedded.console import Trouble
from embedded.processes import UNPRIVILEGED_ID, ServerUser, namespace_available


def account_for(*paths: Path) -> ServerUser | None:
    """The account for servers that use these paths: None is our own.

    As root it is the unprivileged user where that user can reach the paths; else root's own files seen from a user
    namespace in which nobody is root. Permissions of parent folders are never changed.

    Raises:
        Trouble: we are root, and neither way works here.
    """
    if os.geteuid() != 0:
        return None
    if all(_reachable(path) for path in paths):
        return ServerUser(UNPRIVILEGED_ID, UNPRIVILEGED_ID)
    namespace = ServerUser(os.geteuid(), os.getegid(), namespace=True)
    if namespace_available(namespace):
        return namespace
    raise Trouble(
        f"Postgres does not run as root, and user {UNPRIVILEGED_ID} cannot reach {paths[0]}: run as another user, "
        "choose a SLIPWAY_HOME that others can pass through, or set DATABASE_URL and REDIS_URL."
    )


def _reachable(path: Path) -> bool:
    """Whether any user may pass through every folder of the path and, if it is a file, read and execute it."""
    resolved = path.resolve()
    if resolved.is_file() and resolved.stat().st_mode & 0o005 != 0o005:
        return False
    return all(folder.stat().st_mode & 0o001 for folder in [resolved, *resolved.parents])


def hand_over(folder: Path, account: ServerUser | None) -> None:
    """Make the folder (mode 0700) and everything in it belong to the account."""
    folder.mkdir(mode=0o700, exist_ok=True)
    if os.geteuid() != 0:
        return
    uid, gid = (account.uid, account.gid) if account else (os.geteuid(), os.getegid())
    if folder.stat().st_uid == uid:
        return
    for parent, folders, files in os.walk(folder):
        for name in [*folders, *files]:
            os.chown(Path(parent) / name, uid, gid, follow_symlinks=False)
    # Last, because its owner says that the rest is done.
    os.chown(folder, uid, gid)
