"""Which entries of an account's audit log a reader asked for, as a value that goes into a URL. Pure."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, time
from urllib.parse import urlencode


@dataclass(frozen=True)
class AuditFilters:
    """Empty means "does not matter". `target` is a beginning; `since` and `until` are days of UTC, both included."""

    actor: str = ""
    verb: str = ""
    target: str = ""
    since: date | None = None
    until: date | None = None
    address: str = ""

    @property
    def first_moment(self) -> datetime | None:
        """The beginning of the first day."""
        return datetime.combine(self.since, time.min, UTC) if self.since else None

    @property
    def last_moment(self) -> datetime | None:
        """The end of the last day."""
        return datetime.combine(self.until, time.max, UTC) if self.until else None

    @property
    def in_words(self) -> list[str]:
        """The filters in force, for an empty list to say what to loosen."""
        words = {
            "actor": f"by {self.actor}",
            "verb": verb_in_words(self.verb),
            "target": f"target {self.target}…",
            "since": f"from {self.since}",
            "until": f"to {self.until}",
            "address": f"from {self.address}",
        }
        return [words[field.name] for field in fields(self) if getattr(self, field.name)]

    def target_prefix(self, account_name: str) -> str:
        """The beginning of the resource names looked for; what does not name the account is meant within it."""
        if not self.target or self.target.startswith("accounts/"):
            return self.target
        return f"{account_name}/{self.target}"

    def query(self, **more: str) -> str:
        """The query string with its question mark; "?" where nothing is asked for."""
        asked = [(field.name, str(getattr(self, field.name) or "")) for field in fields(self)]
        return "?" + urlencode([(name, value) for name, value in [*asked, *more.items()] if value], safe="/")


def verb_in_words(verb: str) -> str:
    """`create_api_key` as `create API key`."""
    return verb.replace("_", " ").replace("api", "API")
