"""What a hub means that answered, and who mends it."""

from __future__ import annotations

import httpx2
from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RevisionNotFoundError

from trainer.hub.listing import Repository


def refusal_of(error: Exception, there: Repository) -> str:
    """In words; "" where it did not answer, or asking again may help."""
    if not isinstance(error, HfHubHTTPError):
        return ""
    status = error.response.status_code
    if isinstance(error, RevisionNotFoundError):
        return f"{there.page} has no revision {there.revision}. A superuser changes it on the connection."
    if isinstance(error, GatedRepoError) or status == httpx2.codes.FORBIDDEN:
        whose = "the token's account" if there.token else "an account, whose token a superuser puts there"
        return (
            f"The hub keeps {there.name} for those who asked for access ({status}). Ask for it on {there.page} "
            f"with {whose}; then launch again. A superuser sets the token on the connection (Hub token)."
        )
    if status == httpx2.codes.UNAUTHORIZED:
        if there.token:
            return f"The hub does not take the connection's token ({status}): a superuser has to put another in."
        return (
            f"There is no {there.page}, or the hub shows it to some accounts alone ({status}): a superuser puts "
            "the token of one into the connection (Hub token), or names another repository."
        )
    if status == httpx2.codes.NOT_FOUND:
        return (
            f"There is no {there.page}, or the token's account may not see it ({status}). A superuser changes the "
            "address on the connection."
        )
    if status >= httpx2.codes.INTERNAL_SERVER_ERROR or status in (408, 425, 429):
        return ""
    return f"The hub refused {there.name} ({status}): {' '.join(str(error).split())[:200]}"
