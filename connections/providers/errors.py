"""What goes wrong between us and a provider; the messages are for people."""

from __future__ import annotations


class ProviderError(Exception):
    """Something went wrong between us and the provider; the message is for a person."""


class Retryable(ProviderError):
    """Try again later: a network fault, a full disk, a busy lock."""


class Unreachable(Retryable):
    """There was no answer at all, or none that makes sense: the connection is away, whatever runs there."""


class Unconfirmed(Unreachable):
    """It shows what a person has to confirm before anything is said to it: the value of a setting that is empty."""

    def __init__(self, message: str, setting: str, shown: str) -> None:
        super().__init__(message)
        self.setting = setting
        self.shown = shown


class SecretRefused(Retryable):
    """It answered, and does not take the connection's secret: a state of the connection, whatever runs there."""


class NotYet(Retryable):
    """It does what was asked for and needs more time: ask again, soon. The message says how far it is."""


class Rejected(ProviderError):
    """The provider refuses the spec; trying again will not help."""


class Gone(ProviderError):
    """The provider does not know the job (any more)."""
