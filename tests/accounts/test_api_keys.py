"""API keys: who makes them, what they open, and what ends them."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from accounts.actors import SYSTEM, key_actor, require, require_manager, user_actor
from accounts.domain.add_member import add_member
from accounts.domain.authenticate_key import authenticate_key
from accounts.domain.create_account import create_account
from accounts.domain.create_api_key import LIFETIMES, create_api_key
from accounts.domain.remove_member import remove_member
from accounts.domain.revoke_api_key import revoke_api_key
from accounts.models import ApiKey, AuditEntry, Membership, User
from accounts.roles import RIGHTS, Right, Role
from accounts.scopes import Scope, covers, least_scope, scopes_of
from tests.accounts.makers import make_key
from tests.accounts.races import before_commit
from tests.makers import make_account, make_member, make_user
from wire.errors import FailedPrecondition, InvalidArgument, NotFound, PermissionDenied

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)


def opens(secret: str, now: datetime | None = None) -> bool:
    return authenticate_key(secret=secret, now=now or timezone.now()) is not None


def test_each_scope_includes_the_ones_before_it_and_none_manages_or_makes_keys_or_reads_the_audit_log() -> None:
    for smaller, bigger in pairwise(Scope):
        assert {right for right in Right if covers(smaller, right)} < {
            right for right in Right if covers(bigger, right)
        }
    never = {right for right in Right if least_scope(right) is None}
    assert never == {
        *(Right.MANAGE_MEMBERS, Right.MAKE_KEYS, Right.READ_AUDIT, Right.READ_SIGN_INS),
        Right.SEE_CONNECTIONS,
        Right.ORDER_CONNECTIONS,
    }
    assert least_scope(Right.CONTROL_ANY_LAUNCH) is Scope.LAUNCH
    assert least_scope(Right.PUBLISH_SHARED) is Scope.PUBLISH


def test_each_role_has_scopes_within_its_rights() -> None:
    assert [scopes_of(role)[-1] for role in Role] == [Scope.READ, Scope.LAUNCH, Scope.PUBLISH, Scope.PUBLISH]


@pytest.mark.django_db
def test_a_key_is_made_shown_once_and_only_its_hash_is_kept() -> None:
    account = make_account(account_id="team-a")
    anna = make_member(account=account, role=Role.PUBLISHER, username="anna")
    key, secret = create_api_key(
        actor=user_actor(anna, request_id="r1"),
        account=account,
        user=anna,
        name="ci",
        scope=Scope.LAUNCH,
        now=NOON,
        days=90,
    )
    assert secret.startswith("slpw_") and not secret.startswith("tml-") and len(secret) == len("slpw_") + 43
    assert secret.startswith(key.prefix) and len(key.prefix) == 11
    assert key.expires_at == NOON + timedelta(days=90) and key.created_by == "anna"
    everything = str([*ApiKey.objects.values(), *AuditEntry.objects.values()])
    assert secret not in everything and secret[12:] not in everything
    entry = AuditEntry.objects.get()
    assert (entry.verb, entry.target, entry.request_id) == (
        "create_api_key",
        f"accounts/team-a/apiKeys/{key.pk}",
        "r1",
    )
    assert entry.after == {
        "name": "ci",
        "user": "anna",
        "scope": "launch",
        "prefix": key.prefix,
        "expiresAt": "2026-08-02T12:00:00+00:00",
    }


@pytest.mark.django_db
def test_secrets_differ() -> None:
    account, user = make_account(), make_user()
    make_member(account=account, role=Role.VIEWER, user=user)
    secrets = {make_key(account=account, user=user, name=f"key {number}")[1] for number in range(20)}
    assert len(secrets) == 20


@pytest.mark.django_db
def test_nothing_is_logged_of_a_secret(caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]) -> None:
    caplog.set_level("DEBUG")
    _, secret = make_key()
    authenticate_key(secret=secret, now=timezone.now())
    said = capsys.readouterr()
    assert secret[12:] not in caplog.text + said.out + said.err


@pytest.mark.django_db
@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("scope", Scope)
def test_a_role_makes_keys_up_to_its_own_rights(role: Role, scope: Scope) -> None:
    account = make_account()
    member = make_member(account=account, role=role)

    def make() -> ApiKey:
        return create_api_key(
            actor=user_actor(member), account=account, user=member, name="x", scope=scope, now=NOON, days=None
        )[0]

    if scope in scopes_of(role):
        assert make().scope == scope
    else:
        with pytest.raises(InvalidArgument, match=f"scope: A key of a {role} of {account} can have the scope .*not"):
            make()
        assert not ApiKey.objects.exists()


@pytest.mark.django_db
def test_everything_wrong_with_a_key_is_said_at_once() -> None:
    account = make_account()
    viewer = make_member(account=account, role=Role.VIEWER)
    with pytest.raises(InvalidArgument) as refused:
        create_api_key(
            actor=user_actor(viewer), account=account, user=viewer, name=" ", scope=Scope.PUBLISH, now=NOON, days=31
        )
    assert [violation.field for violation in refused.value.violations] == ["name", "scope", "days"]
    assert "30, 90, 365 days, or for ever" in str(refused.value)


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["", "   ", "x" * 41, "two\nlines", "nul\0", "bell\a", "left\u202eright"])
def test_a_name_is_forty_visible_characters(name: str) -> None:
    with pytest.raises(InvalidArgument, match="name: Use 1 to 40 visible characters"):
        make_key(name=name)


@pytest.mark.django_db
def test_the_longest_names_fit_into_the_audit_log() -> None:
    account = make_account()
    user = make_user(username="u" * 150)
    make_member(account=account, user=user, role=Role.ADMIN)
    key, _ = make_key(account=account, user=user, name="n" * 40)
    label = key_actor(key).label
    assert len(label) <= AuditEntry._meta.get_field("actor_label").max_length  # type: ignore[operator]


@pytest.mark.django_db
def test_a_name_is_free_again_once_its_key_is_revoked() -> None:
    account = make_account()
    user = make_member(account=account, role=Role.VIEWER)
    key, _ = make_key(account=account, user=user)
    with pytest.raises(InvalidArgument, match=f"{user} has a key named ci in {account}"):
        make_key(account=account, user=user)
    revoke_api_key(actor=SYSTEM, key=key, now=NOON)
    again, _ = make_key(account=account, user=user)
    with pytest.raises(IntegrityError), transaction.atomic():
        ApiKey.objects.filter(pk=key.pk).update(revoked_at=None)
    assert again.pk != key.pk


@pytest.mark.django_db
def test_a_name_is_free_again_once_its_key_has_expired() -> None:
    account = make_account()
    user = make_member(account=account, role=Role.VIEWER)
    old, _ = make_key(account=account, user=user, now=NOON, days=30)
    expiry = NOON + timedelta(days=30)
    with pytest.raises(InvalidArgument, match="has a key named ci"):
        make_key(account=account, user=user, now=expiry - timedelta(seconds=1))
    new, secret = make_key(account=account, user=user, now=expiry)
    assert opens(secret, expiry) and new.pk != old.pk
    old.refresh_from_db()
    assert old.revoked_at == expiry
    verbs = AuditEntry.objects.order_by("-id").values_list("verb", "target")[:2]
    assert list(verbs) == [("create_api_key", new.resource_name), ("revoke_api_key", old.resource_name)]


@pytest.mark.django_db
def test_nobody_makes_a_key_that_acts_for_somebody_else() -> None:
    account = make_account()
    admin, other = make_member(account=account, role=Role.ADMIN), make_member(account=account, role=Role.VIEWER)
    for actor in (user_actor(admin), user_actor(make_member(account=account, user=make_user(superuser=True)))):
        with pytest.raises(PermissionDenied, match=f"only {other} makes keys of {other}"):
            create_api_key(actor=actor, account=account, user=other, name="x", scope=Scope.READ, now=NOON, days=None)
    with pytest.raises(NotFound):
        stranger = make_user()
        create_api_key(
            actor=user_actor(stranger), account=account, user=stranger, name="x", scope=Scope.READ, now=NOON, days=None
        )


@pytest.mark.django_db
def test_a_key_makes_no_keys_revokes_none_and_manages_nobody() -> None:
    account = make_account()
    owner = make_user(superuser=True)
    make_member(account=account, role=Role.ADMIN, user=owner)
    key, _ = make_key(account=account, user=owner, scope=Scope.PUBLISH)
    actor = key_actor(key)
    with pytest.raises(PermissionDenied, match="No key has it: sign in"):
        create_api_key(actor=actor, account=account, user=owner, name="x", scope=Scope.READ, now=NOON, days=None)
    with pytest.raises(PermissionDenied, match="make keys"):
        revoke_api_key(actor=actor, key=key, now=NOON)
    with pytest.raises(PermissionDenied, match="manage members"):
        require_manager(actor, account)
    with pytest.raises(PermissionDenied, match="manage members"):
        add_member(actor=actor, account=account, user=make_user(), role=Role.ADMIN)
    with pytest.raises(PermissionDenied):
        create_account(actor=actor, account_id="team-z", display_name="")


@pytest.mark.django_db
@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("scope", Scope)
def test_a_key_has_a_right_where_its_scope_and_its_users_role_now_have_it(role: Role, scope: Scope) -> None:
    account = make_account()
    key, _ = make_key(account=account, scope=scope)
    Membership.objects.filter(account=account, user=key.user).update(role=role)
    passed = set()
    for right in Right:
        try:
            require(key_actor(key), account, right)
            passed.add(right)
        except PermissionDenied as refusal:
            assert f"scope {scope}" in refusal.message or f"is {role}" in refusal.message
    assert passed == {right for right in RIGHTS[role] if covers(scope, right)}


@pytest.mark.django_db
def test_a_refusal_names_the_scope_and_the_remedy() -> None:
    account = make_account()
    key, _ = make_key(account=account)
    with pytest.raises(PermissionDenied) as refused:
        require(key_actor(key), account, Right.PUBLISH)
    assert refused.value.message == (
        "This API key has the scope read; this needs the right to publish. Use a key with the scope publish."
    )


@pytest.mark.django_db
def test_a_key_is_for_one_account_alone() -> None:
    home, other = make_account(), make_account()
    user = make_member(account=home, role=Role.ADMIN)
    make_member(account=other, role=Role.ADMIN, user=user)
    key, _ = make_key(account=home, user=user)
    require(key_actor(key), home, Right.VIEW)
    with pytest.raises(NotFound, match=f"no account {other} that this API key is for"):
        require(key_actor(key), other, Right.VIEW)


@pytest.mark.django_db
def test_the_bearer_acts_as_the_user_and_the_label_says_by_which_key() -> None:
    key, secret = make_key(name="notebook")
    found = authenticate_key(secret=secret, now=timezone.now())
    assert found is not None
    actor = key_actor(found, request_id="r9")
    assert (actor.user, actor.label, actor.request_id) == (key.user, f"{key.user} (key notebook)", "r9")
    assert (actor.scope, actor.only_account) == (Scope.READ, key.account)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "end",
    [
        lambda key: revoke_api_key(actor=SYSTEM, key=key, now=timezone.now()),
        lambda key: ApiKey.objects.update(expires_at=timezone.now()),
        lambda key: User.objects.filter(pk=key.user_id).update(is_active=False),
        lambda key: remove_member(actor=SYSTEM, account=key.account, user=key.user, now=timezone.now()),
        lambda key: Membership.objects.filter(user=key.user).delete(),
        lambda key: key.user.delete(),
    ],
    ids=["revoked", "expired", "user switched off", "member removed", "membership gone", "user deleted"],
)
def test_a_key_that_ended_opens_nothing(end: Callable[[ApiKey], object]) -> None:
    account = make_account()
    make_member(account=account, role=Role.ADMIN)
    key, secret = make_key(account=account)
    assert opens(secret)
    end(key)
    assert not opens(secret)


@pytest.mark.django_db
@pytest.mark.parametrize("days", LIFETIMES)
def test_a_key_lasts_as_long_as_was_chosen(days: int | None) -> None:
    _, secret = make_key(now=NOON, days=days)
    if days is None:
        assert opens(secret, NOON + timedelta(days=36_500))
    else:
        assert opens(secret, NOON + timedelta(days=days, microseconds=-1))
        assert not opens(secret, NOON + timedelta(days=days))


@pytest.mark.django_db
def test_what_is_nearly_a_secret_opens_nothing() -> None:
    key, secret = make_key()
    body = secret.removeprefix("slpw_")
    other = "A" if secret[-1] != "A" else "B"
    wrong = [
        secret[:-1],
        secret + "A",
        secret[:-1] + other,
        secret.swapcase(),
        f" {secret}",
        f"{secret}\n",
        f"{secret}\0",
        body,
        f"tml-{body}",
        key.secret_hash,
        f"slpw_{key.secret_hash[:43]}",
        key.prefix,
        "",
        "slpw_" + "ä" * 43,
        "slpw_" + "\ud800" * 43,
        "slpw_" + "x" * 1_000_000,
    ]
    assert [text[:60] for text in wrong if opens(text)] == []
    assert opens(secret)


@given(text=st.text(st.characters(), max_size=80))
def test_text_that_is_no_secret_is_told_without_the_database(text: str) -> None:
    assert authenticate_key(secret=text, now=NOON) is None  # this test has no access to a database


@pytest.mark.django_db
def test_use_is_noted_once_a_minute() -> None:
    key, secret = make_key(now=NOON)

    def used_after(seconds: float) -> datetime | None:
        authenticate_key(secret=secret, now=NOON + timedelta(seconds=seconds))
        key.refresh_from_db()
        return key.last_used_at

    assert key.last_used_at is None
    assert used_after(0) == NOON
    assert used_after(59) == NOON
    assert used_after(60) == NOON + timedelta(seconds=60)
    assert used_after(61) == NOON + timedelta(seconds=60)


@pytest.mark.django_db
def test_finding_a_key_costs_one_query_and_its_use_one_more() -> None:
    _, secret = make_key(now=NOON)
    with CaptureQueriesContext(connection) as first:
        found = authenticate_key(secret=secret, now=NOON)
        assert found is not None and found.user.username and found.account.account_id
    with CaptureQueriesContext(connection) as second:
        authenticate_key(secret=secret, now=NOON)
    assert (len(first), len(second)) == (2, 1)


@pytest.mark.django_db
def test_owners_and_admins_revoke_and_nobody_else() -> None:
    account = make_account(account_id="team-a")
    owner = make_member(account=account, role=Role.VIEWER, username="anna")
    admin = make_member(account=account, role=Role.ADMIN)
    key, _ = make_key(account=account, user=owner)
    for other, refusal in [
        (make_member(account=account, role=Role.PUBLISHER), PermissionDenied),
        (make_member(role=Role.ADMIN), NotFound),
    ]:
        with pytest.raises(refusal):
            revoke_api_key(actor=user_actor(other), key=key, now=NOON)
    revoke_api_key(actor=user_actor(owner), key=key, now=NOON)
    with pytest.raises(FailedPrecondition, match="was revoked already"):
        revoke_api_key(actor=user_actor(admin), key=key, now=NOON)
    second, _ = make_key(account=account, user=owner)
    revoke_api_key(actor=user_actor(admin), key=second, now=NOON)

    key.refresh_from_db()
    assert key.revoked_at == NOON
    entry = AuditEntry.objects.filter(verb="revoke_api_key").earliest("id")
    assert (entry.target, entry.before) == (
        f"accounts/team-a/apiKeys/{key.pk}",
        {"name": "ci", "user": "anna", "scope": "read", "prefix": key.prefix},
    )


@pytest.mark.django_db
def test_removing_a_member_revokes_their_keys_of_that_account_and_no_others() -> None:
    home, other = make_account(), make_account()
    user = make_member(account=home, role=Role.ADMIN)
    make_member(account=other, role=Role.VIEWER, user=user)
    admin = make_member(account=home, role=Role.ADMIN)
    first, second = make_key(account=home, user=user), make_key(account=home, user=user, name="second")
    elsewhere, colleagues = make_key(account=other, user=user), make_key(account=home, user=admin)

    remove_member(actor=user_actor(admin), account=home, user=user, now=NOON)
    assert [opens(secret) for _, secret in (first, second, elsewhere, colleagues)] == [False, False, True, True]
    assert list(AuditEntry.objects.order_by("-id").values_list("verb", flat=True)[:3]) == [
        "remove_member",
        "revoke_api_key",
        "revoke_api_key",
    ]
    add_member(actor=user_actor(admin), account=home, user=user, role=Role.ADMIN)
    assert not opens(first[1])  # coming back does not bring keys back


@pytest.mark.django_db
def test_a_removal_that_is_refused_revokes_nothing() -> None:
    account = make_account()
    key, secret = make_key(account=account)
    with pytest.raises(FailedPrecondition, match="only admin"):
        remove_member(actor=SYSTEM, account=account, user=key.user, now=NOON)
    assert opens(secret)


@pytest.mark.django_db(transaction=True)
def test_of_two_who_revoke_at_once_one_does_and_one_is_told() -> None:
    key, _ = make_key()

    def revoke() -> object:
        return revoke_api_key(actor=SYSTEM, key=ApiKey.objects.get(pk=key.pk), now=timezone.now())

    assert before_commit(revoke, revoke) == "The key ci was revoked already."
    assert AuditEntry.objects.filter(verb="revoke_api_key").count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_two_admins_who_remove_each_other_one_stays() -> None:
    account = make_account()
    users = [make_member(account=account, role=Role.ADMIN) for _ in range(2)]

    def remove(actor: User, other: User) -> Callable[[], object]:
        return lambda: remove_member(actor=user_actor(actor), account=account, user=other, now=timezone.now())

    said = before_commit(remove(users[0], users[1]), remove(users[1], users[0]))
    assert said == f"{users[0]} is the only admin of {account}. Make somebody else an admin first."
    assert Membership.objects.filter(account=account, role=Role.ADMIN).count() == 1


@pytest.mark.django_db(transaction=True)
def test_who_is_being_removed_keeps_no_key_whichever_comes_first() -> None:
    account = make_account()
    make_member(account=account, role=Role.ADMIN)
    first, second = (make_member(account=account, role=Role.VIEWER) for _ in range(2))

    def make(user: User) -> Callable[[], object]:
        return lambda: make_key(account=account, user=user)

    def remove(user: User) -> Callable[[], object]:
        return lambda: remove_member(actor=SYSTEM, account=account, user=user, now=timezone.now())

    assert before_commit(make(first), remove(first)) == "done"
    assert before_commit(remove(second), make(second)) == f"{second} is not a member of {account}."
    assert not ApiKey.objects.filter(revoked_at=None).exists()


def command(*arguments: str) -> str:
    output = io.StringIO()
    call_command("create_api_key", *arguments, stdout=output)
    return output.getvalue()


@pytest.mark.django_db
def test_the_command_prints_the_key_alone() -> None:
    account = make_account(account_id="team-a")
    make_member(account=account, role=Role.LAUNCHER, username="anna")
    said = command("--account", "team-a", "--user", "ANNA", "--scope", "launch", "--days", "never", "--name", "ci")
    secret = said.removesuffix("\n")
    found = authenticate_key(secret=secret, now=timezone.now())
    assert found is not None and said == f"{secret}\n"
    assert (found.name, found.scope, found.expires_at, found.created_by) == ("ci", "launch", None, "Slipway")


@pytest.mark.django_db
def test_the_command_works_again_and_again_as_documented() -> None:
    account = make_account(account_id="team-a")
    make_member(account=account, role=Role.LAUNCHER, username="anna")
    as_documented = ("--account", "team-a", "--user", "anna", "--scope", "launch")
    secrets = [command(*as_documented).strip() for _ in range(3)]
    assert all(opens(secret) for secret in secrets)
    names = ApiKey.objects.order_by("pk").values_list("name", flat=True)
    assert list(names) == ["command line", "command line 2", "command line 3"]
    revoke_api_key(actor=SYSTEM, key=ApiKey.objects.get(name="command line 2"), now=timezone.now())
    command(*as_documented)
    assert ApiKey.objects.latest("pk").name == "command line 2"


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--account", "nowhere", "--user", "anna"], r"no account 'nowhere'\. Accounts: team-a"),
        (["--account", "team-a", "--user", "nobody"], "no user nobody. .*add_member"),
        (["--account", "team-a", "--user", "stranger"], "stranger is not a member of team-a"),
        (["--account", "team-a", "--user", "anna", "--scope", "publish"], "A key of a launcher .* not publish"),
        (["--account", "team-a", "--user", "anna", "--days", "31"], "invalid choice"),
        (["--account", "team-a", "--user", "anna", "--scope", "admin"], "invalid choice"),
    ],
)
def test_the_command_refuses_in_words(arguments: list[str], words: str) -> None:
    make_member(account=make_account(account_id="team-a"), role=Role.LAUNCHER, username="anna")
    make_user(username="stranger")
    given = arguments if "--scope" in arguments else [*arguments, "--scope", "read"]
    with pytest.raises(CommandError, match=words):
        command(*given)
    assert not ApiKey.objects.exists()
