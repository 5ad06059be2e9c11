"""Make rows for tests: plain functions, keywords only, everything optional. What a test does not name is typical."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import Any

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.base import VALID_KEY_CHARS
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone
from django.utils.crypto import get_random_string

from accounts.models import Account, Membership, User
from accounts.roles import Role
from accounts.sessions import SessionStore
from catalog.enums import Architecture, IdSource, ShapeKind
from catalog.fields import snapshots
from catalog.fields.launch_fields import LaunchField, common_fields, newest_edition
from catalog.fields.narrowing import try_narrowing
from catalog.fields.snapshots import Snapshot
from catalog.models import BaseModel, ShapeVersion, TrainedModel, TrainingShape
from catalog.naming import model_search_text, shape_search_text, trained_search_text
from catalog.states import ModelKind, ModelState, VersionState
from connections.providers.spec import TrainerMode
from wire.names import new_version_id

PASSWORD = "a good long pass phrase"
_numbers = count(1)


def make_user(*, username: str | None = None, password: str = PASSWORD, superuser: bool = False) -> User:
    """A user who is a member of nothing."""
    name = username or f"user-{next(_numbers)}"
    return User.objects.create_user(name, password=password, is_superuser=superuser, is_staff=superuser)


def make_account(*, account_id: str | None = None, display_name: str = "") -> Account:
    """The account of that id, made where it is not there; without an id a new one."""
    identifier = account_id or f"team-{next(_numbers)}"
    known = account_id and Account.objects.filter(account_id=account_id).first()
    name = display_name or identifier.replace("-", " ").capitalize()
    return known or Account.objects.create(account_id=identifier, display_name=name)


def make_member(
    *, account: Account | None = None, role: Role | str = Role.LAUNCHER, user: User | None = None, **user_fields: Any
) -> User:
    """A user (a new one where none is given) with a role in the account (a new one where none is given)."""
    member = user or make_user(**user_fields)
    Membership.objects.create(account=account or make_account(), user=member, role=Role(role))
    return member


def sign_in(client: Client, user: User) -> Client:
    """The same client, now with a session of the user's: one row, where Django's own sign-in asks fifteen questions."""
    store, key = SessionStore(), get_random_string(32, VALID_KEY_CHARS)
    told = {
        SESSION_KEY: str(user.pk),
        BACKEND_SESSION_KEY: settings.AUTHENTICATION_BACKENDS[0],
        HASH_SESSION_KEY: user.get_session_auth_hash(),
    }
    Session.objects.create(session_key=key, session_data=store.encode(told), expire_date=store.get_expiry_date())
    client.cookies[settings.SESSION_COOKIE_NAME] = key
    return client


def make_model(*, account: Account | None = None, model_id: str | None = None, **fields: Any) -> BaseModel:
    """A base model, in account `fireworks` where none is given."""
    number = next(_numbers)
    given = {
        "title": f"Qwen 3 {number}B",
        "family": "Qwen",
        "section": "Qwen 3",
        "architecture": Architecture.DENSE,
        "position": number,
        "model_id": model_id or f"made-{number}b",
    } | fields
    model = BaseModel(account=account or make_account(account_id="fireworks"), **given)
    model.search_text = model_search_text(model)
    model.save()
    return model


def make_trained_model(
    *, account: Account | None = None, model_id: str | None = None, files: Sequence[dict[str, Any]] = (), **fields: Any
) -> TrainedModel:
    """A model that somebody made, ready and an adapter where nothing else is said; its files do not lie anywhere."""
    number = next(_numbers)
    job = fields.pop("job_id", f"job-{number}")
    owner = account or make_account()
    held = list(files) or [{"path": "adapter_model.safetensors", "size_bytes": 4096, "sha256": "a" * 64}]
    state = fields.get("state", ModelState.READY)
    launch = f"accounts/{owner.account_id}/rlorTrainerJobs/{job}"
    given: dict[str, Any] = {
        "state": state,
        "kind": ModelKind.ADAPTER,
        "base_model": "accounts/local/models/tiny-qwen3",
        "root_model": "accounts/local/models/tiny-qwen3",
        "lora_rank": 16 if fields.get("kind", ModelKind.ADAPTER) == ModelKind.ADAPTER else 0,
        "provenance": {"launch": launch, "checkpoint": f"{launch}/checkpoints/final", "by": "lena", "step": 20},
        "size_bytes": sum(file["size_bytes"] for file in held),
        "checkpoint": "final",
        "finished_at": None if state == ModelState.CREATING else timezone.now(),
    }
    model = TrainedModel(account=owner, model_id=model_id or f"made-{number}", job_id=job, files=held, **given | fields)
    model.search_text = trained_search_text(model)
    model.save()
    return model


def make_shape(**fields: Any) -> TrainingShape:
    """A shape without versions, as of `new_shape`."""
    shape = new_shape(**fields)
    shape.save()
    return shape


def new_shape(
    *,
    base_model: BaseModel | None = None,
    account: Account | None = None,
    shape_id: str | None = None,
    display_name: str = "",
    id_source: IdSource = IdSource.DOCUMENT,
    position: int | None = None,
    kind: ShapeKind = ShapeKind.TRAINING,
) -> TrainingShape:
    """A shape that is not saved yet, in its base model's account where none is given."""
    number = next(_numbers)
    model = base_model or make_model(account=account)
    identifier = shape_id or f"{model.model_id}-shape-{number}"
    return TrainingShape(
        account=account or model.account,
        shape_id=identifier,
        kind=kind,
        base_model=model,
        display_name=display_name,
        id_source=id_source,
        position=number if position is None else position,
        search_text=shape_search_text(display_name=display_name, shape_id=identifier, base_model=model),
    )


