"""Trainers on this machine, as trainer-host starts them: whom, with what GPUs, and what keeps it from starting any.

A trainer lives in <root>/jobs/<account>/<job>/attempts/<number>/. Where we are root it has a user that is its job's.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from connections.providers.local import capability, plan, processes
from connections.providers.local.datasets import let_read
from connections.providers.local.gpus import HELD, Gpus, gpus_needed, slots_taken, spec_of
from connections.providers.local.limits import Limits
from connections.providers.local.queue import Queue
from connections.providers.local.slots import Slots
from connections.providers.local.users import JobUsers
from connections.providers.trainer_files import files
from connections.providers.trainer_files.config import make_config
from connections.providers.trainer_files.job_folders import JobFolders


@dataclass(frozen=True, kw_only=True)
class LocalTrainers:
    """How they are started, `slots` at a time; `package` is the directory of the package `trainer`.

    The rest is as the provider has it.
    """

    root: Path
    slots: int
    bind: str
    places: capability.ModelPlaces
    users: JobUsers
    package: Path
    environment: Path
    gpus: Gpus
    limits: Limits
    grace_seconds: float
    least_free_bytes: int

    @property
    def owned(self) -> Slots:
        """For trainer-host alone."""
        return Slots(
            self._queue,
            self.slots,
            self._begin,
            self._shortage,
            slots_taken,
            gpus_needed,
            lambda: len(self.gpus.free(self._queue)),
            lambda: self.gpus.hidden,
        )

    @property
    def _folders(self) -> JobFolders:
        return trainer_folders(self.root)

    @property
    def _queue(self) -> Queue:
        return Queue(self._folders)

    def _shortage(self) -> str:
        """Why nothing is started now though a slot may be free; "" where there is space enough."""
        files.make_directory(self.root)
        free = shutil.disk_usage(self.root).free
        if free >= self.least_free_bytes:
            return ""
        least = f"{self.least_free_bytes // 1_000_000:,} MB"
        return f"Waiting for space on this machine's disk: {free // 1_000_000:,} MB are free, {least} are needed."

    def _begin(self, directory: Path) -> int:
        """Start the wrapper of an attempt, with paths and rights as they are now. Errors: `OSError`, `Retryable`."""
        job_directory = directory.parent.parent
        files.make_directory(directory / files.RECORDS)
        files.make_directory(job_directory / files.SAMPLER)
        obstacle = self.users.obstacle()
        user = None if obstacle else self.users.of(job_directory)
        spec = spec_of(directory)
        shared = self.places.made / job_directory.parent.name
        if user:
            self.users.share(shared, user.account_group)
            let_read(job_directory, user)
        config = make_config(
            spec,
            directory=directory,
            job_directory=job_directory,
            model_directory=capability.model_path(self.places, spec.base_model),
            model_cache=(directory / files.HOME if user else self.root) / "model-cache",
            models_root=shared,
            bind=self.bind,
            resume_from=self._folders.newest_checkpoint(directory),
        )
        files.write_json(directory / files.CONFIG, config)
        hub = self.places.hub
        download = hub.command(spec.base_model, directory, self.environment, self.package, self.least_free_bytes)
        commands = plan.make_plan(
            os.environ,
            directory,
            self.package,
            self.environment,
            self.grace_seconds,
            user,
            obstacle,
            limits=self.limits.in_force(self.root),
            download=download,
            reached=(
                self.root,
                shared,
                *self.users.needed,
                *capability.linked_folders(self.places, spec.base_model),
            ),
        )
        given = self.gpus.free(self._queue)[: spec.trainer_gpus]
        commands["trainer_variables"] |= self.gpus.variables(given)
        files.write_json(directory / files.PLAN, commands | {HELD: given})
        if user:
            files.make_directory(directory / files.HOME)
            self.users.prepare(directory, user)
        return processes.start_wrapper(directory, plan.wrapper_environment(os.environ), hub.told(download))


def trainer_folders(root: Path) -> JobFolders:
    """Where trainers of the provider with that root lie."""
    return JobFolders(root, "on this machine")
