"""Samplers on this machine: processes under the same supervisor as trainers, in slots of their own.

A replica lives in <root>/samplers/jobs/<account>/<deployment>/attempts/<start>/. Where we are root it has a user that
nothing else has and the group of its account's trainers, whose weights it reads and cannot write.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from connections.providers.attempts import Observation, Reference
from connections.providers.local import capability, plan, processes
from connections.providers.local.faults import faults
from connections.providers.local.gpus import Gpus
from connections.providers.local.part import OWN, LocalPart
from connections.providers.local.users import SAMPLERS, JobUser
from connections.providers.local.wording import said_of
from connections.providers.samplers import KeptSampler, SamplerRecordPage, SamplerSpec, SamplerSubmission
from connections.providers.trainer_files import files, values
from connections.providers.trainer_files.job_folders import JobFolders
from connections.providers.trainer_files.records import LONGEST_IDENTITY
from wire.counts import quantity
from wire.names import CROSS_JOB, is_id, parse_model_name

ENGINES: dict[str | None, str] = {None: "transformers", "TRANSFORMERS": "transformers"}
"""By the engine of a shape what the sampler calls it, of those that run without a GPU."""
CACHE_TOKENS = 32_768
"""Whose keys and values a sampler holds at least; one sequence has to fit."""
USUAL_RANK, MOST_RANK = 128, 1024
"""Of an adapter: what a sampler takes whatever it starts with, and what it takes at all."""
LOADED = "loaded.json"
"""By the sampler, in its records: what it loaded last."""


@dataclass(frozen=True, kw_only=True)
class LocalSamplers(LocalPart):
    """Those of deployments, which listen on `bind`; `package` is the directory of the package `sampler`.

    `gpus` are those that trainers share: samplers see none of them.
    """

    bind: str
    places: capability.ModelPlaces
    environment: Path
    gpus: Gpus
    least_free_bytes: int = 0

    def fits(self, spec: SamplerSpec, replicas: int) -> Sequence[str]:
        """Why they cannot run here; empty where they can."""
        return list(self._reasons(spec, replicas))

    def _reasons(self, spec: SamplerSpec, replicas: int) -> Iterator[str]:
        if not self.package.is_dir():
            yield "This Slipway has no sampler yet, so this machine runs none."
        if spec.gpus:
            yield f"The deployment shape needs {quantity(spec.gpus, 'GPU')} a replica; samplers here run without."
        if spec.engine not in ENGINES:
            yield f"The deployment shape serves with {spec.engine}; this machine serves with TRANSFORMERS."
        if replicas > 1:
            yield f"It asks for {replicas} replicas; this machine runs one of a deployment: ask for 1 at most."
        try:
            capability.coming_directory(self.places, spec.base_model)
        except FileNotFoundError as error:
            yield str(error)
        if spec.lora_rank > MOST_RANK:
            yield f"The adapter is of rank {spec.lora_rank}; samplers here take {MOST_RANK} at most: promote it merged."
        if spec.snapshot and not self._has(spec):
            yield f"{spec.snapshot} is not on this machine (any more): choose other weights."

    def start(self, submission: SamplerSubmission) -> None:
        """Take the replica, and start it where a slot is free. Errors: `Rejected`, `Retryable`."""
        with faults():
            self._attempts.take(
                submission,
                refused=lambda: self.fits(submission.spec, 1),
                busy=f"The sampler of {submission.reference.job} that ran before is not over yet.",
            )
            self._attempts.advance()

    def observe(self, reference: Reference) -> Observation:
        """The state right now; also starts what waits for a slot that has become free. Errors: `Gone`, `Retryable`."""
        lost = "The sampler is gone; how it ended could not be noted yet: is the disk full?"
        with faults():
            found = self._attempts.observe(reference, lost=lost)
            serving, seconds = self._serving(reference)
            return replace(found, detail=said_of("sampler", found.detail), serving=serving, load_seconds=seconds)

    def _has(self, spec: SamplerSpec) -> bool:
        """Whether its snapshot lies here; what a trainer saves by a bare name is looked for by the sampler alone."""
        account = spec.deployment.split("/")[1]
        if model := parse_model_name(spec.snapshot):
            return model[0] == account and (self.places.made / account / model[1]).is_dir()
        job, _, name = spec.snapshot.removeprefix(CROSS_JOB).partition("/")
        if not spec.snapshot.startswith(CROSS_JOB) or not (is_id(job) and is_id(name)):
            return True
        return (self.root / "jobs" / account / job / files.SAMPLER / name).is_dir()

    def _serving(self, reference: Reference) -> tuple[str, float | None]:
        """The identity of what its sampler loaded last, and the seconds that this took."""
        told = files.read_json(files.records_of(self._folders.find(reference)) / LOADED) or {}
        identity, seconds = told.get("identity"), values.finite(told.get("seconds"))
        return values.plain(identity[:LONGEST_IDENTITY]) if isinstance(identity, str) else "", seconds

    def delete(self, account: str, deployment: str) -> None:
        """Remove all files of a deployment of which nothing runs. Errors: `Retryable` while something does."""
        busy = f"A sampler of {deployment} is not over yet."
        with faults():
            self._attempts.remove(account, deployment, keep_checkpoints=False, busy=busy)

    def list_references(self) -> Sequence[Reference]:
        """Every start that is not over. Errors: `Retryable`."""
        with faults():
            return self._attempts.queue.references()

    def kept(self, reference: Reference) -> KeptSampler:
        """What it was started with, as far as its file can be read. Errors: `Gone`, `Retryable`."""
        with faults():
            recorded = files.read_json(self._folders.find(reference) / files.SUBMISSION)
        try:
            spec = SamplerSpec(**recorded["spec"]) if recorded else None
        except (KeyError, TypeError):  # another release wrote it
            spec = None
        return KeptSampler(spec.deployment_shape_version, spec.trainer_job, spec.gpus) if spec else KeptSampler()

    def records(self, reference: Reference, after: int) -> SamplerRecordPage:
        """At most 1,000 records from the byte offset on. Errors: `Gone`, `Retryable`."""
        with faults():
            return self._folders.sampler_records(reference, after)

    @property
    def _folders(self) -> JobFolders:
        return sampler_folders(self.root)

    def _begin(self, directory: Path) -> int:
        """Start the wrapper of a replica. Errors: `OSError`, `Retryable`."""
        recorded = json.loads((directory / files.SUBMISSION).read_bytes())
        spec, account = SamplerSpec(**recorded["spec"]), recorded["reference"]["account"]
        for name in OWN:
            files.make_directory(directory / name)
        files.write_json(directory / files.CONFIG, self._config(directory, spec, account))
        obstacle = self.users.obstacle()
        user = None if obstacle else self._user(directory, account)
        package, hub = self.package.parent / "trainer", self.places.hub
        download = hub.command(spec.base_model, directory, self.environment, package, self.least_free_bytes)
        commands = plan.make_plan(
            os.environ,
            directory,
            package,
            self.environment,
            self.grace_seconds,
            user,
            obstacle,
            limits=self.limits.in_force(self.root),
            reached=(
                self.root,
                self.places.made,
                self.package,
                *self.users.needed,
                *capability.linked_folders(self.places, spec.base_model),
            ),
            program=self.package.name,
            download=download,
        )
        commands["trainer_variables"] |= self.gpus.variables([])
        files.write_json(directory / files.PLAN, commands | {"folders": [str(directory)]})
        return processes.start_wrapper(directory, plan.wrapper_environment(os.environ), hub.told(download))

    def _user(self, directory: Path, account: str) -> JobUser:
        with self.turn():
            self.users.open_account(account)
            self._let_pass(directory)
            user = self.users.lend(directory, account, own=OWN)
            self.users.share(self.places.made / account, user.account_group)
            return user

    def _config(self, directory: Path, spec: SamplerSpec, account: str) -> Mapping[str, Any]:
        """What the sampler is told, see its config.py."""
        model = capability.coming_directory(self.places, spec.base_model)
        return {
            "directory": str(directory / files.RECORDS),
            "deployment": spec.deployment,
            "base_model": spec.base_model,
            "model_directory": str(model) if model else None,
            "model_cache": str(directory / files.HOME / "model-cache"),
            "jobs_root": str(self.root / "jobs" / account),
            "models_root": str(self.places.made / account),
            "trainer_job": spec.trainer_job or None,
            "snapshot": spec.snapshot or None,
            "max_lora_rank": max(USUAL_RANK, spec.lora_rank),
            "engine": ENGINES[spec.engine],
            "max_context_length": spec.max_context_length,
            "cache_tokens": max(CACHE_TOKENS, spec.max_context_length),
            "inactivity_timeout_s": spec.inactivity_timeout_seconds,
            "host": self.bind,
            "port": 0,
        }


def sampler_folders(root: Path) -> JobFolders:
    """Where samplers of the provider with that root lie."""
    return JobFolders(root / SAMPLERS, "among the samplers of this machine")
