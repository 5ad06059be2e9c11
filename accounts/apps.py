import django_stubs_ext
from django.apps import AppConfig
from django.db.models.signals import pre_migrate

django_stubs_ext.monkeypatch()  # before any model is loaded: this is the first app


class AccountsConfig(AppConfig):
    """Accounts, members, signing in, the audit log."""

    name = "accounts"

    def ready(self) -> None:
        from accounts.second_factor import connect_signals  # noqa: PLC0415
        from accounts.tables import refuse_newer  # noqa: PLC0415  # it asks the registry that is ready now

        pre_migrate.connect(refuse_newer, sender=self)
        connect_signals()
