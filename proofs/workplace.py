"""Where the cookbook's programs run: the environment that a page tells to make, a checkout in place of the clone."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import httpx

from benchmarks.session import BASE_URL, make_api_key, sign_in
from catalog.usage import COOKBOOK, COOKBOOK_ADDRESS
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
    """A folder with the checkout's `training`, and a person there with an API key."""

    def __init__(self, checkout: Path) -> None:
        self._browser = sign_in()
        self._key = make_api_key("proof")
        copy = FOLDER / "cookbook"
        shutil.rmtree(copy, ignore_errors=True)  # installing leaves files in it, which a checkout should not get
        shutil.copytree(checkout / "training", copy / "training", ignore=shutil.ignore_patterns(".venv", ".git"))
        print(f"cookbook: {_commit(checkout)}, the pages name {COOKBOOK[:12]}")

    def read(self, path: str) -> str:
        """A page's HTML."""
        return self._browser.get(path).raise_for_status().text

    def run(self, html: str, program: str) -> Run:
        """Run a program in the environments of that page, one after the other, as its reader would."""
        (FOLDER / METRICS).unlink(missing_ok=True)
        shutil.rmtree(FOLDER / "logs", ignore_errors=True)
        clone = f"git clone {COOKBOOK_ADDRESS}\ngit -C cookbook checkout {COOKBOOK}\n"
        recipe = code(html, "cookbook-environment")
        assert clone in recipe, "the page clones the cookbook"
        desk = Desk(self._key, FOLDER, {"COOKBOOK_METRICS_FILE": str(FOLDER / METRICS), "WANDB_MODE": "disabled"})
        started = time.monotonic()
        commands = f"{code(html, 'environment')}{recipe.replace(clone, '')}"
        done = desk.run(commands, program, seconds=LONGEST_SECONDS)
        seconds = time.monotonic() - started
        return Run(done.returncode, done.stdout + done.stderr, _metrics(), seconds)

    def jobs_left(self) -> list[str]:
        """The jobs that still run: programs of the cookbook delete theirs."""
        jobs = f"{BASE_URL}/v1/accounts/local/rlorTrainerJobs"
        found = httpx.get(jobs, headers={"X-Api-Key": self._key}, timeout=30).raise_for_status().json()
        over = ("COMPLETED", "CANCELLED", "CANCELLING", "FAILED", "DELETED")
        return [job["name"] for job in found["rlorTrainerJobs"] if not job["state"].endswith(over)]


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
