"""A shape's page: what it owns, what one may set, how to use it."""

from __future__ import annotations

import html as markup
import re
from pathlib import Path

import pytest
from django.test import Client
from django.utils import timezone

from accounts.actors import SYSTEM
from accounts.roles import Role
from catalog.domain.withdraw_version import withdraw_version
from catalog.enums import AcceleratorType
from catalog.models import ShapeVersion
from catalog.states import VersionState
from connections.providers.spec import ShardingScheme, TrainerMode
from proofs.desk import code
from tests.golden import check_golden_text
from tests.makers import make_account, make_member, make_model, make_shape, make_version, sign_in

pytestmark = pytest.mark.usefixtures("public_catalog")


def page(client: Client, account: str, shape: str, query: str = "") -> str:
    response = client.get(f"/shapes/{account}/{shape}{query}")
    assert response.status_code == 200
    return response.content.decode()


def facts(html: str) -> dict[str, str]:
    """The locked facts, by label."""
    found = re.findall(r"<dt><svg.*?</svg>(.*?)<span.*?</dt>\s*<dd[^>]*>(.*?)</dd>", html, re.DOTALL)
    return {label: markup.unescape(re.sub(r"<[^>]+>", " ", value)).strip() for label, value in found}


def test_unknown_facts_are_left_to_the_provider(bundled: None, client: Client) -> None:
    shown = facts(page(client, "fireworks", "qwen3p5-9b-256k"))
    for label in ("GPU type", "Image", "Parallelism", "Weight precision", "Deployment shape"):
        assert shown[label] == "chosen by the provider at launch"
    assert shown["GPUs per node"] == "2"
    assert shown["Context"].startswith("256k")
    assert "262,144 tokens" in shown["Context"]


def test_known_facts_are_shown(db: None, client: Client) -> None:
    shape = make_shape(account=make_account(account_id="fireworks"), shape_id="known")
    make_version(
        shape=shape,
        mode=TrainerMode.POLICY_TRAINER,
        gpus=4,
        nodes=2,
        accelerator_type=AcceleratorType.NVIDIA_B200_180GB,
        trainer_image_tag="0.383.0",
        trainer_sharding_scheme=ShardingScheme(context_parallelism=4),
        parameter_count=9_000_000_000,
    )
    html = page(client, "fireworks", "known")
    shown = facts(html)
    assert shown["GPU type"] == "B200 180 GB"
    assert shown["Image"] == "0.383.0"
    assert shown["Parallelism"] == "context 4"
    assert shown["GPUs in all"].startswith("8")
    assert "9B parameters" in html


@pytest.mark.parametrize(
    ("shape", "meaning", "present", "absent"),
    [
        ("qwen3p5-9b-256k", "Trains all parameters", "Learning rate", "LoRA rank"),
        ("qwen3p5-9b-256k-lora", "low-rank adapter", "LoRA rank", "Nothing"),
        ("qwen3p5-9b-256k-forward", "log-probabilities only", "Base model", "Learning rate"),
    ],
)
def test_mode_and_editable_fields(
    bundled: None, client: Client, shape: str, meaning: str, present: str, absent: str
) -> None:
    html = page(client, "fireworks", shape)
    labels = re.findall(r'<div class="fact"><dt>([^<]+)</dt>', html)
    assert meaning in html
    assert present in labels
    assert absent not in labels
    assert ("unconfirmed id" in html) == shape.endswith("forward")


def test_limits_of_the_fields(bundled: None, client: Client) -> None:
    html = page(client, "fireworks", "qwen3p5-9b-256k-lora")
    assert re.search(r"LoRA rank</dt><dd>16<small>0 to 128</small>", html)
    assert re.search(r"Inactivity timeout</dt><dd>60m<small>1m to 3h</small>", html)
    assert re.search(r"Learning rate</dt><dd>1e-05<small>1e-09 to 1</small>", html)


@pytest.mark.parametrize("shape", ["qwen3p5-9b-256k", "qwen3p5-9b-256k-lora", "qwen3p5-9b-256k-forward"])
def test_code_to_copy_is_as_it_should_be_also_where_nothing_here_can_run_it(
    bundled: None, client: Client, shape: str
) -> None:
    html = page(client, "fireworks", shape)
    name = f"accounts/fireworks/trainingShapes/{shape}"
    assert code(html, "name") == name
    keys = re.findall(r'<pre id="([a-z-]+)"', html)
    for key in keys:
        if key in ("sdk", "cookbook"):
            compile(code(html, key), key, "exec")
    shown = "\n".join(f"### {key}\n{code(html, key)}" for key in keys)
    check_golden_text(Path(__file__).parent / "golden" / f"code_of_{shape}.txt", shown)


