"""Every URL, seen by everybody who might ask: the whole of who may do what, in one table.

A new URL fails `test_every_url_is_in_the_table` until it has a row in TABLE. A row is the URL's name with its cases:
method, path, posted fields, and the status for each person, superusers included where the row is about them. `world`
is what there is: see `World`. The catalog is closed here (SLIPWAY_PUBLIC_CATALOG off), as in a real deployment;
everything private belongs to account team-a.
Elsewhere: /v1 in tests/api/test_roles.py, /admin in tests/accounts/test_admin_roles.py, /events in
tests/launches/test_streams.py, the gateway in
tests/launches/test_gateway_admission.py (trainers) and tests/deployments/test_sampler_gateway.py (samplers).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import transaction
from django.urls import URLPattern, URLResolver, get_resolver
from pytest_django.fixtures import Settings

from accounts.actors import SYSTEM
from accounts.models import User
from accounts.roles import Role
from catalog.domain.plan_catalog import plan_catalog
from catalog.files.reader import read_document
from publishing.models import CatalogImport
from tests.catalog.test_catalog_code import PUBLIC
from tests.makers import make_account, make_member
from tests.roles import (
    ANONYMOUS,
    FORBIDDEN,
    FOUND,
    MISSING,
    OK,
    OTHER,
    PEOPLE,
    SEE_OTHER,
    STOP_POLLING,
    STRANGER,
    UNPROCESSABLE,
    Case,
    World,
    at_least,
    everybody,
    fill_in,
    get,
    make_world,
    members,
    of_dataset,
    of_deployment,
    of_draft,
    of_invitation,
    of_key,
    of_launch,
    of_member,
    of_missing,
    of_private_shape,
    of_private_version,
    of_public_shape,
    of_public_version,
    of_publishing,
    of_ready,
    of_saved,
    of_unknown,
    of_unknown_sampler,
    of_validation,
    post,
    send,
    signed_in,
    superusers,
)

PUBLISHERS = at_least(Role.PUBLISHER, SEE_OTHER)
FILE = "own.yaml"


@pytest.fixture
def world(settings: Settings) -> World:
    settings.SLIPWAY_PUBLIC_CATALOG = False
    return make_world()


def a_file(_: World, __: User | None) -> dict[str, Any]:
    """An upload of a catalog file of team-a."""
    return {"file": SimpleUploadedFile(FILE, PUBLIC.encode())}


def an_upload(_: World, user: User | None) -> dict[str, Any]:
    """An upload for team-a that the person reviewed; as if everybody could have made it."""
    kept = CatalogImport.objects.create(
        account=make_account(account_id="team-a"),
        user=user or User.objects.earliest("pk"),
        source=FILE,
        sha256=hashlib.sha256(PUBLIC.encode()).hexdigest(),
        text=PUBLIC,
    )
    document = read_document(PUBLIC, source=FILE)
    plan = plan_catalog(actor=SYSTEM, document=document, file=kept.sha256, source=FILE)
    return {"upload": str(kept.pk), "plan": plan.fingerprint}


def of_failed(end: str) -> Callable[[World], str]:
    """A path below the page of the launch that failed, and has saved `final` for sampling."""
    return lambda world: f"/launches/{world.failed.uid}{end}"


def of_deployed(end: str) -> Callable[[World], str]:
    """A path below the page of the deployment's shape."""
    return lambda world: world.shape(world.deployment.shape_version) + end


def a_deployment(world: World, _: User | None) -> dict[str, str]:
    """What the form of the deployment's shape takes."""
    base = world.deployment.shape_version.shape.base_model.name
    return {"deployment_id": "made", "base_model": base, "min_replicas": "0", "max_replicas": "1"}


def of_trained(end: str) -> Callable[[World], str]:
    """A path below the page of the model that the launcher made."""
    return lambda world: f"/models/team-a/{world.trained.model_id}{end}"


def a_dataset(_: World, __: User | None) -> dict[str, Any]:
    """What the form of datasets takes."""
    return {"file": SimpleUploadedFile("Some Rows.jsonl", b'{"text": "a row"}\n')}


