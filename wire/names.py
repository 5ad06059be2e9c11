"""Resource names: `accounts/{account}/trainingShapes/{shape}/versions/{version}` and their relatives.

Source: the public control plane's published names. An id is lowercase a-z, 0-9 and hyphen, 1 to 63 characters.
"""

from __future__ import annotations

import re
import secrets

ID_PATTERN = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_ID = re.compile(ID_PATTERN)
ID_RULE = "use 1 to 63 characters of a-z, 0-9 and hyphen, starting and ending with a letter or digit"
_VERSION_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"
LATEST = "latest"
"""Stands for the latest validated version where the id of one would."""
_VERSION_ID = re.compile(r"[a-z0-9]{8}")


def is_id(text: str) -> bool:
    """Whether the text may be an id of an account, model, shape or job."""
    return _ID.fullmatch(text) is not None


def is_version_id(text: str) -> bool:
    """Whether the text may be the id of a shape's version."""
    return _VERSION_ID.fullmatch(text) is not None


def new_version_id() -> str:
    """Eight random characters of a-z and 0-9, as the wire's version ids are."""
    return "".join(secrets.choice(_VERSION_ALPHABET) for _ in range(8))


def account_name(account: str) -> str:
    """`accounts/{account}`"""
    return f"accounts/{account}"


def member_name(account: str, username: str) -> str:
    """`accounts/{account}/members/{username}`"""
    return f"accounts/{account}/members/{username}"


def invitation_name(account: str, number: int) -> str:
    """`accounts/{account}/invitations/{number}`"""
    return f"accounts/{account}/invitations/{number}"


def api_key_name(account: str, number: int) -> str:
    """`accounts/{account}/apiKeys/{number}`"""
    return f"accounts/{account}/apiKeys/{number}"


def user_name(username: str) -> str:
    """`users/{username}`"""
    return f"users/{username}"


def model_name(account: str, model: str) -> str:
    """`accounts/{account}/models/{model}`"""
    return f"accounts/{account}/models/{model}"


def shape_name(account: str, shape: str) -> str:
    """`accounts/{account}/trainingShapes/{shape}`"""
    return f"accounts/{account}/trainingShapes/{shape}"


def version_name(account: str, shape: str, version: str) -> str:
    """`accounts/{account}/trainingShapes/{shape}/versions/{version}`"""
    return f"{shape_name(account, shape)}/versions/{version}"


def job_name(account: str, job: str) -> str:
    """`accounts/{account}/rlorTrainerJobs/{job}`"""
    return f"accounts/{account}/rlorTrainerJobs/{job}"


def parse_model_name(name: str) -> tuple[str, str] | None:
    """(account, model) of `accounts/{account}/models/{model}`, or None where the text is no such name."""
    match name.split("/"):
        case ["accounts", account, "models", model] if is_id(account) and is_id(model):
            return account, model
    return None


def parse_shape_name(name: str) -> tuple[str, str] | None:
    """(account, shape) of `accounts/{account}/trainingShapes/{shape}`, or of `account/shape` as people shorten it."""
    match name.split("/"):
        case ["accounts", account, "trainingShapes", shape] | [account, shape] if is_id(account) and is_id(shape):
            return account, shape
    return None


def is_deployment_version_name(name: str) -> bool:
    """Whether the text is `accounts/{account}/deploymentShapes/{shape}/versions/{version}`."""
    match name.split("/"):
        case ["accounts", account, "deploymentShapes", shape, "versions", version]:
            return is_id(account) and is_id(shape) and is_version_id(version)
    return False


def parse_version_name(name: str) -> tuple[str, str, str] | None:
    """(account, shape, version) of a shape's or a version's name; the version is "" for the latest validated one.

    That is what a bare shape means, and `versions/latest`. None where the text is no such name.
    """
    match name.split("/"):
        case [*shape, "versions", version] if shape:
            known = version == LATEST or is_version_id(version)
            parsed = parse_shape_name("/".join(shape)) if known else None
        case _:
            version, parsed = "", parse_shape_name(name)
    return (*parsed, "" if version == LATEST else version) if parsed else None
