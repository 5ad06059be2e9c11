"""What a connection of the kind `slurm` says."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from connections.providers.configs import one_of, positive, setting
from connections.providers.data_directories import data_directories_setting
from connections.providers.slurm.login import (
    HOST_KEY_EXAMPLE,
    LOGIN_EXAMPLE,
    Login,
    parse_login,
    read_host_key,
    read_login,
)
from connections.providers.trainer_files.base_models import directories_setting
from connections.providers.unnamed import NO_TYPE, TypeQuestion

DIRECT, TUNNEL = WAYS = ("directly", "through the login node")
MOUNTED, OVER_SSH = FILES = ("mounted here", "over ssh")
GRES_EXAMPLE = "NVIDIA_H100_80GB = gpu:h100"
IMAGE_EXAMPLE = "docker://registry.internal/trainer:{tag}"
APPTAINER, PYXIS = "apptainer", "pyxis"
ONE, SEVERAL = "one", "several"
_IMAGE = re.compile(r"([A-Za-z0-9_/.][A-Za-z0-9_./:@#+-]*)?(\{tag\}[A-Za-z0-9_./:@#+-]*)?")
_GRES = re.compile(r"gpu(:[A-Za-z0-9_.-]{1,64})?")
_TYPE = re.compile(r"[A-Z0-9_]{1,64}")
_WORD = re.compile(r"[A-Za-z0-9_.@%+-]{1,100}")
_HOST = re.compile(r"[A-Za-z0-9._:-]*(\{node\}[A-Za-z0-9._:-]*)?")
_MOST_MINUTES = 365 * 24 * 60


def read_word(written: str) -> str:
    """A name of Slurm's, or "". Errors: `ValueError`."""
    text = written.strip()
    if text and not _WORD.fullmatch(text):
        raise ValueError("use the name as Slurm has it: letters, digits, and _ . @ % + -")
    return text


def read_path(written: str) -> str:
    """A whole path, or "". Errors: `ValueError`."""
    path = PurePosixPath(written.strip())
    if written.strip() and (not path.is_absolute() or ".." in path.parts or re.search(r"[\0\n'\"\\]", written)):
        raise ValueError("use a whole path, such as /shared/slipway")
    return str(path) if written.strip() else ""


def read_image(written: str) -> str:
    """An image as Apptainer or Pyxis takes it, in which {tag} may stand once, or "". Errors: `ValueError`."""
    if not _IMAGE.fullmatch(written.strip()):
        raise ValueError(f"use an image such as {IMAGE_EXAMPLE}, in which {{tag}} may stand once")
    return written.strip()


def read_gres(written: str) -> str:
    """Lines TYPE = GRES, as they are kept. Errors: `ValueError`."""
    pairs: dict[str, str] = {}
    for line in filter(None, map(str.strip, written.splitlines())):
        kind, sign, gres = (word.strip() for word in line.partition("="))
        if not sign or not _TYPE.fullmatch(kind) or not _GRES.fullmatch(gres):
            raise ValueError(f"{line[:80]!r} is no line such as {GRES_EXAMPLE}")
        if pairs.setdefault(kind, gres) != gres:
            raise ValueError(f"{kind} stands there twice, as {pairs[kind]} and as {gres}")
    return "\n".join(f"{kind} = {gres}" for kind, gres in pairs.items())


def read_type(written: str) -> str:
    """A GPU type as shapes name it, `NO_TYPE`, or "". Errors: `ValueError`."""
    text = written.strip()
    if text and text != NO_TYPE and not _TYPE.fullmatch(text):
        raise ValueError(f"use a GPU type as shapes name it, such as NVIDIA_H100_80GB, or {NO_TYPE}")
    return text


def read_minutes(written: str) -> int:
    """Minutes of a time limit. Errors: `ValueError`."""
    minutes = positive(written)
    if minutes > _MOST_MINUTES:
        raise ValueError(f"use at most {_MOST_MINUTES:,} minutes, a year")
    return minutes


def read_reach(written: str) -> str:
    """A host, in which {node} stands for a node's name, or "". Errors: `ValueError`."""
    if not _HOST.fullmatch(written.strip()):
        raise ValueError("use a host name in which {node} may stand once, such as {node}.cluster.internal")
    return written.strip()


