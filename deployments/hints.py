"""The names of this app's tasks; `queues.hints` sends them."""

from __future__ import annotations

ADVANCE = "deployments.advance"
RECONCILE = "deployments.reconcile"
