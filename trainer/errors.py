"""The errors a trainer answers with: a refused request, and a configuration that cannot be run."""

from __future__ import annotations


class OperationError(Exception):
    """A request that cannot be done, and why. `status` is the HTTP status of the answer, `detail` its sentence."""

    def __init__(self, detail: str, status: int = 400) -> None:
        # A lone surrogate, which JSON can carry, can neither be answered nor logged as UTF-8.
        self.detail = detail.encode("utf-8", "backslashreplace").decode("utf-8")
        super().__init__(self.detail)
        self.status = status


class NoSpaceError(OperationError):
    """There is no space on the disk for what was to be written; nothing was, and the same may be tried again."""


class OutOfStepError(Exception):
    """One rank could not do its part of an operation, so no rank can go on; the text says why."""


class ConfigError(Exception):
    """CONFIG.json or the environment does not describe a trainer that can run; the text names field and remedy."""
