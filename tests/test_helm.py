"""deploy/helm is understood by Kubernetes' own schemas, starts what docker-compose.yml starts, and is bounded."""

from __future__ import annotations

import shlex
from typing import Any

import kubernetes_validate
import pytest
import yaml

from config.environment import KNOWN
from config.version import version
from tests.helm_templates import render
from tests.test_compose import ROOT, SERVICES

CHART = ROOT / "deploy" / "helm"
OWN = {
    "SLIPWAY_TRAINER_HOST": "rel-trainers",
    "SLIPWAY_TRAINER_BIND": "0.0.0.0",
    "SLIPWAY_HOME": "/var/lib/slipway",
}
RESOURCES = render(CHART, "rel")
WORKLOADS = {
    resource["metadata"]["labels"]["app.kubernetes.io/component"]: resource
    for resource in RESOURCES
    if resource["kind"] in {"Deployment", "Job"}
}


def pod(name: str) -> dict[str, Any]:
    spec: dict[str, Any] = WORKLOADS[name]["spec"]["template"]["spec"]
    return spec


def container(name: str) -> dict[str, Any]:
    (only,) = pod(name)["containers"]
    found: dict[str, Any] = only
    return found


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda each: f"{each['kind']} {each['metadata']['name']}")
def test_kubernetes_understands_each(resource: dict[str, Any]) -> None:
    kubernetes_validate.validate(resource, "1.37", strict=True)


def test_it_is_of_this_version_and_starts_what_compose_starts() -> None:
    assert yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"] == version()
    ours = {name for name, service in SERVICES.items() if service.get("image", "").startswith("slipway:")}
    assert set(WORKLOADS) == ours
    for name in WORKLOADS:
        assert container(name)["image"] == f"slipway:{version()}"
        told = SERVICES[name].get("command", [])
        told = shlex.split(told) if isinstance(told, str) else told
        if name == "migrate":  # whose keys are in the Secret
            told = [*told[:2], told[2].removeprefix("python manage.py make_keys && ")]
        assert container(name).get("command", []) == told


@pytest.mark.parametrize("name", WORKLOADS)
def test_each_is_bounded_and_may_change_nothing_but_its_volumes(name: str) -> None:
    assert pod(name)["securityContext"]["runAsNonRoot"] is True
    assert (pod(name)["automountServiceAccountToken"], pod(name)["enableServiceLinks"]) == (False, False)
    assert container(name)["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container(name)["resources"]["limits"]["memory"]
    mounts = {mount["mountPath"] for mount in container(name)["volumeMounts"]}
    assert mounts == {"/tmp", "/var/lib/slipway"}
    assert {mount["name"] for mount in container(name)["volumeMounts"]} == {
        each["name"] for each in pod(name)["volumes"]
    }


@pytest.mark.parametrize("name", WORKLOADS)
def test_settings_are_ones_that_are_read_and_secrets_are_not_here(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert container(name)["envFrom"] == [{"secretRef": {"name": "slipway"}}]
    given = {each["name"]: each["value"] for each in container(name)["env"]}
    assert given.items() >= OWN.items() and len(given) == len(container(name)["env"])
    for variable, value in given.items():
        monkeypatch.setenv(variable, value)
        KNOWN[variable].read()
    assert not any("KEY" in variable or "PASSWORD" in variable for variable in given)
    said = (CHART / "values.yaml").read_text().partition("existingSecret:")[0]
    assert all(secret in said for secret in ("DATABASE_URL", "REDIS_URL", "SLIPWAY_SECRET_KEY", "SLIPWAY_SEALING_KEYS"))


def test_web_is_replaced_one_by_one_and_asked_by_purpose() -> None:
    web = WORKLOADS["web"]["spec"]
    assert web["replicas"] >= 2
    assert web["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    asked = {name: container("web")[f"{name}Probe"]["httpGet"]["path"] for name in ("startup", "readiness", "liveness")}
    assert asked == {"startup": "/readyz", "readiness": "/readyz", "liveness": "/healthz"}
    pause = int(container("web")["lifecycle"]["preStop"]["exec"]["command"][1])
    assert (
        container("web")["readinessProbe"]["periodSeconds"] <= pause < pod("web")["terminationGracePeriodSeconds"] - 10
    )
    assert WORKLOADS["migrate"]["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"


def test_state_is_one_claim_that_outlives_the_release() -> None:
    (claim,) = [each for each in RESOURCES if each["kind"] == "PersistentVolumeClaim"]
    assert claim["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    for name in set(WORKLOADS) - {"migrate"}:
        assert pod(name)["volumes"][0]["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
    named = render(CHART, "rel", state={"existingClaim": "mine"})
    assert not any(each["kind"] == "PersistentVolumeClaim" for each in named) and "'mine'" in str(named)


def test_trainers_are_reached_under_the_name_that_all_are_told() -> None:
    (service,) = [each for each in RESOURCES if each["metadata"]["name"] == OWN["SLIPWAY_TRAINER_HOST"]]
    chosen = [
        name
        for name, each in WORKLOADS.items()
        if service["spec"]["selector"].items() <= each["spec"]["template"]["metadata"]["labels"].items()
    ]
    (name,) = chosen
    assert service["spec"]["clusterIP"] == "None"
    assert name == "trainer-host"
    for asking in ("web", "worker"):  # over a Unix socket
        (beside,) = pod(asking)["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
        labels = WORKLOADS[name]["spec"]["template"]["metadata"]["labels"]
        assert beside["labelSelector"]["matchLabels"].items() <= labels.items()
    chosen_node = {"kubernetes.io/hostname": "gpu-1"}
    pods = [
        each["spec"]["template"]["spec"]
        for each in render(CHART, "rel", nodeSelector=chosen_node)
        if "template" in each.get("spec", {})
    ]
    assert [each.get("nodeSelector") for each in pods].count(chosen_node) == len((name, "web", "worker"))
    assert (WORKLOADS[name]["spec"]["replicas"], WORKLOADS[name]["spec"]["strategy"]) == (1, {"type": "Recreate"})
