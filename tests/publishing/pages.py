"""What the tests of the publishing pages share: a shape with its versions, and reading forms out of pages."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

from accounts.actors import Actor, user_actor
from accounts.models import Account, User
from accounts.roles import Role
from catalog.enums import AcceleratorType, WeightPrecision
from catalog.models import ShapeVersion, TrainingShape
from catalog.states import VersionState
from tests.makers import make_account, make_member, make_model, make_shape, make_version

KNOWN = {
    "accelerator_type": AcceleratorType.NVIDIA_H100_80GB,
    "trainer_image_tag": "0.383.0",
    "base_model_weight_precision": WeightPrecision.BFLOAT16,
}
_INPUT = re.compile(r"<input([^>]*)>")
_SELECT = re.compile(r'<select[^>]*name="([^"]+)"[^>]*>(.*?)</select>', re.DOTALL)
_AREA = re.compile(r'<textarea[^>]*name="([^"]+)"[^>]*>\n?(.*?)</textarea>', re.DOTALL)
_CHOSEN = re.compile(r'<option value="([^"]*)" selected>')


def team() -> Account:
    return make_account(account_id="team-a")


def publisher(username: str = "paula") -> User:
    return make_member(account=team(), role=Role.PUBLISHER, username=username)


def actor(user: User) -> Actor:
    return user_actor(user)


def own_shape(shape_id: str = "own") -> TrainingShape:
    return make_shape(base_model=make_model(account=team()), shape_id=shape_id)


def draft_of(shape: TrainingShape, **facts: Any) -> ShapeVersion:
    return make_version(shape=shape, state=VersionState.DRAFT, **(KNOWN | facts))


def validated(shape: TrainingShape, **facts: Any) -> ShapeVersion:
    """Validated and not published."""
    return make_version(shape=shape, public=False, latest=False, published=False, **(KNOWN | facts))


def published(shape: TrainingShape, **facts: Any) -> ShapeVersion:
    """The latest version, of its account only."""
    return make_version(shape=shape, **({"public": False} | KNOWN | facts))


def runnable() -> ShapeVersion:
    """A version of team-a that the local provider can run."""
    model = make_model(account=make_account(account_id="local"), model_id="tiny-qwen3")
    return make_version(shape=make_shape(base_model=model, account=team()), gpus=0, context=2048, public=False)


def of(shape: TrainingShape, end: str = "") -> str:
    """An address below the page of the shape."""
    return f"/publish/{shape.account.account_id}/{shape.shape_id}{end}"


def at(version: ShapeVersion, end: str) -> str:
    """An address below the version's."""
    return of(version.shape, f"/versions/{version.version_id}/{end}")


def text(answer: Any) -> str:
    """The page's text as a reader gets it, white space evened out."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", answer.content.decode())).split())


def form_in(answer: Any, element: str = "<form") -> dict[str, str]:
    """What the page's own form would send as it stands, as a browser without scripts does."""
    html = answer.content.decode().partition('<main class="page"')[2]
    html = html[html.index(element) :].partition("</form>")[0]
    sent = {}
    for attributes in _INPUT.findall(html):
        given = dict(re.findall(r'([a-z]+)="([^"]*)"', attributes))
        boxed = given.get("type") in {"checkbox", "radio"}
        if not boxed or (" checked" in attributes and " disabled" not in attributes):
            sent[given["name"]] = unescape(given.get("value", "on"))
    for name, options in _SELECT.findall(html):
        chosen = _CHOSEN.findall(options)
        sent[name] = unescape(chosen[0]) if chosen else ""
    return sent | {name: unescape(value) for name, value in _AREA.findall(html)}


def editor_in(answer: Any) -> dict[str, str]:
    """What the editor's form would send."""
    return form_in(answer, '<form class="editor')
