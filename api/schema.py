"""What views say of themselves in the OpenAPI document: parameters, bodies and refusals that all lists share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, inline_serializer
from rest_framework import serializers

from api.listing import LARGEST_PAGE, Listing
from lists.orders import PAGE
from wire.status import Code

CODES = [(int(code), code.name) for code in Code]


class StatusSerializer(serializers.Serializer[dict[str, Any]]):
    """google.rpc.Status."""

    code = serializers.ChoiceField(choices=CODES)
    message = serializers.CharField()
    details = serializers.ListField(child=serializers.DictField())


WRONG, STRANGE, FORBIDDEN, MISSING, CONFLICT, UNREADABLE, UNDONE = 400, 401, 403, 404, 409, 415, 501
READ_MASK = OpenApiParameter("readMask", str, description="Fields to answer with, such as `name,snapshot.baseModel`.")


_TEXT = " A quoted text by itself is searched for, as on the catalog page."


def refusals(*more: int) -> dict[int, Any]:
    """What every request can be refused with, and (`more`) what this one can besides."""
    return dict.fromkeys((WRONG, STRANGE, FORBIDDEN, MISSING, *more), StatusSerializer)


def answers_one(
    operation_id: str,
    serializer: type[serializers.Serializer[Any]],
    *,
    body: type[serializers.Serializer[Any]] | None = None,
    parameters: Sequence[OpenApiParameter] = (),
    conflicts: bool = False,
) -> dict[str, Any]:
    """For a view that answers one resource."""
    more = ([CONFLICT] if conflicts else []) + ([UNREADABLE] if body else [])
    return {
        "operation_id": operation_id,
        "request": body,
        "responses": {200: serializer, **refusals(*more)},
        "parameters": [READ_MASK, *parameters],
    }


def answers_nothing(operation_id: str) -> dict[str, Any]:
    """For a view that deletes: an empty object."""
    return {"operation_id": operation_id, "request": None, "responses": {200: OpenApiTypes.OBJECT, **refusals()}}


def answers_list(listing: Listing) -> dict[str, Any]:
    """For a view that answers a list."""
    filters = ", ".join(f"`{name}`" for name in listing.filters)
    orders = ", ".join(f"`{name}`" for name in listing.orders)
    name = f"List{listing.key[0].upper()}{listing.key[1:]}"
    page = inline_serializer(
        name,
        {
            listing.key: listing.serializer(many=True),
            "nextPageToken": serializers.CharField(allow_blank=True),
            "totalSize": serializers.IntegerField(required=False, help_text="left out above 10,000"),
        },
    )
    return {
        "operation_id": name,
        "responses": {200: page, **refusals()},
        "parameters": [
            OpenApiParameter(
                "pageSize",
                {"type": "integer", "format": "int32", "minimum": 0},
                description=f"{PAGE} where it is left out; at most {LARGEST_PAGE}, larger is lowered.",
            ),
            OpenApiParameter("pageToken", str, description="The nextPageToken of the page before."),
            OpenApiParameter(
                "filter",
                str,
                description=f"Comparisons joined by AND, over {filters}.{_TEXT if listing.search else ''}",
            ),
            OpenApiParameter("orderBy", str, description=f"Of {orders}; `desc` turns one round."),
            READ_MASK,
        ],
    }
