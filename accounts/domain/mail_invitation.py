"""Send an invitation's link to the address that was noted for it, where there is a mail server."""

from __future__ import annotations

import smtplib

import structlog
from django.conf import settings
from django.core.mail import send_mail

from accounts.models import Invitation

SUBJECT = "You are invited to {account} on Slipway"
TEXT = """{account} invites you as {role}.

{link}

The link works once, until {until:%Y-%m-%d %H:%M} UTC.
"""

log = structlog.get_logger(__name__)


def mail_invitation(invitation: Invitation, link: str) -> str:
    """What came of sending it, as a sentence; "" where there is no mail server or no address.

    The link is shown to who invites in any case, so a server that fails costs nothing but this sentence.
    """
    if not settings.SLIPWAY_SMTP_URL or not invitation.email:
        return ""
    account = str(invitation.account)
    text = TEXT.format(account=account, role=invitation.role, link=link, until=invitation.expires_at)
    subject = " ".join(SUBJECT.format(account=account).split())
    try:
        send_mail(subject, text, None, [invitation.email])
    except (OSError, smtplib.SMTPException) as error:
        log.warning("invitation.not_mailed", error=type(error).__name__)
        return f"It could not be sent to {invitation.email}: the mail server did not take it. Hand it over yourself."
    return f"It was sent to {invitation.email}."
