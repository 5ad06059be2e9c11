"""Every URL of Django's admin, asked for by everybody: superusers get in, and nobody else sees or changes a thing."""

from __future__ import annotations

import pytest
from django.contrib import admin
from django.db import transaction
from django.test import Client
from django.urls import NoReverseMatch, reverse
from django.utils import timezone

from accounts.actors import SYSTEM
from accounts.domain.create_invitation import create_invitation
from accounts.domain.record import record
from accounts.models import User
from accounts.roles import Role
from tests.accounts.makers import make_key
from tests.makers import make_account, make_member, make_user, make_version

SUPERUSER, STAFF, ANONYMOUS = "superuser", "staff without rights", "anonymous"
FOR_EVERY_STAFF = {"index", "logout", "password_change", "password_change_done", "jsi18n", "autocomplete"}
"""What shows nothing of anybody else: the index is empty for who has no rights, and autocomplete refuses by itself."""
OPEN = {"login", "logout", "jsi18n"}


def make_people() -> dict[str, User | None]:
    """Everybody who might ask, and a row of everything to ask for."""
    account = make_account()
    people: dict[str, User | None] = {role.value: make_member(account=account, role=role) for role in Role}
    make_key(account=account, user=people[Role.ADMIN])
    create_invitation(actor=SYSTEM, account=account, role=Role.VIEWER, now=timezone.now())
    record(actor=SYSTEM, verb="test", target=account.name, account=account)
    make_version()
    staff = make_user()
    User.objects.filter(pk=staff.pk).update(is_staff=True)
    others = {
        "stranger": make_user(),
        "publisher of another account": make_member(role=Role.PUBLISHER),
        STAFF: User.objects.get(pk=staff.pk),
        SUPERUSER: make_user(superuser=True),
        ANONYMOUS: None,
    }
    return people | others


def addresses() -> dict[str, str]:
    """Every page of the admin by its URL's name, about a row that is there."""
    found = {}
    rows = {model._meta.label_lower.replace(".", "_"): model for model in admin.site._registry}
    for pattern in [each for entry in admin.site.urls[0] for each in getattr(entry, "url_patterns", [entry])]:
        name = getattr(pattern, "name", None) or ""
        model = rows.get(name.rpartition("_")[0])
        row = model._default_manager.first() if model else None
        for arguments in ([], [row.pk if row else 0], ["accounts"]):
            try:
                found[name] = reverse(f"admin:{name}", args=arguments)
                break
            except NoReverseMatch:
                continue
    return found


def answer(user: User | None, method: str, address: str) -> int:
    """What the person is answered; what the request did is undone."""
    client = Client(raise_request_exception=False)
    with transaction.atomic():
        if user:
            client.force_login(user)
        status = getattr(client, method)(address).status_code
        transaction.set_rollback(True)
    return int(status)


@pytest.mark.e2e  # for how long it takes
@pytest.mark.django_db
@pytest.mark.parametrize("method", ["get", "post"])
def test_the_admin_is_for_superusers(method: str) -> None:
    people, pages = make_people(), addresses()
    assert {"index", "accounts_user_changelist", "catalog_shapeversion_change", "accounts_auditentry_delete"} <= {
        *pages
    }
    for name, address in pages.items():
        answers = {person: answer(user, method, address) for person, user in people.items()}
        assert not [status for status in answers.values() if status >= 500], (name, answers)
        if name in OPEN:
            continue
        staff = answers.pop(STAFF)
        assert staff in {302, 403, 404, 405} or name in FOR_EVERY_STAFF, (name, staff)
        superuser = answers.pop(SUPERUSER)
        # Passwords are changed on one page, to which this one leads.
        assert method == "post" or (superuser == 302) == (name == "password_change"), (name, superuser)
        assert answers.pop(ANONYMOUS) == 302, name
        assert set(answers.values()) == {302}, (name, answers)  # to where they are told that they may not


@pytest.mark.django_db
def test_nothing_of_the_admin_deletes_or_adds_but_accounts_members_and_users() -> None:
    superuser, pages = make_people()[SUPERUSER], addresses()
    allowed = {name for name, address in pages.items() if answer(superuser, "get", address) == 200}
    assert {name for name in allowed if name.endswith(("_add", "_delete"))} == {
        "accounts_user_add",
        "accounts_account_add",
        "accounts_membership_add",
        "accounts_membership_delete",
    }
