"""The secret that requests to a deployment's samplers must carry: derived, never stored, as trainers' are."""

from __future__ import annotations

from django.utils.crypto import salted_hmac

from deployments.models import Deployment


def sampler_token(deployment: Deployment) -> str:
    """A prefix and 64 hexadecimal digits; the same for every start of the deployment."""
    return "sls-" + salted_hmac("deployments.sampler_token", str(deployment.uid), algorithm="sha256").hexdigest()
