"""What the screenshots and the search for barriers look at: one of everything that the pages can show.

Made by the verbs of a running Slipway with the bundled catalog, in account `local` and seen by its members only; the
bundled shapes stay as they are. It needs Django to be set up.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncssh
from django.conf import settings
from django.utils import timezone

from accounts.actors import SYSTEM, Actor, user_actor
from accounts.domain.add_member import add_member
from accounts.domain.create_api_key import create_api_key
from accounts.domain.create_invitation import create_invitation
from accounts.domain.create_user import create_user
from accounts.domain.revoke_api_key import revoke_api_key
from accounts.models import Account, ApiKey, Membership, User
from accounts.roles import Role
from accounts.scopes import Scope
from benchmarks.exhibits import deployments, launch_sets
from benchmarks.sample_datasets import datasets
from catalog.domain.clone_shape import clone_shape
from catalog.domain.create_draft import create_draft
from catalog.domain.deprecate_version import deprecate_version
from catalog.domain.edit_draft import edit_draft
from catalog.domain.import_version import import_version
from catalog.domain.withdraw_version import withdraw_version
from catalog.enums import PUBLIC_ACCOUNT, AcceleratorType, ShapeKind, WeightPrecision
from catalog.fields.launch_fields import LaunchField
from catalog.files.current import read_current
from catalog.files.export import write_document
from catalog.models import ShapeVersion, TrainedModel
from connections.domain.add_connection import add_connection
from connections.domain.lend_connection import lend_connection
from connections.domain.pause_connection import pause_connection
from connections.kinds import CONTROL_PLANE, SLURM
from connections.models import Connection, CookbookCheckout, Destination
from connections.providers.local.recipe_environments import environment_of
from connections.providers.official import SDK_VERSION
from connections.providers.slurm.config import OVER_SSH, SEVERAL
from deployments.models import UnknownSampler
from launches.models import UnknownTrainer
from publishing.domain.cancel_validation import cancel_validation
from publishing.domain.keep_import import keep_import
from publishing.domain.request_validation import request_validation
from publishing.domain.validate_by_hand import validate_by_hand
from pushes.models import Push

TINY, LARGE = "local/tiny-qwen3-2k-lora", "fireworks/qwen3p5-9b-256k"
SAMPLER, POLICY = "local/tiny-qwen3-sampler", "local/tiny-qwen3-2k"
OURS = "local/tiny-qwen3-2k-lora-ours"


@dataclass(frozen=True)
class SampleData:
    """The address of each page by name; those of `measured` are about a version that is being validated just now."""

    pages: dict[str, str]
    measured: dict[str, str]


def make_sample_data() -> SampleData:
    """Make them all, once. Errors: `Refusal`, where they are there already."""
    account = Account.objects.get(account_id="local")
    admin = User.objects.get(username=os.environ["SLIPWAY_ADMIN_USER"])
    actor = user_actor(admin)
    pages = _people(actor, account) | _keys(actor, account, admin) | _upload(actor, account, admin)
    pages |= _connections(actor, account) | _models(account, admin) | _checkouts()
    pages |= deployments(actor, account, admin, _latest(SAMPLER), _latest(TINY))
    pages |= datasets(actor, account)
    pages |= launch_sets(actor, account, _latest(POLICY))
    pages |= _versions(actor, account) | _by_hand(actor, account) | _rejected(actor)
    return SampleData(pages, _validating(actor))


def _people(actor: Actor, account: Account) -> dict[str, str]:
    for name, role in (("mira", Role.LAUNCHER), ("noor", Role.PUBLISHER)):
        user = create_user(actor=SYSTEM, username=name, password="a good long pass phrase", email=f"{name}@example.org")
        add_member(actor=actor, account=account, user=user, role=role)
    invitation, token = create_invitation(
        actor=actor, account=account, role=Role.VIEWER, now=timezone.now(), username="otto"
    )
    member = Membership.objects.get(account=account, user__username="mira")
    return {
        "member-remove": f"/members/{member.pk}/remove",
        "invitation-revoke": f"/members/invitations/{invitation.pk}/revoke",
        "invitation": f"/invitations/{token}",
    }


def _checkouts() -> dict[str, str]:
    """One that nothing ran of yet, and one whose environment could not be made."""
    facts = {"path": "/srv/cookbook", "sdk": SDK_VERSION}
    CookbookCheckout.objects.create(name="official", commit="76" * 20, **facts)
    broken = CookbookCheckout.objects.create(name="next", commit="d0" * 20, **facts)
    environment = environment_of(broken.as_told, Path(settings.SLIPWAY_HOME) / "local")
    environment.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    why = "The packages could not be installed: ERROR: No matching distribution found for fireworks-ai==1.2.24"
    Path(f"{environment}.state").write_text(json.dumps({"line": why, "failed": True}), encoding="utf-8")
    return {
        "checkouts": "/checkouts",
        "checkout-edit": "/checkouts/official/edit",
        "checkout-remove": "/checkouts/official/remove",
    }


def _models(account: Account, admin: User) -> dict[str, str]:
    """One that is ready and one that a worker would be copying, was it not put off; their files do not lie anywhere."""
    now, launch = timezone.now(), f"{account.name}/rlorTrainerJobs/support-tone"
    base = "accounts/local/models/tiny-qwen3"
    facts: dict[str, Any] = {
        "account": account,
        "base_model": base,
        "root_model": base,
        "job_id": "support-tone",
        "checkpoint": "final",
        "size_bytes": 84_000_000,
        "files": [{"path": "model.safetensors", "size_bytes": 84_000_000, "sha256": "5b" * 32}],
        "provenance": {"launch": launch, "checkpoint": f"{launch}/checkpoints/final", "step": 400, "by": str(admin)},
        "created_by": admin,
        "search_text": "",
    }
    made = TrainedModel.objects.create(
        model_id="support-tone", display_name="Support tone", kind="full", state="READY", finished_at=now, **facts
    )
    TrainedModel.objects.create(
        model_id="being-made",
        kind="adapter",
        lora_rank=16,
        copied_bytes=30_000_000,
        next_check_at=now + timedelta(days=1),
        **facts,
    )
    _pushes(made)
    here = f"/models/{account.account_id}"
    return {
        "models": "/models",
        "model": f"{here}/support-tone",
        "model-being-made": f"{here}/being-made",
        "models-compared": "/models/compare?model=support-tone&model=being-made",
        "model-delete": f"{here}/support-tone/delete",
        "model-pushes": f"{here}/support-tone/pushes",
        "destinations": "/destinations",
        "destination-edit": "/destinations/store/edit",
        "destination-remove": "/destinations/store/remove",
    }


def _pushes(made: TrainedModel) -> None:
    """One in each state, which no worker takes further."""
    now = timezone.now()
    archive = Destination.objects.create(name="archive", address="/srv/models")
    store = Destination.objects.create(
        name="store", address="s3://models/slipway", endpoint="https://s3.example.com", key_id="of-no-use", secret="x"
    )
    facts: dict[str, Any] = {
        "account": made.account,
        "model": made,
        "place": f"{made.account.account_id}/models/{made.model_id}",
        "size_bytes": made.size_bytes,
        "started_by": made.created_by,
    }
    for where, state, sent, detail in (
        (archive, "DONE", made.size_bytes, ""),
        (store, "FAILED", 0, "s3://models/slipway did not take it: there is no such bucket."),
        (store, "PUSHING", 30_000_000, ""),
    ):
        over = {} if state == "PUSHING" else {"finished_at": now}
        Push.objects.create(
            destination=where,
            destination_name=where.name,
            state=state,
            sent_bytes=sent,
            detail=detail,
            next_check_at=now + timedelta(days=1),
            **facts,
            **over,
        )


def _connections(actor: Actor, account: Account) -> dict[str, str]:
    """One that leads to nowhere and is paused, so that nothing is launched there; lent to the account."""
    north = add_connection(
        actor=actor,
        name="cluster-north",
        kind=CONTROL_PLANE,
        display_name="The cluster in the north",
        config={"url": "https://north.example"},
        secret="of no use to anybody",
    )
    pause_connection(actor=actor, connection=north, reason="New disks, until Friday", now=timezone.now())
    lend_connection(actor=actor, connection=north, for_everyone=False, accounts=[account])
    verbs = ("lend", "pause", "retire", "cancel-waiting")
    here = f"/connections/{north.name}"
    pages = {"connection-paused": here} | {f"connection-{verb}": f"{here}/{verb}" for verb in verbs}
    return pages | _slurm(actor) | _unknown_trainers(north, account)


def _slurm(actor: Actor) -> dict[str, str]:
    """A cluster behind a login node that there is not, which asks for a GPU type; lent to nobody."""
    shapes = ShapeVersion.objects.filter(shape__account__account_id=PUBLIC_ACCOUNT, is_latest_validated=True)
    models = {version.shape.base_model.name for version in shapes.select_related("shape__base_model__account")}
    cluster = add_connection(
        actor=actor,
        name="cluster-south",
        kind=SLURM,
        display_name="The cluster in the south",
        config={
            "shared": "/shared/slipway",
            "login": "slipway@login1.south.example",
            "files": OVER_SSH,
            "partition": "train",
            "gres": "NVIDIA_H100_80GB = gpu:h100\nNVIDIA_H200_141GB = gpu:h200",
            "processes": SEVERAL,
            "models": "\n".join(f"{name} = /shared/models" for name in sorted(models)),
        },
        secret=asyncssh.generate_private_key("ssh-ed25519").export_private_key().decode(),
    )
    here = f"/connections/{cluster.name}"
    return {"connection-slurm": here, "connection-slurm-edit": f"{here}/edit", "connection-unnamed": f"{here}/unnamed"}


def _unknown_trainers(connection: Connection, account: Account) -> dict[str, str]:
    """One of the account, of which is known what it was asked for, and one of an account that is not here."""
    found: dict[str, Any] = {"connection": connection, "attempt_number": 1, "seen_at": timezone.now()}
    told = {"version": _latest(TINY).name, "settings": {"lora_rank": 16, "display_name": "Found"}, "spec": None}
    ours = UnknownTrainer.objects.create(
        **found,
        account_name=account.account_id,
        job_id="forgotten-by-a-restore",
        state="RUNNING",
        since=timezone.now() - timedelta(hours=7),
        kept=told,
        gpus=8,
    )
    UnknownTrainer.objects.create(**found, account_name="nobodys", job_id="of-another-slipway", state="PENDING")
    here = f"/launches/unknown/{ours.pk}"
    pages = {"unknown-trainers": "/launches/unknown", "unknown-adopt": f"{here}/adopt", "unknown-end": f"{here}/end"}
    return pages | _unknown_samplers(connection, account)


def _unknown_samplers(connection: Connection, account: Account) -> dict[str, str]:
    """One of the account that holds GPUs, and one that runs nothing, of which only the id there is known."""
    found: dict[str, Any] = {"connection": connection, "start": 1, "seen_at": timezone.now()}
    ours = UnknownSampler.objects.create(
        **found,
        account_name=account.account_id,
        job_id="rollouts-of-a-restore-0a1b2c3d",
        state="RUNNING",
        since=timezone.now() - timedelta(hours=7),
        shape_version="accounts/local/deploymentShapes/tiny-qwen3-sampler/versions/tiny2k01",
        trainer_job="forgotten-by-a-restore",
        gpus=8,
    )
    UnknownSampler.objects.create(**found, job_id="s7k2f-cut-because-it-was-too-long-4qz2mxw7ab", state="CANCELLED")
    end = f"/deployments/unknown/{ours.pk}/end"
    return {"unknown-samplers": "/deployments/unknown", "unknown-sampler-end": end}


def _keys(actor: Actor, account: Account, admin: User) -> dict[str, str]:
    noor = User.objects.get(username="noor")

    def make(user: User, name: str, scope: Scope, *, days_ago: int = 0, days: int | None = 90) -> ApiKey:
        then = timezone.now() - timedelta(days=days_ago)
        maker = {"account": account, "user": user, "name": name, "scope": scope, "now": then, "days": days}
        return create_api_key(actor=user_actor(user), **maker)[0]  # type: ignore[arg-type]

    ci = make(admin, "ci", Scope.LAUNCH)
    make(noor, "nightly publication of the catalog", Scope.PUBLISH, days=None)
    make(noor, "workshop", Scope.READ, days_ago=40, days=30)
    revoke_api_key(actor=actor, key=make(admin, "lost laptop", Scope.READ), now=timezone.now())
    return {"key-revoke": f"/keys/{ci.pk}/revoke"}


def _versions(actor: Actor, account: Account) -> dict[str, str]:
    """A shape of three versions: one deprecated, one that narrows a launch field, one withdrawn; and a draft."""
    draft = clone_shape(actor=actor, source=_latest(TINY), account=account, shape_id=OURS.partition("/")[2])
    first = _publish_version(actor, draft, launch_fields=draft.fields, note="As it is bundled.")
    second = _publish_version(
        actor,
        draft,
        description="Ranks up to 32, which is all that fits.",
        launch_fields=[replace(each, maximum=32) if each.name == "lora_rank" else each for each in draft.fields],
        note="Ranks above 32 ran out of memory.",
    )
    deprecate_version(actor=actor, version=first, message="Ranks above 32 run out of memory. Launch the newer version.")
    broken = _publish_version(actor, draft, launch_fields=draft.fields, node_count=2, note="On two nodes.")
    withdraw_version(actor=actor, version=broken, reason="The nodes never met.")
    draft = _revise(actor, second, max_supported_context_length=4096, note="Twice the context, to be tried.")
    return {
        "compare-versions": f"/shapes/{OURS}/compare?from={first.version_id}&to={second.version_id}",
        "publish-edit": _publish(draft, "edit"),
        "shape-ours": f"/shapes/{OURS}",
        "publish-shape-ours": f"/publish/{OURS}",
        "publish-clone": _publish(second, "clone"),
        "publish-roll-back": _publish(first, "roll-back"),
        "publish-restore": _publish(first, "restore"),
        "publish-deprecate": _publish(second, "deprecate"),
        "publish-withdraw": _publish(second, "withdraw"),
        "publish-make-public": _publish(second, "make-public"),
        "publish-delete-draft": _publish(draft, "delete"),
        "validation-ask": _validation(draft),
    }


def _by_hand(actor: Actor, account: Account) -> dict[str, str]:
    """A shape that no provider here can run, on a publisher's word."""
    draft = clone_shape(actor=actor, source=_latest(LARGE), account=account, shape_id="qwen3p5-9b-256k-ours")
    version = edit_draft(
        actor=actor,
        version=draft,
        snapshot=replace(
            draft.frozen_snapshot,
            accelerator_type=AcceleratorType.NVIDIA_H100_80GB,
            trainer_image_tag="0.383.0",
            base_model_weight_precision=WeightPrecision.BFLOAT16,
        ),
        launch_fields=draft.fields,
        note="As it runs on our own machines.",
        expected_digest=draft.digest,
    )
    waiting = _revise(actor, version, node_count=2, note="On two nodes.")
    validate_by_hand(
        actor=actor, version=version, reason="It has run on our own machines since May.", now=timezone.now()
    )
    return {
        "validation-ask-by-hand": _validation(waiting),
        "validation-by-hand": _validation(version),
        "passport-by-hand": f"{_at(version)}/passport",
        "publish-verb-first": _publish(version, "publish"),
    }


