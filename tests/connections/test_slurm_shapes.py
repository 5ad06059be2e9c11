"""What a job of a shape is told, which shapes no cluster can hold, and how each of the bundled ones fares. Pure."""

from __future__ import annotations

import json
import shlex
import subprocess
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.enums import PUBLIC_ACCOUNT, WeightPrecision
from catalog.files.bundled import bundled_files
from catalog.places import plain_spec
from connections.capacities import read_capacity, stored_capacity
from connections.providers.capacity import Capacity, MachineKind
from connections.providers.configs import read_config
from connections.providers.slurm import capability, script, sizes
from connections.providers.slurm.answers import SlurmNode, SlurmPartition, read_minutes, read_partitions
from connections.providers.slurm.config import SlurmConfig
from connections.providers.spec import ShardingScheme
from tests.connections.rig import make_spec

H100 = "NVIDIA_H100_80GB"
CONFIG = SlurmConfig(shared="/shared/slip way", partition="train", gres=f"{H100} = gpu:h100")
MACHINES = (MachineKind(3, {H100: 8}, 64, 512 * 1024), MachineKind(2, {}, 128, 1024 * 1024))
CLUSTER = Capacity(machines=MACHINES, most_nodes=2, most_minutes=24 * 60)
ASKED = {"accelerator_type": H100, "accelerator_count": 8}
WEIGHTS = Path("/nowhere")
CODE = Path("/shared/slip way/code")


@pytest.mark.parametrize(
    ("spec", "config", "words"),
    [
        (ASKED, {}, ""),
        (ASKED | {"node_count": 2}, {}, ""),
        ({}, {}, ""),
        (ASKED | {"accelerator_count": 16}, {}, "No node of partition train has 16 NVIDIA_H100_80GB: the largest"),
        (ASKED | {"node_count": 3}, {}, "needs 3 nodes, and a job of partition train gets 2 at most (MaxNodes)"),
        (ASKED | {"node_count": 3}, {"qos": "long"}, ""),
        (ASKED | {"node_count": 4}, {"qos": "long"}, "needs 4 nodes, and partition train has 3 that can hold"),
        (ASKED | {"trainer_replica_count": 2}, {}, ""),
        (ASKED | {"trainer_replica_count": 3}, {}, "3 replicas of the shape need 3 nodes, 1 each, and a job of"),
        (ASKED, {"cpus_per_gpu": 9}, "it gets 72 CPUs and 512 GB, and no node of partition train that has"),
        (ASKED, {"memory_per_gpu": 65}, "at most 64 and 512. A superuser lowers CPUs or memory per GPU."),
        ({}, {"cpus_per_gpu": 129}, "it gets 129 CPUs"),
        ({}, {"time_limit": 1441}, "asks for 1,441 minutes a job, and partition train gives 1,440 at most"),
        ({}, {"time_limit": 1441, "qos": "long"}, ""),
        ({"accelerator_count": 4}, {"unnamed_type": H100}, ""),
        ({"accelerator_count": 9}, {"unnamed_type": H100, "partition": ""}, "No node of the default partition has 9"),
    ],
)  # fmt: skip
def test_what_no_machine_of_the_cluster_holds(spec: dict[str, Any], config: dict[str, Any], words: str) -> None:
    kept = read_capacity(json.loads(json.dumps(stored_capacity(CLUSTER))))  # as the row has it
    assert kept == CLUSTER
    reasons = list(sizes.too_large(make_spec(**spec), replace(CONFIG, **config), kept))
    assert len(reasons) == bool(words)
    assert words in " ".join(reasons)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"trainer_sharding_scheme": ShardingScheme()}, ""),
        ({"trainer_sharding_scheme": ShardingScheme(context_parallelism=2)}, ""),
        ({"trainer_sharding_scheme": ShardingScheme(tensor_parallelism=2, expert_parallelism=4)}, ""),
        (
            {"trainer_sharding_scheme": ShardingScheme(tensor_parallelism=4, expert_parallelism=4)},
            "over a multiple of 16 GPUs, and a replica of it has 8.",
        ),
        (
            {"trainer_sharding_scheme": ShardingScheme(tensor_parallelism=2), "accelerator_count": 0},
            "over a multiple of 2 GPUs, and a replica of it has 0.",
        ),
        (
            {"trainer_sharding_scheme": ShardingScheme(tensor_parallelism=2, pipeline_parallelism=2)},
            "scheme of pipeline 2; the trainer divides models by tensor, context, expert parallelism",
        ),
        ({"trainer_sharding_scheme": ShardingScheme(sequence_parallelism=True)}, "scheme of sequence parallelism;"),
        ({"base_model_weight_precision": WeightPrecision.BFLOAT16}, ""),
        ({"base_model_weight_precision": WeightPrecision.NF4}, "in NF4; the trainer computes in BFLOAT16"),
    ],
)
def test_what_a_shape_asks_of_its_model_is_done_or_refused(asked: dict[str, Any], words: str) -> None:
    spec = make_spec(**ASKED | asked)
    reasons = list(capability.reasons_against(spec, CONFIG, {spec.base_model: Path("/models")}, WEIGHTS))
    assert len(reasons) == bool(words) and words in " ".join(reasons)


