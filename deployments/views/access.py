"""Who may look at deployments: members of their accounts, as verbs and queries say."""

from __future__ import annotations

from accounts.guards import guarded_page

deployments_page = guarded_page("deployments")
