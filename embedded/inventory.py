"""`./run sbom` and `./run vulnerabilities`: what a Slipway is made of, and what is known against it.

Read from the lock files, so both say the same on every machine and need nothing to be running.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from embedded.console import Trouble
from embedded.home import ROOT

LOCKS = {
    "web, worker, beat": "requirements/base.txt",
    "embedded servers": "requirements/embedded.txt",
    "trainer": "trainer/requirements/base.txt",
    "trainer, without hashes": "trainer/requirements/torch.txt",
}
"""The lock file of each part; what only tests and checks need is in no Slipway."""
SERVED = (
    "@fontsource-variable/geist",
    "@fontsource-variable/geist-mono",
    "htmx.org",
    "idiomorph",
    "lucide-static",
    "uplot",
)
"""Of package.json what lies below static/ and reaches browsers."""
_PINNED = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)(?:\[[^]]*\])?==(?P<version>[^\s;\\]+)", re.MULTILINE)
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")
FOUND, UNKNOWN = 1, 2
"""Exit codes: something is known against a package; of some packages nothing could be learnt."""


@dataclass(frozen=True)
class Package:
    """One that a Slipway has: of which registry, for which of its parts, and the sha256 of its files where locked."""

    registry: str
    name: str
    version: str
    parts: tuple[str, ...]
    hashes: tuple[str, ...] = ()


def packages() -> list[Package]:
    """All of them, by registry and name."""
    found: dict[tuple[str, str, str], Package] = {}
    for package in (*_python(), *_browser()):
        key = (package.registry, package.name, package.version)
        before = found.get(key)
        parts = (*(before.parts if before else ()), *package.parts)
        found[key] = Package(*key, parts, package.hashes)
    return [found[key] for key in sorted(found)]


def sbom() -> str:
    """A bill of materials: CycloneDX 1.6, JSON. The same lock files give the same but for its number and its time."""
    from cyclonedx.model import HashAlgorithm, HashType, Property  # noqa: PLC0415  # of the checks' environment
    from cyclonedx.model.bom import Bom  # noqa: PLC0415
    from cyclonedx.model.component import Component, ComponentType  # noqa: PLC0415
    from cyclonedx.output import make_outputter  # noqa: PLC0415
    from cyclonedx.schema import OutputFormat, SchemaVersion  # noqa: PLC0415
    from packageurl import PackageURL  # noqa: PLC0415

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    bom = Bom()
    root = Component(type=ComponentType.APPLICATION, name=project["name"], version=project["version"])
    bom.metadata.component = root
    made = []
    for package in packages():
        namespace, _, name = package.name.rpartition("/")
        address = PackageURL(package.registry, namespace or None, name, package.version)
        made.append(
            Component(
                type=ComponentType.LIBRARY,
                name=package.name,
                version=package.version,
                purl=address,
                bom_ref=str(address),
                # A lock names the files of every machine; a component has one hash, so these are properties of it.
                hashes=[HashType(alg=HashAlgorithm.SHA_256, content=package.hashes[0])]
                if len(package.hashes) == 1
                else (),
                properties=[
                    *(Property(name="slipway:part", value=part) for part in package.parts),
                    *(Property(name="slipway:file-sha256", value=each) for each in package.hashes),
                ],
            )
        )
    bom.components.update(made)
    bom.register_dependency(root, made)
    return make_outputter(bom, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string(indent=2)


def write_sbom(arguments: list[str]) -> int:
    """To the named file, else to standard output."""
    if arguments:
        Path(arguments[0]).write_text(sbom() + "\n")
    else:
        print(sbom())
    return 0


def report_vulnerabilities() -> int:
    """Ask pip-audit of every locked Python package, and say what is known, and of which nothing could be learnt.

    Errors: `Trouble` where pip-audit itself did not work.
    """
    known: list[str] = []
    unknown: list[str] = []
    asked = 0
    for part, lock in LOCKS.items():
        for told in _audit(lock):
            asked += 1
            named = f"{told['name']} {told.get('version', '')}".strip()
            if "skip_reason" in told:
                unknown.append(f"{named} ({part})")
            known += [f"{named} ({part}): {_sentence(each)}" for each in told.get("vulns", ())]
    for line in sorted(set(known)):
        print(line)
    print(f"{len(set(known))} known vulnerabilities in {asked - len(unknown)} of {asked} locked Python packages.")
    if unknown:
        print(
            f"MISSING DATA: of {len(unknown)} packages nothing could be learnt, since the registry that pip is set to "
            "here has no advisories of them. Run this where the public one can be reached."
        )
        print("  " + ", ".join(sorted(set(unknown))))
    print(f"Not looked up, as pip-audit knows Python alone: {', '.join(SERVED)}.")
    return FOUND if known else UNKNOWN if unknown else 0


def _audit(lock: str) -> list[dict[str, Any]]:
    argv = [
        sys.executable,
        "-m",
        "pip_audit",
        "--disable-pip",
        "--no-deps",
        "--format",
        "json",
        "--progress-spinner",
        "off",
    ]
    done = subprocess.run([*argv, "-r", lock], cwd=ROOT, check=False, capture_output=True, text=True)
    try:
        found: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        why = " ".join(done.stderr.split())[-300:] or f"exit code {done.returncode}"
        raise Trouble(f"The advisories could not be asked for, so nothing is known: {why}") from None
    return found


def _sentence(vulnerability: dict[str, Any]) -> str:
    fixed = vulnerability.get("fix_versions")
    remedy = f"fixed in {', '.join(map(str, fixed))}" if isinstance(fixed, list) and fixed else "no fix yet"
    return f"{vulnerability['id']}, {remedy}"


def _python() -> Iterator[Package]:
    for part, lock in LOCKS.items():
        text = (ROOT / lock).read_text()
        pins = list(_PINNED.finditer(text))
        for pin, following in zip(pins, [*pins[1:], None], strict=True):
            hashes = _HASH.findall(text[pin.end() : following.start() if following else len(text)])
            yield Package("pypi", pin["name"].lower().replace("_", "-"), pin["version"], (part,), tuple(hashes))


def _browser() -> Iterator[Package]:
    versions = json.loads((ROOT / "package.json").read_text())["devDependencies"]
    for name in SERVED:
        yield Package("npm", name, versions[name], ("pages",))
