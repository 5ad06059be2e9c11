"""What base models and shapes are found by: the names that search looks in, as their rows keep them."""

from __future__ import annotations

from catalog.models import BaseModel
from catalog.search import search_text


def model_search_text(model: BaseModel) -> str:
    """All names of a base model, in the form of `catalog.search`."""
    return search_text(model.title, model.model_id, model.family, model.section, *model.aliases, *model.former_ids)


def shape_search_text(*, display_name: str, shape_id: str, base_model: BaseModel) -> str:
    """The names of a shape and those of its base model."""
    return search_text(display_name, shape_id) + base_model.search_text
