"""Queries whose SQL is written once: each run finds what the query with those values finds."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
from django.db import connection
from django.db.models import BigIntegerField, F, QuerySet, TextField

from accounts.models import AuditEntry, Membership, User
from accounts.roles import Role
from lists.prepared import Among, Given, Prepared, counted
from tests.makers import make_account, make_member, make_user

Shape = Callable[[QuerySet[Any, Any]], QuerySet[Any, Any]]
pytestmark = pytest.mark.django_db


def test_each_run_has_the_values_of_its_own() -> None:
    near, far = make_account(), make_account()
    ana, ben = make_member(account=near, role=Role.ADMIN), make_member(account=near)
    make_member(account=far, role=Role.VIEWER)
    of_role = Membership.objects.select_related("user", "account").order_by("pk")
    members = Prepared(
        lambda: of_role.filter(account=Given("account", BigIntegerField()), role=Given("role", TextField()))
    )
    assert [found.user for found in members.rows(account=near.pk, role=Role.ADMIN)] == [ana]
    assert [found.user for found in members.rows(account=near.pk, role=Role.LAUNCHER)] == [ben]
    assert [found.account for found in members.rows(account=far.pk, role=Role.VIEWER)] == [far]
    assert members.first(account=far.pk, role=Role.ADMIN) is None
    assert members.first(account=None, role=Role.ADMIN) is None


def test_what_is_among_few_and_how_many_there_are() -> None:
    users = [make_user(username=name) for name in ("ana", "ben", "cleo")]
    among = Among(F("pk"), Given("users", BigIntegerField()))
    names = Prepared(lambda: User.objects.filter(among).order_by("username").values_list("username", flat=True))
    number = Prepared(lambda: counted(User.objects.filter(among)))
    for chosen in (users, users[1:], []):
        pks = [user.pk for user in chosen]
        assert names.rows(users=pks) == [user.username for user in chosen]
        assert number.rows(users=pks) == [len(chosen)]


def test_rows_as_dictionaries_are_djangos_own() -> None:
    entry = AuditEntry.objects.create(account=make_account(), actor_label="a", verb="v", target="t", after={"n": [1]})
    shown = AuditEntry.objects.values("pk", "after", "account__account_id", whose=F("actor_label"))
    found = Prepared(lambda: shown.filter(pk=Given("entry", BigIntegerField())))
    assert found.rows(entry=entry.pk) == list(shown.filter(pk=entry.pk)) != []


def test_rows_of_every_kind_are_djangos_own() -> None:
    near = make_account()
    entries = [
        AuditEntry(account=account, actor_label=label, verb="v", target="t", after={"n": [label]})
        for account, label in ((near, "a"), (None, "b"), (near, "a"))
    ]
    AuditEntry.objects.bulk_create(entries)
    every = AuditEntry.objects.filter(pk__gte=Given("first", BigIntegerField())).order_by("pk")
    least = min(entry.pk for entry in AuditEntry.objects.filter(verb="v"))
    there = AuditEntry.objects.filter(pk__gte=least).order_by("pk")

    def instances(rows: list[AuditEntry]) -> list[Any]:
        return [(row, row.get_deferred_fields(), vars(row).keys(), row.after, row.account) for row in rows]

    of_instances: list[Shape] = [
        lambda rows: rows.select_related("account").annotate(twice=F("pk") * 2),
        lambda rows: rows.select_related("account").defer("target", "account__display_name"),
        lambda rows: rows.only("after"),
    ]
    for shape in of_instances:
        assert instances(Prepared(partial(shape, every)).rows(first=least)) == instances(list(shape(there))) != []
    of_values: list[Shape] = [
        lambda rows: rows.values_list("after", "account__account_id"),
        lambda rows: rows.values_list("account__account_id", flat=True),
        lambda rows: rows.values("actor_label").distinct().order_by("actor_label"),
        lambda rows: rows.values_list("actor_label").order_by("-pk"),
    ]
    for shape in of_values:
        assert Prepared(partial(shape, every)).rows(first=least) == list(shape(there)) != []


def test_what_is_asked_for_often_postgres_has_prepared_with_all_but_its_values() -> None:
    near, far = make_account(), make_account()
    ana, ben = make_member(account=near, role=Role.ADMIN), make_member(account=far, role=Role.ADMIN)
    of_account = Membership.objects.filter(account=Given("account", BigIntegerField()), role=Role.ADMIN)
    admins = Prepared(lambda: of_account.exclude(user__username__contains="100%").values_list("user", flat=True))
    connection.ensure_connection()
    connection.connection.prepare_threshold = 0
    try:
        assert (admins.rows(account=near.pk), admins.rows(account=far.pk)) == ([ana.pk], [ben.pk])
        with connection.cursor() as cursor:
            cursor.execute("SELECT statement FROM pg_prepared_statements WHERE statement LIKE '%accounts_membership%'")
            [(statement,)] = cursor.fetchall()
    finally:
        connection.connection.prepare_threshold = None
    assert f"'{Role.ADMIN.value}'" in statement
    assert "'%100\\%%'" in statement.replace("\\\\", "\\")
    assert "$1" in statement
    assert "$2" not in statement


def test_each_thread_asks_by_its_own_connection() -> None:
    make_user(username="ana")  # as yet seen by this thread's transaction alone
    of_name = User.objects.filter(username=Given("name", TextField()))
    found = Prepared(lambda: of_name.values_list("username", flat=True))

    def ask() -> list[str]:
        try:
            return found.rows(name="ana")
        finally:
            connection.close()

    assert found.rows(name="ana") == ["ana"]
    with ThreadPoolExecutor(1) as thread:
        assert thread.submit(ask).result() == []


def test_one_thread_at_a_time_writes_the_sql() -> None:
    """Django notes in the query what it writes, and nothing else guards a cached property from Python 3.12 on."""
    inside = []

    def build() -> QuerySet[User]:
        inside.append(1)
        time.sleep(0.05)
        at_once.append(len(inside))
        inside.pop()
        return User.objects.order_by("pk")

    at_once: list[int] = []
    prepared = Prepared(build)
    write = Prepared.__dict__["_written"].func
    with ThreadPoolExecutor(4) as threads:
        assert len({written.text for written in threads.map(write, [prepared] * 4)}) == 1
    assert at_once == [1] * 4
