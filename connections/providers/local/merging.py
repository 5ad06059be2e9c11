"""An adapter folded into its base: a process of the trainer's environment, under a user as a trainer is.

Who made the adapter is not trusted: it is copied to a folder of its own, and what the process leaves there is taken
over as plain files.
"""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path
from typing import Any

from connections.providers.errors import Rejected, Retryable
from connections.providers.local.lent import LentProcess
from connections.providers.trainer_files import reading

ADAPTER, OUTPUT = "adapter", "output"
ADAPTER_FILES = ("adapter_config.json", "adapter_model.safetensors")
SECONDS = 1800.0
FILE_MODE = 0o644


def merge(process: LentProcess, base_model: str, adapter: Path, target: Path, seconds: float = SECONDS) -> None:
    """Fill the target, an empty folder, with the merged model.

    Errors: `Rejected`, where the same will never do; `Retryable`, `OSError`.
    """
    if any(target.iterdir()):
        raise Rejected(f"The folder {target} is not empty; a merged model gets a fresh one.")

    def fill(directory: Path) -> dict[str, Any]:
        _copy_adapter(adapter, directory / ADAPTER)
        return {"adapter": str(directory / ADAPTER), "output": str(directory / OUTPUT)}

    with process.ended("merge", base_model, fill, seconds, own=(OUTPUT,)) as (directory, _):
        _take_over(directory / OUTPUT, target)


def _copy_adapter(source: Path, target: Path) -> None:
    """Copy the files that an adapter is made of, following no link. Errors: `Rejected`, `OSError`."""
    target.mkdir(mode=0o700)
    for name in ADAPTER_FILES:
        try:
            with reading.open_regular(source / name) as original, (target / name).open("xb") as copy:
                shutil.copyfileobj(original, copy)
        except FileNotFoundError:
            raise Rejected(f"There is no adapter: {name} is missing.") from None


def _take_over(output: Path, target: Path) -> None:
    """Move what was written, which has to be regular files, and make it ours. Errors: `Retryable`, `OSError`."""
    for path in sorted(output.iterdir()):
        if not stat.S_ISREG(path.lstat().st_mode):
            raise Retryable("The merge left something that is no file.")
        moved = target / path.name
        shutil.move(path, moved)
        os.chown(moved, os.geteuid(), os.getegid(), follow_symlinks=False)
        moved.chmod(FILE_MODE)
