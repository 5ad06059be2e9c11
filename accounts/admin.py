"""Django's admin for superusers: who there is, what was done. It calls the verbs; the audit log cannot be changed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import allauth.account.admin
import allauth.mfa.admin
import allauth.socialaccount.admin
import allauth.usersessions.admin  # noqa: F401 - these register what is unregistered below
from allauth.account.decorators import secure_admin_login
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from allauth.usersessions.models import UserSession
from django.contrib import admin, messages
from django.contrib.admin.models import LogEntry
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import Group
from django.db.models import Model, QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone
from django.views.generic import RedirectView

from accounts.admin_forms import AddForm, ChangeForm, PasswordChangeForm
from accounts.domain.add_member import add_member
from accounts.domain.create_account import create_account
from accounts.domain.deactivate_user import deactivate_user
from accounts.domain.reactivate_user import reactivate_user
from accounts.domain.record import record
from accounts.domain.remove_member import remove_member
from accounts.domain.remove_second_factors import remove_second_factors
from accounts.domain.revoke_api_key import revoke_api_key
from accounts.models import Account, ApiKey, AuditEntry, Invitation, Membership, User
from accounts.names import accounts_alike, users_alike
from accounts.requests import actor_of
from accounts.roles import Role
from accounts.views.signing_in import sign_out
from wire.errors import Refusal
from wire.names import user_name

# Signing in and out, and one's own password, are in one place, with the throttle and the audit log.
admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]
admin.site.logout = sign_out  # type: ignore[method-assign]
admin.site.password_change = RedirectView.as_view(pattern_name="account_change_password")  # type: ignore[method-assign,assignment]
admin.site.site_header = admin.site.site_title = "Slipway administration"
# Not used here, or written by verbs alone: nothing of it is written past the audit log.
admin.site.unregister([Group, EmailAddress, SocialAccount, SocialApp, SocialToken, Authenticator, UserSession])

Row = TypeVar("Row", bound=Model)


def _or_say_why_not(request: HttpRequest, answer: Callable[[], HttpResponse]) -> HttpResponse:
    """The answer; where a verb refuses, the same page again with its sentence. The transaction is rolled back."""
    try:
        return answer()
    except Refusal as refusal:
        messages.error(request, refusal.message)
        return HttpResponseRedirect(request.get_full_path())


def _to_each(
    request: HttpRequest, rows: Iterable[Row], verb: Callable[[Row], object], done: Callable[[Row], str]
) -> None:
    """Do the verb to each, and say so; a row for which it refuses is named in a message, the others are done."""
    for row in rows:
        try:
            verb(row)
        except Refusal as refusal:
            messages.error(request, refusal.message)
        else:
            messages.success(request, done(row))


def _tell_alike(request: HttpRequest, what: str, groups: list[list[str]]) -> None:
    for group in groups:
        messages.warning(request, f"The names of these {what} look alike: {', '.join(map(repr, group))}.")


@admin.register(User)
class SlipwayUserAdmin(UserAdmin[User]):
    """Users: made, renamed, switched off and on, never deleted, since memberships, keys and launches refer to them.

    Groups and single permissions are not used: rights come from memberships.
    """

    fieldsets = (
        (None, {"fields": ("username", "password")}),
        ("Person", {"fields": ("first_name", "last_name", "email")}),
        ("Doors", {"fields": ("is_active", "is_staff", "is_superuser")}),
        ("Dates", {"fields": ("last_login", "date_joined")}),
    )
    readonly_fields = ("is_active", "last_login", "date_joined")
    list_display = ("username", "email", "is_active", "is_superuser")
    list_filter = ("is_active", "is_superuser")
    filter_horizontal = ()
    actions = ("deactivate", "reactivate", "remove_factors")

    form, add_form = ChangeForm, AddForm

    def user_change_password(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """The form for a user's password, which notes who set it."""
        self.change_password_form = type("Form", (PasswordChangeForm,), {"actor": actor_of(request)})
        return super().user_change_password(request, *args, **kwargs)

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """No."""
        return False

    def changelist_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """The list; names that look like one another are told."""
        _tell_alike(request, "users", users_alike())
        return super().changelist_view(request, *args, **kwargs)

    @admin.action(description="Switch the selected users off")
    def deactivate(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        """By the verb, which keeps every account its admin."""
        actor, now = actor_of(request), timezone.now()
        _to_each(
            request,
            queryset,
            lambda user: deactivate_user(actor=actor, user=user, now=now),
            lambda user: f"{user} is switched off.",
        )

    @admin.action(description="Switch the selected users on again")
    def reactivate(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        """By the verb."""
        actor = actor_of(request)
        _to_each(
            request,
            queryset,
            lambda user: reactivate_user(actor=actor, user=user),
            lambda user: f"{user} gets in again.",
        )

    @admin.action(description="Remove the second factors of the selected users")
    def remove_factors(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        """By the verb, for who lost them."""
        actor = actor_of(request)
        _to_each(
            request,
            queryset,
            lambda user: remove_second_factors(actor=actor, user=user),
            lambda user: f"{user} signs in without a second factor, until they set one up again.",
        )

    def log_addition(self, request: HttpRequest, obj: User, message: Any) -> LogEntry:
        """Note it in the audit log, too."""
        self._note(request, "create_user", obj, message)
        return super().log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: User, message: Any) -> LogEntry:
        """Note it in the audit log, too; the message names fields, not values."""
        self._note(request, "change_user", obj, message)
        return super().log_change(request, obj, message)

    def _note(self, request: HttpRequest, verb: str, user: User, message: Any) -> None:
        after = {"message": message} if message else None
        record(actor=actor_of(request), verb=verb, target=user_name(user.get_username()), account=None, after=after)


@admin.register(Account)
class AccountAdmin(admin.ModelAdmin[Account]):
    """Accounts can be made; their ids stand in resource names and so stay."""

    list_display = ("account_id", "display_name", "created_at")
    fields = ("account_id", "display_name")
    search_fields = ("account_id", "display_name")

    def has_change_permission(self, request: HttpRequest, obj: Account | None = None) -> bool:
        """No."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Account | None = None) -> bool:
        """No."""
        return False

    def changelist_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """The list; names that look like one another are told."""
        _tell_alike(request, "accounts", accounts_alike())
        return super().changelist_view(request, *args, **kwargs)

    def save_model(self, request: HttpRequest, obj: Account, form: ModelForm[Account], change: bool) -> None:
        """Make it by the verb."""
        made = create_account(actor=actor_of(request), account_id=obj.account_id, display_name=obj.display_name)
        obj.pk = made.pk

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """The form; a refusal becomes a message."""
        return _or_say_why_not(request, lambda: super(AccountAdmin, self).changeform_view(request, *args, **kwargs))


@admin.register(Membership)
class MembershipAdmin(admin.ModelAdmin[Membership]):
    """Members and their roles, of every account, by the same verbs as everywhere."""

    list_display = ("user", "account", "role", "created_at")
    list_filter = ("account", "role")
    list_select_related = ("user", "account")
    search_fields = ("user__username",)
    autocomplete_fields = ("user", "account")
    fields = ("account", "user", "role")
    actions = None

    def get_readonly_fields(self, request: HttpRequest, obj: Membership | None = None) -> tuple[str, ...]:
        """Of an existing membership only the role may change."""
        return ("account", "user") if obj else ()

    def save_model(self, request: HttpRequest, obj: Membership, form: ModelForm[Membership], change: bool) -> None:
        """Write it by the verb."""
        written = add_member(actor=actor_of(request), account=obj.account, user=obj.user, role=Role(obj.role))
        obj.pk = written.pk

    def delete_model(self, request: HttpRequest, obj: Membership) -> None:
        """End it by the verb."""
        remove_member(actor=actor_of(request), account=obj.account, user=obj.user, now=timezone.now())

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """The form; a refusal becomes a message."""
        return _or_say_why_not(request, lambda: super(MembershipAdmin, self).changeform_view(request, *args, **kwargs))

    def delete_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """The question; a refusal becomes a message."""
        return _or_say_why_not(request, lambda: super(MembershipAdmin, self).delete_view(request, *args, **kwargs))


class ReadOnlyAdmin(admin.ModelAdmin[Any]):
    """Shown, never written."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """No."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """No."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """No."""
        return False


@admin.register(Invitation)
class InvitationAdmin(ReadOnlyAdmin):
    """Invitations and who accepted them."""

    list_display = ("account", "role", "username", "created_by", "created_at", "expires_at", "accepted_by")
    list_filter = ("account",)
    list_select_related = ("account", "created_by", "accepted_by")
    exclude = ("token_hash",)


@admin.register(ApiKey)
class ApiKeyAdmin(ReadOnlyAdmin):
    """API keys of everybody; they can be revoked, by the verb."""

    list_display = (
        "name",
        "prefix",
        "scope",
        "user",
        "account",
        "created_at",
        "last_used_at",
        "expires_at",
        "revoked_at",
    )
    list_filter = ("scope", "account")
    list_select_related = ("user", "account")
    search_fields = ("name", "prefix", "user__username")
    exclude = ("secret_hash",)
    actions = ("revoke",)

    @admin.action(description="Revoke the selected API keys")
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        """End them, by the verb."""
        actor, now = actor_of(request), timezone.now()
        _to_each(
            request,
            queryset.select_related("account", "user"),
            lambda key: revoke_api_key(actor=actor, key=key, now=now),
            lambda key: f"The key {key.name} of {key.user} was revoked.",
        )


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    """What was done."""

    list_display = ("created_at", "actor_label", "verb", "target", "account", "address", "reason")
    list_filter = ("verb", "account")
    list_select_related = ("account",)
    search_fields = ("target", "actor_label", "request_id", "address")
    show_full_result_count = False
