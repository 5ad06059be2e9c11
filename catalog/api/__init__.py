"""The catalog's resources on the wire."""
