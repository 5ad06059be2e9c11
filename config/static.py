"""Static files: their hashed addresses, and those of the release before, for as long as pages of it are open.

A page of one release may ask a web process of another one for its files: while releases are replaced, and later, from a
browser that kept it. So each web process lays its hashed files into a folder of SLIPWAY_HOME that all share, and what
it has not itself it serves from there. The two releases that started last are kept.
"""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any

import structlog
from django.conf import settings
from django.contrib.staticfiles.storage import staticfiles_storage
from django.http import HttpRequest, HttpResponseBase, HttpResponseNotFound
from whitenoise.middleware import WhiteNoiseMiddleware
from whitenoise.responders import MissingFileError
from whitenoise.storage import CompressedManifestStaticFilesStorage

KEPT_RELEASES = 2
PART = ".part"
log = structlog.get_logger(__name__)


class StaticFiles(CompressedManifestStaticFilesStorage):  # type: ignore[misc]
    """Hashed names, and plain ones where nothing was collected yet: a page without style can still say what to run."""

    def stored_name(self, name: str) -> str:
        try:
            return str(super().stored_name(name))
        except ValueError:
            if self.hashed_files:
                raise
            return name


class ServeStaticFiles(WhiteNoiseMiddleware):  # type: ignore[misc]
    """WhiteNoise, which also knows what other releases laid into the shared folder.

    What nobody has is answered here: nothing below the prefix waits for a place (`config.load`), so none of it may go
    on to where the database is asked.
    """

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        address = request.path_info
        if address.startswith(self.static_prefix) and address not in self.files and not self.autorefresh:
            path = str(shared_folder() / "files" / address[len(self.static_prefix) :])
            if self.url_is_canonical(address) and self.path_is_child_of(path, f"{shared_folder() / 'files'}{os.sep}"):
                with contextlib.suppress(MissingFileError, IsADirectoryError):
                    return self.serve(self.get_static_file(path, address), request)  # type: ignore[no-any-return]
            return HttpResponseNotFound("There is no such file.\n", "text/plain")
        return super().__call__(request)  # type: ignore[no-any-return]

    def immutable_file_test(self, path: str, url: str) -> bool:
        """Whatever lies in the shared folder lies there under the hash of its content."""
        shared = str(path).startswith(f"{shared_folder()}{os.sep}")
        return shared or bool(super().immutable_file_test(path, url))


def shared_folder() -> Path:
    """Where web processes lay their files for each other: `files/`, and `releases/` with the names of each."""
    return Path(settings.SLIPWAY_HOME) / "static-shared"


def share_static_files() -> None:
    """Lay this release's files there, and remove those that belong to none of the last. A folder that cannot be
    written leaves everything as it was: our own files are served from where they are.
    """
    storage: Any = staticfiles_storage
    if not getattr(storage, "hashed_files", None):
        return
    try:
        names = sorted({*storage.hashed_files.values()})
        _share(shared_folder(), Path(settings.STATIC_ROOT), storage.manifest_hash, names)
    except (OSError, ValueError) as error:  # the second where a list of names was cut short
        log.warning("static.not_shared", error=str(error))


def _share(folder: Path, root: Path, release: str, names: list[str]) -> None:
    files, releases = folder / "files", folder / "releases"
    releases.mkdir(parents=True, exist_ok=True)
    # First the names, so that nobody who tidies meanwhile takes our files for nobody's.
    _put(releases / release, json.dumps(names).encode())
    for name in names:
        for variant in (name, f"{name}.gz", f"{name}.br"):
            if (root / variant).exists() and not (files / variant).exists():
                _put(files / variant, (root / variant).read_bytes())
    _tidy(files, releases)


def _tidy(files: Path, releases: Path) -> None:
    whole = [path for path in releases.iterdir() if path.suffix != PART]
    by_start = sorted(whole, key=lambda path: path.stat().st_mtime, reverse=True)
    kept = {name for path in by_start[:KEPT_RELEASES] for name in json.loads(path.read_text())}
    for path in by_start[KEPT_RELEASES:]:
        path.unlink(missing_ok=True)
    for path in [path for path in files.rglob("*") if path.is_file()]:
        name = path.relative_to(files).as_posix()
        if not kept & {name, name.removesuffix(".gz"), name.removesuffix(".br")}:
            path.unlink(missing_ok=True)


def _put(path: Path, content: bytes) -> None:
    """Write the file in one step: others read and write the same."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}{PART}")
    try:
        part.write_bytes(content)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
