"""The verbs of this app, one a file: keyword-only, typed, atomic; the only writers of its models."""
