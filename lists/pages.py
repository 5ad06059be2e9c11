"""Pages of a list, and what is shown where an address names one that is not there (any more). Pure.

A cursor is the text in an address that says behind which row a page begins; "" is the first page.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

Row = TypeVar("Row")
Shown = TypeVar("Shown")


class NoSuchPage(Exception):
    """The cursor names no place in the list, or none any more."""


class Page(NamedTuple, Generic[Row]):
    """The rows of a page, and the cursor of the next one, "" where there is none."""

    rows: Sequence[Row]
    next: str

    def of(self, rows: Sequence[Shown]) -> Page[Shown]:
        """The same page with what its rows were made into."""
        return Page(rows, self.next)


@dataclass(frozen=True)
class ShownPage(Generic[Row]):
    """The page that a person sees; `started_over` where it is the first one and they asked for another."""

    rows: Sequence[Row]
    next: str
    cursor: str
    started_over: bool

    @property
    def is_whole(self) -> bool:
        """Whether it is the whole list."""
        return not self.next and not self.cursor

    def links(self, address: Callable[[str], str]) -> dict[str, object]:
        """What `components/pages.html` and `components/started_over.html` need; `address` gives a cursor's page."""
        return {
            "started_over": self.started_over,
            "next_url": address(self.next) if self.next else "",
            "first_url": address("") if self.cursor else "",
        }


def show(cursor: str, read: Callable[[str], Page[Row]]) -> ShownPage[Row]:
    """The page of the cursor; where there is none, or nothing on it, the first one."""
    try:
        page = read(cursor)
    except NoSuchPage:
        page = Page((), "")
    if page.rows or not cursor:
        return ShownPage(page.rows, page.next, cursor, started_over=False)
    first = read("")
    return ShownPage(first.rows, first.next, "", started_over=bool(first.rows))