def _validating(actor: Actor) -> dict[str, str]:
    version = _revise(actor, _latest(OURS), description="The same, measured here.", note="Measured here.")
    request_validation(actor=actor, version=version, now=timezone.now())
    return {
        "validation": _validation(version),
        "passport": f"{_at(version)}/passport",
        "shape-measured": f"/shapes/{OURS}?version={version.version_id}",
        "publish-verb-difference": _publish(version, "publish"),
    }


def _rejected(actor: Actor) -> dict[str, str]:
    version = _revise(actor, _latest(OURS), description="Never finished.", note="A try.")
    validation = request_validation(actor=actor, version=version, now=timezone.now())
    cancel_validation(actor=actor, validation=validation, now=timezone.now())
    return {"validation-failed": _validation(version)}


def _upload(actor: Actor, account: Account, user: User) -> dict[str, str]:
    """A catalog file that changes a shape and leaves the last training shape out."""
    document = read_current(account, public=True).document
    *models, last = document.models
    gone = next(shape for shape in reversed(last.shapes) if shape.snapshot.kind is ShapeKind.TRAINING)
    kept = replace(last, shapes=tuple(shape for shape in last.shapes if shape is not gone))
    text = write_document(replace(document, models=(*models, kept)))
    data = text.replace("Policy trainer", "Policy trainer, by file").encode()
    upload = keep_import(
        actor=actor, user=user, account=account, data=data, source="catalog-local.yaml", now=timezone.now()
    )
    return {"import": "/publish/import", "import-review": f"/publish/import?upload={upload.pk}"}


