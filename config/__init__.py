"""The project: settings, URLs, entry points. Knows every app; no app knows it."""
