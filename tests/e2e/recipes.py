"""Recipes on datasets by the API, and what their launches' pages show of them."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterable
from functools import partial
from typing import Any

import httpx

from tests.e2e.browser import Browser
from tests.e2e.conftest import SlipwayServer
from tests.waiting import wait_for

OVER_SECONDS = 600
"""The first launch makes the trainer's environment."""
PARTS = ("keel", "mast", "hull", "deck", "sail", "rope", "oar", "bow", "stern", "helm")
PAIRS = [
    {"prompt": f"Where is the {part}?\n", "chosen": f"The {part} is on the slipway.", "rejected": f"No {part} here."}
    for part in PARTS
]
ROWS = [{"prompt": pair["prompt"], "completion": pair["chosen"]} for pair in PAIRS]
LORA, FULL = "tiny-qwen3-2k-lora", "tiny-qwen3-2k"
Curves = tuple[list[float], list[float]]
"""The losses of the steps, and of the evaluations."""


def make_key(server: SlipwayServer) -> str:
    """An API key of the admin's, to launch with."""
    scope = ("--scope", "launch")
    return server.manage("create_api_key", "--account", "local", "--user", server.username, *scope).split()[-1]


class Launcher:
    """A program with a key of a Slipway that has its datasets, whose names no other program there gives."""

    def __init__(self, server: SlipwayServer) -> None:
        self._client = httpx.Client(
            base_url=f"{server.url}/v1/accounts/local/", headers={"X-Api-Key": make_key(server)}, timeout=60
        )
        self._visitor = Browser(server)
        ours = secrets.token_hex(4)
        self._rows, self._pairs = f"rows-{ours}", f"pairs-{ours}"
        self._upload(self._rows, ROWS)
        self._upload(self._pairs, PAIRS)

    def launch(self, recipe: str, shape: str, label: str, *, connection: str = "", **told: Any) -> str:
        """Of a few steps; answers the job's id."""
        parameters = {"name": recipe, "epochs": 3, "batch_rows": 4, "evaluation_split": 20, "evaluation_every": 2}
        body = {
            "dataset": f"accounts/local/datasets/{self._rows if recipe == 'sft' else self._pairs}",
            "recipe": parameters | {"seed": 7} | told,
            "trainingConfig": {"learningRate": 3e-3},
            "displayName": label,
        }
        params = {"trainingShape": f"accounts/local/trainingShapes/{shape}", "connection": connection}
        made = self._client.post("rlorTrainerJobs", params=params, json=body)
        assert made.status_code == httpx.codes.OK, made.text
        return str(made.json()["name"].rpartition("/")[2])

    def until_completed(self, jobs: Iterable[str]) -> None:
        """Fails where one ends otherwise."""
        for job in jobs:
            wait_for(partial(self._is_completed, job), seconds=OVER_SECONDS)

    def resume(self, job: str) -> None:
        """Once it failed."""

        def has_failed() -> bool:
            state = self._client.get(f"rlorTrainerJobs/{job}").json()["state"]
            assert state != "JOB_STATE_COMPLETED"
            return bool(state == "JOB_STATE_FAILED")

        wait_for(has_failed, seconds=OVER_SECONDS)
        asked = self._client.post(f"rlorTrainerJobs/{job}:resume", json={})
        assert asked.status_code == httpx.codes.OK, asked.text

    def page_of(self, label: str) -> str:
        """The path of the launch's page."""
        found = re.search(rf'href="(/launches/[0-9a-f-]{{36}})"[^>]*>\s*{label}', self._visitor.read("/launches"))
        assert found
        return found[1]

    def curves(self, label: str) -> Curves:
        """What the launch's page draws."""
        told = self._visitor.client.get(f"{self.page_of(label)}/metrics").json()
        return [record["loss"] for record in told["records"]], list(told["evaluations"].values())

    def read(self, label: str, path: str = "") -> str:
        """The launch's page, or what is below it."""
        return self._visitor.read(f"{self.page_of(label)}{path}")

    def _is_completed(self, job: str) -> bool:
        found = self._client.get(f"rlorTrainerJobs/{job}").json()
        assert not found["state"].endswith(("FAILED", "CANCELLED")), found
        return bool(found["state"] == "JOB_STATE_COMPLETED")

    def _upload(self, name: str, rows: list[dict[str, str]]) -> None:
        base = "datasets"
        assert self._client.post(base, json={"datasetId": name, "dataset": {}}).status_code == httpx.codes.OK
        content = "".join(f"{json.dumps(row)}\n" for row in rows).encode()
        assert self._client.put(f"{base}/{name}:upload", content=content).status_code == httpx.codes.OK
        wait_for(lambda: self._client.get(f"{base}/{name}").json()["state"] == "READY")
