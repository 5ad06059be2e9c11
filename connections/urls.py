"""URLs of the connections app. What runs on one, and its end, are pages of the launches app."""

from __future__ import annotations

from django.urls import path

from connections.views.acts import (
    connection_confirm,
    connection_move,
    connection_move_for_account,
    connection_reopen,
    connection_test,
    connections_common_order,
    instance_settle,
)
from connections.views.checkouts import checkout_edit, checkout_new, checkout_remove, checkouts
from connections.views.destinations import destination_edit, destination_new, destination_remove, destinations
from connections.views.editing import connection_edit, connection_lend, connection_new, connection_pause
from connections.views.overview import connection, connections

urlpatterns = [
    path("connections", connections, name="connections"),
    path("connections/new", connection_new, name="connection_new"),
    path("connections/<slug:name>", connection, name="connection"),
    path("connections/<slug:name>/edit", connection_edit, name="connection_edit"),
    path("connections/<slug:name>/lend", connection_lend, name="connection_lend"),
    path("connections/<slug:name>/pause", connection_pause, name="connection_pause"),
    path("connections/<slug:name>/reopen", connection_reopen, name="connection_reopen"),
    path("connections/<slug:name>/move", connection_move, name="connection_move"),
    path("connections/<slug:name>/move-for-account", connection_move_for_account, name="connection_move_for_account"),
    path("connections-common-order", connections_common_order, name="connections_common_order"),
    path("connections/<slug:name>/confirm", connection_confirm, name="connection_confirm"),
    path("connections/<slug:name>/test", connection_test, name="connection_test"),
    path("destinations", destinations, name="destinations"),
    path("destinations/new", destination_new, name="destination_new"),
    path("destinations/<slug:name>/edit", destination_edit, name="destination_edit"),
    path("destinations/<slug:name>/remove", destination_remove, name="destination_remove"),
    path("checkouts", checkouts, name="checkouts"),
    path("checkouts/new", checkout_new, name="checkout_new"),
    path("checkouts/<slug:name>/edit", checkout_edit, name="checkout_edit"),
    path("checkouts/<slug:name>/remove", checkout_remove, name="checkout_remove"),
    path("instance", instance_settle, name="instance_settle"),
]
