"""Pages of a list, and what is shown where an address names one that is not there (any more). Pure.

A cursor is the text in an address that says after which row a page begins; "" is the first page.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

Row = TypeVar("Row")

LONGEST_KEY = 18
"""Digits of a primary key that surely fits."""


class NoSuchPage(Exception):
    """The cursor names no place in the list, or none any more."""


class Page(NamedTuple, Generic[Row]):
    """The rows of a page, and the cursor of the next one, "" where there is none."""

    rows: Sequence[Row]
    next: str


@dataclass(frozen=True)
class Shown(Generic[Row]):
    """The page that a person sees; `started_over` where it is the first one and they asked for another."""

    rows: Sequence[Row]
    next: str
    cursor: str
    started_over: bool

    def links(self, address: Callable[[str], str]) -> dict[str, object]:
        """What `components/pages.html` and `components/started_over.html` need; `address` gives a cursor's page."""
        return {
            "started_over": self.started_over,
            "next_url": address(self.next) if self.next else "",
            "first_url": address("") if self.cursor else "",
        }


def show(cursor: str, read: Callable[[str], Page[Row]]) -> Shown[Row]:
    """The page of the cursor; where there is none, or nothing on it, the first one."""
    try:
        page = read(cursor)
    except NoSuchPage:
        page = Page((), "")
    if page.rows or not cursor:
        return Shown(page.rows, page.next, cursor, started_over=False)
    first = read("")
    return Shown(first.rows, first.next, "", started_over=bool(first.rows))


def key_in(cursor: str) -> int:
    """The number that the cursor is, such as a primary key. Errors: `NoSuchPage`."""
    if not (cursor.isascii() and cursor.isdecimal() and len(cursor) <= LONGEST_KEY):
        raise NoSuchPage
    return int(cursor)
