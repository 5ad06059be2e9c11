"""Who calls the API, where a test does not say otherwise."""

from __future__ import annotations

import pytest

from accounts.models import Account, User
from accounts.scopes import Scope
from tests.api.makers import Caller, make_caller


@pytest.fixture
def caller(local: Account, launcher: User) -> Caller:
    """A program of the launcher's."""
    return make_caller(account=local, user=launcher, scope=Scope.LAUNCH)