IN_ONES_OWN = {STRANGER: MISSING}
"""Pages of the active account: the stranger has none, and the other publisher's is not team-a."""
OWNER_AND_ADMIN = {Role.VIEWER: MISSING, Role.PUBLISHER: MISSING}
TABLE: dict[str, list[Case]] = {
    "healthz": [get("/healthz", everybody(OK))],
    "readyz": [get("/readyz", everybody(OK))],
    "metrics": [get("/metrics", everybody(MISSING))],
    "version": [get("/version", everybody(OK))],
    "statusz": [get("/statusz", everybody(503))],  # no worker runs here
    "openapi": [get("/api/openapi.json", everybody(OK))],
    "docs": [get("/api/docs", everybody(OK))],
    "set_theme": [post("/theme", everybody(FOUND), theme="dark")],
    "account_login": [get("/sign-in", everybody(FOUND) | {ANONYMOUS: OK})],
    "account_reauthenticate": [get("/sign-in/again", signed_in(OK)), post("/sign-in/again", signed_in(UNPROCESSABLE))],
    "mfa_reauthenticate": [get("/sign-in/again/code", signed_in(FOUND))],  # nobody has a code: on to the password
    "mfa_authenticate": [get("/sign-in/code", everybody(FOUND))],  # nobody is asked for one
    "mfa_reauthenticate_webauthn": [get("/sign-in/again/passkey", signed_in(FOUND))],
    "mfa_login_webauthn": [get("/sign-in/passkey", everybody(FOUND))],
    "mfa_add_webauthn": [get("/security/passkeys/add", signed_in(FOUND))],
    "mfa_remove_webauthn": [get("/security/passkeys/0/remove", signed_in(FOUND))],  # on to the password
    "mfa_activate_totp": [get("/security/app", signed_in(FOUND))],  # on to the password
    "mfa_deactivate_totp": [get("/security/app/remove", signed_in(MISSING))],
    "mfa_view_recovery_codes": [get("/security/codes", signed_in(MISSING))],
    "mfa_generate_recovery_codes": [get("/security/codes/new", signed_in(FOUND))],
    "openid_connect_login": [post("/sign-in/oidc", everybody(MISSING))],  # tests/accounts/test_provider.py
    "openid_connect_callback": [get("/sign-in/oidc/answer", everybody(MISSING))],
    "mfa_index": [get("/security", signed_in(OK))],
    "session_end": [post("/security/sessions/0/end", signed_in(MISSING))],  # tests/accounts/test_sessions.py
    "sessions_end": [post("/security/sessions/end", signed_in(SEE_OTHER))],
    "account_logout": [get("/sign-out", signed_in(OK)), post("/sign-out", everybody(FOUND))],
    "account_change_password": [get("/password", signed_in(OK)), post("/password", signed_in(UNPROCESSABLE))],
    "account_inactive": [get("/inactive", everybody(OK))],
    "invitation": [
        get(lambda world: f"/invitations/{world.token}", everybody(OK)),
        post(lambda world: f"/invitations/{world.token}", everybody(FOUND) | {ANONYMOUS: UNPROCESSABLE}),
        get("/invitations/made-up", everybody(MISSING)),
    ],
    "switch_account": [post("/account", members(FOUND), account="team-a")],
    "account_settings": [
        get("/account/settings", signed_in(OK)),
        post("/account/settings", at_least(Role.ADMIN, FOUND) | {OTHER: FORBIDDEN}, checkpoint_retention_days="7"),
        post(
            "/account/settings",
            at_least(Role.ADMIN, UNPROCESSABLE) | {OTHER: FORBIDDEN},
            checkpoint_retention_days="soon",
        ),
    ],
    "members": [
        get("/members", signed_in(OK)),
        post("/members", at_least(Role.ADMIN, OK) | {OTHER: FORBIDDEN}, role="viewer"),
        post("/members", at_least(Role.ADMIN, UNPROCESSABLE) | {OTHER: FORBIDDEN}, role="captain"),
    ],
    "member_role": [post(of_member("/role"), at_least(Role.ADMIN, FOUND), role="launcher")],
    "member_remove": [
        get(of_member("/remove"), at_least(Role.ADMIN, OK)),
        post(of_member("/remove"), at_least(Role.ADMIN, FOUND)),
    ],
    "invitation_revoke": [
        get(of_invitation("/revoke"), at_least(Role.ADMIN, OK)),
        post(of_invitation("/revoke"), at_least(Role.ADMIN, FOUND)),
    ],
    "connect": [get("/connect", signed_in(OK))],
    "keys": [
        get("/keys", signed_in(OK)),
        post("/keys", signed_in(OK) | IN_ONES_OWN, name="of this test", scope="read", days="30"),
        post(
            "/keys",
            signed_in(OK) | IN_ONES_OWN | {Role.VIEWER: UNPROCESSABLE},
            name="of this test",
            scope="launch",
            days="30",
        ),
        post(
            "/keys",
            signed_in(OK) | IN_ONES_OWN | {Role.VIEWER: UNPROCESSABLE, Role.LAUNCHER: UNPROCESSABLE},
            name="of this test",
            scope="publish",
            days="never",
        ),
    ],
    "key_revoke": [
        get(of_key("/revoke"), members(OK) | OWNER_AND_ADMIN),
        post(of_key("/revoke"), members(FOUND) | OWNER_AND_ADMIN),
    ],
    "audit": [get("/audit", at_least(Role.PUBLISHER, OK) | {STRANGER: OK, OTHER: OK})],
    "audit_csv": [get("/audit.csv", at_least(Role.PUBLISHER, OK) | {OTHER: OK})],
    "catalog": [get("/", signed_in(OK))],
    "shape": [get(of_private_shape(""), members(OK)), get(of_public_shape(""), signed_in(OK))],
    "compare_versions": [
        get(of_private_shape("/compare"), members(OK)),
        get(of_public_shape("/compare"), signed_in(OK)),
    ],
    "compare": [get("/compare", signed_in(OK)), get("/compare?shape=team-a/secret", signed_in(OK))],
    "launch_new": [
        get(of_private_shape("/launch"), members(OK)),
        get(of_public_shape("/launch"), signed_in(OK)),
        post(of_private_shape("/launch"), at_least(Role.LAUNCHER, SEE_OTHER), idempotency_key="a-key-of-this-test"),
    ],
    "launch_preview": [get(of_private_shape("/launch/preview"), members(OK))],
    "launch_check": [post(of_private_shape("/launch/check"), at_least(Role.LAUNCHER, OK))],
    "shape_launches": [
        get(of_private_shape("/launches"), members(OK)),
        get(of_public_shape("/launches"), signed_in(OK)),
    ],
    "launches": [get("/launches", signed_in(OK))],
    "deployment_new": [
        get(of_deployed("/deploy"), members(OK)),
        send(of_deployed("/deploy"), at_least(Role.LAUNCHER, SEE_OTHER), a_deployment),
        post(of_deployed("/deploy"), at_least(Role.LAUNCHER, UNPROCESSABLE)),
        get(of_private_shape("/deploy"), everybody(MISSING) | {ANONYMOUS: FOUND}),
    ],
    "deployment_preview": [post(of_deployed("/deploy/preview"), members(OK))],
    "deployments": [get("/deployments", signed_in(OK)), get("/deployments?state=odd", signed_in(UNPROCESSABLE))],
    "datasets": [get("/datasets", signed_in(OK)), get("/datasets?state=odd", signed_in(UNPROCESSABLE))],
    "dataset_new": [
        get("/datasets/new", at_least(Role.LAUNCHER, OK) | {OTHER: OK}),
        post("/datasets/new", at_least(Role.LAUNCHER, UNPROCESSABLE) | {OTHER: UNPROCESSABLE}, dataset_id="new"),
        send("/datasets/new", at_least(Role.LAUNCHER, SEE_OTHER) | {OTHER: SEE_OTHER}, a_dataset),
    ],
    "dataset": [get(of_dataset(""), members(OK))],
    "dataset_pieces": [
        Case(
            lambda world: f"/datasets/{world.upload.uid}/pieces",
            at_least(Role.LAUNCHER, OK),
            "put",
            lambda _, __: {"text": "a row"},
        )
    ],
    "dataset_file": [get(of_dataset("/file"), members(OK))],
    "dataset_launches": [get(of_dataset("/launches"), members(OK))],
    "dataset_tokens": [
        get(of_dataset("/tokens"), members(OK)),
        post(of_dataset("/tokens"), at_least(Role.LAUNCHER, UNPROCESSABLE), base_model="none"),
    ],
    "dataset_delete": [
        get(of_dataset("/delete"), at_least(Role.LAUNCHER, OK)),
        post(of_dataset("/delete"), at_least(Role.LAUNCHER, SEE_OTHER)),
    ],
    "launch_set": [get(of_launch("/set"), members(OK)), get(of_launch("/set?ask=cancel"), members(OK))],
    "orphans": [get("/deployments/orphans", signed_in(OK))],
    "deployment": [get(of_deployment(""), members(OK))],
    "deployment_panel": [get(of_deployment("/panel"), members(OK))],
    "deployment_sampling": [get(of_deployment("/sampling"), members(STOP_POLLING))],
    "deployment_sampling_records": [get(of_deployment("/sampling/records"), members(OK))],
    "launch_sampling": [get(of_launch("/sampling"), members(OK))],
    "launch_sampling_records": [get(of_launch("/sampling/records"), members(OK))],
    "deployment_scale": [
        post(of_deployment("/scale"), at_least(Role.LAUNCHER, SEE_OTHER), min_replicas="0", max_replicas="0"),
        post(of_deployment("/scale"), at_least(Role.LAUNCHER, UNPROCESSABLE), min_replicas="none", max_replicas="1"),
    ],
    "model_deployments": [get(of_trained("/deployments"), members(OK))],
    "deployment_try": [
        get(of_deployment("/try"), at_least(Role.LAUNCHER, OK)),
        post(of_deployment("/try"), at_least(Role.LAUNCHER, UNPROCESSABLE), prompt=""),
    ],
    "try_it": [
        get(lambda world: f"/deployments/try?serve={world.trained.name}", at_least(Role.LAUNCHER, OK)),
        post("/deployments/try", members(MISSING), serve="accounts/team-a/models/none"),
        send(
            "/deployments/try",
            at_least(Role.LAUNCHER, SEE_OTHER),
            lambda world, _: {"serve": world.deployment.serves},
        ),
    ],
    "deployment_load": [post(of_deployment("/load"), at_least(Role.LAUNCHER, UNPROCESSABLE))],  # nothing listens
    "deployment_delete": [
        get(of_deployment("/delete"), at_least(Role.LAUNCHER, OK)),
        post(of_deployment("/delete"), at_least(Role.LAUNCHER, SEE_OTHER)),
    ],
    "unknown_samplers": [get("/deployments/unknown", signed_in(FORBIDDEN) | {Role.ADMIN: OK})],
    "unknown_sampler_end": [
        get(of_unknown_sampler("/end"), at_least(Role.ADMIN, OK)),
        post(of_unknown_sampler("/end"), at_least(Role.ADMIN, SEE_OTHER)),
    ],
    "unknown_trainers": [get("/launches/unknown", signed_in(FORBIDDEN) | {Role.ADMIN: OK})],
    "unknown_trainer_end": [
        get(of_unknown("/end"), at_least(Role.ADMIN, OK)),
        post(of_unknown("/end"), at_least(Role.ADMIN, FOUND)),
    ],
    "unknown_trainer_adopt": [
        get(of_unknown("/adopt"), superusers(OK) | {STRANGER: MISSING, OTHER: MISSING}),
        post(of_unknown("/adopt"), superusers(UNPROCESSABLE) | {STRANGER: MISSING, OTHER: MISSING}),  # nothing is told
    ],
    "missing_look": [post(of_missing("/look"), at_least(Role.ADMIN, SEE_OTHER))],
    "missing_end": [
        get(of_missing("/end"), at_least(Role.ADMIN, OK)),
        post(of_missing("/end"), at_least(Role.ADMIN, SEE_OTHER)),
    ],
    "connections": [get("/connections", superusers(OK, admin=OK))],
    "connection": [
        get("/connections/local", superusers(OK, admin=OK)),  # lent to every account
        get("/connections/made-up", superusers(MISSING, admin=MISSING)),
    ],
    "connection_deployments": [get("/connections/local/deployments", superusers(OK, admin=OK))],
    "connection_launches": [get("/connections/local/launches", superusers(OK, admin=OK))],
    "connections_running": [get("/connections-running", superusers(OK, admin=OK))],
    "connection_new": [get("/connections/new", superusers(OK)), post("/connections/new", superusers(OK))],
    "connection_edit": [
        get("/connections/local/edit", superusers(OK)),
        post("/connections/local/edit", superusers(SEE_OTHER), **{"config.slots": "3"}),
        post("/connections/local/edit", superusers(UNPROCESSABLE), **{"config.slots": "none"}),
    ],
    "connection_lend": [
        get("/connections/local/lend", superusers(OK)),
        post("/connections/local/lend", superusers(SEE_OTHER), accounts="team-a"),
    ],
    "connection_pause": [
        get("/connections/local/pause", superusers(OK)),
        post("/connections/local/pause", superusers(SEE_OTHER), reason="Of this test."),
        post("/connections/local/pause", superusers(UNPROCESSABLE)),
    ],
    "connection_reopen": [post("/connections/local/reopen", superusers(SEE_OTHER))],
    "connection_move": [post("/connections/local/move", superusers(SEE_OTHER), to="down")],
    "instance_settle": [post("/instance", superusers(SEE_OTHER), **{"is": "original"})],
    "connection_move_for_account": [  # of the active account, by its admins; a superuser in person is none here
        post("/connections/local/move-for-account", superusers(FORBIDDEN, admin=SEE_OTHER), to="down"),
    ],
    "connections_common_order": [post("/connections-common-order", superusers(FORBIDDEN, admin=SEE_OTHER))],
    "connection_test": [post("/connections/local/test", superusers(OK))],
    "connection_confirm": [post("/connections/local/confirm", superusers(UNPROCESSABLE))],  # it showed nothing
    "connection_unnamed": [get("/connections/local/unnamed", superusers(OK))],
    "sync_runs": [get("/connections/local/catalog", superusers(OK))],
    "model_rename": [post("/connections/local/catalog/rename", superusers(UNPROCESSABLE))],  # nothing was proposed
    "sync_now": [post("/connections/local/catalog/sync", superusers(UNPROCESSABLE))],  # it has no catalog
    "destinations": [get("/destinations", superusers(OK))],
    "destination_new": [
        get("/destinations/new", superusers(OK)),
        post("/destinations/new", superusers(UNPROCESSABLE)),  # nothing is told
    ],
    "destination_edit": [get("/destinations/made-up/edit", superusers(MISSING))],
    "destination_remove": [
        get("/destinations/made-up/remove", superusers(MISSING)),
        post("/destinations/made-up/remove", superusers(MISSING)),
    ],
    "checkouts": [get("/checkouts", superusers(OK))],
    "checkout_new": [
        get("/checkouts/new", superusers(OK)),
        post("/checkouts/new", superusers(UNPROCESSABLE)),  # nothing is told
    ],
    "checkout_edit": [get("/checkouts/made-up/edit", superusers(MISSING))],
    "checkout_remove": [
        get("/checkouts/made-up/remove", superusers(MISSING)),
        post("/checkouts/made-up/remove", superusers(MISSING)),
    ],
    "model_pushes": [
        get(of_trained("/pushes"), members(OK)),
        post(of_trained("/pushes"), at_least(Role.LAUNCHER, UNPROCESSABLE), destination="made-up"),
    ],
    "checkpoint_pushes": [
        get(of_saved("/pushes"), members(OK)),
        post(of_saved("/pushes"), at_least(Role.LAUNCHER, UNPROCESSABLE)),  # it is being written
    ],
    "connection_cancel_waiting": [
        get("/connections/local/cancel-waiting", superusers(OK)),
        post("/connections/local/cancel-waiting", superusers(SEE_OTHER)),
    ],
    "connection_retire": [
        get("/connections/local/retire", superusers(OK)),
        post("/connections/local/retire", superusers(UNPROCESSABLE)),  # a launch there is not over
    ],
    "launch": [get(of_launch(""), members(OK))],
    "launch_deployments": [get(of_launch("/deployments"), members(OK))],
    "launch_script": [get(of_launch("/script.py"), members(MISSING))],
    "launch_panel": [get(of_launch("/panel"), members(OK))],
    "launch_metrics": [get(of_launch("/metrics"), members(OK))],
    "launch_cancel": [post(of_launch("/cancel"), at_least(Role.LAUNCHER, FOUND))],
    "launch_resume": [
        post(of_launch("/resume"), at_least(Role.LAUNCHER, UNPROCESSABLE)),  # it is not over
        post(lambda world: f"/launches/{world.failed.uid}/resume", at_least(Role.LAUNCHER, FOUND)),
    ],
    "launch_extend": [post(of_launch("/extend"), at_least(Role.LAUNCHER, UNPROCESSABLE), steps="5")],  # it is not over
    "launch_going_on": [post(of_launch("/going-on"), at_least(Role.LAUNCHER, FOUND), goes_on="yes")],
    "launch_keep": [post(of_launch("/keep"), at_least(Role.LAUNCHER, FOUND))],
    "checkpoint": [get(of_saved(""), members(OK)), get(of_launch("/saves/training/none"), signed_in(MISSING))],
    "checkpoint_archive": [get(of_saved("/archive"), at_least(Role.LAUNCHER, UNPROCESSABLE))],  # not whole yet
    "checkpoint_file": [get(of_saved("/files/model.safetensors"), at_least(Role.LAUNCHER, UNPROCESSABLE))],
    "signed_download": [get("/downloads/made-up/model.safetensors", everybody(MISSING))],
    "launch_discard": [post(of_launch("/checkpoints/discard"), at_least(Role.LAUNCHER, UNPROCESSABLE))],
    "launch_delete": [post(of_launch("/delete"), at_least(Role.LAUNCHER, FOUND))],
    "launch_clone": [get(of_launch("/clone"), members(FOUND))],
    "checkpoint_promote": [
        get(of_failed("/checkpoints/final/promote"), at_least(Role.LAUNCHER, OK)),
        get(of_failed("/checkpoints/none/promote"), signed_in(MISSING)),
        post(of_failed("/checkpoints/final/promote"), at_least(Role.LAUNCHER, SEE_OTHER), model_id="new"),
        post(of_failed("/checkpoints/final/promote"), at_least(Role.LAUNCHER, UNPROCESSABLE), model_id="A B"),
    ],
    "models": [get("/models", signed_in(OK)), get("/models?kind=odd", signed_in(UNPROCESSABLE))],
    "model": [get(of_trained(""), members(OK)), get("/models/local/tiny-qwen3", signed_in(MISSING))],
    "models_compare": [get("/models/compare", signed_in(OK)), get("/models/compare?model=none", signed_in(OK))],
    "trained_model_rename": [
        post(of_trained("/rename"), at_least(Role.LAUNCHER, SEE_OTHER), display_name="Ours"),
        post(of_trained("/rename"), at_least(Role.LAUNCHER, UNPROCESSABLE), display_name="a" * 121),
    ],
    # Its files lie nowhere here: who may take them finds none.
    "trained_model_archive": [get(of_trained("/archive"), at_least(Role.LAUNCHER, MISSING))],
    "trained_model_file": [get(of_trained("/files/adapter_model.safetensors"), at_least(Role.LAUNCHER, MISSING))],
    "trained_model_manifest": [get(of_trained("/manifest"), signed_in(MISSING))],
    "signing_key": [get("/signing-key.pem", everybody(OK))],
    "model_delete": [
        get(of_trained("/delete"), at_least(Role.LAUNCHER, OK)),
        post(of_trained("/delete"), at_least(Role.LAUNCHER, SEE_OTHER)),
    ],
    "validation": [
        get(of_private_version("/validation"), members(OK)),
        get(of_public_version("/validation"), signed_in(MISSING)),
    ],
    "validation_start": [post(of_private_version("/validation/start"), at_least(Role.PUBLISHER, SEE_OTHER))],
    "validation_stop": [
        post(of_private_version("/validation/stop"), at_least(Role.PUBLISHER, MISSING)),  # none to stop
        post(of_validation("stop"), PUBLISHERS),
    ],
    "validation_by_hand": [
        post(
            of_private_version("/validation/by-hand"),
            at_least(Role.PUBLISHER, UNPROCESSABLE),  # this machine can run it
            reason="It has run elsewhere for months.",
        ),
        post(of_validation("by-hand"), PUBLISHERS, reason="It has run elsewhere for months."),
    ],
    "passport": [
        get(of_private_version("/passport"), members(OK)),
        get(of_public_version("/passport"), signed_in(OK)),
    ],
    "publish": [
        get("/publish", at_least(Role.PUBLISHER, OK) | {STRANGER: FORBIDDEN, OTHER: OK})
    ],  # of one's own account
    "publish_new": [
        get("/publish/new", at_least(Role.PUBLISHER, OK) | {STRANGER: FORBIDDEN, OTHER: OK}),
        post(
            "/publish/new?model=accounts/local/models/tiny-qwen3",
            at_least(Role.PUBLISHER, UNPROCESSABLE) | {STRANGER: FORBIDDEN, OTHER: MISSING},
        ),
        fill_in(
            "/publish/new?model=accounts/local/models/tiny-qwen3",
            PUBLISHERS | {STRANGER: FORBIDDEN, OTHER: MISSING},  # of a model that they do not see
            shape_id="of-this-test",
        ),
    ],
    "catalog_import": [
        get("/publish/import", at_least(Role.PUBLISHER, OK) | {STRANGER: FORBIDDEN, OTHER: OK}),
        post("/publish/import", at_least(Role.PUBLISHER, UNPROCESSABLE) | {STRANGER: FORBIDDEN, OTHER: UNPROCESSABLE}),
        get("/publish/import?upload=1", at_least(Role.PUBLISHER, MISSING) | {STRANGER: FORBIDDEN, OTHER: MISSING}),
        send("/publish/import", PUBLISHERS | {STRANGER: FORBIDDEN, OTHER: UNPROCESSABLE}, a_file),  # of team-a
        send("/publish/import", PUBLISHERS | {STRANGER: FORBIDDEN}, an_upload),
    ],
    "catalog_export": [get("/publish/export", at_least(Role.PUBLISHER, OK) | {STRANGER: FORBIDDEN, OTHER: OK})],
    "publish_shape": [get(of_publishing(""), at_least(Role.PUBLISHER, OK))],
    "draft_new": [
        get(of_publishing("/new"), at_least(Role.PUBLISHER, OK)),
        post(of_publishing("/new"), at_least(Role.PUBLISHER, UNPROCESSABLE)),
        fill_in(of_publishing("/new"), PUBLISHERS),
    ],
    "shape_delete": [
        get(of_publishing("/delete"), at_least(Role.PUBLISHER, OK)),
        post(of_publishing("/delete"), at_least(Role.PUBLISHER, UNPROCESSABLE)),  # a launch was made from it
    ],
    "draft_edit": [
        get(of_draft("/edit"), at_least(Role.PUBLISHER, OK)),
        post(of_draft("/edit"), at_least(Role.PUBLISHER, UNPROCESSABLE)),
        fill_in(of_draft("/edit"), PUBLISHERS, note="Of this test."),
    ],
    "shape_clone": [
        get(of_draft("/clone"), at_least(Role.PUBLISHER, OK)),
        post(of_draft("/clone"), at_least(Role.PUBLISHER, SEE_OTHER), shape_id="copied"),
    ],
    "publish_verb": [
        get(of_draft("/delete"), at_least(Role.PUBLISHER, OK)),
        post(of_draft("/delete"), at_least(Role.PUBLISHER, SEE_OTHER)),
        get(of_draft("/publish"), at_least(Role.PUBLISHER, FOUND)),
        post(of_draft("/publish"), at_least(Role.PUBLISHER, UNPROCESSABLE), public="no"),
        get(of_draft("/nonsense"), members(MISSING)),
        fill_in(of_ready("publish"), PUBLISHERS, public="no"),
        fill_in(of_ready("make-public"), PUBLISHERS),
        fill_in(of_ready("roll-back"), PUBLISHERS),
        fill_in(of_ready("deprecate"), PUBLISHERS, message="Of this test."),
        fill_in(of_ready("restore"), PUBLISHERS),
        fill_in(of_ready("withdraw"), PUBLISHERS),
    ],
}
API_PREFIX = "api_"  # called with keys; tests/api/test_roles.py
ADMIN_NAMESPACE = "admin"  # tests/accounts/test_admin_roles.py


