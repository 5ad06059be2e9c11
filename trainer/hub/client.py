"""A hub that is asked for one repository, again where it does not answer."""

from __future__ import annotations

import errno
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from pathlib import Path
from threading import Event
from typing import TypeVar

import httpx2
from huggingface_hub import HfApi, hf_hub_url
from huggingface_hub.utils import build_hf_headers, hf_raise_for_status

from trainer.durable import sync_path
from trainer.hub.folder import BEGUN, CHUNK, Say, Teller, bytes_in, difference
from trainer.hub.listing import HubError, HubFile, Listing, Repository, listing_of
from trainer.hub.refusals import refusal_of

R = TypeVar("R")

AT_A_TIME = 4
SILENCE_S = 30.0
"""After which a hub counts as one that does not answer."""
LOOK_S = 1.0
_FULL = (errno.ENOSPC, errno.EDQUOT)


class _OverError(Exception):
    """Another file failed, so that this one is not needed for now."""


class Hub:
    """One that is asked for one repository, again where it does not answer."""

    def __init__(self, repository: Repository, say: Say, pauses: Sequence[float]) -> None:
        self._repository = repository
        self._say = say
        self._pauses = pauses
        self._said = ""
        self._over = Event()
        self._api = HfApi(endpoint=repository.endpoint, token=repository.token or False)

    def patiently(self, ask: Callable[[], R], progress: Callable[[], int] = int) -> R:
        """What is answered; asked again where nobody answers, and from the first pause on where `progress` has grown.

        Raises HubError.
        """
        before, tries = progress(), 0
        while True:
            try:
                return ask()
            except (httpx2.HTTPError, OSError) as error:
                if isinstance(error, OSError) and error.errno in _FULL:
                    raise HubError(
                        f"The disk is full: there is no space left for {self._repository.name}. Free some, and launch "
                        "again: it goes on where it was."
                    ) from error
                if refusal := refusal_of(error, self._repository):
                    raise HubError(refusal) from error
                why = " ".join(str(error).split())[:200] or type(error).__name__
                before, tries = (now, 0) if (now := progress()) > before else (before, tries)
                if tries == len(self._pauses):
                    raise HubError(
                        f"{self._repository.endpoint} could not be reached, asked {tries + 1} times: {why}. Launch "
                        "again once it can: what was downloaded is kept."
                    ) from error
                pause = self._pauses[tries]
                self._say_once(f"{self._repository.endpoint} does not answer; trying again in {pause:g} s")
                if self._over.wait(pause):
                    raise _OverError from error
                tries += 1

    def _say_once(self, line: str) -> None:
        """What several threads find out at a time."""
        if line != self._said:
            self._said = line
            self._say(line)

    def list_files(self) -> Listing:
        """Raises HubError where there is no model that could be trained."""
        there = self._repository
        try:
            told = self._api.model_info(there.name, revision=there.revision, files_metadata=True, timeout=SILENCE_S)
        except (ValueError, KeyError, TypeError, AttributeError) as error:  # it is a page, or a name that no hub has
            raise HubError(
                f"No hub answers at {there.endpoint}: what came of {there.page} is no list of a model's files "
                f"({type(error).__name__}). A superuser changes the address on the connection."
            ) from error
        return listing_of(there, str(told.sha), told.siblings or ())

    def download(self, files: Sequence[HubFile], part: Path, commit: str) -> None:
        """Fill the folder with the files, some at a time, each of which is what the list says. Raises HubError."""
        teller = Teller(part, f"Downloading {self._repository.name}", self._say)

        def bring_one(wanted: HubFile) -> None:
            self.patiently(lambda: self._download(wanted, commit, part), lambda: bytes_in(part))

        self._over.clear()
        pool = ThreadPoolExecutor(AT_A_TIME)
        try:
            waiting = {pool.submit(bring_one, each) for each in files}
            while waiting:
                done, waiting = wait(waiting, LOOK_S, FIRST_EXCEPTION)
                teller.look()
                for each in done:
                    each.result()
        finally:  # the others may have hours to go, and whoever has the folder next writes the same files
            self._over.set()
            pool.shutdown(cancel_futures=True)

    def _download(self, wanted: HubFile, commit: str, part: Path) -> None:
        """What has the file's own name was compared; before that it is called otherwise, and gone on with."""
        path, begun = part / wanted.name, part / f".{wanted.name}{BEGUN}"
        if path.is_file():
            return
        self._append(wanted, commit, begun)
        if found := difference(begun, wanted):
            begun.unlink()
            raise HubError(
                f"{wanted.name} of {self._repository.name} is not what the hub says: {found}. It was removed, the rest "
                f"is kept. Launch again; where it happens twice, ask whoever runs {self._repository.endpoint}."
            )
        sync_path(begun)
        begun.rename(path)

    def _append(self, wanted: HubFile, commit: str, begun: Path) -> None:
        """Have the rest of the file; where it is stored elsewhere than at the hub, no token is shown there."""
        there = self._repository
        url = hf_hub_url(there.name, wanted.name, revision=commit, endpoint=there.endpoint)
        with begun.open("ab") as file:
            if (had := file.tell()) >= wanted.size > 0:
                return
            headers = {**build_hf_headers(token=there.token or False), "Accept-Encoding": "identity"}
            ranges = {"Range": f"bytes={had}-"} if had else {}
            with httpx2.stream(
                "GET", url, headers={**headers, **ranges}, follow_redirects=True, timeout=SILENCE_S
            ) as answer:
                if answer.is_error:
                    answer.read()
                hf_raise_for_status(answer)
                if answer.status_code != httpx2.codes.PARTIAL_CONTENT:
                    file.truncate(0)
                for chunk in answer.iter_raw(CHUNK):
                    file.write(chunk)
                    if file.tell() > wanted.size:  # an endless answer would fill the disk
                        return
                    if self._over.is_set():
                        raise _OverError
