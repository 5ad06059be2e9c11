"""Datasets by the API: created, sent in pieces, checked, listed, downloaded, deleted."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import Account, User
from accounts.roles import Role
from accounts.scopes import Scope
from datasets.domain.advance_dataset import advance_dataset
from datasets.models import Dataset
from tests.api.makers import Caller, make_caller
from tests.datasets.makers import CHAT, begin_dataset, lines
from tests.golden import check_golden
from tests.makers import make_member

GOLDEN = Path(__file__).resolve().parent / "golden"
DATASETS = "/v1/accounts/team-a/datasets"
MADE = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
pytestmark = pytest.mark.django_db


@pytest.fixture
def caller(team: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Caller:
    monkeypatch.setattr(settings, "SLIPWAY_HOME", tmp_path)
    return make_caller(
        account=team, user=make_member(account=team, role=Role.LAUNCHER, username="lena"), scope=Scope.LAUNCH
    )


def put(caller: Caller, path: str, data: bytes, content_range: str = "") -> tuple[int, Any]:
    headers = {"X-Api-Key": caller.secret or ""} | ({"Content-Range": content_range} if content_range else {})
    answer = Client().put(path, data=data, content_type="application/octet-stream", headers=headers)
    return answer.status_code, answer.json()


def upload(caller: Caller, data: bytes) -> None:
    body = {"datasetId": "rows", "dataset": {"displayName": "Rows", "userUploaded": {}, "exampleCount": "3"}}
    assert caller.post(DATASETS, body)[0] == 200
    status, endpoint = caller.post(
        f"{DATASETS}/rows:getUploadEndpoint", {"filenameToSize": {"rows.jsonl": str(len(data))}}
    )
    assert status == 200
    address = endpoint["filenameToSignedUrls"]["rows.jsonl"].removeprefix(settings.SLIPWAY_URL)
    half = len(data) // 2
    assert put(caller, address, data[:half], f"bytes 0-{half - 1}/{len(data)}")[1]["receivedBytes"] == str(half)
    assert caller.post(f"{DATASETS}/rows:validateUpload", {})[0] == 400
    assert put(caller, address, data[half:], f"bytes {half}-{len(data) - 1}/{len(data)}")[1]["state"] == "CHECKING"
    assert caller.post(f"{DATASETS}/rows:validateUpload", {}) == (200, {})
    advance_dataset(Dataset.objects.get().pk)
    Dataset.objects.update(created_at=MADE, updated_at=MADE)


def test_what_is_answered_of_one_that_is_ready(caller: Caller) -> None:
    data = lines(*CHAT, CHAT[0])
    upload(caller, data)
    check_golden(GOLDEN / "dataset.json", *caller.get(f"{DATASETS}/rows"))
    check_golden(GOLDEN / "datasets.json", *caller.get(f'{DATASETS}?filter=state="READY" AND format="CHAT"'))
    assert caller.get(f'{DATASETS}?filter=state="REFUSED"')[1]["datasets"] == []
    file = Client().get(f"{DATASETS}/rows:download", headers={"X-Api-Key": caller.secret or "", "Range": "bytes=0-9"})
    assert (file.status_code, b"".join(file.streaming_content)) == (206, data[:10])  # type: ignore[attr-defined]
    assert caller.delete(f"{DATASETS}/rows") == (200, {})
    assert caller.get(f"{DATASETS}/rows")[0] == 404


def test_a_list_reads_no_samples_and_asks_no_more_for_many(caller: Caller, team: Account) -> None:
    for number in range(3):
        begin_dataset(account=team, owner=User.objects.get(username="lena"), dataset_id=f"many-{number}")
    with CaptureQueriesContext(connection) as asked:
        status, body = caller.get(DATASETS)
    assert status == 200 and len(body["datasets"]) == 3
    told = [query["sql"] for query in asked.captured_queries if '"datasets_dataset"."dataset_id"' in query["sql"]]
    assert len(told) == 1 and '"samples"' not in told[0] and '"lengths"' not in told[0]


def test_what_is_answered_of_one_that_is_refused(caller: Caller) -> None:
    upload(caller, lines(*CHAT, {"messages": [{"role": "bot", "content": "<b>"}]}))
    check_golden(GOLDEN / "refused_dataset.json", *caller.get(f"{DATASETS}/rows"))


def test_what_cannot_be_sent(caller: Caller) -> None:
    upload(caller, lines(*CHAT))
    assert caller.post(DATASETS, {"datasetId": "rows"})[0] == 409
    status, body = caller.post(DATASETS, {"datasetId": "No Id", "dataset": {"displayName": "a\u202eb"}})
    named = [each["field"] for each in body["details"][1]["fieldViolations"]]
    assert (status, named) == (400, ["datasetId", "dataset.displayName"])
    caller.post(DATASETS, {"datasetId": "other"})
    for content_range in ("bytes 0-3/3", "bytes */9", "bytes 0-1/9", "lines 0-3/9", "bytes 3-1/9"):
        status, body = put(caller, f"{DATASETS}/other:upload", b"abcd", content_range)
        assert (status, body["details"][1]["fieldViolations"][0]["field"]) == (400, "Content-Range"), content_range
    assert put(caller, f"{DATASETS}/other:upload", b"cd", "bytes 2-3/4")[0] == 409
    assert caller.post(f"{DATASETS}/other:getUploadEndpoint", {"filenameToSize": {"a": "1", "b": "2"}})[0] == 400
    assert caller.post(DATASETS, {"datasetId": "third", "sourceDatasetId": "rows"})[0] == 400
