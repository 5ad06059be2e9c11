"""The answer to whoever asks for weights: a browser, a program with a key, or somebody with a signed link."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse
from django.utils import timezone

from accounts.actors import Actor
from accounts.domain.sign_link import sign_link
from accounts.models import ApiKey
from downloads.answers import answer_download, gives
from launches.domain.release_weights import ARCHIVE, Weights, note_release, refused_in_words


def send_weights(request: HttpRequest, *, actor: Actor, weights: Weights, path: str) -> HttpResponseBase:
    """A file, or the ARCHIVE. Errors: `Refusal`s, before anything is sent."""
    with refused_in_words(weights.name):
        answer = answer_download(request, weights.download(path))
    if gives(request, answer):
        note_release(actor=actor, weights=weights, path=path)
    return answer


def signed_links(*, key: ApiKey, weights: Weights) -> tuple[dict[str, str], str, datetime]:
    """An address for each file by its path, one for the archive, and until when they work."""
    files = {file.path: _address(key, weights, file.path) for file in weights.files}
    until = timezone.now() + timedelta(minutes=settings.SLIPWAY_DOWNLOAD_MINUTES)
    return files, _address(key, weights, ARCHIVE), until


def _address(key: ApiKey, weights: Weights, path: str) -> str:
    """The name at its end is for whoever keeps it under that; the token alone says what it is."""
    token = sign_link(key=key, target=(*weights.target, path))
    name = path.rpartition("/")[2] or weights.download(ARCHIVE).file_name
    return f"{settings.SLIPWAY_URL}{reverse('signed_download', args=[token, name])}"
