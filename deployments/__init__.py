"""Deployments: samplers that serve a base model, or the newest weights of a trainer."""
