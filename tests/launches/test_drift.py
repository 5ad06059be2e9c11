"""A form that was opened on one version and sent after the next was published: nobody gets what they did not see."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client

from accounts.actors import SYSTEM
from accounts.roles import Role
from catalog.domain.publish_version import publish_version
from catalog.domain.withdraw_version import withdraw_version
from catalog.models import ShapeVersion
from launches.models import Launch
from tests.accounts.races import before_commit
from tests.launches.makers import make_tiny_version
from tests.launches.test_form_page import form_url, text
from tests.makers import make_account, make_member, make_version, sign_in

pytestmark = pytest.mark.django_db
HIDDEN = re.compile(r'<input type="hidden" name="(idempotency_key|version|account|latest)" value="([^"]*)"')
BUTTON = re.compile(r'name="decided" value="([a-z0-9]{8})"')


@pytest.fixture
def old() -> ShapeVersion:
    """The version that forms are opened on."""
    return make_tiny_version()


@pytest.fixture
def browser(client: Client) -> Client:
    """A launcher's."""
    return sign_in(client, make_member(account=make_account(account_id="local"), role=Role.LAUNCHER))


def opened(browser: Client, version: ShapeVersion, query: str = "") -> dict[str, str]:
    """What the form holds besides what people type."""
    return dict(HIDDEN.findall(browser.get(form_url(version) + query).content.decode()))


def supersede(old: ShapeVersion) -> ShapeVersion:
    """Publish a version with another context."""
    new = make_version(shape=old.shape, gpus=0, context=4096, latest=False, published=False)
    publish_version(actor=SYSTEM, version=new, public=True, expected_latest=old.version_id)
    return new


def send(browser: Client, version: ShapeVersion, form: dict[str, str], **values: str) -> Any:
    """Post the form."""
    return browser.post(form_url(version), form | values)


def test_the_difference_is_shown_and_what_was_typed_is_kept(browser: Client, old: ShapeVersion) -> None:
    form = opened(browser, old)
    new = supersede(old)
    answer = send(browser, old, form, display_name="my run")
    assert answer.status_code == 409
    assert not Launch.objects.exists()
    page = text(answer)
    assert "The shape changed while you filled in this form" in page
    assert "2,048 tokens (2k)" in page and "4,096 tokens (4k)" in page
    assert BUTTON.findall(page) == [new.version_id, old.version_id]
    assert 'value="my run"' in page
    assert dict(HIDDEN.findall(page))["idempotency_key"] == form["idempotency_key"]


def test_the_publishers_note_is_for_members_of_the_shapes_account(client: Client, old: ShapeVersion) -> None:
    member = sign_in(Client(), make_member(account=old.shape.account, role=Role.LAUNCHER))
    stranger = sign_in(client, make_member(account=make_account(account_id="team-b"), role=Role.LAUNCHER))
    forms = {browser: opened(browser, old) for browser in (member, stranger)}
    ShapeVersion.objects.filter(pk=supersede(old).pk).update(note="The customer's data leaked.")
    shown = {browser: text(send(browser, old, form)) for browser, form in forms.items()}
    assert all("The shape changed while you filled in this form" in page for page in shown.values())
    assert "The customer's data leaked." in shown[member]
    assert "leaked" not in shown[stranger]


@pytest.mark.django_db(transaction=True)
def test_what_is_published_at_the_same_moment_is_shown_too(browser: Client, old: ShapeVersion) -> None:
    form = opened(browser, old)
    answers: list[Any] = []
    before_commit(lambda: supersede(old), lambda: answers.append(send(browser, old, form, display_name="mine")))
    assert answers[0].status_code == 409
    assert "The shape changed while you filled in this form" in text(answers[0])
    assert 'value="mine"' in text(answers[0])
    assert not Launch.objects.exists()


@pytest.mark.parametrize("decided", ["new", "old"])
def test_either_is_launched_by_its_button(browser: Client, old: ShapeVersion, decided: str) -> None:
    form = opened(browser, old)
    new = supersede(old)
    form = dict(HIDDEN.findall(text(send(browser, old, form))))
    chosen = {"new": new, "old": old}[decided]
    for _ in range(2):  # also when the button is pressed twice
        assert send(browser, old, form, decided=chosen.version_id, display_name="d").status_code == 303
    launch = Launch.objects.get()
    assert (launch.shape_version, launch.display_name, launch.inputs) == (chosen, "d", {"display_name": "d"})


def test_an_old_one_that_was_withdrawn_is_not_offered(browser: Client, old: ShapeVersion) -> None:
    form = opened(browser, old)
    new = supersede(old)
    withdraw_version(actor=SYSTEM, version=old)
    answer = send(browser, old, form, display_name="mine")
    assert answer.status_code == 409
    assert BUTTON.findall(text(answer)) == [new.version_id]
    assert "withdrawn by its publisher" in text(answer)
    assert "fieldset" in text(answer) and "disabled" not in text(answer).split("<fieldset")[1].split(">")[0]
    assert send(browser, old, form, decided=old.version_id).status_code == 422
    assert send(browser, old, form, decided=new.version_id, display_name="mine").status_code == 303


def test_who_pinned_a_version_is_not_asked(browser: Client, old: ShapeVersion) -> None:
    supersede(old)
    form = opened(browser, old, f"?version={old.version_id}")
    assert "latest" not in form
    assert send(browser, old, form).status_code == 303


def test_a_form_sent_twice_finds_its_launch_whatever_was_published_since(browser: Client, old: ShapeVersion) -> None:
    form = opened(browser, old)
    first = send(browser, old, form)
    supersede(old)
    assert send(browser, old, form).headers["Location"] == first.headers["Location"]
    assert Launch.objects.count() == 1
