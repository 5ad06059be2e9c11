"""A model's files from a hub that speaks Hugging Face's protocol, into a directory that is whole or absent.

Nothing is believed before it is compared: sizes and digests are those that the hub's list of files tells, sha256 of
large ones and git's of small ones. What broke off is gone on with.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import re
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from threading import Event
from typing import Any, TypeVar

import httpx2
from huggingface_hub import HfApi, hf_hub_url
from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RevisionNotFoundError
from huggingface_hub.utils import build_hf_headers, hf_raise_for_status

from trainer.durable import sync_path, sync_tree, write_json

R = TypeVar("R")
Say = Callable[[str], None]

CONFIG, WEIGHTS = "config.json", ".safetensors"
SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"
"""What transformers loads weights from: the one where there is one, else what the other names."""
ORIGIN = "origin.json"
"""Beside a model's files: where they come from, and what each of them is."""
KEPT = (WEIGHTS, ".json", ".jinja", ".model", ".tiktoken", ".txt")
"""Ends of the files that a model and its tokenizer are made of; none of them runs."""
BESIDE = ("LICENSE", "NOTICE")
OF_ADAPTERS = "adapter_"
"""Begins names of files that transformers would put into the base model, unasked."""
AT_A_TIME = 4
PAUSES_S = (5.0, 15.0, 60.0, 120.0)
"""Before a hub that does not answer is asked again; from the first one on after each one in which bytes came."""
MOST_INDEX = 100_000_000
"""Bytes of an index that are read."""
SILENCE_S = 30.0
"""After which a hub counts as one that does not answer."""
LOOK_S = 1.0
TELL_S = 2.0
TELL_SHARE = 0.05
"""Of all bytes: a line that says how far it is comes after so many more."""
CHUNK = 1024 * 1024
BEGUN = ".begun"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")
_CONSOLIDATED = re.compile(r"consolidated.*\.safetensors")
_FULL = (errno.ENOSPC, errno.EDQUOT)


class HubError(Exception):
    """The model could not be had; the text says why and what helps."""


@dataclass(frozen=True)
class Repository:
    """`name` is ORG/NAME, `revision` a branch, a tag or a commit; the token is shown to the endpoint alone."""

    endpoint: str
    name: str
    revision: str
    token: str = field(default="", repr=False)

    @property
    def page(self) -> str:
        return f"{self.endpoint}/{self.name}"


@dataclass(frozen=True)
class HubFile:
    """What the list says of a file: its size in bytes, and of a large one its sha256, else git's digest of it."""

    name: str
    size: int
    sha256: str | None
    blob: str | None


@dataclass(frozen=True)
class Listing:
    """The files of one commit that a model is made of."""

    commit: str
    files: tuple[HubFile, ...]

    @property
    def total(self) -> int:
        return sum(each.size for each in self.files)


def bring(
    repository: Repository, directory: Path, *, keep_free: int, say: Say, pauses: Sequence[float] = PAUSES_S
) -> None:
    """Have the model in the directory, whole, which another process may be seeing to already: then wait for that.

    keep_free: bytes of the disk that are not for it. `say` gets lines for a person. Raises HubError, OSError.
    """
    directory.parent.mkdir(parents=True, exist_ok=True)
    part = directory.with_name(f".part-{directory.name}")
    with _alone(directory, part, repository, say):
        if (directory / CONFIG).is_file():
            return
        began = time.monotonic()
        hub = _Hub(repository, say, pauses)
        listing = hub.patiently(hub.list_files)
        size = size_in_words(listing.total)
        say(
            f"Downloading {repository.name} ({listing.commit[:12]}) from {repository.endpoint}: "
            f"{len(listing.files)} files, {size}"
        )
        part.mkdir(exist_ok=True)
        _keep_what_stays(part, listing)
        write_json(part / ORIGIN, _origin(repository, listing))
        _check_space(repository, listing, part, keep_free)
        hub.check_weights(listing, part)
        hub.download(listing.files, part, listing.commit)
        for path in part.iterdir():  # of another commit, and what the library leaves
            if path.name not in {ORIGIN, *(each.name for each in listing.files)}:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        sync_tree(part)
        part.rename(directory)
        sync_path(directory.parent)
        say(f"Downloaded {repository.name}: {size}, each file checked, in {time.monotonic() - began:.0f} s")