def make_version(*, shape: TrainingShape | None = None, **fields: Any) -> ShapeVersion:
    """A version as of `new_version`, of a new shape where none is given.

    It takes the mark of the latest validated version from an older one.
    """
    version = new_version(shape=shape or make_shape(), **fields)
    if version.is_latest_validated:
        version.shape.versions.filter(is_latest_validated=True).update(is_latest_validated=False)
    version.save()
    return version


def save_versions(versions: Sequence[ShapeVersion]) -> None:
    """Save many versions, each of a shape of its own that is not saved yet, by two queries."""
    TrainingShape.objects.bulk_create([version.shape for version in versions])
    ShapeVersion.objects.bulk_create(versions)


def new_version(
    *,
    shape: TrainingShape,
    mode: TrainerMode | None = TrainerMode.LORA_TRAINER,
    context: int = 32_768,
    gpus: int = 1,
    nodes: int = 1,
    state: VersionState = VersionState.VALIDATED,
    public: bool | None = None,
    latest: bool | None = None,
    published: bool | None = None,
    launch_fields: Sequence[LaunchField] | None = None,
    version_id: str | None = None,
    **snapshot_fields: Any,
) -> ShapeVersion:
    """A version that is not saved yet; other keywords go to its `Snapshot`.

    Validated, public and the latest validated one unless told otherwise; `gpus` counts GPUs per node. A deployment
    shape's has no mode.
    """
    mode = mode if shape.kind == ShapeKind.TRAINING else None
    validated = state == VersionState.VALIDATED
    newest = validated if latest is None else latest
    snapshot = Snapshot(
        **{
            "name": shape.name,
            "base_model": shape.base_model.name,
            "trainer_mode": mode,
            "max_supported_context_length": context,
            "accelerator_count": gpus,
            "node_count": nodes,
            "display_name": shape.display_name,
            **snapshot_fields,
        }
    )
    fields = [field.as_json() for field in (common_fields(mode) if launch_fields is None else launch_fields)]
    return ShapeVersion(
        shape=shape,
        version_id=version_id or new_version_id(),
        snapshot=snapshot.as_json(),
        launch_fields=fields,
        fields_edition=newest_edition(),
        digest=snapshots.digest(snapshot, fields),
        state=state,
        is_public=validated if public is None else public,
        is_latest_validated=newest,
        published_at=timezone.now() if (validated if published is None else published) else None,
    )


def narrow_field(field: LaunchField, change: dict[str, Any]) -> LaunchField:
    """The field with a publisher's change. Errors: the first `Widened` where it is wrong."""
    changed, wrong = try_narrowing(field, change)
    if wrong:
        raise wrong[0]
    return changed
