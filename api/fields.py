"""Fields of the wire that are read as JSON of protocol buffers is."""

from __future__ import annotations

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from wire.numbers import read_whole


class WholeField(serializers.IntegerField):
    """A whole number: `8`, `8.0`, `"8"`."""

    def to_internal_value(self, given: Any) -> int:
        """The number. Errors: `ValidationError`, code `invalid`."""
        number = read_whole(given)
        if number is None:
            self.fail("invalid")
        return number


@extend_schema_field(OpenApiTypes.STR)
class Int64Field(WholeField):
    """A whole number that is written as a text."""
