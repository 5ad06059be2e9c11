"""The pages of the catalog file: export, upload, review, apply."""

from __future__ import annotations

import html
import re
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.actors import SYSTEM
from accounts.models import Account, AuditEntry, User
from accounts.roles import Role
from catalog.domain.deprecate_version import deprecate_version
from catalog.models import ShapeVersion
from publishing.models import CatalogImport
from tests.catalog.test_catalog_code import PUBLIC, SECOND
from tests.catalog.test_editions import NEXT, add_edition
from tests.makers import make_account, make_member

pytestmark = pytest.mark.django_db
URL = "/publish/import"
NOTHING = 'data-changes="0"'


@pytest.fixture
def publisher(team: Account) -> User:
    """Who imports."""
    return make_member(account=team, role=Role.PUBLISHER, username="paula")


@pytest.fixture
def paula(client: Client, publisher: User) -> Client:
    """A browser in which the publisher is signed in."""
    client.force_login(publisher)
    return client


def upload(paula: Client, text: str | bytes, **fields: str) -> Any:
    """The answer to posting the file."""
    data = text if isinstance(text, bytes) else text.encode()
    return paula.post(URL, {"file": SimpleUploadedFile("own.yaml", data), "account": "team-a", **fields})


def review(paula: Client, text: str) -> str:
    """The page that shows the difference."""
    answer = upload(paula, text)
    assert answer.status_code == 303
    return shown(paula.get(answer["location"]))


def shown(answer: Any, status: int = 200) -> str:
    """The page in words."""
    assert answer.status_code == status
    return html.unescape(answer.content.decode())


def fields_of(text: str) -> dict[str, str]:
    """What the Apply button sends."""
    form = text[text.index('name="upload"') - 300 :]
    return dict(re.findall(r'name="(account|upload|renew|plan)" value="([^"]*)"', form))


def counts_of(text: str) -> dict[str, str]:
    """The number of steps of each kind."""
    return dict(re.findall(r'data-count="(\w+)">.*?: (\d+)</a>', text))


def test_a_file_is_reviewed_and_applied_by_its_publisher(paula: Client, publisher: User) -> None:
    text = review(paula, PUBLIC + SECOND)
    assert counts_of(text) == {"add": "2", "add_model": "1"}
    assert "16,384 tokens (16k)" in text
    vouching = "New versions count as validated by file: nothing is run, and who applies the file vouches"
    assert vouching in text and vouching in shown(paula.get(f"{URL}?upload={fields_of(text)['upload']}&plan=text"))
    assert not ShapeVersion.objects.exists()
    answer = paula.post(URL, fields_of(text))
    assert (answer.status_code, answer["location"]) == (303, "/publish?show=shapes")
    assert re.search(
        r"data-text>[^<]*own.yaml[^<]*models[^<:]*: 1[^<]*shapes[^<:]*: 2", shown(paula.get(answer["location"]))
    )
    assert ShapeVersion.objects.filter(is_public=True, is_latest_validated=True, created_by=publisher).count() == 2
    assert AuditEntry.objects.get(verb="apply_catalog").actor == publisher
    assert not CatalogImport.objects.exists()
    assert NOTHING in review(paula, PUBLIC + SECOND)


def test_each_kind_of_change_is_shown_field_by_field(paula: Client) -> None:
    paula.post(URL, fields_of(review(paula, PUBLIC + SECOND)))
    text = review(paula, PUBLIC.replace("gpus: 2", "gpus: 8"))
    assert counts_of(text) == {"change": "1", "deprecate": "1"}
    change = text[text.index('id="change"') : text.index('id="deprecate"')]
    assert re.findall(r"<td[^>]*>(?:<span.*?</span>)?(.*?)</td>", change) == ["2", "8"]
    paula.post(URL, fields_of(text))
    back = review(paula, PUBLIC.replace("gpus: 2", "gpus: 8") + SECOND)
    assert counts_of(back) == {"restore": "1"} and "validated by file" not in back
    paula.post(URL, fields_of(back))
    for verb in ("import_version", "restore_version"):
        assert AuditEntry.objects.filter(verb=verb).latest("pk").reason.startswith("by file, "), verb


