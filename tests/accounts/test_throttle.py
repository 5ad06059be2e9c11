"""Who waits after failed sign-ins, for how long, and who does not."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connections
from hypothesis import given
from hypothesis import strategies as st

from accounts.actors import Actor
from accounts.domain.begin_sign_in import SignInAttempt, begin_sign_in
from accounts.domain.end_sign_in import fail_sign_in, pass_sign_in, sign_in
from accounts.domain.forget_addresses import forget_addresses
from accounts.models import AuditEntry, SeenAddress, SignInFailures, User
from accounts.origins import Origin
from accounts.throttling import OF_ADDRESS, OF_NAME, OF_NAME_AND_ADDRESS, FailureLimit, in_words, seconds_of
from tests.makers import make_account, make_member, make_user
from wire.errors import TooMany

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOME, ELSEWHERE = "192.0.2.1", "198.51.100.7"
SECOND = timedelta(seconds=1)


def actor_at(address: str, user: User | None = None) -> Actor:
    return Actor(user=user, label=str(user or "somebody"), origin=Origin(address, "a browser"))


def fail(name: str, address: str = HOME, *, now: datetime = NOW, times: int = 1) -> SignInAttempt:
    """Wrong passwords, each as soon as the one before lets it."""
    for _ in range(times):
        attempt = begin_sign_in(typed=name, address=address, now=now)
        fail_sign_in(actor=actor_at(address), attempt=attempt)
        now += attempt.pause
    return attempt


def let_in(user: User, address: str, *, now: datetime = NOW) -> None:
    """The right password."""
    pass_sign_in(attempt=begin_sign_in(typed=user.username, address=address, now=now), now=now)
    sign_in(actor=actor_at(address, user), user=user, now=now)


def wait_of(name: str, address: str, now: datetime = NOW) -> int:
    """Seconds that the next try has to wait."""
    try:
        begin_sign_in(typed=name, address=address, now=now)
    except TooMany as refusal:
        return refusal.retry_after
    return 0


@given(st.sampled_from([OF_NAME_AND_ADDRESS, OF_NAME, OF_ADDRESS]), st.integers(0, 10_000))
def test_pauses_grow_and_stay_within_their_limit(limit: FailureLimit, failures: int) -> None:
    pause = limit.pause(failures)
    assert pause <= limit.pause(failures + 1) <= limit.longest
    assert (pause == timedelta(0)) == (failures < limit.free)


def test_pauses_are_told_in_words() -> None:
    waits = [timedelta(seconds=seconds) for seconds in (0.2, 40, 61, 121, 900)]
    assert [in_words(wait) for wait in waits] == ["1 second", "40 seconds", "61 seconds", "3 minutes", "15 minutes"]
    assert [seconds_of(wait) for wait in waits] == [1, 40, 61, 121, 900]


@pytest.mark.django_db
def test_a_name_pauses_longer_and_longer_at_one_address_and_nowhere_else() -> None:
    make_user(username="anna")
    pauses = [fail("anna", now=NOW + timedelta(hours=n)).pause // SECOND for n in range(14)]
    assert pauses == [0, 0, 0, 0, 5, 10, 20, 40, 80, 160, 320, 640, 900, 900]
    last = NOW + timedelta(hours=13)
    assert wait_of("anna", HOME, last + SECOND) == 899
    assert wait_of("ANNA", HOME, last + SECOND) == 899
    assert wait_of("berta", HOME, last + SECOND) == wait_of("anna", ELSEWHERE, last + SECOND) == 0
    assert fail("anna", now=last + timedelta(days=1, minutes=20)).pause == timedelta(0)  # a day later it starts anew


@pytest.mark.django_db
def test_nobody_waits_for_others_where_they_signed_in_before() -> None:
    anna = make_user(username="anna")
    let_in(anna, HOME)
    for number in range(30):  # guesses from everywhere, until the name itself is slow
        begin_sign_in(typed="anna", address=f"203.0.113.{number}", now=NOW + number * timedelta(minutes=1))
    later = NOW + timedelta(minutes=29, seconds=1)
    assert wait_of("anna", ELSEWHERE, later) == 59
    assert wait_of("anna", HOME, later) == 0

    for number in range(60):  # a colleague's script goes through many names at home
        begin_sign_in(typed=f"name {number}", address=HOME, now=later + number * timedelta(minutes=1))
    later += timedelta(minutes=59, seconds=1)
    assert wait_of("berta", HOME, later) == 59
    assert wait_of("anna", HOME, later) == 0


@pytest.mark.django_db
def test_the_right_password_clears_the_name_at_the_address_and_no_count_of_others() -> None:
    anna = make_user(username="anna")
    fail("anna", times=4)
    let_in(anna, HOME)
    assert fail("anna", times=4).pause == timedelta(0)
    assert sorted(SignInFailures.objects.values_list("failures", flat=True)) == [4, 4, 4]  # 4 + 1 - 1, and the new ones


@pytest.mark.django_db
def test_an_address_of_a_network_is_the_network() -> None:
    fail("anna", "2001:db8::1", times=5)
    assert wait_of("anna", "2001:db8::2") == 5
    assert wait_of("anna", "2001:db8:0:1::1") == 0


@pytest.mark.django_db(transaction=True)
@pytest.mark.e2e  # for the tables that are emptied afterwards
def test_many_tries_at_once_are_no_more_than_many_in_a_row() -> None:
    make_user(username="anna")

    def attempt(_: int) -> bool:
        try:
            return wait_of("anna", HOME) == 0
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(attempt, range(24))) == OF_NAME_AND_ADDRESS.free


@pytest.mark.django_db
def test_what_is_noted_of_failures() -> None:
    first, second = make_account(account_id="first"), make_account(account_id="second")
    anna = make_member(account=first, username="anna")
    make_member(account=second, user=anna)
    fail("anna", times=6)
    noted = AuditEntry.objects.filter(account=first).order_by("pk")
    assert [entry.verb for entry in noted] == [*["fail_to_sign_in"] * 5, "lock_out", "fail_to_sign_in"]
    assert noted[5].reason == "for 5 seconds, and longer after each further failure"
    assert {(e.actor_label, e.target, e.address, e.agent) for e in noted} == {
        ("somebody", "users/anna", HOME, "a browser")
    }
    assert AuditEntry.objects.filter(account=second).count() == 7
    assert not AuditEntry.objects.filter(account=None).exists()


@pytest.mark.django_db
def test_a_name_that_is_nobodys_is_stored_nowhere(settings) -> None:  # type: ignore[no-untyped-def]
    fail("hunter2 is my password", times=2)
    fail("HUNTER2 is my password")
    settings.SECRET_KEY = "another"
    fail("hunter2 is my password")
    targets = [entry.target for entry in AuditEntry.objects.order_by("pk")]
    assert targets[0] == targets[1] == targets[2] != targets[3]
    assert AuditEntry.objects.filter(account=None).count() == 4
    rows: list[Callable[..., object]] = [AuditEntry.objects.values, SignInFailures.objects.values]
    assert "hunter2" not in str([list(values()) for values in rows]).lower()  # type: ignore[call-overload]


@pytest.mark.django_db
def test_addresses_are_forgotten_after_a_while(settings) -> None:  # type: ignore[no-untyped-def]
    settings.SLIPWAY_ADDRESS_DAYS = 7
    anna = make_user(username="anna")
    let_in(anna, HOME)
    fail("berta")
    now = AuditEntry.objects.latest("pk").created_at
    SeenAddress.objects.update(seen_at=now)
    SignInFailures.objects.update(failed_at=now)

    assert forget_addresses(now=now + timedelta(hours=23)) == 0
    assert SignInFailures.objects.count() == 4
    assert forget_addresses(now=now + timedelta(days=6)) == 0
    assert (SignInFailures.objects.count(), SeenAddress.objects.count()) == (0, 1)
    assert forget_addresses(now=now + timedelta(days=8)) == 2
    assert not SeenAddress.objects.exists()
    assert set(AuditEntry.objects.values_list("address", "agent", "verb")) == {
        (None, "", "sign_in"),
        (None, "", "fail_to_sign_in"),
    }