def test_shapes_of_other_accounts_are_asked_for_here(bundled: None, client: Client, settings) -> None:  # type: ignore[no-untyped-def]
    settings.SLIPWAY_URL = "https://slipway.example"
    html = page(client, "local", "tiny-qwen3-chat-2k")
    assert "export FIREWORKS_BASE_URL='https://slipway.example'" in code(html, "environment")
    assert 'renderer_name="qwen3_instruct"' in code(html, "cookbook")
    assert 'tokenizer_model="./tiny-qwen3-chat"' in code(html, "cookbook")
    assert "/v1/accounts/local/models/tiny-qwen3-chat/tokenizer" in code(html, "cookbook-environment")
    assert facts(html)["GPU type"] == "No GPU"


def test_siblings_and_the_way_to_launch(bundled: None, client: Client) -> None:
    html = page(client, "fireworks", "qwen3p5-27b-256k")
    assert re.findall(r'shape-link min-w-0" href="/shapes/fireworks/([^"]+)"', html) == [
        "qwen3p5-27b-256k-lora",
        "qwen3p5-27b-64k-lora",
        "qwen3p5-27b-256k-forward",
    ]
    assert 'href="/shapes/fireworks/qwen3p5-27b-256k/launch"' in html


def test_version_digest_and_date(db: None, client: Client) -> None:
    version = make_version(shape=make_shape(account=make_account(account_id="fireworks"), shape_id="one"))
    html = page(client, "fireworks", "one")
    assert version.digest in html
    assert f"data-version>{version.version_id}<" in html
    assert version.published_at is not None
    assert version.published_at.isoformat() in html


def test_an_older_version_can_be_looked_at(db: None, client: Client) -> None:
    shape = make_shape(account=make_account(account_id="fireworks"), shape_id="two")
    old, new = make_version(shape=shape, context=8192), make_version(shape=shape, context=16384)
    assert f"data-version>{new.version_id}<" in page(client, "fireworks", "two")
    older = page(client, "fireworks", "two", f"?version={old.version_id}")
    assert "8,192 tokens" in older
    assert "data-not-latest" in older
    for nothing in ("nosuchid", "%00", f"{old.version_id}%00", f"{old.version_id}x", "A" * 8):
        assert client.get(f"/shapes/fireworks/two?version={nothing}").status_code == 404, nothing


def test_a_version_that_is_not_the_latest_is_pinned_by_the_code_beside_it(db: None, client: Client) -> None:
    shape = make_shape(account=make_account(account_id="fireworks"), shape_id="two")
    old, new = make_version(shape=shape), make_version(shape=shape)
    older = page(client, "fireworks", "two", f"?version={old.version_id}")
    for key in ("cookbook", "sdk", "name"):
        assert old.name in code(older, key)
        assert "/versions/" not in code(page(client, "fireworks", "two", f"?version={new.version_id}"), key)
    assert f'href="/shapes/fireworks/two/launch?version={old.version_id}"' in older


def test_a_withdrawn_version_is_shown_without_launch_and_says_what_to_use(db: None, client: Client) -> None:
    shape = make_shape(account=make_account(account_id="fireworks"), shape_id="two")
    old, new = make_version(shape=shape), make_version(shape=shape)
    withdraw_version(actor=SYSTEM, version=old)
    html = page(client, "fireworks", "two", f"?version={old.version_id}")
    assert "data-withdrawn" in html
    assert 'href="/shapes/fireworks/two">Use the latest version</a>' in html
    withdraw_version(actor=SYSTEM, version=new)
    bare = page(client, "fireworks", "two")
    assert f"data-version>{new.version_id}<" in bare
    assert "Choose another shape" in bare
    for shown in (html, bare):
        assert "/shapes/fireworks/two/launch" not in shown.replace("/launches", "")
        assert 'id="use"' not in shown
        assert "withdrawn</span>" in shown


UNPUBLISHED = {
    VersionState.DRAFT: ("draft</span>", "This version is a draft: it can be launched once it is validated.", False),
    VersionState.VALIDATING: ("validating</span>", "This version is being validated", False),
    VersionState.REJECTED: ("rejected</span>", "This version was rejected by its validation", False),
    VersionState.VALIDATED: ("validated</span>", "This version is validated and not published", True),
}


