"""Whom the publishing pages are tested as."""

from __future__ import annotations

import pytest
from django.test import Client

from accounts.models import User
from tests.makers import sign_in
from tests.publishing.pages import publisher


@pytest.fixture
def paula(db: None) -> User:
    """A publisher of team-a."""
    return publisher()


@pytest.fixture
def signed_in(client: Client, paula: User) -> Client:
    """Paula's browser."""
    return sign_in(client, paula)
