"""Where somebody is signed in, and how that is ended."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from accounts.domain.forget_sessions import forget_sessions
from accounts.models import AuditEntry
from tests.makers import PASSWORD, make_user

pytestmark = pytest.mark.django_db


def browser(agent: str, name: str = "anna") -> Client:
    """A browser of that name in which the user has signed in."""
    client = Client(headers={"User-Agent": agent})
    assert client.post("/sign-in", {"login": name, "password": PASSWORD}).status_code == 302
    return client


def test_one_sees_where_one_is_signed_in_and_ends_it() -> None:
    make_user(username="anna")
    make_user(username="bert")
    here, there, third, other = browser("Here/1"), browser("There/1"), browser("Third/1"), browser("Bert/1", "bert")
    page = here.get("/security").content.decode()
    assert all(name in page for name in ("Here/1", "There/1", "Third/1"))
    assert "Bert/1" not in page
    ends = re.findall(r"/security/sessions/(\d+)/end", page)
    assert len(ends) == 2, "this one is ended by signing out"
    of_bert = UserSession.objects.get(user__username="bert").pk
    assert here.post(f"/security/sessions/{of_bert}/end").status_code == 404
    assert other.get("/security").status_code == 200

    of_there = UserSession.objects.get(user_agent="There/1").pk
    assert here.post(f"/security/sessions/{of_there}/end").status_code == 303
    assert there.get("/security").status_code == 302
    assert third.get("/security").status_code == 200
    assert here.post("/security/sessions/end").status_code == 303
    assert third.get("/security").status_code == 302
    assert "1 other session ended" in here.get("/security").content.decode()
    reasons = AuditEntry.objects.filter(verb="sign_out").values_list("reason", flat=True)
    assert list(reasons) == ["by another session of theirs"] * 2


def test_this_session_stays_in_the_list_when_the_password_changes() -> None:
    make_user(username="anna")
    here, there = browser("Here/1"), browser("There/1")
    UserSession.objects.filter(user_agent="There/1").delete()  # as of before there was a list
    assert here.post("/security/sessions/end").status_code == 303
    assert there.get("/security").status_code == 302
    fields = {"oldpassword": PASSWORD, "password1": "ropes and sails 7", "password2": "ropes and sails 7"}
    assert here.post("/password", fields).status_code == 302
    assert "Here/1" in here.get("/security").content.decode()


def test_what_is_known_of_a_session_goes_with_it() -> None:
    make_user(username="anna")
    gone, ended, left = browser("Gone/1"), browser("Ended/1"), browser("Left/1")
    Session.objects.filter(pk=gone.session.session_key).update(expire_date=timezone.now() - timedelta(days=1))
    ended.post("/sign-out")
    assert forget_sessions(now=timezone.now()) == 1
    assert [kept.session_key for kept in UserSession.objects.all()] == [left.session.session_key]
