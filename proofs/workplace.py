"""Where the cookbook's programs run: the environment that a page tells to make, a checkout in place of the clone."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from benchmarks.session import BASE_URL, make_api_key, sign_in
from catalog.usage import COOKBOOK, COOKBOOK_ADDRESS, SDK_VERSION
from proofs.desk import Desk, code

FOLDER = Path("var/proofs").absolute()
"""Kept between calls, as the environments of tests are: what it needs is large."""
METRICS = "metrics.jsonl"
LONGEST_SECONDS = 3000


@dataclass(frozen=True)
class Run:
    """How a program of the cookbook went: its exit code, what it said, its metrics by step, and seconds."""

    code: int
    said: str
    metrics: tuple[dict[str, float], ...]
    seconds: float


class Workplace:
    """A folder with the checkout's `training`, and a person there with an API key and an SDK of that version."""

    def __init__(self, checkout: Path, sdk: str = SDK_VERSION) -> None:
        self._browser = sign_in()
        self._key = make_api_key("proof")
        self._sdk = sdk
        variables = {"COOKBOOK_METRICS_FILE": str(FOLDER / METRICS), "WANDB_MODE": "disabled"}
        self._desk = Desk(self._key, FOLDER, variables)
        copy = FOLDER / "cookbook"
        shutil.rmtree(copy, ignore_errors=True)  # installing leaves files in it, which a checkout should not get
        shutil.copytree(checkout / "training", copy / "training", ignore=shutil.ignore_patterns(".venv", ".git"))
        print(f"cookbook: {_commit(checkout)}, the pages name {COOKBOOK[:12]}; SDK {sdk}")

    def read(self, path: str) -> str:
        """A page's HTML."""
        return self._browser.get(path).raise_for_status().text

    def run(self, html: str, program: str, *, by: str = "python", more: str = "") -> Run:
        """Run a program in the environments of that page and then `more`, one after the other, as its reader would."""
        (FOLDER / METRICS).unlink(missing_ok=True)
        shutil.rmtree(FOLDER / "logs", ignore_errors=True)
        clone = f"git clone {COOKBOOK_ADDRESS}\ngit -C cookbook checkout {COOKBOOK}\n"
        recipe = code(html, "cookbook-environment")
        assert clone in recipe, "the page clones the cookbook"
        commands = f"{code(html, 'environment')}{recipe.replace(clone, '')}{more}"
        started = time.monotonic()
        commands = commands.replace(f"]=={SDK_VERSION}", f"]=={self._sdk}")
        done = self._desk.run(commands, program, by=by, seconds=LONGEST_SECONDS)
        seconds = time.monotonic() - started
        return Run(done.returncode, done.stdout + done.stderr, _metrics(), seconds)

    def jobs_left(self) -> list[str]:
        """The jobs that still run: programs of the cookbook delete theirs."""
        over = ("COMPLETED", "CANCELLED", "CANCELLING", "FAILED", "DELETED")
        found = self.ask("accounts/local/rlorTrainerJobs")["rlorTrainerJobs"]
        return [job["name"] for job in found if not job["state"].endswith(over)]

    def samplers_left(self) -> list[str]:
        """The deployments with a sampler that runs, or that is to run: recipes scale theirs to 0."""
        found = self.ask("accounts/local/deployments")["deployments"]
        return [row["name"] for row in found if row["desiredReplicaCount"] or row["replicaCount"]]

    def ask(self, name: str) -> dict[str, Any]:
        """What the API says of that resource, or list."""
        answer = httpx.get(f"{BASE_URL}/v1/{name}", headers={"X-Api-Key": self._key}, timeout=30)
        found: dict[str, Any] = answer.raise_for_status().json()
        return found


def last_words(said: str) -> str:
    """The last line that says something, for whoever wonders why a run failed."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    errors = [line for line in lines if re.match(r"\w*(Error|Exception)\b", line)]
    return (errors or lines or [""])[-1][:300]


def _metrics() -> tuple[dict[str, float], ...]:
    path = FOLDER / METRICS
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return tuple(json.loads(line) for line in lines)


def _commit(checkout: Path) -> str:
    asked = ["git", "-C", str(checkout), "rev-parse", "--short=12", "HEAD"]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "a folder without git"
