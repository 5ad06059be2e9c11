"""Sessions in the database, which is asked only for keys that it may have made."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, cast

from django.contrib.sessions.backends import db
from django.db.models import DateTimeField, QuerySet, TextField
from django.utils import timezone

from lists.prepared import Given, Prepared

if TYPE_CHECKING:
    from django.contrib.sessions.models import Session

_KEY = re.compile(r"[a-z0-9]{32}")


class SessionStore(db.SessionStore):
    """Django's, for which eight characters are a key: a cookie may hold a NUL, which Postgres refuses."""

    def _validate_session_key(self, key: Any) -> bool:
        return bool(key and _KEY.fullmatch(key))

    def _get_session_from_db(self) -> Session | None:
        """Django's, by SQL that is written once; what is asked for each page."""
        found = _LIVING.first(key=self.session_key, now=timezone.now())
        if found is None:
            self._session_key = None
        return found


def _living() -> QuerySet[Session]:
    """The session of the key that has not expired."""
    sessions = cast("type[Session]", SessionStore.get_model_class())
    return sessions.objects.filter(session_key=Given("key", TextField()), expire_date__gt=Given("now", DateTimeField()))


_LIVING = Prepared(_living)
