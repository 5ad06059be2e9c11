"""A page of a list whose cursor may be stale: an address that was kept while its list became shorter. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

Row = TypeVar("Row")


@dataclass(frozen=True)
class PageShown(Generic[Row]):
    """`next` is the cursor of the page behind, "" for none; `cursor` is this page's own, "" for the first page.

    `started_over` says that another page was asked for, which is not there.
    """

    rows: Sequence[Row]
    next: str
    cursor: str
    started_over: bool = False


def page_or_first(read: Callable[[str], tuple[Sequence[Row], str]], cursor: str) -> PageShown[Row]:
    """The page at the cursor; where nothing stands there, the first page. `read` answers rows and the next cursor."""
    rows, following = read(cursor)
    if rows or not cursor:
        return PageShown(rows, following, cursor)
    rows, following = read("")
    return PageShown(rows, following, "", started_over=bool(rows))
