"""What trainers and samplers of this machine have in common: one is taken, looked at, asked to end, and removed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from connections.providers.base import Observation, Reference, Rejected, Retryable, Submission
from connections.providers.local import observation, processes
from connections.providers.local.queue import Queue
from connections.providers.runs import RunSubmission
from connections.providers.samplers import SamplerSubmission
from connections.providers.trainer_files import files
from connections.providers.trainer_files.job_folders import JobFolders


@dataclass(frozen=True)
class LocalAttempts:
    """Those of one queue, `slots` at a time where nothing keeps one empty; `bind` and `host` are as the provider's.

    `queue` is asked for within the turn: how many it may start can have changed while that was waited for.
    """

    folders: JobFolders
    queue: Callable[[], Queue]
    slots: int
    bind: str
    host: str

    def take(
        self,
        submission: Submission | SamplerSubmission | RunSubmission,
        *,
        refused: Callable[[], Sequence[str]],
        busy: str,
    ) -> None:
        """Take it, and start it where a slot is free; `busy` is said where the one before is not over.

        Errors: `Rejected` with what `refused` says, `Retryable`.
        """
        reference = submission.reference
        with self.queue().turn():
            queue = self.queue()
            directory = self.folders.place_for(submission)
            if not directory.exists():
                if reasons := refused():
                    raise Rejected(" ".join(reasons))
                queue.advance()
                if queue.holds(reference.account, reference.job):
                    raise Retryable(busy)
                queue.append(reference, self.folders.write(submission, directory))
            queue.advance()

    def observe(self, reference: Reference, *, shortage: Callable[[], str], lost: str) -> Observation:
        """The state right now; also starts what waits for a slot that has become free.

        `shortage` tells why a slot stays empty, `lost` is said of one whose end could not be noted yet. Errors: `Gone`,
        `Retryable`.
        """
        directory = self.folders.find(reference)
        with self.queue().turn():
            standing = self.queue().advance()
        if (directory / files.EXIT).exists():
            return observation.ended(directory, files.read_json(directory / files.EXIT) or {})
        if reference in standing.waiting:
            return observation.waiting(directory, standing.waiting.index(reference), self.slots, shortage())
        if reference in standing.unsettled:
            raise Retryable(lost)
        return observation.live(directory, self.host, self.bind)

    def ask_to_end(self, reference: Reference) -> None:
        """Ask for the end of one that is not over. Errors: `Gone`."""
        directory = self.folders.find(reference)
        if not (directory / files.EXIT).exists():
            files.mark(directory / files.CANCELLED)  # first: a wrapper that is just starting looks for it
            processes.ask_wrapper(directory)

    def remove(self, account: str, job: str, *, keep_checkpoints: bool, busy: str) -> None:
        """Remove a job of which nothing runs, but for its checkpoints where these are to be kept.

        Errors: `Retryable` with what `busy` says while something does.
        """
        with self.queue().turn():
            queue = self.queue()
            queue.advance()
            if queue.holds(account, job):
                raise Retryable(busy)
            self.folders.remove(account, job, keep_checkpoints=keep_checkpoints)
        self.folders.empty_trash()
