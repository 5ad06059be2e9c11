"""Lists that an address filters and sorts, each filter and each order declared once.

A declaration reads an address, and says in words what in it cannot be read; it gives the condition, the order, the
controls of the form, the links of the columns and the words for a list that is empty.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Model, Q, QuerySet
from django.http import QueryDict

from lists.orders import Order, few_by_key
from wire.errors import Violation

SORT, CURSOR, TEXT = "sort", "before", "q"
LONGEST_TEXT = 200
ME = "me"
"""The reader, as the owner to filter by."""
SINCE, UNTIL = "since", "until"

Choices = Sequence[tuple[str, str]]
"""Values of a filter with their labels."""


@dataclass(frozen=True)
class ListFilter:
    """One filter of a list.

    `field` reads what the address says, and its label is the title; what is empty does not filter. `condition` is what
    a value means for a reader, whatever the list takes for one, and `words` how it is said where it is in force.
    `anything` is the choice of everything, `hint` an example of what to write; a `wide` control holds long values. How
    many rows have a value that is `guessed` Postgres does not know, as of a part of a text.
    """

    name: str
    field: forms.Field
    condition: Callable[[Any, Any], Q]
    words: Callable[[Any], str]
    anything: str = ""
    hint: str = ""
    wide: bool = False
    guessed: bool = False

    @property
    def label(self) -> str:
        """The title."""
        return str(self.field.label or self.name.capitalize())


@dataclass(frozen=True)
class SortColumn:
    """An order that a column of the list's table stands for; a first click on the column turns it with `down_first`."""

    word: str
    label: str
    order: Order
    down_first: bool = False

    def link(self, sort: str, address: Callable[[str], str]) -> SortLink:
        """The column's head where `sort` is in force, which turns round; `address` is that of the list sorted so."""
        chosen, down = sort.removeprefix("-") == self.word, sort.startswith("-")
        turn = not down if chosen else self.down_first
        return SortLink(self.label, address(f"{'-' if turn else ''}{self.word}"), chosen, chosen and down)


def refuse_sort(sort: str, columns: Sequence[SortColumn]) -> str:
    """Why the list cannot be sorted so; "" where it can, by a column or against it."""
    words = [turn + column.word for column in columns for turn in ("", "-")]
    return "" if sort in ("", *words) else f"{sort!r} is no order; use {', '.join(words)}."


@dataclass(frozen=True)
class DeclaredList:
    """What an address can ask of a list of `model`; it is sorted by the first column unless another is asked for.

    Every query of the list fixes the columns of `scope`, so an index for each order begins with them.
    """

    model: type[Model]
    scope: tuple[str, ...]
    sorts: tuple[SortColumn, ...]
    filters: tuple[ListFilter, ...] = ()

    def without(self, name: str) -> DeclaredList:
        """The same without one filter, which an address then cannot ask for."""
        return replace(self, filters=tuple(each for each in self.filters if each.name != name))

    def read(self, asked: QueryDict) -> ListQuery:
        """What the address asks for, and what in it cannot be read."""
        typed, values, problems = {}, {}, []
        for each in self.filters:
            typed[each.name] = asked.get(each.name, "")
            if typed[each.name].strip():
                try:
                    values[each.name] = each.field.clean(typed[each.name])
                except ValidationError as error:
                    problems += [Violation(each.name, sentence) for sentence in error.messages]
        if (since := values.get(SINCE)) and (until := values.get(UNTIL)) and since > until:
            sentence = f"The last day, {until}, is before the first, {since}. Exchange them."
            problems.append(Violation(UNTIL, sentence))
        sort = asked.get(SORT, "")
        if sentence := refuse_sort(sort, self.sorts):
            problems.append(Violation(SORT, sentence))
            sort = ""
        return ListQuery(self, typed, values, sort, asked.get(CURSOR, ""), tuple(problems))