def _latest(shape: str) -> ShapeVersion:
    account_id, shape_id = shape.split("/")
    versions = ShapeVersion.objects.select_related("shape__account", "shape__base_model__account")
    return versions.get(shape__account__account_id=account_id, shape__shape_id=shape_id, is_latest_validated=True)


def _publish_version(
    actor: Actor, draft: ShapeVersion, *, launch_fields: list[LaunchField], note: str, **facts: Any
) -> ShapeVersion:
    return import_version(
        actor=actor,
        shape=draft.shape,
        snapshot=replace(draft.frozen_snapshot, **facts),
        launch_fields=launch_fields,
        public=False,
        note=note,
    )


def _revise(actor: Actor, version: ShapeVersion, *, note: str, **facts: Any) -> ShapeVersion:
    return create_draft(
        actor=actor,
        shape=version.shape,
        snapshot=replace(version.frozen_snapshot, **facts),
        launch_fields=version.fields,
        note=note,
        based_on=version,
    )


def _shape(version: ShapeVersion) -> str:
    return f"{version.shape.account.account_id}/{version.shape.shape_id}"


def _at(version: ShapeVersion) -> str:
    return f"/shapes/{_shape(version)}/versions/{version.version_id}"


def _validation(version: ShapeVersion) -> str:
    return f"{_at(version)}/validation"


def _publish(version: ShapeVersion, verb: str) -> str:
    return f"/publish/{_shape(version)}/versions/{version.version_id}/{verb}"
