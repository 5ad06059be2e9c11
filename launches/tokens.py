"""The secret that requests to a launch's trainer must carry.

Derived from the secret key and the launch's id, so nothing secret is stored in the database. It does not start with
`tml-`: for keys that do, the official client asks the trainer for its configuration first.
"""

from __future__ import annotations

from django.utils.crypto import salted_hmac

from connections.opened import open_provider
from connections.providers.capabilities import Credential
from connections.providers.errors import Retryable
from connections.providers.submissions import KeepsSubmissions
from launches.models import Attempt, Launch


def trainer_token(launch: Launch) -> str:
    """A prefix and 64 hexadecimal digits; the same for every attempt of the launch."""
    return "slt-" + salted_hmac("launches.trainer_token", str(launch.uid), algorithm="sha256").hexdigest()


def token_of(attempt: Attempt) -> str:
    """The same, of the trainer of this attempt: one that was adopted keeps the token that it was started with.

    Needs the launch with `account` and `connection` loaded. Errors: `ProviderError`.
    """
    if attempt.adopted_at is None:
        return trainer_token(attempt.launch)
    provider = open_provider(attempt.launch.connection)
    kept = provider.kept_submission(attempt.reference) if isinstance(provider, KeepsSubmissions) else None
    if kept is None:
        raise Retryable(f"{attempt.launch.connection} does not tell what opens a trainer that was adopted there.")
    return kept.token


def takes_own_token(launch: Launch) -> bool:
    """Whether its trainer takes that token; else it is reached through a connection, by that one's secret.

    Needs `connection` loaded. Errors: `Retryable` where the connection cannot be used.
    """
    return open_provider(launch.connection).capabilities.credential is Credential.TRAINER_TOKEN
