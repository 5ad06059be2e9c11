"""Who may change who is a member, and what is kept of it."""

from __future__ import annotations

from itertools import pairwise

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.utils import timezone

from accounts.actors import SYSTEM, user_actor
from accounts.domain.add_member import add_member
from accounts.domain.create_account import create_account
from accounts.domain.deactivate_user import deactivate_user
from accounts.domain.reactivate_user import reactivate_user
from accounts.domain.remove_member import remove_member
from accounts.models import AuditEntry, Membership, User
from accounts.roles import RIGHTS, Right, Role, allows, includes
from tests.makers import make_account, make_member, make_user
from wire.errors import AlreadyExists, FailedPrecondition, InvalidArgument, NotFound, PermissionDenied

pytestmark = pytest.mark.django_db


def test_each_role_has_the_rights_of_the_ones_before_it() -> None:
    roles = list(Role)
    for smaller, bigger in pairwise(roles):
        assert includes(bigger, smaller) and not includes(smaller, bigger)
    assert RIGHTS[Role.ADMIN] == frozenset(Right)
    assert not allows(None, Right.VIEW)


def test_an_admin_adds_changes_and_removes_and_each_is_in_the_audit_log() -> None:
    account = make_account(account_id="team-a")
    admin, user = make_member(account=account, role=Role.ADMIN), make_user(username="anna")
    actor = user_actor(admin, request_id="r1")
    add_member(actor=actor, account=account, user=user, role=Role.VIEWER)
    add_member(actor=actor, account=account, user=user, role=Role.PUBLISHER)
    add_member(actor=actor, account=account, user=user, role=Role.PUBLISHER)
    remove_member(actor=actor, account=account, user=user, now=timezone.now())

    entries = AuditEntry.objects.order_by("id").values_list("verb", "target", "before", "after", "request_id")
    anna = "accounts/team-a/members/anna"
    assert list(entries) == [
        ("add_member", anna, None, {"role": "viewer"}, "r1"),
        ("add_member", anna, {"role": "viewer"}, {"role": "publisher"}, "r1"),
        ("remove_member", anna, {"role": "publisher"}, None, "r1"),
    ]
    with pytest.raises(NotFound):
        remove_member(actor=actor, account=account, user=user, now=timezone.now())


@pytest.mark.parametrize("role", [Role.VIEWER, Role.LAUNCHER, Role.PUBLISHER])
def test_lesser_members_may_not(role: Role) -> None:
    account, user = make_account(), make_user()
    with pytest.raises(PermissionDenied, match="manage members"):
        add_member(
            actor=user_actor(make_member(account=account, role=role)), account=account, user=user, role=Role.VIEWER
        )
    assert not Membership.objects.filter(user=user).exists()


def test_an_admin_of_another_account_does_not_learn_that_it_exists() -> None:
    other = make_member(role=Role.ADMIN)
    with pytest.raises(NotFound):
        add_member(actor=user_actor(other), account=make_account(), user=other, role=Role.ADMIN)


def test_an_account_keeps_an_admin() -> None:
    account = make_account()
    admin = make_member(account=account, role=Role.ADMIN)
    with pytest.raises(FailedPrecondition, match="only admin"):
        add_member(actor=SYSTEM, account=account, user=admin, role=Role.VIEWER)
    with pytest.raises(FailedPrecondition, match="only admin"):
        remove_member(actor=SYSTEM, account=account, user=admin, now=timezone.now())

    make_member(account=account, role=Role.ADMIN)
    remove_member(actor=SYSTEM, account=account, user=admin, now=timezone.now())
    assert account.memberships.count() == 1


def test_an_account_keeps_an_admin_who_gets_in() -> None:
    account = make_account()
    gone, left = (make_member(account=account, role=Role.ADMIN) for _ in range(2))
    deactivate_user(actor=SYSTEM, user=gone, now=timezone.now())
    for lose in (
        lambda: deactivate_user(actor=SYSTEM, user=left, now=timezone.now()),
        lambda: remove_member(actor=SYSTEM, account=account, user=left, now=timezone.now()),
        lambda: add_member(actor=SYSTEM, account=account, user=left, role=Role.VIEWER),
    ):
        with pytest.raises(FailedPrecondition, match=f"{left} is the only admin of {account}"):
            lose()
    remove_member(actor=SYSTEM, account=account, user=gone, now=timezone.now())
    left.refresh_from_db()
    assert left.is_active and list(account.memberships.values_list("user", flat=True)) == [left.pk]


def test_only_superusers_switch_others_off_and_on() -> None:
    account = make_account()
    admin, user, superuser = make_member(account=account, role=Role.ADMIN), make_user(), make_user(superuser=True)
    now = timezone.now()
    with pytest.raises(PermissionDenied, match="Only superusers"):
        deactivate_user(actor=user_actor(admin), user=user, now=now)
    with pytest.raises(PermissionDenied, match="Only superusers"):
        reactivate_user(actor=user_actor(admin), user=user)
    with pytest.raises(FailedPrecondition, match="That is you"):
        deactivate_user(actor=user_actor(superuser), user=superuser, now=now)
    deactivate_user(actor=user_actor(superuser), user=user, now=now)
    user.refresh_from_db()
    assert not user.is_active
    reactivate_user(actor=user_actor(superuser), user=user)
    user.refresh_from_db()
    assert user.is_active


def test_superusers_make_accounts_and_appoint_their_first_admin() -> None:
    superuser = user_actor(make_user(superuser=True))
    account = create_account(actor=superuser, account_id="team-z", display_name="Team Z")
    add_member(actor=superuser, account=account, user=make_user(), role=Role.ADMIN)

    with pytest.raises(AlreadyExists):
        create_account(actor=superuser, account_id="team-z", display_name="Team Z")
    with pytest.raises(InvalidArgument, match="account_id"):
        create_account(actor=superuser, account_id="Team Z", display_name="Team Z")
    for name in ("", "  ", "Te\u200bam", "Team\u202e", "a\nb", "x" * 64):
        with pytest.raises(InvalidArgument, match="use 1 to 63 visible characters"):
            create_account(actor=superuser, account_id="team-x", display_name=name)
    with pytest.raises(PermissionDenied):
        create_account(actor=user_actor(make_user()), account_id="team-y", display_name="Team Y")


def test_user_names_differ_by_more_than_case() -> None:
    make_user(username="Anna")
    with pytest.raises(IntegrityError), transaction.atomic():
        make_user(username="anna")


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE accounts_auditentry SET verb = 'nothing'",
        "UPDATE accounts_auditentry SET actor_id = NULL, reason = 'x'",
        "DELETE FROM accounts_auditentry",
    ],
)
def test_nobody_changes_the_audit_log_not_even_by_sql(change: str) -> None:
    account = make_account()
    add_member(
        actor=user_actor(make_member(account=account, role=Role.ADMIN)),
        account=account,
        user=make_user(),
        role=Role.VIEWER,
    )
    with pytest.raises(DatabaseError, match="kept as it was written"), transaction.atomic(), connection.cursor() as sql:
        sql.execute(change)


def test_the_audit_log_outlives_its_actor() -> None:
    account = make_account()
    admin = make_member(account=account, role=Role.ADMIN, username="gone")
    add_member(actor=user_actor(admin), account=account, user=make_user(), role=Role.VIEWER)
    User.objects.get(pk=admin.pk).delete()
    entry = AuditEntry.objects.get()
    assert (entry.actor, entry.actor_label) == (None, "gone")
