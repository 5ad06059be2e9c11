"""Second factors: codes of an app, recovery codes, who needs one, and how often a code may be tried."""

from __future__ import annotations

import re
import time
from io import StringIO

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from cryptography.fernet import Fernet
from django.core.cache import cache
from django.core.management import CommandError, call_command
from django.test import Client
from pytest_django.fixtures import DjangoCaptureOnCommitCallbacks, Settings

from accounts.actors import SYSTEM
from accounts.domain.remove_second_factors import remove_second_factors
from accounts.models import AuditEntry, User
from accounts.roles import Role
from tests.makers import PASSWORD, make_account, make_member, make_user

pytestmark = pytest.mark.django_db


def code_of(secret: str, *, windows: int = 0) -> str:
    """What an app shows now, or so many half minutes later."""
    return str(format_hotp_value(hotp_value(secret, int(time.time()) // 30 + windows)))


def enter(client: Client, user: User) -> str:
    """Give name and password; where that leads."""
    return str(client.post("/sign-in", {"login": user.username, "password": PASSWORD}).headers.get("Location", ""))


def set_up(client: Client, on_commit: DjangoCaptureOnCommitCallbacks) -> tuple[str, list[str]]:
    """Set an app up in the browser of somebody who is signed in: its secret, and the recovery codes."""
    asked = client.get("/security/app")
    assert asked.headers["Location"].startswith("/sign-in/again")
    client.post(asked.headers["Location"], {"password": PASSWORD})
    page = client.get("/security/app").content.decode()
    assert "data:image/svg+xml;base64," in page
    secret = re.findall(r"<code class=\"break-all\">([A-Z2-7]+)<", page)[0]
    wrong = client.post("/security/app", {"code": "12345"})
    assert "Incorrect code" in wrong.content.decode()
    with on_commit(execute=True):
        done = client.post("/security/app", {"code": code_of(secret)})
    assert done.headers["Location"] == "/security/codes"
    return secret, re.findall(r"^(?:<pre.*>)?(\d{8})", client.get("/security/codes").content.decode(), re.MULTILINE)


def test_a_code_is_asked_for_after_the_password(
    client: Client, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    user = make_user(username="anna")
    enter(client, user)
    secret, recovery = set_up(client, django_capture_on_commit_callbacks)
    assert len(recovery) == 10
    assert all(secret not in str(kept.data) for kept in Authenticator.objects.all()), "sealed at rest"
    assert AuditEntry.objects.filter(verb="add_second_factor", target="users/anna").count() == 2

    later = Client()
    assert enter(later, user) == "/sign-in/code"
    assert later.get("/password").status_code == 302
    assert later.post("/sign-in/code", {"code": "000000"}).status_code == 422
    code = code_of(secret, windows=1)
    assert later.post("/sign-in/code", {"code": code}).status_code == 302
    assert later.get("/password").status_code == 200
    another = Client()
    enter(another, user)
    assert another.post("/sign-in/code", {"code": code}).status_code == 422, "used once"
    assert another.post("/sign-in/code", {"code": recovery[0]}).status_code == 302
    third = Client()
    enter(third, user)
    assert third.post("/sign-in/code", {"code": recovery[0]}).status_code == 422, "used once"


def test_codes_are_tried_as_seldom_as_passwords_and_a_password_gives_no_more_tries(
    client: Client, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    user = make_user(username="anna")
    enter(client, user)
    secret, _ = set_up(client, django_capture_on_commit_callbacks)
    guessing = Client()
    for attempt in range(5):
        assert enter(guessing, user) == "/sign-in/code"
        assert guessing.post("/sign-in/code", {"code": f"00000{attempt}"}).status_code == 422
    assert enter(guessing, user) == "/sign-in/code"
    refused = guessing.post("/sign-in/code", {"code": code_of(secret)})
    assert refused.status_code == 429
    assert int(refused.headers["Retry-After"]) >= 1
    noted = AuditEntry.objects.filter(verb="fail_to_sign_in", target="users/anna")
    assert {entry.reason for entry in noted} == {"the code of the second factor"}


def test_who_has_such_a_role_sets_one_up_before_all_else(
    client: Client, settings: Settings, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    settings.SLIPWAY_MFA_ROLES = (Role.PUBLISHER, Role.ADMIN)
    team = make_account(account_id="team-a")
    admin, viewer, superuser = make_member(account=team, role=Role.ADMIN), make_user(), make_user(superuser=True)
    free = Client()
    enter(free, viewer)
    assert free.get("/launches").status_code == 200
    over = Client()
    enter(over, superuser)
    assert over.get("/admin/").headers["Location"] == "/security"

    enter(client, admin)
    assert client.get("/launches").headers["Location"] == "/security"
    assert client.post("/members", {"role": "viewer"}).headers["Location"] == "/security"
    assert client.get("/launches", headers={"HX-Request": "true"}).headers["HX-Redirect"] == "/security"
    assert "Your role here asks for a second factor" in client.get("/security").content.decode()
    secret, _ = set_up(client, django_capture_on_commit_callbacks)
    assert client.get("/launches").status_code == 200

    before = Client()
    before.force_login(admin)  # a session from before
    again = before.get("/launches?state=RUNNING").headers["Location"]
    assert again.startswith("/sign-in/again/code?next=%2Flaunches")
    assert before.post(again, {"code": code_of(secret, windows=1)}).headers["Location"] == "/launches?state=RUNNING"
    assert before.get("/launches").status_code == 200

    stale = Client()
    stale.force_login(admin)
    htmx = {"HX-Request": "true", "HX-Current-URL": "http://testserver/models?q=a"}
    part = stale.get("/launches?part=1", headers=htmx).headers["HX-Redirect"]
    assert part.endswith("?next=%2Fmodels%3Fq%3Da")
    assert stale.post("/members", {"role": "viewer"}).headers["Location"].endswith("?next=%2F")

    remove_second_factors(actor=SYSTEM, user=admin)
    assert client.get("/launches").status_code == 302
    assert enter(client, admin) != "/sign-in/code"
    assert client.get("/launches").headers["Location"] == "/security"


def test_who_stands_before_the_code_may_leave(
    client: Client, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    user, other = make_user(username="anna"), make_user(username="bert")
    enter(client, user)
    set_up(client, django_capture_on_commit_callbacks)
    browser = Client()
    assert enter(browser, user) == "/sign-in/code"
    page = browser.get("/sign-in/code").content.decode()
    (leaves,) = re.findall(r'<form method="post" action="(/sign-out)">.*name="next" value="(.*?)"', page)
    assert browser.post(leaves[0], {"next": leaves[1]}).headers["Location"] == "/sign-in"
    assert browser.get("/sign-in").status_code == 200
    assert enter(browser, other) == "/"

    waiting = Client()
    assert enter(waiting, user) == "/sign-in/code"
    remove_second_factors(actor=SYSTEM, user=user)
    assert waiting.get("/sign-in/code").headers["Location"] == "/sign-in"
    assert waiting.get("/sign-in").status_code == 200
    assert enter(waiting, user) == "/"


def test_the_second_factor_of_one_user_is_not_that_of_the_next(
    client: Client, settings: Settings, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    settings.SLIPWAY_MFA_ROLES = (Role.ADMIN,)
    first, next_one = (make_member(role=Role.ADMIN) for _ in range(2))
    enter(client, first)
    set_up(client, django_capture_on_commit_callbacks)
    assert client.get("/launches").status_code == 200
    shown = client.session["second_factor"]
    browser = Client()
    session = browser.session
    session["second_factor"] = shown  # left there by a sign-in that came to nothing
    session.save()
    browser.cookies[settings.SESSION_COOKIE_NAME] = str(session.session_key)
    enter(browser, next_one)
    assert browser.session["second_factor"] == shown
    assert browser.get("/launches").headers["Location"] == "/security"


def test_without_the_broker_no_recovery_code_is_lost_and_nothing_fails(
    client: Client, settings: Settings, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    user = make_user(username="anna")
    enter(client, user)
    secret, recovery = set_up(client, django_capture_on_commit_callbacks)
    browser = Client()
    enter(browser, user)
    there = settings.CACHES
    settings.CACHES = {"default": {**there["default"], "LOCATION": "redis://127.0.0.1:1/0"}}
    refused = browser.post("/sign-in/code", {"code": code_of(secret, windows=1)})
    assert (refused.status_code, "use a recovery code" in refused.content.decode()) == (422, True)
    assert browser.post("/sign-in/code", {"code": recovery[0]}).status_code == 302
    assert not AuditEntry.objects.filter(verb="fail_to_sign_in").exists()


def test_a_code_is_used_once_however_it_is_written(
    client: Client, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    user = make_user(username="anna")
    enter(client, user)
    secret, _ = set_up(client, django_capture_on_commit_callbacks)
    code = code_of(secret, windows=1)
    first, second = Client(), Client()
    enter(first, user)
    assert first.post("/sign-in/code", {"code": code}).status_code == 302
    cache.delete(f"allauth.mfa.totp.used?user={user.pk}&code={code}")  # as after its half a minute
    enter(second, user)
    assert second.post("/sign-in/code", {"code": f"{code[:3]} {code[3:]}"}).status_code == 422


def test_an_app_is_removed_by_who_has_it(
    client: Client, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    user = make_user(username="anna")
    enter(client, user)
    set_up(client, django_capture_on_commit_callbacks)
    with django_capture_on_commit_callbacks(execute=True):
        assert client.post("/security/codes/new").status_code == 302
    assert client.get("/security/app/remove").status_code == 200
    assert client.post("/security/app/remove").status_code == 302
    assert not Authenticator.objects.exists()
    assert AuditEntry.objects.filter(verb="remove_second_factor").count() == 2
    assert enter(Client(), user) != "/sign-in/code"


def test_a_new_sealing_key_in_front_lets_the_old_one_go(
    client: Client, settings: Settings, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    user = make_user(username="anna")
    enter(client, user)
    secret, _ = set_up(client, django_capture_on_commit_callbacks)
    (old,), new = settings.SLIPWAY_SEALING_KEYS, Fernet.generate_key().decode()
    settings.SLIPWAY_SEALING_KEYS = (new,)
    later = Client()
    enter(later, user)
    lost = later.post("/sign-in/code", {"code": code_of(secret)})
    assert (lost.status_code, "a key that is gone" in lost.content.decode()) == (422, True)
    assert client.get("/security/codes").headers["Location"] == "/security"
    assert "a key that is gone" in client.get("/security").content.decode()
    assert "a key that is gone" in client.get("/security/codes/new").content.decode()
    with pytest.raises(CommandError, match="No key opens the second factor of anna"):
        call_command("seal_connections", stdout=StringIO())
    settings.SLIPWAY_SEALING_KEYS = (new, old)
    call_command("seal_connections", stdout=StringIO())
    settings.SLIPWAY_SEALING_KEYS = (new,)
    assert later.post("/sign-in/code", {"code": code_of(secret)}).status_code == 302
