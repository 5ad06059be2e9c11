"""The audit log's page and its CSV: filters, paging, differences, who may read."""

from __future__ import annotations

import csv
import io
import re
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from asgiref.sync import async_to_sync
from django.db import connection
from django.http import QueryDict
from django.http.response import HttpResponseBase
from django.test import AsyncClient, Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st
from pytest_django.fixtures import Settings

from accounts.actors import SYSTEM, Actor, key_actor, user_actor
from accounts.audit_csv import harmless
from accounts.audit_filters import AUDIT, verb_in_words
from accounts.audit_queries import CHUNK
from accounts.differences import MOST_FIELDS, Difference, differences
from accounts.domain.record import record
from accounts.models import Account, AuditEntry
from accounts.roles import Role
from tests.accounts.makers import client_of, make_key
from tests.makers import make_account, make_member, make_user, sign_in


@pytest.fixture
def reader(team: Account) -> Client:
    return client_of(team, Role.PUBLISHER, username="reader")[0]


def note(account: Account | None, verb: str = "test", *, at: datetime | None = None, **fields: Any) -> AuditEntry:
    """An entry, at that time where one is given: the log itself cannot be changed, so it is written so."""
    given = {"actor_label": "Slipway", "target": f"accounts/{account}/things/1"} | fields
    return AuditEntry.objects.create(account=account, verb=verb, **given, **({"created_at": at} if at else {}))


def ids(client: Client, path: str = "/audit") -> list[int]:
    answer = client.get(path)
    assert answer.status_code == 200
    return [int(number) for number in re.findall(r'<li id="entry-(\d+)"', answer.content.decode())]


def pieces_of(answer: HttpResponseBase) -> list[bytes]:
    """What a streamed answer sends, piece by piece, in this thread: its database connection is the test's."""

    async def gather() -> list[bytes]:
        return [piece async for piece in answer]  # type: ignore[attr-defined]

    return async_to_sync(gather)()


def rows(client: Client, path: str = "/audit.csv") -> list[dict[str, str]]:
    answer = client.get(path)
    assert answer.status_code == 200
    return list(csv.DictReader(io.StringIO(b"".join(pieces_of(answer)).decode())))


def test_an_entry_says_everything(reader: Client, team: Account) -> None:
    key, _ = make_key(account=team, user=make_member(account=team, username="anna"), name="ci")
    record(
        actor=key_actor(key, request_id="5ca1ab1e"),
        verb="withdraw_version",
        target="accounts/team-a/trainingShapes/x/versions/abcd1234",
        account=team,
        before={"state": "VALIDATED", "same": 1},
        after={"state": "WITHDRAWN", "same": 1},
        reason="The image it names was deleted.",
    )
    page = reader.get("/audit").content.decode()
    entry = page[page.index('<li id="entry-') :].split("</li>")[0]
    for words in (
        "anna (key ci)",
        "withdraw version",
        "accounts/team-a/trainingShapes/x/versions/abcd1234",
        "The image it names was deleted.",
        "5ca1ab1e",
        "VALIDATED",
        "WITHDRAWN",
        "<time datetime=",
    ):
        assert words in entry
    assert "same" not in entry and "<details" in entry


def test_what_was_written_is_shown_and_never_run(reader: Client, team: Account) -> None:
    note(team, actor_label="<b>x</b>", reason="<script>alert(1)</script>", after={"<i>": "<script>"})
    page = reader.get("/audit").content.decode()
    assert "<script>alert" not in page and "<b>x</b>" not in page and "<i>" not in page
    assert "&lt;script&gt;" in page


def test_entries_come_newest_first_and_of_this_account_alone(reader: Client, team: Account) -> None:
    now = timezone.now()
    late, early = note(team, at=now), note(team, at=now - timedelta(days=1))
    first_of_two, second_of_two = note(team, at=now - timedelta(days=2)), note(team, at=now - timedelta(days=2))
    note(make_account(account_id="team-b")), note(None)
    assert ids(reader) == [late.pk, early.pk, second_of_two.pk, first_of_two.pk]