@dataclass(frozen=True)
class ListQuery:
    """What an address asks of a list: `typed` as it stands there, `values` as it was read, without what is empty."""

    declared: DeclaredList
    typed: Mapping[str, str]
    values: Mapping[str, Any]
    sort: str
    cursor: str
    problems: tuple[Violation, ...]

    @property
    def in_force(self) -> list[ListFilter]:
        """The filters that were asked for."""
        return [each for each in self.declared.filters if each.name in self.values]

    @property
    def in_words(self) -> list[str]:
        """They in words, for an empty list to say what to loosen."""
        return [each.words(self.values[each.name]) for each in self.in_force]

    @property
    def refusals(self) -> list[str]:
        """What cannot be read, each with the title of its filter."""
        titles = {each.name: each.label for each in self.declared.filters} | {SORT: "Order"}
        return [f"{titles[problem.field]}: {problem.description}" for problem in self.problems]

    @property
    def column(self) -> SortColumn:
        """What the list is sorted by."""
        word = self.sort.removeprefix("-")
        return next((column for column in self.declared.sorts if column.word == word), self.declared.sorts[0])

    @property
    def order(self) -> Order:
        """The order that was asked for."""
        return self.column.order.turned if self.sort.startswith("-") else self.column.order

    def condition(self, reader: Any) -> Q:
        """What all filters mean for that reader."""
        wanted = (each.condition(self.values[each.name], reader) for each in self.in_force)
        return functools.reduce(operator.and_, wanted, Q())

    def condition_among(self, rows: QuerySet[Any, Any], reader: Any) -> Q:
        """The same for a list of these rows, whose plan depends on no guess of how many there are."""
        wanted = self.condition(reader)
        return few_by_key(rows, wanted) if any(each.guessed for each in self.in_force) else wanted

    def address(self, **changes: str) -> str:
        """The query string with its question mark, with other values for some parameters; it begins at the first page.

        "?" where nothing is asked for.
        """
        asked = {name: text for name, text in self.typed.items() if name in self.values} | {SORT: self.sort} | changes
        return "?" + urlencode({name: text for name, text in asked.items() if text}, safe="/")

    def page_address(self, cursor: str) -> str:
        """The same with the page of that cursor."""
        return self.address(**{CURSOR: cursor})

    def controls(self, **choices: Choices) -> tuple[FilterControl, ...]:
        """The filters as the form shows them; `choices` are those that depend on what there is."""
        known = {name: tuple(values) for name, values in choices.items()}
        return tuple(FilterControl(each, self.typed[each.name], known.get(each.name)) for each in self.declared.filters)

    @property
    def sort_links(self) -> dict[str, SortLink]:
        """The columns that can be sorted by, each with the address that does; the one in force turns round."""
        usual = self.declared.sorts[0].word

        def address(sort: str) -> str:
            return self.address(**{SORT: "" if sort == usual else sort})

        return {column.word: column.link(self.sort or usual, address) for column in self.declared.sorts}


@dataclass(frozen=True)
class FilterControl:
    """A filter as the form shows it: `value` is what was typed or chosen, which is there even where nothing has it."""

    declared: ListFilter
    value: str
    choices: Choices | None

    @property
    def options(self) -> Choices:
        """What can be chosen; none where a value is written."""
        offered = self.choices if self.choices is not None else getattr(self.declared.field, "choices", ())
        known = [(value, label) for value, label in offered if value]
        missing = bool(known or self.choices is not None) and bool(self.value)
        return [*known, (self.value, self.value)] if missing and self.value not in dict(known) else known

    @property
    def kind(self) -> str:
        """select, date or text."""
        if self.choices is not None or hasattr(self.declared.field, "choices"):
            return "select"
        return "date" if isinstance(self.declared.field, forms.DateField) else "text"


@dataclass(frozen=True)
class SortLink:
    """The head of a column that the list can be sorted by; `chosen` where it is, `down` where it is the other way."""

    label: str
    url: str
    chosen: bool
    down: bool


def text_filter(condition: Callable[[str], Q], hint: str, *, longest: int = LONGEST_TEXT) -> ListFilter:
    """By a text, of so many characters."""
    return ListFilter(
        TEXT,
        forms.CharField(label="Search", max_length=longest),
        lambda text, _: condition(text),
        lambda text: f"text {text}",
        hint=hint,
        wide=True,
        guessed=True,
    )


def day_filters(column: str) -> tuple[ListFilter, ListFilter]:
    """From a day and to a day, both of UTC and both included."""

    def day(label: str) -> forms.DateField:
        return forms.DateField(
            label=label, input_formats=["%Y-%m-%d"], error_messages={"invalid": "Write a day as 2026-01-31."}
        )

    def first(since: date, _: Any) -> Q:
        return Q(**{f"{column}__gte": datetime.combine(since, time.min, UTC)})

    def last(until: date, _: Any) -> Q:
        return Q(**{f"{column}__lte": datetime.combine(until, time.max, UTC)})

    return (
        ListFilter(SINCE, day("From"), first, lambda since: f"from {since}"),
        ListFilter(UNTIL, day("To"), last, lambda until: f"to {until}"),
    )


def owner_filter(column: str) -> ListFilter:
    """Whose it is: the reader's, or anyone's."""
    return ListFilter(
        "owner",
        forms.ChoiceField(
            label="Owner",
            choices=[(ME, "Me")],
            error_messages={"invalid_choice": f"%(value)s is no owner to filter by; use {ME}."},
        ),
        lambda _, reader: Q(**{column: reader}),
        lambda word: f"owner {word}",
        anything="Anyone",
    )


def shape_filter(condition: Callable[[str, Any], Q]) -> ListFilter:
    """By the shape, as `account/shape`; what can be chosen is told where the list is shown."""
    return ListFilter(
        "shape",
        forms.Field(label="Shape"),
        condition,
        lambda name: f"shape {name}",
        anything="Any shape",
        wide=True,
    )


def state_filter(labels: Mapping[str, str], condition: Callable[[str], Q]) -> ListFilter:
    """By one of the words, each with what it is called."""
    return ListFilter(
        "state",
        forms.ChoiceField(
            label="State",
            choices=list(labels.items()),
            error_messages={"invalid_choice": f"%(value)s is no state; use {', '.join(labels)}."},
        ),
        lambda word, _: condition(word),
        lambda word: f"state {labels[word]}",
        anything="Any state",
    )
