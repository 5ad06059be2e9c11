"""What Lighthouse says of the pages that strangers see: the catalog, a shape and the sign-in, as a phone loads them.

Needs node and a Chromium. Lighthouse is installed by npm into the folder of the proofs, and nothing of it elsewhere.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.session import BASE_URL

FOLDER = Path("var/proofs/lighthouse").absolute()
LIGHTHOUSE = "lighthouse@12.8.2"
PAGES = {"catalog": "/", "shape": "/shapes/local/tiny-qwen3-chat-2k", "sign-in": "/sign-in"}
LEAST = {"performance": 90, "accessibility": 100, "best-practices": 100, "seo": 100}
ROUNDS = 3
"""Of which the median counts: performance depends on what else the machine does, the others do not."""
SECONDS = 180
CHROMIUM = "--headless=new --no-sandbox --disable-dev-shm-usage"


def prove() -> bool:
    """Print a line for each page; whether each has the scores that it is to have."""
    chromium = os.environ.get("SLIPWAY_CHROMIUM") or shutil.which("chromium")
    if not chromium or not shutil.which("npm"):
        print("Lighthouse needs node with npm, and a Chromium: install both, or name one as SLIPWAY_CHROMIUM.")
        return False
    FOLDER.mkdir(parents=True, exist_ok=True)
    quiet = ("--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error")
    subprocess.run(["npm", "install", "--prefix", str(FOLDER), *quiet, LIGHTHOUSE], check=True)
    good = [_one(name, path, chromium) for name, path in PAGES.items()]
    return all(good)


def _one(name: str, path: str, chromium: str) -> bool:
    reports = [_report(path, chromium) for _ in range(ROUNDS)]
    scores = {category: median(_score(report, category) for report in reports) for category in LEAST}
    good = all(scores[category] >= least for category, least in LEAST.items())
    said = ", ".join(f"{category} {score:.0f}" for category, score in scores.items())
    print(f"{'ok  ' if good else 'FAIL'} {name}: {said}", flush=True)
    if not good:
        for line in sorted({line for report in reports for line in _complaints(report)}):
            print(f"     {line}", flush=True)
    return good


def _report(path: str, chromium: str) -> Mapping[str, Any]:
    """What Lighthouse found, in its own words. Errors: `CalledProcessError`, `TimeoutExpired`."""
    program = FOLDER / "node_modules/.bin/lighthouse"
    told = ["--quiet", "--output=json", f"--only-categories={','.join(LEAST)}", f"--chrome-flags={CHROMIUM}"]
    done = subprocess.run(
        [str(program), f"{BASE_URL}{path}", *told],
        env=os.environ | {"CHROME_PATH": chromium},
        cwd=FOLDER,
        stdout=subprocess.PIPE,
        timeout=SECONDS,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _score(report: Mapping[str, Any], category: str) -> float:
    """Of 100; 0 where the category could not be told."""
    return round(100 * (report["categories"][category]["score"] or 0))


def _complaints(report: Mapping[str, Any]) -> list[str]:
    """Why it is less than it could be: what went wrong as a whole, and each audit that counts and is not passed."""
    wrong = [str(report["runtimeError"]["message"])] if report.get("runtimeError") else []
    counting = {
        each["id"] for category in report["categories"].values() for each in category["auditRefs"] if each["weight"]
    }
    audits = [audit for name, audit in report["audits"].items() if name in counting]
    failed = [audit["id"] for audit in audits if audit["score"] is not None and audit["score"] < 0.9]
    untold = [f"{audit['id']}: {audit['errorMessage']}" for audit in audits if audit["scoreDisplayMode"] == "error"]
    return [*wrong, *report["runWarnings"], *failed, *untold]