@pytest.mark.parametrize("state", UNPUBLISHED)
def test_members_see_what_is_not_published_yet_and_what_it_lacks(db: None, client: Client, state: VersionState) -> None:
    team = make_account(account_id="team-a")
    shape = make_shape(base_model=make_model(account=team), shape_id="own")
    version = make_version(shape=shape, state=state, public=False, latest=False, published=False)
    mark, sentence, launchable = UNPUBLISHED[state]
    for role, way in (
        (Role.LAUNCHER, "Ask somebody who publishes for team-a."),
        (Role.PUBLISHER, "/publish/"),
    ):
        sign_in(client, make_member(account=team, role=role))
        for query in ("", f"?version={version.version_id}"):
            html = page(client, "team-a", "own", query)
            assert f"data-version>{version.version_id}<" in html
            assert all(said in html for said in (mark, sentence, way))
            assert "data-not-latest" not in html
            assert (f'/shapes/team-a/own/launch?version={version.version_id}"' in html) == launchable
            assert ('id="use"' in html) == launchable
    assert sign_in(Client(), make_member(role=Role.ADMIN)).get("/shapes/team-a/own").status_code == 404
    fragment = client.get("/shapes/team-a/own/launches", headers={"HX-Request": "true"})
    assert fragment.status_code == 200
    assert "Launch it" not in fragment.content.decode()


def test_what_is_not_there_does_not_say_that_one_is_no_member(db: None, client: Client) -> None:
    team = make_account(account_id="team-a")
    sign_in(client, make_member(account=team, role=Role.ADMIN))
    missing = client.get("/shapes/team-a/nothing")
    assert missing.status_code == 404
    assert "There is nothing at this address that you may see." in missing.content.decode()


def test_a_deprecated_shape_names_its_successor(db: None, client: Client) -> None:
    shared = make_account(account_id="fireworks")
    model = make_model(account=shared)
    successor = make_version(shape=make_shape(base_model=model, shape_id="newer")).shape
    version = make_version(shape=make_shape(base_model=model, shape_id="older"))
    version.deprecated_at, version.deprecation_message, version.successor = version.published_at, "Slow.", successor
    version.save()
    html = page(client, "fireworks", "older")
    assert "Deprecated: Slow." in html
    assert 'href="/shapes/fireworks/newer"' in html


def test_launches_are_loaded_for_who_is_signed_in(db: None, client: Client) -> None:
    shared = make_account(account_id="fireworks")
    make_version(shape=make_shape(account=shared, shape_id="one"))
    assert "/shapes/fireworks/one/launches" not in page(client, "fireworks", "one")
    sign_in(client, make_member(account=shared))
    assert 'hx-get="/shapes/fireworks/one/launches" hx-trigger="load"' in page(client, "fireworks", "one")


@pytest.mark.django_db
def test_publishers_of_any_account_may_clone_what_they_see(client: Client) -> None:
    version = make_version()
    page = f"/shapes/{version.shape.account}/{version.shape.shape_id}"
    link = f'href="/publish/{version.shape.account}/{version.shape.shape_id}/versions/{version.version_id}/clone"'
    for role in (Role.VIEWER, Role.LAUNCHER):
        assert link not in sign_in(client, make_member(role=role)).get(page).content.decode()
    sign_in(client, make_member(role=Role.PUBLISHER))
    assert link in client.get(page).content.decode()
    assert client.get(link.removeprefix('href="').removesuffix('"')).status_code == 200


@pytest.mark.django_db
def test_a_successor_is_linked_as_long_as_there_is_something_to_see(client: Client) -> None:
    old, new = make_version(), make_version()
    ShapeVersion.objects.filter(pk=old.pk).update(
        deprecated_at=timezone.now(), deprecation_message="Old.", successor=new.shape
    )
    page = f"/shapes/{old.shape.account}/{old.shape.shape_id}"
    named = f"/shapes/{new.shape.account}/{new.shape.shape_id}"
    sign_in(client, make_member(role=Role.LAUNCHER))
    for address, link in ((page, f'href="{named}"'), (f"{page}/launch", f'href="{named}/launch"')):
        assert link in client.get(address).content.decode()
    withdraw_version(actor=SYSTEM, version=new)
    for address in (page, f"{page}/launch"):
        shown = client.get(address).content.decode()
        assert "Old." in shown
        assert named not in shown
