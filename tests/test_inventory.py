"""What a Slipway is made of, and what is known against it, as `./run sbom` and `./run vulnerabilities` say it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from embedded import inventory

ROOT = Path(__file__).resolve().parent.parent


def test_the_bill_of_materials_has_every_package_that_is_locked_or_served(tmp_path: Path) -> None:
    path = tmp_path / "sbom.json"
    subprocess.run([sys.executable, "-m", "embedded", "sbom", str(path)], cwd=ROOT, check=True)
    told = json.loads(path.read_text())
    assert (told["bomFormat"], told["specVersion"], told["metadata"]["component"]["name"]) == (
        "CycloneDX",
        "1.6",
        "slipway",
    )
    named = {component["purl"] for component in told["components"]}
    pins = re.findall(r"^([\w.-]+)==([^\s;\\]+)", (ROOT / "requirements/base.txt").read_text(), re.MULTILINE)
    assert len(pins) > 50
    assert {f"pkg:pypi/{name.lower().replace('_', '-')}@{version}" for name, version in pins} <= named
    assert any(address.startswith("pkg:pypi/torch@") for address in named)
    assert any(address.startswith("pkg:npm/htmx.org@") for address in named)
    assert not any("pytest" in address for address in named)
    django = next(component for component in told["components"] if component["name"] == "django")
    assert sum(each["name"] == "slipway:file-sha256" for each in django["properties"]) == 2


def test_what_is_known_is_told_and_what_could_not_be_learnt_is_no_good_news(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(inventory, "LOCKS", {"web": "requirements/base.txt"})
    fine = {"name": "a", "version": "1", "vulns": []}
    bad = {"name": "b", "version": "2", "vulns": [{"id": "PYSEC-1", "fix_versions": ["3"]}]}
    missing = {"name": "c", "skip_reason": "Dependency not found"}
    for told, code in (([fine], 0), ([fine, missing], 2), ([fine, bad, missing], 1)):
        monkeypatch.setattr(inventory, "_audit", lambda _, told=told: told)
        assert inventory.report_vulnerabilities() == code
    said = capsys.readouterr().out
    assert "b 2 (web): PYSEC-1, fixed in 3" in said and "1 known vulnerabilities in 2 of 3" in said
    assert "MISSING DATA: of 1 packages" in said and "c (web)" in said
