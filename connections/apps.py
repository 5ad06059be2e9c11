from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class ConnectionsConfig(AppConfig):
    """Connections: where trainers run."""

    name = "connections"

    def ready(self) -> None:
        """A database that has the tables has the connection `local`, too: as it is set up, and where it is emptied."""
        post_migrate.connect(_set_up, sender=self)


def _set_up(**_: Any) -> None:
    from connections.domain.set_up_connections import set_up_connections  # noqa: PLC0415  (models are there by now)

    set_up_connections()
