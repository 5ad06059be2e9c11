"""The fields of a serializer as a tree, for read masks."""

from __future__ import annotations

import functools
from typing import Any

from rest_framework.serializers import Serializer

from wire.masks import Tree


@functools.cache
def fields_of(serializer: type[Serializer[Any]]) -> Tree:
    """Names of the fields that it answers with, and below them those of nested serializers."""
    return _tree(serializer())


def _tree(reader: Any) -> Tree:
    answered = {name: field for name, field in reader.fields.items() if not field.write_only}
    return {name: _tree(field) if hasattr(field, "fields") else {} for name, field in answered.items()}
