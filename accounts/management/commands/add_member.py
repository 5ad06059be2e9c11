"""`manage add_member USER --account A --role R`: let somebody in, with or without a mail server."""

from __future__ import annotations

import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from accounts.actors import SYSTEM
from accounts.domain.add_member import add_member
from accounts.domain.create_invitation import LIFETIME, create_invitation
from accounts.domain.create_user import create_user
from accounts.domain.mail_invitation import mail_invitation
from accounts.models import Account
from accounts.queries import account_by_id, user_by_name
from accounts.roles import Role
from wire.errors import Refusal


class Command(BaseCommand):
    """Sets the role of a user who exists; for anybody else prints an invitation link, or makes the user outright."""

    help = "Let somebody into an account: prints an invitation link, or sets the role of a user who exists."

    def add_arguments(self, parser: CommandParser) -> None:
        """Name the arguments."""
        parser.add_argument("user", help="user name; somebody invited may choose another")
        parser.add_argument("--account", required=True, help="account id, such as local")
        parser.add_argument("--role", required=True, choices=[role.value for role in Role])
        parser.add_argument(
            "--email", default="", help="address of a new user, to which the link is sent where SLIPWAY_SMTP_URL is set"
        )
        parser.add_argument(
            "--password-stdin", action="store_true", help="make the user, with the password in the first line of stdin"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Refusals are one line and exit code 1."""
        try:
            account, role = account_by_id(options["account"]), Role(options["role"])
            with transaction.atomic():
                self.stdout.write(self._let_in(options["user"], account, role, options))
        except Refusal as refusal:
            raise CommandError(refusal.message) from None

    def _let_in(self, name: str, account: Account, role: Role, options: dict[str, Any]) -> str:
        user = user_by_name(name)
        if options["password_stdin"]:
            if user is not None:
                raise CommandError(f"{user} exists already. `manage changepassword {user}` sets a new password.")
            password = sys.stdin.readline().rstrip("\r\n")
            user = create_user(actor=SYSTEM, username=name, password=password, email=options["email"])
        if user is not None:
            add_member(actor=SYSTEM, account=account, user=user, role=role)
            return f"{user} is {role} of {account}."
        return self._invite(name, account, role, options["email"])

    def _invite(self, name: str, account: Account, role: Role, email: str) -> str:
        invitation, token = create_invitation(
            actor=SYSTEM, account=account, role=role, now=timezone.now(), username=name, email=email
        )
        link = settings.SLIPWAY_URL + reverse("invitation", args=[token])
        note = f"There is no user {name} yet. This link works once, for {LIFETIME.days} days:"
        for line in (note, mail_invitation(invitation, link)):  # beside the link: the output is the link alone
            self.stderr.write(line, style_func=str)
        return link
