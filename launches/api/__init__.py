"""Trainer jobs on the wire."""
