"""Recipes that run on this machine beside a trainer that may be anywhere: processes under the trainers' supervisor.

A run lives in <root>/runs/jobs/<account>/<job>/attempts/<number>/, in slots of its own. Where we are root it has a user
that nothing else has. What it is, and its environment, is in run_programs.py.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from connections.providers.attempts import Observation, Reference
from connections.providers.errors import Retryable
from connections.providers.local import plan, processes, recipe_environments
from connections.providers.local.datasets import LocalDatasets, forget_copies, let_read
from connections.providers.local.faults import faults
from connections.providers.local.gpus import Gpus
from connections.providers.local.part import OWN, LocalPart
from connections.providers.local.reach import PASSED_BY_ALL
from connections.providers.local.run_programs import RunProgram, config_of, program_of
from connections.providers.local.users import RUNS, JobUser
from connections.providers.local.wording import said_of
from connections.providers.official import Checkout
from connections.providers.runs import RecipeEnvironment, RunProgress, RunSpec, RunSubmission
from connections.providers.telemetry import MetricPage
from connections.providers.trainer_files import files, records, run_files
from connections.providers.trainer_files.job_folders import JobFolders

_of_recipe = partial(said_of, "recipe", limit="SLIPWAY_RECIPE_MEMORY_GB")


@dataclass(frozen=True, kw_only=True)
class LocalRuns(LocalPart):
    """Those of recipes; `package` is the directory of the package `runner`.

    `gpus` are those that trainers share: recipes see none of them.
    """

    trainer_environment: Path
    datasets: Path
    gpus: Gpus
    least_free_bytes: int

    def start(self, submission: RunSubmission) -> None:
        """Take the run, and start it where a slot is free. Errors: `NotYet`, `Rejected`, `Retryable`."""
        with faults():
            LocalDatasets(self.datasets, self._folders, self.least_free_bytes).bring(submission)
            self._attempts.take(
                submission, refused=list, busy=f"The recipe of {submission.reference.job} that ran before is not over."
            )
            self._attempts.advance()

    def observe(self, reference: Reference) -> Observation:
        """The state right now; also starts what waits for a slot that has become free. Errors: `Gone`, `Retryable`."""
        lost = "The recipe is gone; how it ended could not be noted yet: is the disk full?"
        with faults():
            found = self._attempts.observe(reference, lost=lost)
        told = tuple(replace(line, message=_of_recipe(line.message)) for line in found.progress)
        return replace(found, detail=_of_recipe(found.detail), progress=told)

    def progress(self, reference: Reference) -> RunProgress:
        """What its four files say. Errors: `Gone`, `Retryable`."""
        with faults():
            return run_files.read_progress(files.records_of(self._folders.find(reference)))

    def records(self, reference: Reference, offset: int) -> MetricPage:
        """What it put on record as a trainer does, from the offset on. Errors: `Gone`, `Retryable`."""
        with faults():
            return records.read_metrics(files.records_of(self._folders.find(reference)) / run_files.METRICS, offset)

    def forget_data(self, reference: Reference) -> None:
        """Remove the job's copies of datasets, where no run of it is under way. Errors: `Gone`, `Retryable`."""
        with faults():
            self._attempts.advance()
            queue = self._attempts.queue
            with queue.turn():
                if not queue.holds(reference.account, reference.job):
                    forget_copies(self._folders.job_directory(reference.account, reference.job))

    def delete(self, account: str, job: str) -> None:
        """Remove all files of a job's runs, of which none is under way. Errors: `Retryable`."""
        with faults():
            self._attempts.remove(account, job, keep_checkpoints=False, busy=f"The recipe of {job} is not over yet.")

    def environment(self, checkout: Checkout) -> RecipeEnvironment:
        """How that of the checkout's commit stands. Errors: `Retryable`."""
        with faults():
            return recipe_environments.look_at(recipe_environments.environment_of(checkout, self.root))

    def keep_environments(self, checkouts: Sequence[Checkout]) -> None:
        """Remove all environments but those of the checkouts, and of what is under way. Errors: `Retryable`."""
        with faults():
            with self._attempts.queue.turn():
                needed = [*checkouts, *self._under_way()]
                recipe_environments.set_aside(
                    self.root, [recipe_environments.environment_of(each, self.root) for each in needed]
                )
            recipe_environments.empty(self.root)

    def _under_way(self) -> Iterator[Checkout]:
        """Those whose recipes run or wait for a slot. Errors: `Retryable` where that cannot be told."""
        queue = self._attempts.queue
        for reference in queue.references():
            try:
                recorded = json.loads((queue.directory(reference) / files.SUBMISSION).read_bytes())
                checkout = RunSpec.from_json(recorded["spec"]).checkout
            except (ValueError, KeyError, TypeError) as error:
                words = f"What recipe {reference.job} runs cannot be read, so no environment is removed."
                raise Retryable(words) from error
            if checkout is not None:
                yield checkout

    @property
    def _folders(self) -> JobFolders:
        return run_folders(self.root)

    def _begin(self, directory: Path) -> int:
        """Start the wrapper of a run. Errors: `OSError`, `Retryable`."""
        recorded = json.loads((directory / files.SUBMISSION).read_bytes())
        spec, reference = RunSpec.from_json(recorded["spec"]), Reference(**recorded["reference"])
        for name in OWN:
            files.make_directory(directory / name)
        files.write_json(directory / files.CONFIG, config_of(spec, reference, directory, self.trainer_environment))
        program = program_of(spec, self.root, self.trainer_environment)
        obstacle = self.users.obstacle()
        user = None if obstacle else self._user(directory)
        commands = plan.make_plan(
            os.environ,
            directory,
            self.package,
            program.environment,
            self.grace_seconds,
            user,
            obstacle,
            limits=self.limits.in_force(self.root),
            reached=(self.root, *program.reached, self.package, *self.users.needed),
        )
        files.write_json(directory / files.PLAN, commands | self._commands(directory, program, commands))
        return processes.start_wrapper(directory, plan.wrapper_environment(os.environ))

    def _commands(self, directory: Path, program: RunProgram, usual: dict[str, Any]) -> dict[str, Any]:
        """What is other than for a trainer: how the environment is made, what runs in it, and where it writes."""
        folder = files.records_of(directory)
        written = {name: str(folder / file) for name, file in run_files.VARIABLES.items()}
        return {
            "prepare": program.prepare_command(self.package),
            "trainer": program.command(self.package, directory),
            "folders": [str(directory)],
            "trainer_variables": {
                **usual["trainer_variables"],
                **self.gpus.variables([]),
                **written,
                "HOME": str(directory / files.HOME),
                "PYTHONPATH": program.path,
            },
        }

    def _user(self, directory: Path) -> JobUser:
        environments = self.root / recipe_environments.ENVIRONMENTS
        files.make_directory(environments)
        with self.turn():
            environments.chmod(PASSED_BY_ALL)
            self._let_pass(directory)
            user = self.users.lend(directory, "", own=OWN)
            job_directory = directory.parent.parent
            job_directory.chmod(PASSED_BY_ALL)
            let_read(job_directory, user)
            return user


def run_folders(root: Path) -> JobFolders:
    """Where recipes of the provider with that root lie."""
    return JobFolders(root / RUNS, "among the recipes of this machine")