def url_names(resolver: URLResolver) -> Iterator[str]:
    """The names of all URLs but those of Django's admin; a URL without a name comes as its pattern."""
    for entry in resolver.url_patterns:
        if isinstance(entry, URLPattern):
            name = entry.name or str(entry.pattern)
            if not name.startswith(API_PREFIX):
                yield name
        elif entry.namespace != ADMIN_NAMESPACE:
            yield from url_names(entry)


def test_every_url_is_in_the_table() -> None:
    there = set(url_names(get_resolver()))
    assert there - set(TABLE) == set(), "add these URLs to TABLE"
    assert set(TABLE) - there == set(), "these URLs are gone"


@pytest.mark.django_db
def test_the_answer_to_each_person(world: World, subtests: pytest.Subtests) -> None:
    for name, case in ((name, case) for name, cases in TABLE.items() for case in cases):
        path = case.path(world)
        with subtests.test(f"{name}: {case.method} {path}"):
            assert get_resolver().resolve(path.partition("?")[0]).url_name == name
            answers = {person: status(case, world, world.people[person]) for person in case.expected}
            assert set(PEOPLE) <= set(answers)
            assert answers == case.expected


def status(case: Case, world: World, user: User | None) -> int:
    """What the person is answered; what the request did is undone, so that all find the same world."""
    kind = {"content_type": "application/json"} if case.method == "put" else {}
    with transaction.atomic():
        answer = getattr(world.browser(user), case.method)(case.path(world), case.fields(world, user), **kind)
        transaction.set_rollback(True)
    return int(answer.status_code)