@pytest.mark.parametrize("role", [Role.VIEWER, Role.LAUNCHER])
@pytest.mark.parametrize("path", ["/audit", "/audit.csv"])
def test_lesser_roles_are_told_which_right_it_takes(team: Account, role: Role, path: str) -> None:
    note(team, "secret_doings")
    answer = client_of(team, role)[0].get(path)
    page = answer.content.decode()
    assert answer.status_code == 403
    assert f"Your role in team-a is {role}; this needs the right to read the audit log. Ask an admin of team-a." in page
    assert "secret" not in page


def test_without_an_account_there_is_no_log(db: None) -> None:
    client = sign_in(Client(), make_user())
    assert 'class="empty"' in client.get("/audit").content.decode()
    assert client.get("/audit.csv").status_code == 404


def test_each_filter_narrows_and_together_they_narrow_more(reader: Client, team: Account) -> None:
    day = datetime.fromisoformat("2026-05-04T00:00:00+00:00")
    early = note(team, "add_member", at=day - timedelta(microseconds=1), target="accounts/team-a/members/anna")
    anna = note(team, "add_member", at=day, target="accounts/team-a/members/anna", actor_label="anna")
    late = note(team, "add_member", at=day + timedelta(days=1, microseconds=-1), target="accounts/team-a/members/ben")
    after = note(team, "remove_member", at=day + timedelta(days=1), target="accounts/team-a/members/ben")
    everything = [after.pk, late.pk, anna.pk, early.pk]
    for query, expected in {
        "": everything,
        "?actor=anna": [anna.pk],
        "?actor=ann": [],
        "?verb=remove_member": [after.pk],
        "?target=accounts/team-a/members/ben": [after.pk, late.pk],
        "?target=members/a": [anna.pk, early.pk],
        "?target=members/A": [],
        "?target=%25": [],
        "?target=members/_nna": [],
        "?since=2026-05-04": [after.pk, late.pk, anna.pk],
        "?until=2026-05-04": [late.pk, anna.pk, early.pk],
        "?since=2026-05-04&until=2026-05-04": [late.pk, anna.pk],
        "?since=2026-05-04&until=2026-05-04&target=members/b": [late.pk],
        "?verb=add_member&actor=Slipway&until=2026-05-03": [early.pk],
        "?since=0001-01-01&until=9999-12-31": everything,
        "?verb=unheard_of": [],
    }.items():
        assert ids(reader, f"/audit{query}") == expected, query
        assert len(rows(reader, f"/audit.csv{query}")) == len(expected), query


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("since=yesterday", "From: Write a day as 2026-01-31."),
        ("until=2026-02-30", "To: Write a day as 2026-01-31."),
        ("since=2026-05-05&until=2026-05-04", "To: The last day, 2026-05-04, is before the first, 2026-05-05."),
        ("actor=" + "x" * 201, "Actor: Ensure this value has at most 200 characters"),
        ("target=%00", "Target begins with: Null characters are not allowed."),
        ("verb=%00", "What: Null characters are not allowed."),
    ],
)
@pytest.mark.parametrize("path", ["/audit", "/audit.csv"])
def test_a_filter_that_cannot_be_read_is_said_and_shows_nothing(
    reader: Client, team: Account, path: str, query: str, words: str
) -> None:
    note(team)
    answer = reader.get(f"{path}?{query}")
    page = answer.content.decode()
    assert answer.status_code == 422 and words in page and '<li id="entry-' not in page
    if "yesterday" in query:
        assert 'value="yesterday"' in page


def test_choices_are_what_there_is_and_what_was_asked_for(reader: Client, team: Account) -> None:
    note(team, "create_api_key", actor_label="ben")
    note(team, "create_api_key", actor_label="Anna")
    note(make_account(), "of_another_account", actor_label="stranger")
    page = reader.get("/audit?actor=gone&verb=never_done").content.decode()
    assert re.findall(r'<option value="([^"]+)"', page) == ["Anna", "ben", "gone", "create_api_key", "never_done"]
    assert '<option value="gone" selected>' in page and ">create API key</option>" in page
    assert "In force: by gone, never done. Loosen one of them." in page


