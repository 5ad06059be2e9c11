"""What launches are found by: their names of then, in the normal form of `catalog.search` and as they were written.

The first finds a model by whichever spelling, the second an id by a part of it.
"""

from __future__ import annotations

import functools
import operator
import re

from django.db.models import Q

from catalog.models import TrainingShape
from catalog.search import search_text
from wire.names import parse_model_name

SHORTEST_PART = 4
"""Of names and ids as they are written, what is shorter occurs anywhere."""
_MADE_UP = re.compile(r"launch-[0-9a-f]{12}")
"""Ids that nobody chose: their figures mean nothing."""


def launch_search_text(*, display_name: str, job_id: str, base_model: str, shape: TrainingShape) -> str:
    """Of a launch's display name and job id, its shape's names and id, and its base model's names and id.

    `base_model` is a resource name.
    """
    _, model_id = parse_model_name(base_model) or ("", "")
    as_written = "\n".join((display_name, job_id, shape.shape_id, model_id)).lower()
    chosen = "" if _MADE_UP.fullmatch(job_id) else job_id
    return f"{search_text(display_name, chosen)}{shape.search_text}\n{as_written}"


def found_by(text: str) -> Q:
    """Launches in whose names each word of the text occurs: any part of one as it stands, or a beginning."""
    return functools.reduce(operator.and_, (_found_by_word(word) for word in text.split()), Q())


def _found_by_word(word: str) -> Q:
    """Of `owner/name`, and of a resource name, the last part is meant."""
    normal = search_text(word.rpartition("/")[2]).strip()
    begins = Q(search_text__contains=f" {normal}") if normal else Q(pk__in=[])
    return begins | Q(search_text__contains=word.lower()) if len(word) >= SHORTEST_PART else begins
