from django.apps import AppConfig
from django.db.models.signals import pre_migrate


class AccountsConfig(AppConfig):
    """Accounts, members, signing in, the audit log."""

    name = "accounts"

    def ready(self) -> None:
        from accounts.tables import refuse_newer  # noqa: PLC0415  # it asks the registry that is ready now

        pre_migrate.connect(refuse_newer, sender=self)