def test_paging_loses_nothing_and_keeps_the_filters(reader: Client, team: Account) -> None:
    at = timezone.now()
    made = [note(team, "kept", at=at - timedelta(seconds=number // 7)).pk for number in range(130)]
    for _ in range(20):
        note(team, "other")
    seen: list[int] = []
    path: str | None = "/audit?verb=kept"
    while path:
        page = reader.get(path).content.decode()
        seen += [int(number) for number in re.findall(r'<li id="entry-(\d+)"', page)]
        following = re.search(r'href="([^"]+)" rel="next"', page)
        path = following[1].replace("&amp;", "&") if following else None
    assert sorted(seen) == sorted(made) and len(seen) == 130
    assert seen == [entry.pk for entry in AuditEntry.objects.filter(verb="kept").order_by("-created_at", "-pk")]


@pytest.mark.parametrize("before", ["x", "-1", "9" * 30, "²", "0", "%00"])
def test_a_made_up_cursor_shows_the_first_page(reader: Client, team: Account, before: str) -> None:
    entry = note(team)
    assert ids(reader, f"/audit?before={before}") == [entry.pk]


def test_a_cursor_of_another_account_tells_nothing(reader: Client, team: Account) -> None:
    own = [note(team, at=timezone.now()).pk, note(team, at=timezone.now() + timedelta(days=1)).pk]
    foreign = note(make_account(), at=timezone.now() + timedelta(hours=1))
    assert ids(reader, f"/audit?before={foreign.pk}") == own[::-1]


def test_it_says_what_the_log_forgets_and_when(reader: Client, settings: Settings) -> None:
    for days, words in ((30, "after 30 days the log forgets"), (1, "after 1 day the log forgets")):
        settings.SLIPWAY_ADDRESS_DAYS = days
        assert words in reader.get("/audit").content.decode()


def test_htmx_gets_the_rows_alone(reader: Client, team: Account) -> None:
    note(team)
    fragment = reader.get("/audit", headers={"HX-Request": "true"}).content.decode()
    assert '<li id="entry-' in fragment and "<html" not in fragment and "<form" not in fragment


def test_asking_costs_the_same_for_few_and_for_many(reader: Client, team: Account) -> None:
    def count() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert reader.get("/audit").status_code == 200
        return len(queries)

    note(team)
    few = count()
    for number in range(60):
        note(team, f"verb_{number}", actor_label=f"actor {number}")
    assert (few, count()) == (7, 7)


def test_the_csv_holds_every_entry_once_in_order_a_chunk_at_a_time(reader: Client, team: Account) -> None:
    at = timezone.now()
    moments = [at - timedelta(seconds=number // 9) for number in range(2 * CHUNK + 5)]
    AuditEntry.objects.bulk_create(
        AuditEntry(account=team, actor_label="a", verb="v", target=f"t{number}", created_at=moment)
        for number, moment in enumerate(moments)
    )
    answer = reader.get("/audit.csv")
    with CaptureQueriesContext(connection) as queries:
        pieces = pieces_of(answer)
    assert [piece.count(b"\r\n") for piece in pieces] == [1, CHUNK, CHUNK, 5]
    assert len(queries) == 3
    targets = [row["target"] for row in csv.DictReader(io.StringIO(b"".join(pieces).decode()))]
    expected = AuditEntry.objects.order_by("-created_at", "-pk").values_list("target", flat=True)
    assert targets == list(expected)


def test_the_csv_is_a_file_of_plain_cells(reader: Client, team: Account) -> None:
    entry = note(
        team,
        "add_member",
        actor_label="=1+1",
        target="@anna",
        reason='+49, "quoted"\nand more',
        request_id="-1",
        before={"role": "viewer"},
        after={"role": "admin", "note": "é"},
    )
    answer = reader.get("/audit.csv")
    assert answer["Content-Type"] == "text/csv; charset=utf-8" and "no-store" in answer["Cache-Control"]
    assert re.fullmatch(r'attachment; filename="audit-team-a-\d{4}-\d\d-\d\d\.csv"', answer["Content-Disposition"])
    (row,) = rows(reader)
    assert row == {
        "time": entry.created_at.isoformat(),
        "actor": "'=1+1",
        "verb": "add_member",
        "target": "'@anna",
        "reason": '\'+49, "quoted"\nand more',
        "request_id": "'-1",
        "before": '{"role": "viewer"}',
        "after": '{"note": "é", "role": "admin"}',
    }


def test_the_csv_streams_under_asgi(team: Account, recwarn: pytest.WarningsRecorder) -> None:
    member, entry = make_member(account=team, role=Role.ADMIN), note(team)

    async def fetch() -> bytes:
        client = AsyncClient()
        await client.aforce_login(member)
        answer: Any = await client.get("/audit.csv")
        assert answer.is_async  # else Django would gather all of it first
        return b"".join([piece async for piece in answer])

    assert entry.target in async_to_sync(fetch)().decode()
    assert not [warning for warning in recwarn if "StreamingHttpResponse" in str(warning.message)]


@given(text=st.text(max_size=20))
def test_no_cell_begins_as_a_formula(text: str) -> None:
    cell = harmless(text)
    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
    assert cell in (text, f"'{text}")


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (None, None, []),
        ({}, {}, []),
        (None, {"role": "viewer"}, [Difference("role", "none", "viewer")]),
        ({"role": "viewer"}, None, [Difference("role", "viewer", "none")]),
        ({"a": 1, "b": 2}, {"a": 1, "b": 3}, [Difference("b", "2", "3")]),
        ({"a": 1}, {"a": True}, []),
        ({"a": {"b": {"c": 1}, "d": 2}}, {"a": {"b": {"c": 3}, "d": 2}}, [Difference("a.b.c", "1", "3")]),
        ({"a": {"b": 1}}, {"a": 5}, [Difference("a.b", "1", "none"), Difference("a", "none", "5")]),
        ({"a": {}}, {"a": {"b": 1}}, [Difference("a", "{}", "none"), Difference("a.b", "none", "1")]),
        ({"a": None}, {"a": ""}, [Difference("a", "none", "none")]),
        ({"a": [1, 2]}, {"a": ["é"]}, [Difference("a", "[1, 2]", '["é"]')]),
        ({"a": False}, {"a": True}, [Difference("a", "false", "true")]),
    ],
)
def test_differences(before: dict[str, Any] | None, after: dict[str, Any] | None, expected: list[Difference]) -> None:
    assert differences(before, after) == expected


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
objects = st.none() | st.dictionaries(st.text(max_size=3), json_values, max_size=4)


@given(before=objects, after=objects)
def test_nothing_differs_from_itself_and_every_field_is_text(
    before: dict[str, Any] | None, after: dict[str, Any] | None
) -> None:
    assert differences(before, before) == []
    assert all(isinstance(text, str) for one in differences(before, after) for text in (one.before, one.after))


def test_of_very_many_fields_the_rest_is_counted() -> None:
    found = differences(None, {f"f{number}": number for number in range(MOST_FIELDS + 3)})
    assert len(found) == MOST_FIELDS + 1 and found[-1].field == "and 3 more"


@given(actor=st.text(max_size=9), verb=st.text(max_size=9), target=st.text(max_size=9))
def test_filters_survive_their_address(actor: str, verb: str, target: str) -> None:
    typed = QueryDict(urlencode({"actor": actor, "verb": verb, "target": target}))
    asked = AUDIT.read(typed)
    address = asked.address()
    assert address.startswith("?")
    assert AUDIT.read(QueryDict(address[1:])).values == asked.values


def test_verbs_in_words() -> None:
    assert [verb_in_words(verb) for verb in ("add_member", "create_api_key")] == ["add member", "create API key"]


def test_every_verb_of_this_app_reads_well(reader: Client, team: Account) -> None:
    record(actor=SYSTEM, verb="revoke_invitation", target="accounts/team-a/invitations/1", account=team)
    record(actor=user_actor(make_user(username="anna")), verb="x", target="accounts/team-a", account=team)
    record(actor=Actor(user=None, label="an invitation to team-a"), verb="y", target="accounts/team-a", account=team)
    page = reader.get("/audit").content.decode()
    assert "revoke invitation" in page and ">Field</th>" not in page and "by no request" in page
    assert len(ids(reader, f"/audit?actor={quote('an invitation to team-a')}")) == 1
