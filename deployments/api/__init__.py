"""Deployments as resources of `/v1`."""