@pytest.mark.django_db
def test_a_launcher_controls_their_own_launches_only(world: World) -> None:
    colleague = make_member(account=world.launch.account, role=Role.LAUNCHER)
    for end in ("/cancel", "/resume", "/delete"):
        assert status(post(of_launch(end), {}), world, colleague) == FORBIDDEN


@pytest.mark.django_db
def test_a_launcher_deletes_and_sends_their_own_datasets_only(world: World) -> None:
    colleague = make_member(account=world.dataset.account, role=Role.LAUNCHER)
    assert status(get(of_dataset("/delete"), {}), world, colleague) == FORBIDDEN
    assert status(post(of_dataset("/delete"), {}), world, colleague) == FORBIDDEN
    pieces = Case(lambda world: f"/datasets/{world.upload.uid}/pieces", {}, "put", lambda _, __: {"text": "a row"})
    assert status(pieces, world, colleague) == FORBIDDEN


@pytest.mark.django_db
def test_a_public_catalog_is_readable_by_everybody_and_nothing_else_is(world: World, settings: Settings) -> None:
    settings.SLIPWAY_PUBLIC_CATALOG = True
    seen = {
        path: status(get(path, {}), world, None)
        for path in (
            "/",
            world.shape(world.public),
            world.shape(world.private),
            f"{world.shape(world.public)}/launch",
            "/launches",
        )
    }
    assert list(seen.values()) == [OK, OK, MISSING, FOUND, FOUND]
