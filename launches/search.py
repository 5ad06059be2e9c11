"""What launches are found by: their names of then, in the normal form of `catalog.search` and as they were written.

The first finds a model by whichever spelling, the second an id by a part of it.
"""

from __future__ import annotations

import functools
import operator
import re
import time
from collections.abc import Sequence

from django.db.models import F, Q, Value
from django.db.models.functions import StrIndex
from django.db.models.lookups import GreaterThan

from catalog.models import TrainingShape
from catalog.search import search_text
from launches.models import Launch
from wire.names import parse_model_name

SHORTEST_PART = 4
"""Of names and ids as they are written, what is shorter occurs anywhere."""
SHORTEST_RARE = 3
"""A trigram: by what is shorter nothing is found in the index."""
SAMPLE, COMMON_SHARE, REMEMBERED_SECONDS = 300, 0.05, 60
_PART = re.compile(r"\W*\w+")
"""What stands between separators, with those before it."""
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
    begins = _containing(f" {normal}") if normal else Q(pk__in=[])
    return begins | _containing(word.lower()) if len(word) >= SHORTEST_PART else begins


def _containing(text: str) -> Q:
    """Where the text occurs. The index is asked for those of its parts alone that few of the newest launches have.

    It goes through all rows that have the rarest trigram once for each other one: what nearly all rows have, such as a
    team's prefix, costs most and tells nothing. Whether a part is rare makes a search quick or slow and changes nothing
    that it finds.
    """
    parts = [part for part in _PART.findall(text) if len(part.strip()) >= SHORTEST_RARE]
    rare = [part for part in parts if len(parts) > 1 and not _is_common(part)]
    if not rare or len(rare) == len(parts):
        return Q(search_text__contains=text)
    asked = functools.reduce(operator.and_, (Q(search_text__contains=part) for part in rare))
    return asked & Q(GreaterThan(StrIndex(F("search_text"), Value(text)), 0))


def _is_common(part: str) -> bool:
    newest = _newest_texts(int(time.monotonic() / REMEMBERED_SECONDS))
    return sum(part in text for text in newest) > len(newest) * COMMON_SHARE


@functools.lru_cache(maxsize=1)
def _newest_texts(_moment: int) -> Sequence[str]:
    """Of the newest launches, read once in a while."""
    return tuple(Launch.objects.order_by("-pk").values_list("search_text", flat=True)[:SAMPLE])
