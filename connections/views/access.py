"""Who may look at connections: superusers, and admins of accounts at those that these may use."""

from __future__ import annotations

from accounts.actors import require_superuser
from accounts.guards import guarded_page
from accounts.requests import SlipwayRequest, actor_of
from connections.models import Connection
from connections.queries import find_visible_connection

connections_page = guarded_page("connections")


def seen_connection(request: SlipwayRequest, name: str) -> Connection:
    """The connection of that name, where the reader sees it. Errors: `NotFound`, `PermissionDenied`."""
    return find_visible_connection(actor_of(request), request.standing.account, name)


def own_connection(request: SlipwayRequest, name: str) -> Connection:
    """The same, for who may change it. Errors: `NotFound`, `PermissionDenied`."""
    connection = seen_connection(request, name)
    require_superuser(actor_of(request))
    return connection
