"""The members page: who sees what, inviting, changing a role, removing, and what goes wrong."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django.fixtures import Settings

from accounts.actors import SYSTEM, user_actor
from accounts.domain.accept_invitation import accept_invitation
from accounts.domain.create_invitation import LIFETIME, create_invitation
from accounts.domain.revoke_invitation import revoke_invitation
from accounts.models import Account, AuditEntry, Invitation, Membership, User
from accounts.roles import Role
from tests.accounts.makers import client_of, make_key
from tests.accounts.races import before_commit
from tests.makers import make_account, make_member, make_user, sign_in
from wire.errors import FailedPrecondition, NotFound, PermissionDenied


@pytest.fixture
def admin(team: Account) -> Client:
    return client_of(team, Role.ADMIN, username="admin")[0]


def said(client: Client, path: str = "/members") -> str:
    return client.get(path).content.decode()


def acts(page: str) -> set[str]:
    """What the page lets somebody do: invite, change a role, remove, take an invitation back."""
    forms = re.findall(r'action="/members(?:/[^"/]+)*?/?(role|)"', page)
    links = re.findall(r'href="/members/[^"]*/(remove|revoke)"', page)
    return {*(each or "invite" for each in forms), *links}


def number_of(user: User) -> int:
    return Membership.objects.get(user=user).pk


def test_members_are_listed_by_name_with_role_and_sign_in(admin: Client, team: Account) -> None:
    zoe = make_member(account=team, role=Role.PUBLISHER, username="zoe")
    make_member(account=team, role=Role.VIEWER, username="anna")
    make_member(username="somebody-elsewhere")
    User.objects.filter(pk=zoe.pk).update(last_login="2026-03-04T05:06:07Z")
    page = said(admin)
    assert page.index("anna") < page.index("zoe")
    assert "somebody-elsewhere" not in page
    assert 'datetime="2026-03-04T05:06:07+00:00"' in page and "never" in page


def test_other_members_only_read_and_are_told_who_may(team: Account) -> None:
    create_invitation(
        actor=SYSTEM, account=team, role=Role.VIEWER, now=timezone.now(), username="emil", email="emil@example.org"
    )
    for role in (Role.VIEWER, Role.LAUNCHER, Role.PUBLISHER):
        page = said(client_of(team, role)[0])
        assert "Only admins" in page
        assert "emil" in page and "emil@example.org" not in page
        assert not acts(page)


def test_who_is_in_no_account_is_told_what_to_do(db: None) -> None:
    page = said(sign_in(Client(), make_user()))
    assert 'class="empty"' in page and not acts(page)


def test_an_admin_invites_and_the_link_is_shown_once(admin: Client, team: Account, settings: Settings) -> None:
    settings.SLIPWAY_URL = "https://slipway.example"
    fields = {"account": "team-a", "role": "publisher", "username": "emil", "email": "emil@example.org"}
    answer = admin.post("/members", fields)
    page = answer.content.decode()
    found = re.search(r"https://slipway\.example(/invitations/[\w-]+)", page)
    assert answer.status_code == 200 and found and "no-store" in answer["Cache-Control"]
    assert found[1] not in said(admin)

    invitation = Invitation.objects.get()
    assert (invitation.role, invitation.username, invitation.email) == ("publisher", "emil", "emil@example.org")
    assert invitation.created_by == User.objects.get(username="admin")
    assert "Join team-a" in said(Client(), found[1]) or "Join Team a" in said(Client(), found[1])


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"role": "captain"}, "Role: captain is no role. Choose viewer, launcher, publisher, admin."),
        ({}, "This field is required"),
        ({"role": "viewer", "username": "not a name!"}, "Enter a valid username"),
        ({"role": "viewer", "username": "nul\0"}, "Null characters are not allowed"),
        ({"role": "viewer", "username": "x" * 151}, "at most 150 characters"),
        ({"role": "viewer", "email": "nowhere"}, "Enter a valid email address"),
        ({"role": "viewer", "username": "ADMIN"}, "ADMIN is a member of team-a already. Change their role instead."),
        ({"role": "viewer", "username": "<script>"}, "Enter a valid username"),
    ],
)
def test_a_wrong_invitation_is_answered_with_the_form_as_it_was(
    admin: Client, fields: dict[str, str], words: str
) -> None:
    answer = admin.post("/members", fields | {"account": "team-a"})
    page = answer.content.decode()
    assert answer.status_code == 422 and words in page
    assert not Invitation.objects.exists()
    assert "<script>" not in page
    if fields.get("username", "").isalpha():
        assert f'value="{fields["username"]}"' in page


def test_a_form_of_another_account_invites_nobody(admin: Client, team: Account) -> None:
    answer = admin.post("/members", {"account": "team-b", "role": "viewer", "username": "emil"})
    assert answer.status_code == 422
    page = answer.content.decode()
    assert "This form was opened for account team-b; you now work in team-a." in page and 'value="emil"' in page
    assert not Invitation.objects.exists()


def test_a_role_is_changed_and_audited(admin: Client, team: Account) -> None:
    user = make_member(account=team, role=Role.VIEWER, username="anna")
    answer = admin.post(f"/members/{number_of(user)}/role", {"role": "launcher"}, follow=True)
    assert re.search(r"data-text>anna [^<]*launcher", answer.content.decode())
    entry = AuditEntry.objects.get()
    assert (entry.verb, entry.before, entry.after) == ("add_member", {"role": "viewer"}, {"role": "launcher"})
    assert entry.request_id


@pytest.mark.parametrize("fields", [{}, {"role": ""}, {"role": "captain"}, {"role": "nul\0"}])
def test_a_role_that_is_none_changes_nothing(admin: Client, team: Account, fields: dict[str, str]) -> None:
    user = make_member(account=team, role=Role.VIEWER)
    answer = admin.post(f"/members/{number_of(user)}/role", fields)
    assert answer.status_code == 422
    assert "Choose one of viewer, launcher, publisher, admin." in answer.content.decode()
    assert Membership.objects.get(user=user).role == Role.VIEWER


def test_removing_says_what_it_touches_then_does_it(admin: Client, team: Account) -> None:
    anna = make_member(account=team, role=Role.LAUNCHER, username="anna")
    make_key(account=team, user=anna)
    path = f"/members/{number_of(anna)}/remove"
    page = said(admin, path)
    assert re.search(r"<h1[^>]*>[^<]*anna[^<]*team-a", page) and "1 API key" in page
    assert Membership.objects.filter(user=anna).exists()  # looking removes nobody

    answer = admin.post(path, follow=True)
    assert re.search(r"data-text>anna [^<]*team-a", answer.content.decode())
    assert not Membership.objects.filter(user=anna).exists()
    for again in (admin.get(path), admin.post(path)):
        assert again.status_code == 404
        assert "somebody may have removed them since" in again.content.decode()


def test_the_last_admin_stays_whatever_is_posted(admin: Client, team: Account) -> None:
    number = Membership.objects.get(account=team).pk
    for answer in (
        admin.post(f"/members/{number}/remove"),
        admin.post(f"/members/{number}/role", {"role": "viewer"}),
    ):
        assert answer.status_code == 422
        assert "admin is the only admin of team-a. Make somebody else an admin first." in answer.content.decode()
    assert Membership.objects.get().role == Role.ADMIN


def test_a_superuser_manages_whatever_their_role(team: Account) -> None:
    superuser = make_member(account=team, role=Role.VIEWER, user=make_user(superuser=True))
    user = make_member(account=team, role=Role.VIEWER)
    client = sign_in(Client(), superuser)
    assert "invite" in acts(said(client))
    assert client.post(f"/members/{number_of(user)}/role", {"role": "admin"}).status_code == 302
    assert Membership.objects.get(user=user).role == Role.ADMIN


@pytest.mark.parametrize("number", [0, 10**17, 10**30])
@pytest.mark.parametrize("path", ["members/{}/role", "members/{}/remove", "members/invitations/{}/revoke"])
def test_numbers_that_are_nobodys_are_not_found(admin: Client, path: str, number: int) -> None:
    answer = admin.post("/" + path.format(number), {"role": "viewer"})
    assert answer.status_code == 404 and "There is no such" in answer.content.decode()


def test_members_and_invitations_of_other_accounts_are_not_there(admin: Client) -> None:
    other = make_account()
    user = make_member(account=other, role=Role.ADMIN, username="far-away")
    invitation, _ = create_invitation(actor=SYSTEM, account=other, role=Role.VIEWER, now=timezone.now())
    for path in (
        f"/members/{number_of(user)}/role",
        f"/members/{number_of(user)}/remove",
        f"/members/invitations/{invitation.pk}/revoke",
    ):
        answer = admin.post(path, {"role": "viewer"})
        assert answer.status_code == 404 and "far-away" not in answer.content.decode()
    assert Membership.objects.get(user=user).role == Role.ADMIN


def test_only_open_invitations_are_listed(admin: Client, team: Account) -> None:
    now = timezone.now()
    for name, made in [("still-open", now), ("too-late", now - LIFETIME), ("taken-back", now), ("used-up", now)]:
        invitation, token = create_invitation(actor=SYSTEM, account=team, role=Role.VIEWER, now=made, username=name)
        if name == "taken-back":
            revoke_invitation(actor=SYSTEM, invitation=invitation, now=now)
        if name == "used-up":
            accept_invitation(token=token, person=make_user(), now=now)
    page = said(admin)
    assert "still-open" in page
    assert not any(name in page for name in ("too-late", "taken-back", "used-up"))


def test_an_invitation_is_taken_back(admin: Client, team: Account) -> None:
    invitation, token = create_invitation(
        actor=SYSTEM, account=team, role=Role.VIEWER, now=timezone.now(), username="emil"
    )
    path = f"/members/invitations/{invitation.pk}/revoke"
    assert re.search(r"<h1[^>]*>[^<]*emil", said(admin, path))
    page = admin.post(path, follow=True).content.decode()
    assert 'class="notice notice-success" role="status"' in page and "emil" not in page
    answer = Client().get(f"/invitations/{token}")
    assert answer.status_code == 410 and "was taken back" in answer.content.decode()
    assert AuditEntry.objects.latest("id").verb == "revoke_invitation"

    again = admin.post(path)
    assert again.status_code == 422 and "was taken back already" in again.content.decode()


def test_the_verb_takes_back_what_is_open_for_those_who_manage(team: Account) -> None:
    invitation, token = create_invitation(actor=SYSTEM, account=team, role=Role.VIEWER, now=timezone.now())
    publisher, outsider = make_member(account=team, role=Role.PUBLISHER), make_member(role=Role.ADMIN)
    for user, refusal in [(publisher, PermissionDenied), (outsider, NotFound)]:
        with pytest.raises(refusal):
            revoke_invitation(actor=user_actor(user), invitation=invitation, now=timezone.now())
    accept_invitation(token=token, person=make_user(), now=timezone.now())
    with pytest.raises(FailedPrecondition, match="has been used"):
        revoke_invitation(actor=SYSTEM, invitation=invitation, now=timezone.now())


@pytest.mark.django_db(transaction=True)
def test_an_invitation_is_used_or_taken_back_and_never_both() -> None:
    account, user = make_account(), make_user()
    used, taken = (
        create_invitation(actor=SYSTEM, account=account, role=Role.VIEWER, now=timezone.now()) for _ in range(2)
    )

    def accept(made: tuple[Invitation, str]) -> Callable[[], object]:
        return lambda: accept_invitation(token=made[1], person=user, now=timezone.now())

    def revoke(made: tuple[Invitation, str]) -> Callable[[], object]:
        return lambda: revoke_invitation(actor=SYSTEM, invitation=made[0], now=timezone.now())

    assert before_commit(accept(used), revoke(used)).startswith("This invitation has been used.")
    assert before_commit(revoke(taken), accept(taken)).startswith("This invitation was taken back.")


def test_pages_hold_fifty_and_leave_nobody_out(admin: Client, team: Account) -> None:
    users = User.objects.bulk_create(User(username=f"m{number:03}") for number in range(120))
    Membership.objects.bulk_create(Membership(account=team, user=user, role="viewer") for user in users)
    seen: list[str] = []
    path: str | None = "/members"
    while path:
        page = said(admin, path)
        seen += re.findall(r">(m\d{3}|admin)</span>", page.split("</header>")[-1])
        following = re.search(r'href="(/members\?before=[^"]+)" rel="next"', page)
        path = following[1] if following else None
    assert seen == ["admin", *(f"m{number:03}" for number in range(120))]
    assert 'name="role"' in said(admin, "/members")
    for asked, found in {
        "q=M11": 10,
        "role=admin": 1,
        "q=m&role=viewer": 50,
        "q=m&role=admin": 1,
        "role=no": 50,
    }.items():
        page = said(admin, f"/members?{asked}")
        assert len(re.findall(r">(m\d{3}|admin)</span>", page.split("</header>")[-1])) == found, asked
        assert ("no is no role" in page) is (asked == "role=no"), asked
    assert 'class="empty"' in said(admin, "/members?q=nobody")


@pytest.mark.parametrize("before", ["x", "-1", "9" * 30, "²", "0", "%00"])
def test_a_made_up_cursor_shows_the_first_page(admin: Client, before: str) -> None:
    assert "admin" in said(admin, f"/members?before={before}")


def test_asking_costs_the_same_for_few_and_for_many(admin: Client, team: Account) -> None:
    def count() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert admin.get("/members").status_code == 200
        return len(queries)

    few = count()
    users = User.objects.bulk_create(User(username=f"m{number}") for number in range(40))
    Membership.objects.bulk_create(Membership(account=team, user=user, role="viewer") for user in users)
    for user in users:
        create_invitation(actor=SYSTEM, account=team, role=Role.VIEWER, now=timezone.now(), username=f"new-{user}")
    Invitation.objects.update(created_by=users[0])
    assert (few, count()) == (6, 6)


def test_the_user_menu_links_what_the_role_may_see(team: Account) -> None:
    for role in Role:
        page = said(client_of(team, role)[0], "/password")
        links = [link for link in ("/members", "/keys", "/audit") if f'href="{link}"' in page]
        expected = ["/members", "/keys"] + (["/audit"] if role in (Role.PUBLISHER, Role.ADMIN) else [])
        assert links == expected
    assert 'href="/members"' not in said(sign_in(Client(), make_user()), "/password")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("account_id", "role", "shown"),
    [("team-a", "publisher", 1), ("team-a", "launcher", 0), ("fireworks", "publisher", 0), ("fireworks", "admin", 1)],
)
def test_the_way_to_publishing_is_shown_to_who_may(client: Client, account_id: str, role: str, shown: int) -> None:
    sign_in(client, make_member(account=make_account(account_id=account_id), role=role))
    assert client.get("/members").content.decode().count('href="/publish"') == shown
