"""What this machine refuses, in words."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from connections.providers.errors import Retryable

_FULL = {errno.ENOSPC, errno.EDQUOT}


@contextmanager
def faults() -> Iterator[None]:
    """Say what this machine refuses in words; it may be otherwise the next time."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise Retryable("The disk of this machine is full: free some space. This is tried again.") from error
        raise Retryable(f"This machine refused: {error.strerror or error}. This is tried again.") from error