def test_a_cluster_that_told_nothing_yet_rules_nothing_out() -> None:
    assert not list(sizes.too_large(make_spec(**ASKED, node_count=99), CONFIG, Capacity()))
    old: dict[str, Any] = {
        "gpus": [],
        "queue_length": None,
        "running": None,
        "slots": None,
    }  # as an older Slipway kept it
    assert read_capacity(old) == Capacity()


def test_reads_partitions_and_counts_machines() -> None:
    lines = (
        "PartitionName=train Default=YES MaxNodes=UNLIMITED MaxTime=UNLIMITED Nodes=n[1-3] State=UP\n"
        "PartitionName=short Default=NO MaxNodes=2 MaxTime=1-01:30:00 State=UP\n\nNo such\n"
    )
    train, short = read_partitions(lines)
    assert train == SlurmPartition("train", True, None, None)
    assert short == SlurmPartition("short", False, 2, 25 * 60 + 30)
    assert [read_minutes(each) for each in ("01:30:00", "30:00", "45", "2-00", "INFINITE", "")] == [
        90,
        30,
        45,
        2880,
        None,
        None,
    ]
    assert sizes.partition_of([train, short], replace(CONFIG, partition="")) == train
    assert sizes.partition_of([train, short], replace(CONFIG, partition="short")) == short
    assert sizes.partition_of([train], replace(CONFIG, partition="gone")) is None
    node = SlurmNode("n1", frozenset({"train"}), {"gpu:h100": 8, "gpu:l4": 1}, {}, False, "", 64, 1000)
    kinds = sizes.machines_of([node, replace(node, name="n2", is_out=True), replace(node, gpus={})], CONFIG)
    assert kinds == (MachineKind(2, {H100: 8}, 64, 1000), MachineKind(1, {}, 64, 1000))


def plan(**config: Any) -> dict[str, Any]:
    spec = make_spec(**ASKED, trainer_image_tag="0.38.1", node_count=config.pop("nodes", 1))
    made = Path("/shared/made")
    return script.plan(
        spec, replace(CONFIG, **config), directory=Path("/shared/a"), code=CODE, trainer="trainer", made=made
    )


def test_a_trainer_runs_in_its_environment_or_in_the_image_of_its_shape() -> None:
    last = ["-m", "trainer", "/shared/a/config.json"]
    assert plan()["trainer"] == ["/shared/made/bin/python", *last]
    assert plan()["prepare"][-1] == "/shared/made"
    there = plan(environment="/shared/env")
    assert (there["trainer"], there["prepare"]) == (["/shared/env/bin/python", *last], [])
    image = {"image": "docker://registry.internal/trainer:{tag}", "models": "accounts/a/models/m = /models/m"}
    inside = ["env", f"PYTHONPATH={CODE}", "python3", *last]
    found = plan(**image)
    assert found["trainer"] == [
        *("apptainer", "exec", "--nv", "--bind", CONFIG.shared, "--bind", "/models/m", "--pwd", str(CODE)),
        *("docker://registry.internal/trainer:0.38.1", *inside),
    ]  # fmt: skip
    assert (found["prepare"], found["by_srun"]) == ([], False)
    found = plan(**image | {"image": "registry.internal#trainer:{tag}", "container": "pyxis"})
    assert found["trainer"][:3] == ["srun", "--nodes=1", "--ntasks=1"]
    assert "--container-image=registry.internal#trainer:0.38.1" in found["trainer"]
    assert f"--container-mounts={CONFIG.shared}:{CONFIG.shared},/models/m:/models/m" in found["trainer"]
    assert found["trainer"][-len(inside):] == inside and found["by_srun"]  # fmt: skip


def test_a_gang_is_started_once_a_node_and_reads_its_token() -> None:
    started = plan(nodes=2, environment="/shared/env")["trainer"]
    assert started[:6] == [
        *("srun", "--nodes=2", "--ntasks=2", "--ntasks-per-node=1", "--kill-on-bad-exit=1", "--cpus-per-task=64")
    ]
    assert started[6:10] == ["sh", "-c", script.TASK, "/shared/a/token"]


