"""What a person who tests the connection reads of the cluster, and what it has free."""

from __future__ import annotations

import shlex
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from connections.providers.base import Identity
from connections.providers.capacity import GpuPool
from connections.providers.errors import ProviderError
from connections.providers.slurm.answers import SlurmNode
from connections.providers.slurm.capability import mapped_models
from connections.providers.slurm.client import SlurmClient
from connections.providers.slurm.config import SlurmConfig
from connections.providers.slurm.names import PREFIX
from connections.providers.slurm.trying import read_trial
from connections.providers.trainer_files import files
from wire.counts import quantity

PROBE_SECONDS = 10.0
_PAUSE = 0.1
_PROBE = '#!/bin/sh\nprintf %s "${SLURMD_NODENAME:-$(hostname)}" > {answer}.part && mv {answer}.part {answer}\n'
_MOST_NODES = 10


def identify(
    client: SlurmClient, config: SlurmConfig, root: Path, instance: str, models: Mapping[str, Path]
) -> Identity:
    """The cluster, whether a job would be taken, the shared directory from both sides, and GPUs.

    Errors: `Retryable`, `OSError`.
    """
    asked = _options(config, instance, root)
    facts = [
        *([("Login node", config.login)] if config.login else []),
        ("Cluster", client.setting("ClusterName")),
        ("Slurm", client.version().rpartition(" ")[2]),
        ("Partition", config.partition or "the default"),
        ("A job would", _trial(client, asked)),
        ("Shared directory from here", _writable(root)),
    ]
    seen_by = _probe(client, asked, root)
    if seen_by:
        facts.append(("Shared directory from the nodes", f"seen by {seen_by}"))
    nodes = client.nodes()
    facts += [(_label(pool), _free(pool)) for pool in pools(nodes, config)]
    facts += [("Out of service", words) for words in out_of_service(nodes, config)]
    facts += mapped_models(models)
    unknown = () if seen_by else (f"whether the nodes see the shared directory: none did within {PROBE_SECONDS:g} s",)
    return Identity(tuple(facts), unknown)


def pools(nodes: Sequence[SlurmNode], config: SlurmConfig) -> tuple[GpuPool, ...]:
    """GPUs of the connection's partition by type, those that the connection has a word for."""
    ours = list(in_partition(nodes, config))
    found = []
    for kind, gres in config.gres_by_type.items():
        up = [node for node in ours if not node.is_out]
        total, used = (sum(node.gpus_of(gres, used=of_used) for node in up) for of_used in (False, True))
        drained = sum(node.gpus_of(gres) for node in ours if node.is_out)
        found.append(GpuPool(kind, total, max(0, total - used), drained))
    return tuple(found)


def in_partition(nodes: Sequence[SlurmNode], config: SlurmConfig) -> Iterator[SlurmNode]:
    """Those that jobs of the connection may get."""
    return (node for node in nodes if not config.partition or config.partition in node.partitions)


def out_of_service(nodes: Sequence[SlurmNode], config: SlurmConfig) -> list[str]:
    """Each of them that starts nothing, with its reason; of many the first."""
    out = [node for node in in_partition(nodes, config) if node.is_out]
    told = [f"{node.name}: {node.reason or 'no reason given'}" for node in out[:_MOST_NODES]]
    return told + ([f"and {quantity(len(out) - _MOST_NODES, 'more node')}"] if len(out) > _MOST_NODES else [])


def _label(pool: GpuPool) -> str:
    return pool.accelerator_type.replace("_", " ")


def _free(pool: GpuPool) -> str:
    drained = f", {pool.drained} out of service" if pool.drained else ""
    return f"{pool.free} of {pool.total} free{drained}"


def _options(config: SlurmConfig, instance: str, root: Path) -> list[str]:
    """Of a job of one CPU and a minute, in the same place as every launch."""
    asked = {"partition": config.partition, "account": config.account, "qos": config.qos}
    fixed = [f"--job-name={PREFIX}.{instance}.check", "--no-requeue", "--time=1", "--ntasks=1", "--mem=64M"]
    return [
        *fixed,
        f"--chdir={root}",
        "--output=/dev/null",
        *(f"--{name}={word}" for name, word in asked.items() if word),
    ]


def _trial(client: SlurmClient, options: Sequence[str]) -> str:
    try:
        trial = read_trial(client.try_out(options, _PROBE))
    except ProviderError as error:
        return f"not be taken: {error}"
    return "be taken" + (f", from {trial.starts:%Y-%m-%d %H:%M:%S} UTC" if trial.starts else "")


def _writable(root: Path) -> str:
    """Errors: `OSError` where nothing can be written there."""
    files.write_text(root / ".written", "")
    return f"{root} can be written"


def _probe(client: SlurmClient, options: Sequence[str], root: Path) -> str:
    """The node that saw our folder, by a job of a moment; "" where none did in time."""
    answer = root / f".probe-{uuid.uuid4().hex}"
    job_id = ""
    try:
        job_id = client.submit(options, _PROBE.replace("{answer}", shlex.quote(answer.name)))
        deadline = time.monotonic() + PROBE_SECONDS
        while time.monotonic() < deadline:
            any(root.iterdir())  # which has a network file system look anew
            with suppress(FileNotFoundError):
                return answer.read_text()[:64]
            time.sleep(_PAUSE)
    except ProviderError:
        return ""
    finally:
        if job_id:
            with suppress(ProviderError):
                client.cancel(job_id)
        answer.unlink(missing_ok=True)
    return ""
