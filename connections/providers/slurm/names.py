"""What a job is called on the cluster: slipway.<instance>.<account>.<job>.<attempt>. Pure."""

from __future__ import annotations

from connections.providers.attempts import Reference
from wire.names import is_id

PREFIX = "slipway"


def name_of(instance: str, reference: Reference) -> str:
    """The job's name. Slurm takes the same name twice, so whoever submits looks first."""
    return ".".join((PREFIX, instance, reference.account, reference.job, str(reference.attempt)))


def read_name(instance: str, name: str) -> Reference | None:
    """Which attempt of this Slipway it is; None for what is none."""
    match name.split("."):
        case [prefix, ours, account, job, attempt] if (prefix, ours) == (PREFIX, instance):
            if is_id(account) and is_id(job) and attempt.isascii() and attempt.isdecimal() and attempt[0] != "0":
                return Reference(account, job, int(attempt))
    return None
