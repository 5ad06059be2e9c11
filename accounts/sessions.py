"""Sessions in the database, which is asked only for keys that it may have made."""

from __future__ import annotations

import re
from typing import Any

from django.contrib.sessions.backends import db

_KEY = re.compile(r"[a-z0-9]{32}")


class SessionStore(db.SessionStore):
    """Django's, for which eight characters are a key: a cookie may hold a NUL, which Postgres refuses."""

    def _validate_session_key(self, key: Any) -> bool:
        return bool(key and _KEY.fullmatch(key))
