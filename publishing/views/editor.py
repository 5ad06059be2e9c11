"""The editor of drafts: a new shape, a new version of one, and a draft that is there already."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from accounts.models import Account
from accounts.refusals import status_of
from accounts.requests import SlipwayRequest, actor_of, see_other, wrong_account
from catalog.domain.create_draft import create_draft
from catalog.domain.edit_draft import edit_draft
from catalog.domain.start_shape import start_shape
from catalog.enums import ShapeKind
from catalog.fields.differences import FieldDifference, differences
from catalog.fields.launch_fields import edition_fields, newest_edition
from catalog.fields.snapshots import Snapshot
from catalog.model_queries import find_model
from catalog.models import BaseModel, ShapeVersion, TrainingShape
from catalog.states import VersionState
from catalog.version_queries import find_version
from catalog.views.access import member_of
from connections.providers.spec import TrainerMode
from publishing.content import NOTE, Content, read_content, write_content
from publishing.pages.addresses import shape_page
from publishing.pages.forms import narrowings, sections
from publishing.pages.preview import preview_content
from publishing.queries import newest_version, own_version
from publishing.views.access import published_shape, publishers_page, publishing_account, version_of
from publishing.views.choose_model import choose_model
from wire.errors import Conflict, InvalidArgument, NotFound, PermissionDenied, Refusal, Violation
from wire.names import is_id, refuse_id, shape_name

METHODS = ["GET", "HEAD", "POST"]
NEW_SHAPE = "new-shape"
"""Stands for the shape's id in the preview as long as none is typed."""
CONTEXT = 32_768
OWN_NAMES = frozenset({"csrfmiddlewaretoken", "account", "shape_id", "expected_digest", "check", "from"})
GONE = "Somebody deleted this draft while you edited it. What you typed is kept below: save it as a new draft."


@dataclass(frozen=True)
class Editing:
    """What is edited: a draft that is there (`draft`), a new one of `shape`, or with neither a new shape.

    `expected` is the digest of the content that the editor started from, `shape_id` the id typed for a new shape.
    `wanted` is the kind of a new shape. `gone` says that somebody deleted the draft while it was edited: what is typed
    is to be saved as a new one.
    """

    account: Account
    model: BaseModel
    values: Mapping[str, str]
    shape: TrainingShape | None = None
    draft: ShapeVersion | None = None
    based_on: ShapeVersion | None = None
    expected: str = ""
    shape_id: str = ""
    gone: bool = False
    wanted: ShapeKind = ShapeKind.TRAINING

    @property
    def kind(self) -> ShapeKind:
        """What runs from the shape."""
        return ShapeKind(self.shape.kind) if self.shape else self.wanted

    @property
    def trains(self) -> bool:
        """Whether trainers run from the shape."""
        return self.kind is ShapeKind.TRAINING

    @property
    def name(self) -> str:
        """The resource name that the shape has or will have."""
        if self.shape:
            return self.shape.name
        shape_id = self.shape_id if is_id(self.shape_id) else NEW_SHAPE
        return shape_name(self.account.account_id, shape_id, self.kind.collection)

    @property
    def address(self) -> str:
        """Where the form goes; "" for where it came from."""
        if not (self.gone and self.shape):
            return ""
        return reverse("draft_new", args=[self.account.account_id, self.shape.shape_id])

    @property
    def content(self) -> Content:
        """What is written, as a version would hold it."""
        return read_content(
            self.values, name=self.name, base_model=self.model.name, edition=self.edition, kind=self.kind
        )

    @property
    def edition(self) -> int:
        """Of the common launch fields: a draft keeps its own."""
        return self.draft.fields_edition if self.draft else newest_edition()


@require_http_methods(METHODS)
@publishers_page
def publish_new(request: SlipwayRequest) -> HttpResponse:
    """A new shape: first `?model=`, the base model that it keeps for ever, then everything else."""
    account = publishing_account(request)
    name = request.GET.get("model", "")
    model = find_model(member_of(request), name) if name else None
    if model is None:
        return choose_model(request, account, name, _kind(request))
    kind = _kind(request)
    values = _start(model, account, request.GET.get("mode", ""), kind)
    shape_id = request.POST.get("shape_id", "").strip()
    return _answer(request, Editing(account=account, model=model, values=values, shape_id=shape_id, wanted=kind))


