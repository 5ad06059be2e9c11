"""The real trainer on a Slurm cluster, as people see it: why it waits, how it ends, and what is left of it."""

from __future__ import annotations

import hashlib
import io
import re
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.connections.slurm_cluster import NODES, SlurmCluster, slurm_cluster
from tests.connections.slurm_rig import needs_slurm
from tests.connections.sshd import needs_sshd, sshd_running
from tests.e2e import test_validation
from tests.e2e.conftest import SlipwayServer
from tests.e2e.test_launch_form import MOVING as FULL_FORM
from tests.e2e.test_launch_live import ENVIRONMENT_MS, FORM, LAUNCH, expect_state
from tests.sdk.environments import ensure_environment
from tests.waiting import wait_for

pytestmark = needs_slurm
H100 = "NVIDIA_H100_80GB"
PAUSE = """
from django.utils.timezone import now
from accounts.actors import SYSTEM
from connections.domain.pause_connection import pause_connection
from connections.queries import find_connection

cluster = find_connection("{name}")
pause_connection(actor=SYSTEM, connection=cluster, reason="Its cluster is gone.", now=now())
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("slurm")
    for name in ("cluster", "shared", "far", "sshd"):
        (folder / name).mkdir()
    return folder


@pytest.fixture(scope="module")
def cluster(folder: Path, slipway_server: SlipwayServer) -> Iterator[SlurmCluster]:
    """A cluster of three nodes, and the connection to it, which takes nothing any more afterwards."""
    with slurm_cluster(folder / "cluster") as cluster:
        connect(slipway_server, cluster, "cluster", shared=folder / "shared", gres=f"{H100} = gpu:h100")
        yield cluster
        slipway_server.manage("shell", "--no-imports", stdin=PAUSE.format(name="cluster"))


@pytest.fixture(scope="module")
def far(folder: Path, cluster: SlurmCluster, slipway_server: SlipwayServer) -> Iterator[str]:
    """The name of a connection to the same by a login node, which alone sees the files and reaches the trainers."""
    with sshd_running(folder / "sshd") as sshd:
        login = f"{sshd.login.user}@{sshd.login.host}:{sshd.login.port}"
        by_ssh = {"login": login, "host_key": sshd.login.host_key, "files": "over ssh", "way": "through the login node"}
        key = ("--secret-file", str(sshd.folder / "client"))
        connect(slipway_server, cluster, "far-cluster", *key, shared=folder / "far", **by_ssh)
        yield "far-cluster"
        slipway_server.manage("shell", "--no-imports", stdin=PAUSE.format(name="far-cluster"))


def connect(server: SlipwayServer, cluster: SlurmCluster, name: str, *more: str, **settings: Any) -> None:
    settings |= {
        "partition": "train",
        "conf": cluster.conf,
        "environment": ensure_environment("trainer").parent.parent,
        "bind": "127.0.0.1",
        "memory_per_gpu": 4,
    }
    told = [word for setting, value in settings.items() for word in ("--set", f"{setting}={value}")]
    server.manage("connect", name, "--kind", "slurm", *told, *more, "--for-everyone")


def launch_on(page: Page, connection: str, *, form: str = FORM, **fields: str) -> None:
    """Launch the recipe there, with what else is chosen on the form."""
    page.goto(form)
    page.get_by_label("Where it runs").select_option(connection)
    for label, value in fields.items():
        page.get_by_label(label.replace("_", " ")).select_option(value)
    page.get_by_label("Recipe").select_option("sample-sft")
    page.get_by_role("button", name="Launch trainer").click()
    page.wait_for_url(LAUNCH)


def losses(page: Page) -> list[float]:
    return [record["loss"] for record in page.request.get(f"{page.url}/metrics").json()["records"]]


def promote(page: Page, checkpoint: str, model: str) -> None:
    checkpoints = page.get_by_role("region", name="Checkpoints", exact=True)
    checkpoints.get_by_role("link", name=f"Promote {checkpoint}").click()
    page.get_by_label("Model id").fill(model)
    page.get_by_role("button", name="Promote it").click()
    expect(page.locator("#model")).to_have_attribute("data-state", "READY", timeout=ENVIRONMENT_MS)


@contextmanager
def drained(cluster: SlurmCluster) -> Iterator[None]:
    """No node takes jobs meanwhile; afterwards all do, whatever was found, for the tests that follow."""
    for node in NODES:
        cluster.run("scontrol", "update", f"nodename={node}", "state=drain", "reason=bad fan")
    try:
        yield
    finally:
        for node in NODES:
            cluster.run("scontrol", "update", f"nodename={node}", "state=resume")


def test_a_launch_waits_trains_and_becomes_a_model(admin_page: Page, cluster: SlurmCluster, folder: Path) -> None:
    page = admin_page
    with drained(cluster):
        launch_on(page, "cluster")
        launched = page.url
        expect(page.get_by_text("Nodes that it needs are drained, down or reserved.")).to_be_visible()
        expect_state(page, "PENDING", within_ms=60_000)
    # On the disk: by when the page shows it, a quick trainer may be at its last step.
    wait_for(lambda: any(folder.glob("shared/*/jobs/*/*/checkpoints/step-20")), ENVIRONMENT_MS / 1000)
    everything = ("--exclusive", "-N", str(len(NODES)), "-t", "1", "-o", "/dev/null", "--wrap", "sleep 1")
    cluster.run("sbatch", "-p", "urgent", *everything)
    expect(page.get_by_text("Goes on by itself as attempt 2: it had to make room")).to_be_visible()
    checkpoints = page.get_by_role("region", name="Checkpoints", exact=True)
    expect(checkpoints).to_contain_text("step-20")

    expect_state(page, "COMPLETED", within_ms=ENVIRONMENT_MS)
    expect(page.get_by_text("Attempt 2 began at step")).to_be_visible()
    expect(page.locator("#charts canvas")).to_have_count(2)
    expect(page.locator("#log")).to_contain_text("step")
    records = page.request.get(f"{launched}/metrics").json()["records"]
    assert [record["step"] for record in records] == list(range(1, 61)), "one curve of two attempts"
    assert {record["attempt"] for record in records} == {1, 2}

    promote(page, "step-60", "from-the-cluster")
    archive = page.request.get("/models/local/from-the-cluster/archive").body()
    with tarfile.open(fileobj=io.BytesIO(archive)) as model:
        (weights,) = (name for name in model.getnames() if name.endswith(".safetensors"))
        read = model.extractfile(weights)
        assert read
        assert hashlib.sha256(read.read()).hexdigest() in page.content()

    page.goto(launched)
    kept = f"accounts/local/rlorTrainerJobs/{page.locator('.crumbs [aria-current]').inner_text()}"
    page.get_by_role("button", name="Delete", exact=True).click()
    page.get_by_role("button", name="Delete the launch").click()
    for start in ("accounts/local/models/from-the-cluster", f"{kept}/checkpoints/step-60"):
        launch_on(page, "cluster", Continue_from=start)
        expect_state(page, "COMPLETED", within_ms=ENVIRONMENT_MS)
        assert losses(page)[0] < 0.9 * records[0]["loss"], f"it goes on from what was learnt before: {start}"


@needs_sshd
def test_a_full_model_made_there_is_brought_by_ssh_to_the_next_launch(admin_page: Page, far: str, folder: Path) -> None:
    page = admin_page
    launch_on(page, far, form=FULL_FORM)
    expect_state(page, "COMPLETED", within_ms=ENVIRONMENT_MS)
    first = losses(page)
    promote(page, "step-60", "full-from-afar")
    launch_on(page, far, form=FULL_FORM, Base_model="accounts/local/models/full-from-afar")
    expect_state(page, "COMPLETED", within_ms=ENVIRONMENT_MS)
    assert losses(page)[0] < 0.9 * first[0], "it goes on from what the model has learnt"
    (brought,) = folder.glob("far/slipway-*/models/local/full-from-afar")
    assert list(brought.glob("*.safetensors")), "a copy of the model on the shared directory"


def test_a_validation_there_names_the_connection_the_nodes_and_the_gpus(
    admin_page: Page, cluster: SlurmCluster, slipway_server: SlipwayServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = f'snapshot=replace(latest.frozen_snapshot, accelerator_type="{H100}", accelerator_count=1)'
    draft = "from dataclasses import replace" + test_validation.NEW_DRAFT.replace(
        "snapshot=latest.frozen_snapshot", changed
    )
    monkeypatch.setattr(test_validation, "NEW_DRAFT", draft)
    test_validation.start_validation(admin_page, slipway_server, test_validation.LORA)
    test_validation.expect_state(admin_page, "PASSED", within_ms=ENVIRONMENT_MS)
    facts = test_validation.facts_of(admin_page.get_by_role("region", name="Passport"))
    assert facts["Ran on"].splitlines()[0].startswith("cluster")
    assert re.search(r"\bon n[123]\b", facts["Ran on"]), facts
    assert re.search(r"1 x H100 80 GB\s+had 1 x gpu:h100", facts["GPUs asked for"]), facts
