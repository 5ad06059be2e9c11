"""Who there is: users, accounts, memberships, invitations, API keys, and the audit log of what they did."""

from __future__ import annotations

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now, Upper

from accounts.audit_verbs import PERSONAL_VERBS
from accounts.origins import AGENT_LENGTH
from accounts.roles import Role
from accounts.scopes import Scope
from wire import names

ROLE_CHOICES = [(role.value, role.value) for role in Role]
SCOPE_CHOICES = [(scope.value, scope.value) for scope in Scope]
DISPLAY_NAME_LENGTH = 63
KEY_NAME_LENGTH = 40
"""So that `user (key NAME)` fits into a label of the audit log, whatever the user's name."""


class User(AbstractUser):
    """A person who signs in. Rights come from memberships; superusers besides make accounts and appoint members.

    User names are compared without case at sign-in, so two of them may not differ by case alone. Whom an identity
    provider vouches for has API keys that open nothing after `vouched_until`, unless it does so again.
    """

    vouched_until = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta(AbstractUser.Meta):
        constraints = [
            models.UniqueConstraint(
                Upper("username"),
                name="username_unique_without_case",
                violation_error_message="There is already a user of that name.",
            ),
        ]


class Account(models.Model):
    """The owner of models, shapes and launches: `accounts/{account_id}` on the wire."""

    account_id = models.SlugField(max_length=63, unique=True)
    display_name = models.CharField(max_length=DISPLAY_NAME_LENGTH)
    checkpoint_retention_days = models.PositiveSmallIntegerField(
        null=True, blank=True, help_text="How long checkpoints of deleted launches are kept; empty: as anywhere here."
    )
    asks_about_versions = models.BooleanField(
        default=False,
        db_default=False,
        help_text="A trainer of another version than its form showed waits until somebody keeps it.",
    )
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(account_id__regex=f"^{names.ID_PATTERN}$"), name="account_id_is_an_id"),
        ]

    def __str__(self) -> str:
        return self.account_id

    @property
    def name(self) -> str:
        """The resource name."""
        return names.account_name(self.account_id)


class Membership(models.Model):
    """One user's role in one account."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=16, choices=ROLE_CHOICES)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "user"], name="one_membership_per_account"),
            models.CheckConstraint(condition=Q(role__in=[role.value for role in Role]), name="membership_role_known"),
        ]

    def __str__(self) -> str:
        return f"{self.user} is {self.role} of {self.account}"


class Invitation(models.Model):
    """A link that lets one person join an account, making a user first if need be. Only its token's hash is stored.

    `username` and `email` are what the inviter proposes for the new user.
    """

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="invitations")
    role = models.CharField(max_length=16, choices=ROLE_CHOICES)
    username = models.CharField(max_length=150, blank=True)
    email = models.EmailField(blank=True)
    token_hash = models.CharField(max_length=64, unique=True)
    created_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField()
    accepted_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    accepted_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(role__in=[role.value for role in Role]), name="invitation_role_known"),
        ]

    def __str__(self) -> str:
        return f"invitation to {self.account} as {self.role}"


class ApiKey(models.Model):
    """A secret that lets a program act for one user in one account, within a scope. Only the secret's hash is stored.

    `prefix` is the secret's beginning, by which people tell keys apart; `created_by` is the label of who made it.
    With a `job` it drives that trainer job alone, and reads what that needs.
    """

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="api_keys")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="api_keys")
    name = models.CharField(max_length=KEY_NAME_LENGTH)
    prefix = models.CharField(max_length=16)
    secret_hash = models.CharField(max_length=64, unique=True)
    scope = models.CharField(max_length=16, choices=SCOPE_CHOICES)
    job = models.CharField(max_length=63, blank=True, db_default="", help_text="The only trainer job that it is for.")
    created_by = models.CharField(max_length=200)
    created_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "API key"
        constraints = [
            models.CheckConstraint(condition=Q(scope__in=[scope.value for scope in Scope]), name="api_key_scope_known"),
            models.UniqueConstraint(
                fields=["account", "user", "name"], condition=Q(revoked_at=None), name="api_key_name_in_use_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

    @property
    def resource_name(self) -> str:
        """The resource name; `name` is what its user called it."""
        return names.api_key_name(self.account.account_id, self.pk)


class SeenAddress(models.Model):
    """An address from which a user signed in, or an API key was used: not the address, but a keyed hash of it."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, null=True, related_name="seen_addresses")
    api_key = models.ForeignKey(ApiKey, on_delete=models.CASCADE, null=True, related_name="seen_addresses")
    digest = models.CharField(max_length=64)
    seen_at = models.DateTimeField(db_index=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "digest"], name="seen_address_of_user_once"),
            models.UniqueConstraint(fields=["api_key", "digest"], name="seen_address_of_key_once"),
        ]

    def __str__(self) -> str:
        return f"{self.user or self.api_key} from {self.digest[:8]}…"


class SignInFailures(models.Model):
    """How often sign-in failed for a name from an address, for a name, or from an address: keyed hashes of them.

    Until `open_at` nothing is tried again. `user` is whose name it is, where it is anybody's.
    """

    digest = models.CharField(max_length=64, primary_key=True)
    user = models.ForeignKey(User, on_delete=models.CASCADE, null=True, related_name="+")
    failures = models.PositiveIntegerField(default=0)
    failed_at = models.DateTimeField(db_index=True)
    open_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.failures} failures for {self.digest[:8]}…"


class AuditEntry(models.Model):
    """What somebody did to something, written in the transaction that did it. Never changed, never deleted.

    But for the address and the agent that a request came from, which are forgotten after a while, and for entries whose
    time is over where somebody set one (SLIPWAY_AUDIT_DAYS).
    """

    account = models.ForeignKey(Account, on_delete=models.PROTECT, null=True, related_name="audit_entries")
    actor = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    actor_label = models.CharField(max_length=200)
    verb = models.CharField(max_length=64)
    target = models.CharField(max_length=300)
    before = models.JSONField(null=True)
    after = models.JSONField(null=True)
    reason = models.TextField(blank=True)
    request_id = models.CharField(max_length=64, blank=True)
    address = models.GenericIPAddressField(null=True)
    agent = models.CharField(max_length=AGENT_LENGTH, db_default="")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name_plural = "audit entries"
        indexes = [
            models.Index(fields=["account", "-created_at", "-id"], name="audit_by_account"),
            models.Index(fields=["target", "-id"], name="audit_by_target"),
            models.Index(fields=["account", "verb", "-created_at", "-id"], name="audit_by_verb"),
            models.Index(fields=["account", "actor_label", "-created_at", "-id"], name="audit_by_actor"),
            models.Index(
                fields=["account", "target"], name="audit_by_target_prefix", opclasses=["int8_ops", "text_pattern_ops"]
            ),
            models.Index(
                fields=["account", "-created_at", "-id"],
                name="audit_of_work",
                condition=~Q(verb__in=PERSONAL_VERBS),
            ),
            models.Index(fields=["account", "address", "-created_at", "-id"], name="audit_by_address"),
            models.Index(fields=["created_at"], name="audit_by_age"),
            models.Index(fields=["created_at"], name="audit_with_address", condition=Q(address__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.actor_label} {self.verb} {self.target}"
