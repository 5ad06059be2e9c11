"""What base models and shapes are found by: the names that search looks in, as their rows keep them."""

from __future__ import annotations

from catalog.models import BaseModel, TrainedModel
from catalog.search import search_text


def model_search_text(model: BaseModel) -> str:
    """All names of a base model, in the form of `catalog.search`."""
    return search_text(model.title, model.model_id, model.family, model.section, *model.aliases, *model.former_ids)


def shape_search_text(*, display_name: str, shape_id: str, base_model: BaseModel) -> str:
    """The names of a shape and those of its base model."""
    return search_text(display_name, shape_id) + base_model.search_text


def trained_search_text(model: TrainedModel) -> str:
    """The names of a model that people made, also as they are written."""
    as_written = f"{model.display_name}\n{model.model_id}".lower()
    return f"{search_text(model.display_name, model.model_id)}\n{as_written}"
