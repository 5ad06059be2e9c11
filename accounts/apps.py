from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """Accounts, members, the audit log."""

    name = "accounts"
