"""The API key by which a recipe drives the trainer of one attempt, and nothing else.

Its secret is derived, as a trainer's token is: whoever starts the process again gives it the same one.
"""

from __future__ import annotations

import base64

from django.utils.crypto import salted_hmac

from accounts.domain.create_api_key import MARK
from launches.models import RecipeRun


def run_secret(run: RecipeRun) -> str:
    """The secret of the run's key. Needs the attempt and its launch loaded."""
    said = f"{run.attempt.launch.uid}/{run.attempt.number}"
    digest = salted_hmac("launches.run_key", said, algorithm="sha256").digest()
    return MARK + base64.urlsafe_b64encode(digest).decode().rstrip("=")