def _kind(request: SlipwayRequest) -> ShapeKind:
    """The kind that `?kind=` asks for."""
    asked = request.GET.get("kind", "")
    return ShapeKind.DEPLOYMENT if asked == ShapeKind.DEPLOYMENT else ShapeKind.TRAINING


@require_http_methods(METHODS)
@publishers_page
def draft_new(request: SlipwayRequest, account_id: str, shape_id: str) -> HttpResponse:
    """A new version of a shape: a copy of the one that `?from=` names, of the latest one where it names none.

    The form names what it started from, so that what is published meanwhile is not taken for it.
    """
    shape = published_shape(request, account_id, shape_id)
    if request.method == "POST":
        source = own_version(shape, request.POST.get("from", ""))
    else:
        start = request.GET.get("from", "")
        source = version_of(shape, start) if start else newest_version(shape)
    if source:
        values = write_content(source.frozen_snapshot, source.renewed_fields)
    else:
        values = _start(shape.base_model, shape.account, "", ShapeKind(shape.kind))
    return _answer(request, Editing(shape.account, shape.base_model, values, shape=shape, based_on=source))


@require_http_methods(METHODS)
@publishers_page
def draft_edit(request: SlipwayRequest, account_id: str, shape_id: str, version_id: str) -> HttpResponse:
    """A draft. What is no draft any more is shown where it stands now."""
    shape = published_shape(request, account_id, shape_id)
    draft = own_version(shape, version_id) if request.method == "POST" else version_of(shape, version_id)
    if draft is None:
        return _answer(request, Editing(shape.account, shape.base_model, {}, shape, gone=True))
    if draft.state != VersionState.DRAFT and request.method != "POST":
        messages.warning(request, f"{draft.version_id} is no draft any more. Base a new version on it.")
        return HttpResponseRedirect(shape_page(shape))
    values = write_content(draft.frozen_snapshot, draft.fields, draft.note)
    expected = request.POST.get("expected_digest", draft.digest)
    source = _visible_source(request, draft)
    return _answer(request, Editing(shape.account, shape.base_model, values, shape, draft, source, expected))


def _visible_source(request: SlipwayRequest, draft: ShapeVersion) -> ShapeVersion | None:
    """The version that the draft is based on, where the reader may see that: a clone's may be another account's."""
    if draft.based_on is None:
        return None
    shape = draft.based_on.shape
    return find_version(member_of(request), shape.account.account_id, shape.shape_id, draft.based_on.version_id)


def _start(model: BaseModel, account: Account, mode: str, kind: ShapeKind) -> dict[str, str]:
    """What a new shape starts with: what is known of its model, one GPU, and the common launch fields."""
    chosen = TrainerMode(mode) if mode in TrainerMode.__members__ else TrainerMode.LORA_TRAINER
    snapshot = Snapshot(
        name=shape_name(account.account_id, NEW_SHAPE, kind.collection),
        base_model=model.name,
        trainer_mode=chosen if kind is ShapeKind.TRAINING else None,
        max_supported_context_length=CONTEXT,
        accelerator_count=1,
        node_count=1,
        model_type=model.model_type,
        parameter_count=model.parameter_count,
    )
    return write_content(snapshot, edition_fields() if kind is ShapeKind.TRAINING else ())


