"""Orders: pages follow one another whatever the order and its ties; cursors are good for their own order only."""

from __future__ import annotations

import pytest
from django.db.models import Case, F, Value, When
from hypothesis import given
from hypothesis import strategies as st

from accounts.models import Account
from lists.orders import Order, page_of
from lists.pages import NoSuchPage
from tests.makers import make_account

PLACES = st.lists(st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(), max_size=4)
QUESTIONS = st.lists(st.text(max_size=20), max_size=4)
ORDER = Order(("-created_at", "-pk"))


@given(PLACES, QUESTIONS)
def test_the_place_comes_back(place: list[object], question: list[str]) -> None:
    assert ORDER.place(ORDER.cursor(place, question), question) == place


@given(PLACES, QUESTIONS, QUESTIONS)
def test_another_question_or_order_is_refused(place: list[object], one: list[str], other: list[str]) -> None:
    cursor = ORDER.cursor(place, one)
    if one != other:
        with pytest.raises(NoSuchPage):
            ORDER.place(cursor, other)
    for foreign in (Order(("-created_at", "pk")), Order(("-created_at",)), Order(("-created_at,-pk",)), ORDER.turned):
        with pytest.raises(NoSuchPage):
            foreign.place(cursor, one)


@given(PLACES, st.data())
def test_a_changed_cursor_is_refused(place: list[object], data: st.DataObject) -> None:
    cursor = ORDER.cursor(place)
    at = data.draw(st.integers(0, len(cursor) - 1))
    letter = data.draw(st.sampled_from([c for c in "Aa0_-" if c != cursor[at]]))
    with pytest.raises(NoSuchPage):
        ORDER.place(cursor[:at] + letter + cursor[at + 1 :])


@given(st.text(max_size=100))
def test_made_up_cursors_are_refused(cursor: str) -> None:
    with pytest.raises(NoSuchPage):
        ORDER.place(cursor)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("columns", "nulls"),
    [
        (("display_name", "pk"), False),
        (("-display_name", "-pk"), False),
        (("display_name", "-account_id"), False),
        (("account_id",), False),
        (("rank", "pk"), True),
        (("-rank", "-pk"), True),
        (("-rank", "pk"), True),
    ],
)
def test_pages_of_any_size_are_the_rows_in_order(columns: tuple[str, ...], nulls: bool) -> None:
    """With ties in the first column, and where it may be null with several that are."""
    ranks = {f"a{number}": None if number % 3 == 0 else number % 4 for number in range(13)}
    for name in ranks:
        make_account(account_id=name, display_name=f"name {int(name[1:]) % 3}")
    order = Order(columns, nulls)
    rows = (
        Account.objects.annotate(rank=Case(*(When(account_id=n, then=Value(r)) for n, r in ranks.items())))
        if nulls
        else Account.objects.all()
    )
    first, *rest = order.columns
    last = F(first.removeprefix("-"))
    nulls_last = last.desc(nulls_last=True) if first.startswith("-") else last.asc(nulls_last=True)
    expected = list(rows.order_by(nulls_last, *rest).values_list("account_id", flat=True))
    for size in (1, 2, 4, 5, 13, 50):
        seen, cursor = [], ""
        while True:
            page = page_of(rows, order, cursor, size=size)
            seen += [row.account_id for row in page.rows]
            if not (cursor := page.next):
                break
            assert len(page.rows) == size
        assert seen == expected, size
