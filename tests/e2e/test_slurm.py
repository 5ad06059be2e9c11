"""The real trainer on a Slurm cluster, as people see it: why it waits, how it ends, and what is left of it."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.connections.slurm_cluster import NODES, SlurmCluster, slurm_cluster
from tests.connections.slurm_rig import needs_slurm
from tests.e2e.conftest import SlipwayServer
from tests.e2e.test_launch_live import ENVIRONMENT_MS, FORM, LAUNCH, expect_state
from tests.sdk.environments import ensure_environment

pytestmark = needs_slurm
PAUSE = """
from django.utils.timezone import now
from accounts.actors import SYSTEM
from connections.domain.pause_connection import pause_connection
from connections.queries import find_connection

cluster = find_connection("cluster")
pause_connection(actor=SYSTEM, connection=cluster, reason="Its cluster is gone.", now=now())
"""


@pytest.fixture
def cluster(tmp_path_factory: pytest.TempPathFactory, slipway_server: SlipwayServer) -> Iterator[SlurmCluster]:
    """A cluster of three nodes, and the connection to it, which takes nothing any more afterwards."""
    folder = tmp_path_factory.mktemp("slurm")
    for name in ("cluster", "shared"):
        (folder / name).mkdir()
    with slurm_cluster(folder / "cluster") as cluster:
        settings = {
            "shared": folder / "shared",
            "partition": "train",
            "conf": cluster.conf,
            "environment": ensure_environment("trainer").parent.parent,
            "bind": "127.0.0.1",
            "memory_per_gpu": 4,
        }
        told = [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
        slipway_server.manage("connect", "cluster", "--kind", "slurm", *told, "--for-everyone")
        yield cluster
        slipway_server.manage("shell", "--no-imports", stdin=PAUSE)


def test_a_launch_waits_trains_and_becomes_a_model(admin_page: Page, cluster: SlurmCluster) -> None:
    page = admin_page
    for node in NODES:
        cluster.run("scontrol", "update", f"nodename={node}", "state=drain", "reason=bad fan")
    page.goto(FORM)
    page.get_by_label("Where it runs").select_option("cluster")
    page.get_by_label("Display name").fill("on the cluster")
    page.get_by_label("Recipe").select_option("sample-sft")
    page.get_by_role("button", name="Launch trainer").click()
    page.wait_for_url(LAUNCH)
    launched = page.url
    expect(page.get_by_text("Nodes that it needs are drained, down or reserved.")).to_be_visible()
    expect_state(page, "PENDING", within_ms=1)

    for node in NODES:
        cluster.run("scontrol", "update", f"nodename={node}", "state=resume")
    checkpoints = page.get_by_role("region", name="Checkpoints", exact=True)
    expect(checkpoints).to_contain_text("step-20", timeout=ENVIRONMENT_MS)
    everything = ("--exclusive", "-N", str(len(NODES)), "-t", "1", "-o", "/dev/null", "--wrap", "sleep 1")
    cluster.run("sbatch", "-p", "urgent", *everything)
    expect(page.get_by_text("Goes on by itself as attempt 2: it had to make room")).to_be_visible()

    expect_state(page, "COMPLETED", within_ms=ENVIRONMENT_MS)
    expect(page.get_by_text("Attempt 2 began at step")).to_be_visible()
    expect(page.locator("#charts canvas")).to_have_count(2)
    expect(page.locator("#log")).to_contain_text("step")
    records = page.request.get(f"{launched}/metrics").json()["records"]
    assert [record["step"] for record in records] == list(range(1, 61)), "one curve of two attempts"
    assert {record["attempt"] for record in records} == {1, 2}

    checkpoints.get_by_role("link", name="Promote step-60").click()
    page.get_by_label("Model id").fill("from-the-cluster")
    page.get_by_role("button", name="Promote it").click()
    expect(page.locator("#model")).to_have_attribute("data-state", "READY")
    archive = page.request.get("/models/local/from-the-cluster/archive").body()
    with tarfile.open(fileobj=io.BytesIO(archive)) as model:
        (weights,) = (name for name in model.getnames() if name.endswith(".safetensors"))
        read = model.extractfile(weights)
        assert read
        assert hashlib.sha256(read.read()).hexdigest() in page.content()

    page.goto(FORM)
    page.get_by_label("Where it runs").select_option("cluster")
    page.get_by_label("Continue from").select_option("accounts/local/models/from-the-cluster")
    page.get_by_label("Recipe").select_option("sample-sft")
    page.get_by_role("button", name="Launch trainer").click()
    page.wait_for_url(LAUNCH)
    expect_state(page, "COMPLETED", within_ms=ENVIRONMENT_MS)
    began = page.request.get(f"{page.url}/metrics").json()["records"][0]["loss"]
    assert began < 0.9 * records[0]["loss"], "it goes on from what the model has learnt"
