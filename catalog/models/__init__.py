"""The catalog's rows: shapes and their versions, where they come from, and the models that people made."""

from catalog.models.counts import CatalogChange, FacetCount
from catalog.models.shapes import ACCELERATOR, BaseModel, ShapeVersion, TrainingShape
from catalog.models.sources import AppliedFile, Offering, SyncRun
from catalog.models.trained import TrainedModel

__all__ = [
    "ACCELERATOR",
    "AppliedFile",
    "BaseModel",
    "CatalogChange",
    "FacetCount",
    "Offering",
    "ShapeVersion",
    "SyncRun",
    "TrainedModel",
    "TrainingShape",
]