def test_a_stale_review_is_refused_and_shows_the_new_difference(paula: Client) -> None:
    paula.post(URL, fields_of(review(paula, PUBLIC + SECOND)))
    stale = fields_of(review(paula, PUBLIC))
    version = ShapeVersion.objects.select_related("shape__account").get(shape__shape_id="small-8k")
    deprecate_version(actor=SYSTEM, version=version, message="Do not use it.")
    answer = paula.post(URL, stale)
    text = shown(answer, 409)
    assert "Nothing was changed." in text and counts_of(text) == {"deprecate": "1", "restore": "1"}
    assert ShapeVersion.objects.filter(deprecated_at=None).count() == 1
    assert paula.post(URL, fields_of(text)).status_code == 303
    assert ShapeVersion.objects.get(deprecated_at=None).shape.shape_id == "small-8k"


def test_applying_twice_does_it_once(paula: Client) -> None:
    fields = fields_of(review(paula, PUBLIC))
    assert [paula.post(URL, fields).status_code for _ in range(2)] == [303, 404]
    assert ShapeVersion.objects.count() == 1


def test_every_problem_of_a_file_is_shown_with_its_line(paula: Client) -> None:
    answer = upload(paula, PUBLIC.replace("gpus: 2", "gpus: many").replace("8192", "0"))
    text = shown(answer, 422)
    assert "2 problems in the file. Nothing was changed." in text
    assert re.findall(r'<td class="num[^>]*>(\d+)</td>', text) == ["10", "11"]
    assert "'many' is no whole number from 0 to 1024" in text
    assert not CatalogImport.objects.exists()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (PUBLIC.replace("public: true", "public: false"), "write public: true"),
        (b"#" * (4 * 1024**2 + 1), "is larger than 4 MiB"),
        (b"\xff\xfea", "save it as UTF-8"),
        ("a: &x [*x]", "&x is an anchor"),
        ("<script>alert(1)</script>", "write a mapping of keys and values"),
        (
            PUBLIC.replace(
                "accounts/team-a/models/small\n    title: Small\n    family: Own", "accounts/x/models/hidden"
            ),
            "there is no model accounts/x/models/hidden that you may see",
        ),
    ],
)
def test_a_file_that_cannot_be_applied_is_refused_in_words(paula: Client, text: str | bytes, complaint: str) -> None:
    assert complaint in shown(upload(paula, text), 422)


@pytest.mark.parametrize(
    ("role", "remedy"),
    [
        (None, "you are no member of team-b, so change the file or ask somebody who publishes for it"),
        (Role.LAUNCHER, "your role in team-b is launcher, which may not publish, so change the file or ask an admin"),
        (Role.PUBLISHER, "switch to team-b in the menu above, or change the file"),
    ],
)
def test_who_can_publish_there_is_sent_to_the_account_of_a_file(
    paula: Client, publisher: User, role: Role | None, remedy: str
) -> None:
    other = make_account(account_id="team-b")
    if role:
        make_member(account=other, role=role, user=publisher)
    told = shown(upload(paula, PUBLIC.replace("team-a", "team-b")), 422)
    assert f"the file is of account team-b and you work in team-a; {remedy}" in told
    assert ("switch to" in told) == (role is Role.PUBLISHER)


def test_no_file_is_asked_for(paula: Client) -> None:
    assert "Choose a file" in shown(paula.post(URL, {"account": "team-a"}), 422)
    assert "Choose a file" in shown(paula.post(URL, {"account": "team-a", "file": "no file"}), 422)


def test_a_form_of_another_account_is_refused(paula: Client) -> None:
    assert "you now work in team-a" in shown(upload(paula, PUBLIC, account="team-b"), 409)


def test_an_upload_is_seen_by_who_made_it_only(paula: Client, team: Account) -> None:
    location = upload(paula, PUBLIC)["location"]
    fields = fields_of(shown(paula.get(location)))
    colleague = Client()
    colleague.force_login(make_member(account=team, role=Role.ADMIN))
    assert colleague.get(location).status_code == 404
    assert colleague.post(URL, fields).status_code == 404
    assert paula.get(f"{URL}?upload=x").status_code == 404


