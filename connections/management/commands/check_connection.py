"""`manage check_connection NAME`: whether a connection can be used, and what it says; no launch is submitted."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from connections.capacities import free_words
from connections.models import Connection
from connections.opened import open_provider
from connections.providers.base import Provider
from connections.providers.errors import ProviderError
from connections.queries import find_connection, living_connections
from connections.shown import ShownConnection
from connections.states import ConnectionState


class Command(BaseCommand):
    """Each step is a line; the first that fails is the last, with exit code 1."""

    help = "Open a connection, ask who we are there and what is free. Submits no launch."

    def add_arguments(self, parser: CommandParser) -> None:
        """Name the arguments."""
        parser.add_argument("name", help="the connection's name")

    def handle(self, *args: Any, **options: Any) -> None:
        """A failure is a line that says which step, and why."""
        row = _living(options["name"])
        if row.closed_because:
            self.stdout.write(f"State: {row.closed_because}")
        provider = self._open(row)
        self._identify(provider)
        self._ask_capacity(provider)
        self._list(provider)
        self.stdout.write(f"{row.name} can be used.")

    def _open(self, row: Connection) -> Provider:
        try:
            provider = open_provider(row)
        except ProviderError as error:
            raise CommandError(f"Open: {error}") from None
        trouble = ShownConnection(row).secret_trouble
        self.stdout.write(f"Open: {trouble}" if trouble else "Open: its settings and its secret can be used.")
        return provider

    def _identify(self, provider: Provider) -> None:
        try:
            identity = provider.identify()
        except ProviderError as error:
            raise CommandError(f"Identify: {error}") from None
        for label, value in identity.facts:
            self.stdout.write(f"Identify: {label}: {value}")
        for unknown in identity.unknown:
            self.stdout.write(f"Identify: not told: {unknown}")

    def _ask_capacity(self, provider: Provider) -> None:
        try:
            free = free_words(provider.capacity())
        except ProviderError as error:
            raise CommandError(f"Capacity: {error}") from None
        self.stdout.write(f"Capacity: {free or 'it does not say'}")

    def _list(self, provider: Provider) -> None:
        try:
            known = len(provider.list_references())
        except ProviderError as error:
            raise CommandError(f"List: {error}") from None
        self.stdout.write(f"List: {known} of this Slipway's attempts are there and not over.")


def _living(name: str) -> Connection:
    row = find_connection(name)
    if row is None:
        known = ", ".join(living_connections().values_list("name", flat=True))
        raise CommandError(f"There is no connection {name!r}. There are: {known}.")
    if row.state == ConnectionState.RETIRED:
        raise CommandError(f"The connection {name} was retired; only its history is left.")
    return row
