"""`GET /inference/v1/models` of no deployment in particular: what the account can ask, as OpenAI's clients read it."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from api.views import ResourceView
from deployments.listed import models_answer
from deployments.queries import living_deployments

MOST_LISTED = 1000
"""The newest; the list has no pages, as OpenAI's has none."""


@extend_schema(exclude=True)
class InferenceModelsView(ResourceView):
    """The account's deployments. With the field `fireworks-deployment` the gateway asks that one's sampler instead."""

    def get(self, request: Request) -> Response:  # noqa: ARG002
        """Each by the name to ask for it by, asleep ones too: a request brings them back."""
        rows = living_deployments(self.own_account(self.key.account.account_id)).filter(max_replicas__gt=0)
        newest = rows.order_by("-created_at", "-pk")[:MOST_LISTED]
        return Response(models_answer(newest))
