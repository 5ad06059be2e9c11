"""The verbs of deployments; the only writers of their rows."""
