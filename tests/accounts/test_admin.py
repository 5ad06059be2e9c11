"""Django's admin: for superusers alone, by the same verbs, and the audit log can only be read."""

from __future__ import annotations

import pytest
from django.test import Client
from django.utils import timezone

from accounts.actors import SYSTEM
from accounts.domain.create_invitation import create_invitation
from accounts.domain.record import record
from accounts.domain.revoke_api_key import revoke_api_key
from accounts.models import Account, AuditEntry, Membership, User
from accounts.roles import Role
from tests.accounts.makers import make_key
from tests.makers import make_account, make_member, make_user, sign_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def superuser(client: Client) -> Client:
    return sign_in(client, make_user(superuser=True))


def test_there_is_one_door(client: Client) -> None:
    assert client.get("/admin/login/").headers["Location"].startswith("/sign-in")
    member = sign_in(client, make_member(role=Role.ADMIN))
    assert member.get("/admin/", follow=True).status_code == 403


@pytest.mark.parametrize("model", ["user", "account", "membership", "invitation", "apikey", "auditentry"])
def test_every_list_opens(superuser: Client, model: str) -> None:
    account = make_account()
    make_member(account=account)
    create_invitation(actor=SYSTEM, account=account, role=Role.VIEWER, now=timezone.now())
    make_key(account=account)
    assert superuser.get(f"/admin/accounts/{model}/").status_code == 200


def test_audit_entries_can_only_be_read(superuser: Client) -> None:
    entry = record(actor=SYSTEM, verb="test", target="accounts/x", account=None)
    page = f"/admin/accounts/auditentry/{entry.pk}"
    assert superuser.get(f"{page}/change/").status_code == 200
    assert superuser.post(f"{page}/change/", {"verb": "nothing"}).status_code == 403
    assert superuser.post(f"{page}/delete/", {"post": "yes"}).status_code == 403
    assert superuser.get("/admin/accounts/auditentry/add/").status_code == 403


def test_members_are_managed_by_the_verbs(superuser: Client) -> None:
    account, user = make_account(), make_user(username="anna")
    answer = superuser.post(
        "/admin/accounts/membership/add/", {"account": account.pk, "user": user.pk, "role": "admin"}
    )
    membership = Membership.objects.get(user=user)
    assert (answer.status_code, membership.role) == (302, "admin")
    page = f"/admin/accounts/membership/{membership.pk}"
    for answer in (
        superuser.post(f"{page}/change/", {"role": "viewer"}, follow=True),
        superuser.post(f"{page}/delete/", {"post": "yes"}, follow=True),
    ):
        assert "is the only admin" in answer.content.decode()

    make_member(account=account, role=Role.ADMIN)
    superuser.post(f"{page}/change/", {"role": "viewer"})
    membership.refresh_from_db()
    assert membership.role == "viewer"
    superuser.post(f"{page}/delete/", {"post": "yes"})
    assert not Membership.objects.filter(user=user).exists()
    assert [entry.verb for entry in AuditEntry.objects.order_by("id")] == ["add_member", "add_member", "remove_member"]


def test_accounts_can_be_made_and_stay(superuser: Client) -> None:
    fields = {"account_id": "team-z", "display_name": "Team Z"}
    assert superuser.post("/admin/accounts/account/add/", fields).status_code == 302
    account = Account.objects.get(account_id="team-z")
    assert superuser.post(f"/admin/accounts/account/{account.pk}/delete/", {"post": "yes"}).status_code == 403
    assert AuditEntry.objects.get().verb == "create_account"


def test_what_is_done_to_users_is_audited(superuser: Client) -> None:
    user = make_user(username="anna")
    fields = {"username": "anna", "email": "anna@example.org", "is_staff": "on"}
    assert superuser.post(f"/admin/accounts/user/{user.pk}/change/", fields).status_code == 302
    user.refresh_from_db()
    assert (user.email, user.is_active) == ("anna@example.org", True)  # the form does not switch anybody off
    assert list(AuditEntry.objects.values_list("verb", "target")) == [("change_user", "users/anna")]


def test_users_stay(superuser: Client) -> None:
    user = make_member(role=Role.VIEWER)
    assert superuser.post(f"/admin/accounts/user/{user.pk}/delete/", {"post": "yes"}).status_code == 403
    fields = {"action": "delete_selected", "_selected_action": [user.pk], "post": "yes"}
    superuser.post("/admin/accounts/user/", fields)
    assert Membership.objects.filter(user=user).exists()


def test_users_are_switched_off_and_on_by_the_verbs(superuser: Client) -> None:
    account = make_account()
    anna = make_member(account=account, role=Role.ADMIN, username="Anna")
    bert = make_member(account=account, role=Role.ADMIN, username="Bert")

    def said(action: str, *users: User) -> str:
        fields = {"action": action, "_selected_action": [user.pk for user in users]}
        return superuser.post("/admin/accounts/user/", fields, follow=True).content.decode()

    assert 'class="success">Anna ' in said("deactivate", anna)
    words = said("deactivate", anna, bert)
    assert "Anna is switched off already." in words
    assert f"Bert is the only admin of {account}. Make somebody else an admin first." in words
    assert list(User.objects.filter(memberships__account=account, is_active=True)) == [bert]
    assert 'class="success">Anna ' in said("reactivate", anna)
    assert "Bert is not switched off." in said("reactivate", bert)
    anna.refresh_from_db()
    assert anna.is_active
    entries = AuditEntry.objects.order_by("id").values_list("verb", "target")
    assert list(entries) == [("deactivate_user", "users/Anna"), ("reactivate_user", "users/Anna")]


def test_api_keys_are_shown_without_their_hash_and_revoked_by_the_verb(superuser: Client) -> None:
    key, secret = make_key(name="ci")
    done, _ = make_key(account=key.account, user=key.user, name="done")
    revoke_api_key(actor=SYSTEM, key=done, now=timezone.now())
    for path in ("/admin/accounts/apikey/", f"/admin/accounts/apikey/{key.pk}/change/"):
        page = superuser.get(path).content.decode()
        assert key.prefix in page and key.secret_hash not in page and secret not in page
    assert superuser.post(f"/admin/accounts/apikey/{key.pk}/change/", {"scope": "publish"}).status_code == 403
    assert superuser.post(f"/admin/accounts/apikey/{key.pk}/delete/", {"post": "yes"}).status_code == 403
    assert superuser.get("/admin/accounts/apikey/add/").status_code == 403

    fields = {"action": "revoke", "_selected_action": [key.pk, done.pk]}
    said = superuser.post("/admin/accounts/apikey/", fields, follow=True).content.decode()
    assert 'class="success">The key ci ' in said and "The key done was revoked already." in said
    key.refresh_from_db()
    assert key.revoked_at is not None
    assert AuditEntry.objects.filter(verb="revoke_api_key").count() == 2