def test_the_shared_account_is_imported_to_by_its_admins(client: Client) -> None:
    client.force_login(make_member(account=make_account(account_id="fireworks"), role=Role.PUBLISHER))
    assert client.get(URL).status_code == 403
    file = SimpleUploadedFile("own.yaml", PUBLIC.replace("team-a", "fireworks").encode())
    assert client.post(URL, {"file": file}).status_code == 403


def test_uploads_are_forgotten(paula: Client) -> None:
    for _ in range(7):
        upload(paula, PUBLIC)
    assert CatalogImport.objects.count() == 5
    CatalogImport.objects.update(created_at=timezone.now() - timedelta(days=2))
    upload(paula, PUBLIC)
    assert CatalogImport.objects.count() == 1


def test_an_upload_of_yesterday_is_no_longer_reviewed_or_applied(paula: Client) -> None:
    location = upload(paula, PUBLIC)["location"]
    fields = fields_of(shown(paula.get(location)))
    CatalogImport.objects.update(created_at=timezone.now() - timedelta(days=1, minutes=1))
    assert [paula.get(location).status_code, paula.post(URL, fields).status_code] == [404, 404]
    assert not ShapeVersion.objects.exists()


def test_the_export_is_the_file_that_changes_nothing(paula: Client) -> None:
    paula.post(URL, fields_of(review(paula, PUBLIC)))
    answer = paula.get("/publish/export")
    assert answer["Content-Disposition"] == 'attachment; filename="catalog-team-a.yaml"'
    assert NOTHING in review(paula, answer.content.decode())


def test_the_review_brings_shapes_to_the_newest_launch_fields_where_it_is_asked_to(
    paula: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = review(paula, PUBLIC)
    assert "data-renew" not in text  # nothing is there, so nothing is of an older edition
    paula.post(URL, fields_of(text))
    add_edition(monkeypatch)
    kept = review(paula, PUBLIC)
    assert NOTHING in kept
    more = re.findall(r'href="([^"]*renew=1[^"]*)"', kept)
    text = shown(paula.get(more[0]))
    assert counts_of(text) == {"change": "1"} and "Dice" in text
    assert "Dice: not offered -> offered" in shown(paula.get(f"{more[0]}&plan=text"))
    answer = paula.post(URL, fields_of(text) | {"renew": ""})
    assert answer.status_code == 409  # without the switch it is another plan
    assert paula.post(URL, fields_of(text)).status_code == 303
    assert ShapeVersion.objects.get(is_latest_validated=True).fields_edition == NEXT
    assert "data-renew" not in review(paula, PUBLIC)


def test_queries_of_the_review_do_not_grow_with_the_file(paula: Client) -> None:
    def queries(text: str) -> int:
        location = upload(paula, text)["location"]
        with CaptureQueriesContext(
            connection,
        ) as captured:
            paula.get(location)
        return len(captured)

    many = "".join(SECOND.replace("small-16k", f"small-{number}") for number in range(30))
    assert queries(PUBLIC) == queries(PUBLIC + many)


def test_what_a_long_review_leaves_out_is_in_the_whole_plan(paula: Client) -> None:
    many = "".join(SECOND.replace("small-16k", f"small-{number}") for number in range(120))
    text = review(paula, PUBLIC + many)
    assert counts_of(text)["add"] == "121"
    assert "And 21 more" in text
    (as_text, as_json) = dict.fromkeys(re.findall(r'href="([^"]*plan=\w+)"', text))
    answer = paula.get(as_text)
    assert answer["Content-Type"] == "text/plain; charset=utf-8"
    assert shown(answer).count("+ shape accounts/team-a/trainingShapes/") == 121
    plan = paula.get(as_json)
    assert plan["Content-Disposition"] == 'attachment; filename="plan-team-a.json"'
    assert plan.json()["counts"]["add"] == 121 and plan.json()["fingerprint"] == fields_of(text)["plan"]
    stranger = Client()
    stranger.force_login(make_member(account=Account.objects.get(), role=Role.PUBLISHER))
    assert stranger.get(as_text).status_code == 404