@contextmanager
def _alone(directory: Path, part: Path, repository: Repository, say: Say) -> Iterator[None]:
    """Be the one who downloads it, once whoever does so has ended."""
    with directory.with_name(f".{directory.name}.lock").open("w", encoding="utf-8") as lock:
        told = None
        while True:
            with suppress(BlockingIOError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            if told is None:
                say(f"Waiting for {repository.name}, which another launch downloads")
                told = _Teller(part, f"Another launch downloads {repository.name}", say)
            told.look()
            time.sleep(LOOK_S)
        yield


def _origin(repository: Repository, listing: Listing) -> dict[str, Any]:
    return {
        "endpoint": repository.endpoint,
        "repository": repository.name,
        "revision": repository.revision,
        "commit": listing.commit,
        "files": [asdict(each) for each in listing.files],
    }


def _keep_what_stays(part: Path, listing: Listing) -> None:
    """Remove what was begun of files that are others, or not there, in this listing: the revision may have moved."""
    files = _files_noted(part)
    before = {told.get("name"): told for told in files if isinstance(told, dict)}
    stay = {each.name for each in listing.files if before.get(each.name) == asdict(each)}
    for path in part.iterdir():
        name = path.name.removeprefix(".").removesuffix(BEGUN) if path.name.endswith(BEGUN) else path.name
        if path.is_file() and name not in stay and path.name != ORIGIN:
            path.unlink()


def _check_space(repository: Repository, listing: Listing, part: Path, keep_free: int) -> None:
    needed, free = listing.total - bytes_in(part), shutil.disk_usage(part).free - keep_free
    if needed > free:
        raise HubError(
            f"There is no space for {repository.name}: {size_in_words(needed)} more are needed, "
            f"{size_in_words(max(0, free))} are free at {part.parent}. Free some, and launch again."
        )


class _OverError(Exception):
    """Another file failed, so that this one is not needed for now."""


class _Hub:
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
                if refusal := self._refusal(error):
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
        name = self._repository.name
        try:
            told = self._api.model_info(
                name, revision=self._repository.revision, files_metadata=True, timeout=SILENCE_S
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:  # it is a page, or a name that no hub has
            raise HubError(
                f"No hub answers at {self._repository.endpoint}: what came of {self._repository.page} is no list of a "
                f"model's files ({type(error).__name__}). A superuser changes the address on the connection."
            ) from error
        every = [each for each in told.siblings or () if _is_kept(each.rfilename)]
        if any(each.rfilename.startswith("model") and each.rfilename.endswith(WEIGHTS) for each in every):
            every = [each for each in every if not _CONSOLIDATED.fullmatch(each.rfilename)]  # the same once more
        files = tuple(
            HubFile(
                each.rfilename,
                each.lfs.size if each.lfs else each.size,
                each.lfs.sha256 if each.lfs else None,
                None if each.lfs else each.blob_id,
            )
            for each in every
        )
        for each in files:
            if not isinstance(each.size, int) or not (each.sha256 or each.blob):
                raise HubError(f"The hub does not tell size and digest of {each.name}, so {name} is not downloaded.")
        names = {each.name for each in files}
        if CONFIG not in names or names.isdisjoint({SINGLE, INDEX}):
            raise HubError(
                f"{self._repository.page} has no {CONFIG}, or no weights as safetensors ({SINGLE}, or {INDEX} and "
                "what it names): no others are loaded. Name another repository on the connection."
            )
        return Listing(str(told.sha), files)

    def check_weights(self, listing: Listing, part: Path) -> None:
        """Have the index first where the weights have one: what it names has to be listed. Raises HubError."""
        files = {each.name: each for each in listing.files}
        if SINGLE in files:  # which is loaded, whatever lies beside it
            return
        index, page = files[INDEX], self._repository.page
        if index.size > MOST_INDEX:
            raise HubError(f"{INDEX} of {page} has {index.size:,} bytes; {MOST_INDEX:,} is the limit.")
        self.download((index,), part, listing.commit)
        try:
            named = set(json.loads((part / INDEX).read_bytes())["weight_map"].values())
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            named = set()
        if not named:
            raise HubError(f"{INDEX} of {page} names no files of weights. Name another repository on the connection.")
        if missing := sorted(map(str, named - files.keys())):
            raise HubError(
                f"{page} is not whole: {len(missing)} of the {len(named)} files that its {INDEX} names are not listed, "
                f"{missing[0][:80]!r} first. Name another revision or repository on the connection."
            )

    def download(self, files: Sequence[HubFile], part: Path, commit: str) -> None:
        """Fill the folder with the files, some at a time, each of which is what the list says. Raises HubError."""
        teller = _Teller(part, f"Downloading {self._repository.name}", self._say)

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

    def _refusal(self, error: Exception) -> str:
        """What a hub means that answered, and who mends it; "" where asking again may help."""
        if not isinstance(error, HfHubHTTPError):
            return ""
        status, there = error.response.status_code, self._repository
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


class _Teller:
    """Says how far the download in a folder is, when that has gone on."""

    def __init__(self, part: Path, what: str, say: Say) -> None:
        self._part, self._what, self._say = part, what, say
        self._told, self._told_at = 0, time.monotonic()

    def look(self) -> None:
        total = _total(self._part)
        if not total or time.monotonic() - self._told_at < TELL_S:
            return
        done = min(total, bytes_in(self._part))
        if done - self._told >= TELL_SHARE * total:
            self._told, self._told_at = done, time.monotonic()
            self._say(f"{self._what}: {size_in_words(done, of=total)}")


def _files_noted(part: Path) -> list[Any]:
    """The files, as whoever began to download noted them; none before that."""
    try:
        return list(json.loads((part / ORIGIN).read_bytes())["files"])
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _total(part: Path) -> int:
    """Bytes of all files that were noted."""
    try:
        return sum(int(each["size"]) for each in _files_noted(part))
    except (ValueError, KeyError, TypeError):
        return 0


def _is_kept(name: str) -> bool:
    wanted = name.endswith(KEPT) or name.startswith(BESIDE)
    return wanted and bool(_NAME.fullmatch(name)) and name != ORIGIN and not name.startswith(OF_ADAPTERS)


def bytes_in(part: Path) -> int:
    """Of all that was downloaded by now, the beginnings of files included."""
    found = 0
    for path in part.rglob("*"):
        with suppress(OSError):  # it was renamed just now
            if path.is_file() and path.name != ORIGIN:
                found += path.stat().st_size
    return found


def difference(path: Path, wanted: HubFile) -> str:
    """What tells the file from the one that is wanted, "" where nothing does."""
    size = path.stat().st_size
    if size != wanted.size:
        return f"{size:,} bytes instead of {wanted.size:,}"
    # git hashes a head before the bytes
    found = hashlib.sha256() if wanted.sha256 else hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            found.update(chunk)
    expected = wanted.sha256 or wanted.blob
    return "" if found.hexdigest() == expected else f"its {found.name} is {found.hexdigest()} instead of {expected}"


def size_in_words(size: int, *, of: int | None = None) -> str:
    """16.4 GB; with `of`, both in the unit of that: 12.1 of 16.4 GB."""
    largest = size if of is None else of
    factor, unit = next(
        ((f, u) for f, u in ((10**9, "GB"), (10**6, "MB"), (10**3, "kB")) if largest >= f), (1, "bytes")
    )
    digits = 1 if factor > 1 else 0
    told = f"{size / factor:.{digits}f}"
    return f"{told} {unit}" if of is None else f"{told} of {of / factor:.{digits}f} {unit}"
