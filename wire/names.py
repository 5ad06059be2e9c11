"""Resource names: `accounts/{account}/trainingShapes/{shape}/versions/{version}` and their relatives.

Source: the public control plane's published names. An id is lowercase a-z, 0-9 and hyphen, 1 to 63 characters.
"""

from __future__ import annotations

import re
import secrets

ID_PATTERN = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_ID = re.compile(ID_PATTERN)
ID_RULE = "use 1 to 63 characters of a-z, 0-9 and hyphen, starting and ending with a letter or digit"
VERSION_RULE = "use its 8 characters of a-z and 0-9"
CROSS_JOB = "cross_job://"
"""Begins `cross_job://JOB/CHECKPOINT`, which is what trainers and samplers call a checkpoint of another job."""
MODEL_FORM = "accounts/ACCOUNT/models/MODEL"
CHECKPOINT_FORM = "accounts/ACCOUNT/rlorTrainerJobs/JOB/checkpoints/CHECKPOINT"
TRAINING_SHAPES, DEPLOYMENT_SHAPES = "trainingShapes", "deploymentShapes"
SHAPE_FORM = f"accounts/ACCOUNT/{TRAINING_SHAPES}/SHAPE"
VERSION_FORM = f"{SHAPE_FORM}/versions/VERSION"
DEPLOYMENT_SHAPE_FORM = f"accounts/ACCOUNT/{DEPLOYMENT_SHAPES}/SHAPE"
DEPLOYMENT_VERSION_FORM = f"{DEPLOYMENT_SHAPE_FORM}/versions/VERSION"
_LONGEST_SHOWN, _LONGEST_NAME = 70, 200
_VERSION_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"
LATEST = "latest"
"""Stands for the latest validated version where the id of one would."""
_VERSION_ID = re.compile(r"[a-z0-9]{8}")


def is_id(text: str) -> bool:
    """Whether the text may be an id of an account, model, shape or job."""
    return _ID.fullmatch(text) is not None


def refuse_id(text: str, *, what: str = "id") -> str:
    """Why the text is no id, with the rule and one that is near; "" where it is one. `what` it should be: "job id"."""
    if is_id(text):
        return ""
    near = near_id(text)
    return f"{text[:_LONGEST_SHOWN]!r} is no {what}; {ID_RULE}{f', such as {near}' if near else ''}"


def near_id(text: str) -> str:
    """An id like the text: `qwen3p5-9b` for `Qwen3.5 9B`, as the catalog writes ids; "" where none is left."""
    words = re.sub(r"(?<=[0-9])[.](?=[0-9])", "p", text[:_LONGEST_SHOWN].lower())
    return re.sub(r"[^a-z0-9]+", "-", words).strip("-")[:63].rstrip("-")


def refuse_name(name: str, form: str, *, what: str = "resource name") -> str:
    """Why the text is no name of the form, such as `accounts/ACCOUNT/models/MODEL`; "" where it is one."""
    parts, wanted = name.split("/"), form.split("/")
    shown = repr(name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}…")
    if len(parts) != len(wanted) or any(
        part != word for part, word in zip(parts, wanted, strict=True) if not word.isupper()
    ):
        return f"{shown} is no {what}; use {form}, in which for each id {ID_RULE}"
    for part, word in zip(parts, wanted, strict=True):
        if word.isupper() and (wrong := _refuse_part(part, word)):
            return f"{shown} is no {what}: {wrong}"
    return ""


def refuse_version_id(text: str) -> str:
    """Why the text is no id of a shape's version; "" where it is one."""
    return "" if is_version_id(text) else f"{text[:_LONGEST_SHOWN]!r} is no version id; {VERSION_RULE}"


def _refuse_part(part: str, word: str) -> str:
    if word == "VERSION":
        return refuse_version_id(part)
    return refuse_id(part, what=f"{word.lower()} id")


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


def connection_name(connection: str) -> str:
    """`connections/{connection}`"""
    return f"connections/{connection}"


def destination_name(destination: str) -> str:
    """Resource name of a place that weights are pushed to."""
    return f"destinations/{destination}"


def checkout_of_cookbook(checkout: str) -> str:
    """Resource name of a checkout whose recipes are offered."""
    return f"checkouts/{checkout}"


def model_name(account: str, model: str) -> str:
    """`accounts/{account}/models/{model}`"""
    return f"accounts/{account}/models/{model}"


def shape_name(account: str, shape: str, collection: str = TRAINING_SHAPES) -> str:
    """`accounts/{account}/trainingShapes/{shape}`, or of the other collection."""
    return f"accounts/{account}/{collection}/{shape}"


def version_name(account: str, shape: str, version: str, collection: str = TRAINING_SHAPES) -> str:
    """`accounts/{account}/trainingShapes/{shape}/versions/{version}`, or of the other collection."""
    return f"{shape_name(account, shape, collection)}/versions/{version}"


def job_name(account: str, job: str) -> str:
    """`accounts/{account}/rlorTrainerJobs/{job}`"""
    return f"accounts/{account}/rlorTrainerJobs/{job}"


def deployment_name(account: str, deployment: str) -> str:
    """`accounts/{account}/deployments/{deployment}`"""
    return f"accounts/{account}/deployments/{deployment}"


def dataset_name(account: str, dataset: str) -> str:
    """`accounts/{account}/datasets/{dataset}`"""
    return f"accounts/{account}/datasets/{dataset}"


def checkpoint_name(job: str, checkpoint: str) -> str:
    """The name of a checkpoint of the job of that name."""
    return f"{job}/checkpoints/{checkpoint}"


def parse_checkpoint_name(name: str) -> tuple[str, str, str] | None:
    """(account, job, checkpoint) of a checkpoint's name, or None where the text is no such name."""
    match name.split("/"):
        case ["accounts", account, "rlorTrainerJobs", job, "checkpoints", checkpoint]:
            return (account, job, checkpoint) if all(map(is_id, (account, job, checkpoint))) else None
    return None


def parse_model_name(name: str) -> tuple[str, str] | None:
    """(account, model) of `accounts/{account}/models/{model}`, or None where the text is no such name."""
    match name.split("/"):
        case ["accounts", account, "models", model] if is_id(account) and is_id(model):
            return account, model
    return None


def parse_shape_name(name: str, *collections: str) -> tuple[str, str] | None:
    """(account, shape) of `accounts/{account}/trainingShapes/{shape}`, or of `account/shape` as people shorten it.

    `collections` are others that it may be of instead.
    """
    match name.split("/"):
        case ["accounts", account, found, shape] if found in (collections or (TRAINING_SHAPES,)):
            return (account, shape) if is_id(account) and is_id(shape) else None
        case [account, shape] if is_id(account) and is_id(shape):
            return account, shape
    return None


def parse_version_name(name: str, *collections: str) -> tuple[str, str, str] | None:
    """(account, shape, version) of a shape's or a version's name; the version is "" for the latest validated one.

    That is what a bare shape means, and `versions/latest`. None where the text is no such name. `collections` as above.
    """
    match name.split("/"):
        case [*shape, "versions", version] if shape:
            known = version == LATEST or is_version_id(version)
            parsed = parse_shape_name("/".join(shape), *collections) if known else None
        case _:
            version, parsed = "", parse_shape_name(name, *collections)
    return (*parsed, "" if version == LATEST else version) if parsed else None
