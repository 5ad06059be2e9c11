"""What an API key for one trainer job reaches: that job, and the reading that a loop needs to drive it. Pure."""

from __future__ import annotations

import re

_READ = frozenset({"GET", "HEAD"})
_OF_CATALOG = re.compile(r"/v1/accounts/[^/]+/(trainingShapes|deploymentShapes|models)(/.*)?")
_DOWNLOADS = re.compile(r":(download|getDownloadEndpoint)$")


def reaches(method: str, path: str, *, account: str, job: str) -> bool:
    """Whether the key of that account and job may ask for it: shapes, models and their tokenizers, and its own job."""
    if method not in _READ or _DOWNLOADS.search(path):
        return False
    own = f"/v1/accounts/{account}/rlorTrainerJobs/{job}"
    return (
        path in ("/v1/accounts", f"/v1/accounts/{account}", own)
        or path.startswith(f"{own}/")
        or bool(_OF_CATALOG.fullmatch(path))
    )