@dataclass(frozen=True)
class SlurmConfig:
    """Where jobs go on a cluster, what they get there, and what its nodes see."""

    shared: str = setting(
        "Shared directory",
        "A folder that every node sees under the same path, and this machine, too, or the login node: jobs, logs and "
        "checkpoints lie there.",
        read=read_path,
        required=True,
        placeholder="/shared/slipway",
    )
    login: str = setting(
        "Login node",
        "USER@HOST, where Slurm's programs are run over ssh with the private key below. Empty: on this machine.",
        read=read_login,
        placeholder=LOGIN_EXAMPLE,
    )
    host_key: str = setting(
        "Host key",
        "Of the login node, the only one that is believed. Empty: Test says which one it shows, for you to compare.",
        read=read_host_key,
        placeholder=HOST_KEY_EXAMPLE,
    )
    files: str = setting(
        "Files of the shared directory",
        "Mounted here, or over the ssh of the login node.",
        default=MOUNTED,
        read=one_of(FILES),
        choices=FILES,
    )
    partition: str = setting("Partition", "Empty: the cluster's default.", read=read_word)
    account: str = setting("Slurm account", "What jobs are charged to; empty: the user's default.", read=read_word)
    qos: str = setting("QOS", "Empty: the default.", read=read_word)
    gres: str = setting(
        "GPUs",
        "How Slurm calls each GPU type of shapes: lines TYPE = GRES. Shapes with other types never run here.",
        read=read_gres,
        placeholder=GRES_EXAMPLE,
        is_long=True,
    )
    unnamed_type: str = setting(
        "GPU type where a shape names none",
        f"What to give to shapes that say how many GPUs they need and not which; {NO_TYPE}: they never run here. "
        "Empty: its page asks, once the catalog has such shapes.",
        read=read_type,
        placeholder="NVIDIA_H100_80GB",
    )
    cpus_per_gpu: int = setting("CPUs per GPU", "Also of a shape without GPUs.", default=8, read=positive)
    memory_per_gpu: int = setting("Memory per GPU", "GB; also of a shape without GPUs.", default=64, read=positive)
    time_limit: int = setting("Time limit", "Minutes that Slurm gives a job.", default=24 * 60, read=read_minutes)
    grace: int = setting(
        "Grace",
        "Seconds before the time limit at which a trainer is asked to end. Slurm may be up to a minute early.",
        default=120,
        read=positive,
    )
    environment: str = setting(
        "Trainer's environment",
        "The folder of a Python environment with the trainer's requirements, as nodes see it. Empty: the first job "
        "makes it in the shared directory, for which nodes need a package index.",
        read=read_path,
    )
    setup: str = setting(
        "Before each start",
        "Lines of the job's shell that come before the trainer, such as module load.",
        placeholder="module load python/3.11 cuda/12.8",
        is_long=True,
    )
    image: str = setting(
        "Image",
        "A container image that trainers run in; {tag} stands for the shape's image tag. Empty: in none.",
        read=read_image,
        placeholder=IMAGE_EXAMPLE,
    )
    container: str = setting(
        "Containers by", "What enters the image on a node.", default=APPTAINER, choices=(APPTAINER, PYXIS)
    )
    processes: str = setting(
        "Processes of a trainer",
        "several: one a GPU, as the trainer that comes with Slipway has. one: the image has a trainer that uses one "
        "GPU, and shapes of more never run here.",
        default=SEVERAL,
        choices=(ONE, SEVERAL),
    )
    bind: str = setting(
        "Trainers listen on",
        "The address that trainers bind on their node.",
        default="0.0.0.0",  # noqa: S104
    )
    way: str = setting(
        "Trainers are reached",
        "By web and worker: directly, or by tunnels over the ssh of the login node.",
        default=DIRECT,
        read=one_of(WAYS),
        choices=WAYS,
    )
    reach: str = setting(
        "Nodes are reached at",
        "The host under which they, or the login node, reach a node; {node} stands for its name. Empty: the address "
        "that Slurm has.",
        read=read_reach,
        placeholder="{node}.cluster.internal",
    )
    programs: str = setting(
        "Slurm's programs",
        "The folder that sbatch and the others are in; empty: where PATH finds them, of a shell without a terminal.",
        read=read_path,
        placeholder="/opt/slurm/bin",
    )
    conf: str = setting(
        "slurm.conf",
        "Where Slurm's programs find it where they run; empty: where they look themselves.",
        read=read_path,
    )
    models: str = directories_setting("Where nodes find the weights of base models")
    data_directories: str = data_directories_setting()

    @property
    def gres_by_type(self) -> Mapping[str, str]:
        """By GPU type of shapes, Slurm's word."""
        pairs = (line.partition(" = ") for line in self.gres.splitlines())
        return {kind: gres for kind, _, gres in pairs}

    @property
    def login_node(self) -> Login | None:
        """Where Slurm's programs run; None for this machine."""
        return parse_login(self.login, self.host_key)

    @property
    def type_question(self) -> TypeQuestion | None:
        """Which of its GPUs shapes get that name none, while nobody has said it."""
        types = tuple(self.gres_by_type)
        return TypeQuestion("unnamed_type", types) if types and not self.unnamed_type else None

    def root(self, instance: str) -> str:
        """Our folder in the shared directory."""
        return f"{self.shared}/slipway-{instance}"

    def as_facts(self) -> Mapping[str, Any]:
        """What a person who tests the connection reads of it."""
        return {"Partition": self.partition or "the default", "Shared directory": self.shared}
