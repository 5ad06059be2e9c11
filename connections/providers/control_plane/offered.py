"""What the control plane offers: the versions that its shapes resolve to, and their base models."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

from connections.providers.catalogs import RemoteCatalog, RemoteModel, RemoteVersion
from connections.providers.control_plane.client import PAGE_SIZE, ControlPlaneClient
from connections.providers.control_plane.jobs import Catalogs
from connections.providers.control_plane.refusals import Obstacle, RemoteRefusal, clean
from connections.providers.errors import Retryable, Unreachable
from wire.names import DEPLOYMENT_SHAPES, TRAINING_SHAPES, account_name, parse_model_name

LONGEST_SECONDS = 90.0
MOST_VERSIONS = 20_000
LATEST = "latest_validated=true"
_KEYS = {TRAINING_SHAPES: "trainingShapeVersions", DEPLOYMENT_SHAPES: "deploymentShapeVersions"}
_SILENT = frozenset({Obstacle.MISSING, Obstacle.PERMISSION})


def list_offered(client: ControlPlaneClient, catalogs: Catalogs) -> RemoteCatalog:
    """By lists of versions, since ordinary keys may not list shapes. Errors: `Retryable`, and nothing by half."""
    if not catalogs.accounts:
        raise Retryable("The connection's settings name no catalog: write pairs HERE=THERE under Catalogs.")
    deadline = time.monotonic() + LONGEST_SECONDS
    versions: dict[str, RemoteVersion] = {}
    bases: dict[str, str] = {}
    for there in dict.fromkeys(catalogs.accounts.values()):
        for row in (*_versions(client, there, deadline), *_serving_versions(client, there, deadline)):
            version, base_model = _read(row, catalogs)
            versions.setdefault(version.name, version)
            bases.setdefault(version.base_model, base_model)
    models = [model for here, there in bases.items() if (model := _model(client, here, there, deadline))]
    return RemoteCatalog(tuple(catalogs.accounts), tuple(versions.values()), tuple(models))


def _serving_versions(client: ControlPlaneClient, account: str, deadline: float) -> Iterator[Mapping[str, Any]]:
    """The same of deployment shapes; none where it has no such list, or not for this key."""
    try:
        return _versions(client, account, deadline, DEPLOYMENT_SHAPES)
    except RemoteRefusal as error:
        if error.obstacle not in _SILENT | {Obstacle.INPUT}:
            raise
        return iter(())


def _versions(
    client: ControlPlaneClient, account: str, deadline: float, collection: str = TRAINING_SHAPES
) -> Iterator[Mapping[str, Any]]:
    """The rows of an account's latest validated versions. Where it knows no such filter, all are looked through."""
    path, key = f"/v1/{account_name(account)}/{collection}/-/versions", _KEYS[collection]
    try:
        rows = list(_whole_list(client, path, key, {"filter": LATEST}, deadline))
    except RemoteRefusal as error:
        if error.obstacle is not Obstacle.INPUT:
            raise
        rows = list(_whole_list(client, path, key, {}, deadline))
    return (row for row in rows if row.get("latestValidated") is True)


def _whole_list(
    client: ControlPlaneClient, path: str, key: str, query: Mapping[str, Any], deadline: float
) -> Iterator[Mapping[str, Any]]:
    """Every row, page by page. Errors: `Unreachable` where a page is no list of objects, or the pages have no end."""
    token, seen, count = "", {""}, 0
    while True:
        asked = {"pageSize": PAGE_SIZE, **query, **({"pageToken": token} if token else {})}
        said = client.call("GET", path, asked, seconds=_left(client, deadline))
        rows = said.get(key, [])
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise Unreachable(f"{client.host} sent something else than a list of versions. This is tried again.")
        yield from rows
        count += len(rows)
        token = said.get("nextPageToken") or ""
        if not token:
            return
        if not isinstance(token, str) or token in seen or count > MOST_VERSIONS:
            raise Unreachable(f"{client.host} sent pages of versions without an end. This is tried again.")
        seen.add(token)


def _read(row: Mapping[str, Any], catalogs: Catalogs) -> tuple[RemoteVersion, str]:
    """The version, and what its base model is called there."""
    snapshot = row.get("snapshot")
    said: dict[str, Any] = dict(snapshot) if isinstance(snapshot, dict) else {}
    base_model = clean(said.get("baseModel"))
    if isinstance(serving := said.get("deploymentShapeVersion"), str):
        said["deploymentShapeVersion"] = catalogs.version_here(serving)
    name = catalogs.version_here(clean(row.get("name")))
    here = catalogs.version_here(base_model)
    return RemoteVersion(name, here, row.get("public") is True, said), base_model


def _model(client: ControlPlaneClient, here: str, there: str, deadline: float) -> RemoteModel | None:
    """What it says of a model; None where it says nothing to this key, which keeps no shape from being offered."""
    if parse_model_name(there) is None:
        return None
    try:
        return RemoteModel(here, client.call("GET", f"/v1/{there}", seconds=_left(client, deadline)))
    except RemoteRefusal as error:
        if error.obstacle not in _SILENT:
            raise
        return None


def _left(client: ControlPlaneClient, deadline: float) -> float:
    """Seconds for one more request. Errors: `Unreachable`."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise Unreachable(f"{client.host} took longer than {LONGEST_SECONDS:g} s for its catalog. This is tried again.")
    return left