def _answer(request: SlipwayRequest, editing: Editing) -> HttpResponse:
    """Show the form, look at what is typed (`check`), or save it."""
    if request.method != "POST":
        return _form(request, editing)
    values = {name: values[-1] for name, values in request.POST.lists() if name not in OWN_NAMES and values}
    editing = replace(editing, values=values)
    if "check" in request.POST:
        return _form(request, editing, refusal=GONE if editing.gone else "", checked=True)
    if editing.gone:
        return _gone(request, editing)
    content = editing.content
    try:
        if editing.shape is None and (moved := wrong_account(request)):
            raise Conflict(moved.message)
        if content.violations or content.snapshot is None:
            raise InvalidArgument(content.violations)
        saved = _save(request, editing, content.snapshot, content)
    except NotFound:
        if editing.draft is None:
            raise
        return _gone(request, editing)
    except PermissionDenied:
        raise
    except InvalidArgument as refusal:
        extra = tuple(found for found in refusal.violations if found not in content.violations)
        return _form(request, editing, status=HTTPStatus.UNPROCESSABLE_ENTITY, extra=extra, bound=True)
    except Conflict as refusal:
        return _conflict(request, editing, content, refusal)
    except Refusal as refusal:
        return _form(request, editing, status=status_of(refusal), refusal=refusal.message, bound=True)
    messages.success(request, f"Draft {saved.version_id} of {saved.shape.shape_id} is saved.")
    return see_other(shape_page(saved.shape))


def _gone(request: SlipwayRequest, editing: Editing) -> HttpResponse:
    gone = replace(editing, draft=None, gone=True)
    return _form(request, gone, status=HTTPStatus.CONFLICT, refusal=GONE, bound=True)


def _save(request: SlipwayRequest, editing: Editing, snapshot: Snapshot, content: Content) -> ShapeVersion:
    actor = actor_of(request)
    if editing.draft:
        return edit_draft(
            actor=actor,
            version=editing.draft,
            snapshot=snapshot,
            launch_fields=content.fields,
            note=content.note,
            expected_digest=editing.expected,
        )
    if editing.shape:
        return create_draft(
            actor=actor,
            shape=editing.shape,
            snapshot=snapshot,
            launch_fields=content.fields,
            note=content.note,
            based_on=editing.based_on,
        )
    return start_shape(
        actor=actor,
        account=editing.account,
        base_model=editing.model,
        shape_id=editing.shape_id,
        snapshot=snapshot,
        launch_fields=content.fields,
        note=content.note,
    )


def _conflict(request: SlipwayRequest, editing: Editing, content: Content, refusal: Refusal) -> HttpResponse:
    """What somebody else saved meanwhile, beside what is typed, with the form ready to save it over theirs."""
    theirs = version_of(editing.draft.shape, editing.draft.version_id) if editing.draft else None
    if theirs is None or content.snapshot is None:
        return _form(request, editing, status=HTTPStatus.CONFLICT, refusal=refusal.message, bound=True)
    lines = differences((theirs.frozen_snapshot, theirs.fields), (content.snapshot, content.fields))
    if theirs.note != content.note:
        lines.append(FieldDifference(NOTE, NOTE, "Note", (theirs.note or "none", content.note or "none")))
    newer = replace(editing, draft=theirs, expected=theirs.digest)
    return _form(request, newer, status=HTTPStatus.CONFLICT, refusal=refusal.message, theirs=lines, bound=True)


def _form(
    request: SlipwayRequest,
    editing: Editing,
    *,
    status: int = HTTPStatus.OK,
    refusal: str = "",
    extra: tuple[Violation, ...] = (),
    theirs: list[FieldDifference] | None = None,
    bound: bool = False,
    checked: bool = False,
) -> HttpResponse:
    content = editing.content
    violations = (*content.violations, *extra)
    wrong = refuse_id(editing.shape_id) if editing.shape is None and editing.shape_id and not extra else ""
    if wrong:
        violations = (*violations, Violation("shape_id", f"{wrong}."))
    context = {
        "section": "publish",
        "editing": editing,
        "shape": editing.shape,
        "sections": sections(editing.values, violations, base_model=editing.model.name, kind=editing.kind),
        "narrowings": narrowings(editing.values, violations, edition=editing.edition) if editing.trains else (),
        "id_errors": [found.description for found in violations if found.field == "shape_id"],
        "note": editing.values.get(NOTE, ""),
        "note_errors": [found.description for found in violations if found.field == NOTE],
        "preview": preview_content(
            replace(content, violations=violations),
            model=editing.model,
            account=editing.account,
            based_on=editing.based_on,
            edition=editing.edition,
        ),
        "refusal": refusal,
        "theirs": theirs,
        "bound": bound,
        "checked": checked,
    }
    template = "publishing/preview.html" if request.htmx and checked else "publishing/editor.html"
    return render(request, template, context, status=status)
