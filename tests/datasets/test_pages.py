"""Pages of datasets: uploaded without scripts, sent in pieces, listed, shown, refused in words, deleted."""

from __future__ import annotations

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from accounts.models import Account, User
from accounts.roles import Role
from datasets.domain.advance_dataset import advance_dataset
from datasets.models import Dataset
from datasets.states import DatasetState
from tests.datasets.makers import CHAT, begin_dataset, lines, make_dataset
from tests.makers import make_member, sign_in

DATA = lines(*CHAT, {"messages": [{"role": "user", "content": "<script>"}, {"role": "assistant", "content": "No."}]})
pytestmark = pytest.mark.django_db


@pytest.fixture
def owner(team: Account) -> User:
    return make_member(account=team, role=Role.LAUNCHER, username="lena")


@pytest.fixture
def browser(client: Client, owner: User) -> Client:
    return sign_in(client, owner)


def test_a_small_file_is_uploaded_by_the_form_alone(browser: Client) -> None:
    answer = browser.post("/datasets/new", {"file": SimpleUploadedFile("../Our Rows.v2.jsonl", DATA)})
    dataset = Dataset.objects.get()
    assert (answer.status_code, answer["Location"]) == (303, f"/datasets/{dataset.uid}")
    assert dataset.dataset_id == "our-rows-v2" and 'data-state="CHECKING"' in browser.get(answer["Location"]).text
    advance_dataset(dataset.pk)
    page = browser.get(answer["Location"]).text
    assert 'data-state="READY"' in page and "Chat messages" in page and "/tokens" in page
    assert "&lt;script&gt;" not in page, "only rows 1, 2, 3, 10, ... are shown"
    assert page.count("data-sample") == 3 and page.count(">learnt<") == 3
    assert browser.get(answer["Location"], headers={"HX-Request": "true"}).status_code == 286, "nothing moves any more"
    file = browser.get(f"/datasets/{dataset.uid}/file")
    assert b"".join(file.streaming_content) == DATA  # type: ignore[attr-defined]
    assert file["Content-Type"] == "application/octet-stream" and "attachment" in file["Content-Disposition"]


def test_what_is_refused_keeps_its_inputs(browser: Client, team: Account, owner: User) -> None:
    begin_dataset(account=team, owner=owner, dataset_id="taken")
    sent = {"dataset_id": "taken", "display_name": "Kept words", "file": SimpleUploadedFile("a.jsonl", DATA)}
    answer = browser.post("/datasets/new", sent)
    assert answer.status_code == 409 and "Kept words" in answer.text and "taken is there already" in answer.text
    for wrong in (
        {},
        {"file": SimpleUploadedFile("a.jsonl", b"")},
        {"size_bytes": "3000000000", "dataset_id": "large"},
    ):
        answer = browser.post("/datasets/new", wrong)
        assert answer.status_code == 422 and "field-error" in answer.text
    assert Dataset.objects.count() == 1


def test_pieces_are_sent_behind_the_form(browser: Client) -> None:
    address = browser.post("/datasets/new", {"dataset_id": "rows", "size_bytes": str(len(DATA))})["Location"]

    def put(first: int, last: int) -> tuple[int, int, str]:
        answer = browser.put(
            f"{address}/pieces",
            DATA[first : last + 1],
            content_type="application/octet-stream",
            headers={"Content-Range": f"bytes {first}-{last}/{len(DATA)}"},
        )
        return answer.status_code, answer.json()["received"], answer.json()["state"]

    assert put(0, 9) == (200, 10, "UPLOADING")
    assert put(20, len(DATA) - 1) == (409, 10, "UPLOADING")
    assert "The upload broke off" in browser.get(address).text
    assert put(10, len(DATA) - 1) == (200, len(DATA), "CHECKING")


def test_hostile_text_stays_text(browser: Client, team: Account, owner: User) -> None:
    hostile = '<img src=x onerror="alert(1)">'
    shown = make_dataset(account=team, owner=owner, data=lines({"text": hostile}))
    refused = make_dataset(account=team, owner=owner, data=lines({"messages": [{"role": hostile, "content": ""}]}))
    assert refused.state == DatasetState.REFUSED
    for each in (shown, refused):
        page = browser.get(f"/datasets/{each.uid}").text
        assert "&lt;img" in page and "<img src=x" not in page


def test_a_list_costs_the_same_however_long_it_is(
    browser: Client, team: Account, owner: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for count in (1, 4):
        for _ in range(count):
            make_dataset(account=team, owner=owner)
        with django_assert_num_queries(6):
            page = browser.get("/datasets").text
    assert page.count("3 rows") == 0 and page.count('href="/datasets/') == 6
    assert "Chat messages" in browser.get("/datasets?format=CHAT&owner=me&q=rows").text
    assert "No dataset matches" in browser.get("/datasets?format=TEXT").text


def test_another_accounts_is_not_there(client: Client, browser: Client, team: Account, owner: User) -> None:
    dataset = make_dataset(account=team, owner=owner)
    sign_in(client, make_member())
    assert [client.get(f"/datasets/{dataset.uid}{end}").status_code for end in ("", "/file", "/delete")] == [404] * 3
