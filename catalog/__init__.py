"""Base models, training shapes and their versions: browse, resolve, publish."""
