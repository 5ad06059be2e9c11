"""Rows and forms of lists as HTML, each made once: a page of a hundred rows spent nearly all of its time in templates.

They are made of values that hold all that their template shows, so whatever changes is another value, and nothing shown
is ever old. Kept in the memory of the process, where looking a row up costs less than asking a broker for it.
"""

from __future__ import annotations

from collections.abc import Hashable
from functools import lru_cache

from django.template.loader import render_to_string
from django.utils.safestring import SafeString

KEPT_ROWS = 4_096
"""About a kilobyte each."""


@lru_cache(maxsize=KEPT_ROWS)
def rendered(template: str, **shown: Hashable) -> SafeString:
    """The template with these values, and nothing else: no request, no user."""
    return render_to_string(template, shown)
