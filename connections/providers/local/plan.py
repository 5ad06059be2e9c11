"""What a submission becomes: the wrapper's commands, the environment that they see.

Written when the attempt starts, not when it is submitted: so a queue goes on after an upgrade, or where the state
folder was moved to.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from connections.providers.local.users import ROOT, UMASK, JobUser
from connections.providers.trainer_files import files

USER_NAME = "trainer"

# Nothing else of the worker's environment reaches a trainer: that holds the database's address and the secret key.
_NAMES = frozenset(
    [
        "PATH",
        "HOME",
        "USER",
        "LOGNAME",
        "LANG",
        "LANGUAGE",
        "TZ",
        "TMPDIR",
        "LD_LIBRARY_PATH",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "SLIPWAY_SUPERVISED_BY",  # by which ./run finds what has not stopped when it does
    ]
)
_PREFIXES = ("LC_", "CUDA_", "NVIDIA_", "OMP_", "MKL_", "TORCH_", "PYTORCH_")
# Only for making the environment: package indexes and proxies, which may hold passwords.
_PREPARE_NAMES = frozenset(
    ["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "REQUESTS_CA_BUNDLE", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"]
)
_PREPARE_PREFIXES = ("PIP_", "UV_")


def wrapper_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """What of our environment the wrapper gets."""
    allowed = {name: value for name, value in environment.items() if _is_basic(name) or _is_for_preparation(name)}
    return allowed | {"PYTHONUNBUFFERED": "1"}


def make_plan(
    environment: Mapping[str, str],
    directory: Path,
    trainer_package: Path,
    trainer_environment: Path,
    grace_seconds: float,
    user: JobUser | None,
    obstacle: str,
    reached: Iterable[Path],
    limits: Mapping[str, int],
    program: str = "",
    download: Sequence[str] = (),
) -> dict[str, Any]:
    """What the wrapper in `directory` runs, see wrapper.py. Without a user, because of the obstacle, it has ours.

    `reached` is what the user has to get to, `limits` is what limits.py says, `program` the module that runs
    where it is another than the trainer's package itself; `download` has the base model brought here before.
    """
    interpreter = trainer_environment / "bin" / "python"
    return {
        "prepare": [sys.executable, str(trainer_package / "prepare.py"), str(trainer_environment)],
        "download": list(download),
        "prepare_only": sorted(filter(_is_for_preparation, environment)),
        "trainer": [str(interpreter), "-m", program or trainer_package.name, str(directory / files.CONFIG)],
        "cwd": str(trainer_package.parent),
        "grace_seconds": grace_seconds,
        "limits": dict(limits),
        "folders": [
            str(directory),
            *(str(directory.parent.parent / name) for name in (files.CHECKPOINTS, files.SAMPLER)),
        ],
        "user": {"uid": user.uid, "account_group": user.account_group, "umask": UMASK} if user else None,
        "reached": [str(path) for path in reached] if user else [],
        "note": f"The trainer runs as root, because {obstacle}" if obstacle and os.geteuid() == ROOT else "",
        "trainer_variables": _homely(directory / files.HOME) if user else {},
    }


def _homely(home: Path) -> dict[str, str]:
    """What libraries ask the passwd file for where no variable tells them. No other trainer reads these folders."""
    return {"HOME": str(home), "TMPDIR": str(home), "USER": USER_NAME, "LOGNAME": USER_NAME}


def _is_basic(name: str) -> bool:
    return name in _NAMES or name.startswith(_PREFIXES)


def _is_for_preparation(name: str) -> bool:
    return name.upper() in _PREPARE_NAMES or name.startswith(_PREPARE_PREFIXES)