@pytest.mark.parametrize(
    ("tag", "words"),
    [
        ("0.38.1", ""),
        (None, "names no image tag"),
        ("../x", "names the image tag '../x', which is none"),
        ("a b", "none"),
    ],
)
def test_an_image_by_tag_needs_a_tag(tag: str | None, words: str) -> None:
    config = replace(CONFIG, image="/shared/images/{tag}.sif")
    reasons = list(capability.reasons_against(make_spec(trainer_image_tag=tag), config, {}, WEIGHTS))
    assert bool(reasons) == bool(words) and words in " ".join(reasons)
    assert not list(
        capability.reasons_against(make_spec(trainer_image_tag=tag), replace(CONFIG, image="x.sif"), {}, WEIGHTS)
    )


@pytest.mark.parametrize("written", ["a b", "x:{tag}{tag}", "{other}", "x;y", "-x", "$x", "x'"])
def test_what_is_no_image_is_refused(written: str) -> None:
    _, violations = read_config(SlurmConfig, {"shared": "/shared", "image": written})
    assert [violation.field for violation in violations] == ["image"]


@settings(max_examples=25)
@given(st.text(st.characters(exclude_characters="\0\n\r/\ud800"), min_size=1).filter(lambda t: t.isprintable()))
def test_no_path_gets_out_of_its_quotes(name: str) -> None:
    code, directory = Path("/code") / name, Path("/attempt") / name
    config = replace(CONFIG, environment="/env/it's $HOME `x`")
    said = script.script(config, directory=directory, code=code)
    probe = 'exec() { printf "%s\\0" "$PYTHONPATH" "$@"; }\n' + said
    ran = subprocess.run(["bash", "-s"], input=probe.encode(), capture_output=True, check=True, env={})
    told = [str(code), f"{config.environment}/bin/python", "-m", script.MODULE, str(directory)]
    assert ran.stdout.decode().split("\0")[:-1] == told
    assert shlex.split(said.splitlines()[-1])[1:] == told[1:]


def test_a_percent_in_the_logs_path_is_none_of_slurms_patterns() -> None:
    options = script.options(make_spec(), CONFIG, name="n", log=Path("/shared/50%j/log"), folder=Path("/shared/50%j"))
    assert "--output=/shared/50%%j/log" in options and "--chdir=/shared/50%j" in options


PUBLIC = SlurmConfig(
    shared="/shared",
    gres="NVIDIA_H100_80GB = gpu:h100\nNVIDIA_H200_141GB = gpu:h200\nNVIDIA_B200_180GB = gpu:b200",
)
H200 = "NVIDIA_H200_141GB"
COLUMNS = ("one process", "GPU not named", "GPU type not there")
"""Of the table in docs/SLURM.md, after how many fit."""
LARGE = Capacity(machines=tuple(MachineKind(8, {kind: 8}, 224, 2_000_000) for kind in PUBLIC.gres_by_type))


def public_specs() -> list[Any]:
    """The bundled public shapes, with nothing set by a user."""
    return [plain_spec(entry.snapshot) for entry in bundled_files()[PUBLIC_ACCOUNT].document.shapes]


def fates(config: SlurmConfig) -> Counter[str]:
    """How many of the public shapes fit, or by which kind of reason they never do."""
    kinds = {
        "as one process": "one process",
        "does not say how Slurm calls": "GPU type not there",
        "does not say which GPU": "GPU not named",
        "does not tell its GPUs": "GPUs hidden",
        "No node of": "larger than a node",
        "can hold its share": "more nodes than there are",
        "is not on the cluster": "base model",
    }
    found: Counter[str] = Counter()
    for spec in public_specs():
        models = {spec.base_model: Path("/models")}
        reasons = [*capability.reasons_against(spec, config, models, WEIGHTS), *sizes.too_large(spec, config, LARGE)]
        found[
            next((word for words, word in kinds.items() if words in reasons[0]), reasons[0]) if reasons else "fits"
        ] += 1
    return found


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"processes": "one"}, {"one process": 47, "GPU not named": 8}),
        ({"processes": "one", "unnamed_type": H200}, {"one process": 47, "fits": 8}),
        ({}, {"GPU not named": 48, "fits": 6, "GPU type not there": 1}),
        ({"unnamed_type": H200}, {"fits": 54, "GPU type not there": 1}),
    ],
)
def test_public_shapes_on_a_cluster_with_their_gpus(config: dict[str, Any], expected: dict[str, int]) -> None:
    assert fates(replace(PUBLIC, **config)) == expected
    asking = [spec for spec in public_specs() if spec.trainer_sharding_scheme or spec.base_model_weight_precision]
    assert not asking, "the docs say that no bundled shape names a scheme or a precision"
    table = (Path(__file__).parents[2] / "docs" / "SLURM.md").read_text()
    row = "| ".join(("", *(f"{expected.get(word, 0)} " for word in ("fits", *COLUMNS)), "")).strip()
    assert row in table, row
