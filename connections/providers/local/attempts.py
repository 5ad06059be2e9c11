"""What trainers and samplers of this machine have in common: one is taken, looked at, asked to end, and removed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from connections.providers.attempts import Observation, Reference, Submission
from connections.providers.errors import Rejected, Retryable
from connections.providers.local import observation
from connections.providers.local.asking import HostAway
from connections.providers.local.gpus import gpus_needed
from connections.providers.local.queue import Queue, QueueState
from connections.providers.runs import RunSubmission
from connections.providers.samplers import SamplerSubmission
from connections.providers.trainer_files import files
from connections.providers.trainer_files.job_folders import JobFolders

ILLEGIBLE = (
    "Its files on this machine cannot be read: another release of Slipway wrote them, or they are broken. That release "
    "goes on with it; where it only waits, Cancel ends it."
)


@dataclass(frozen=True)
class LocalAttempts:
    """Those of one queue, `slots` at a time where nothing keeps one empty; `host` is where they are reached.

    `ask` has trainer-host go on with them. Errors: `HostAway`, `Retryable`, `OSError`.
    """

    folders: JobFolders
    slots: int
    host: str
    ask: Callable[[], QueueState]

    @property
    def queue(self) -> Queue:
        """Their tickets."""
        return Queue(self.folders)

    def advance(self) -> QueueState:
        """Have what is due done, and say how they stand; without trainer-host, as far as anybody can tell.

        Errors: `Retryable`.
        """
        try:
            return self.ask()
        except HostAway as away:
            return self.queue.without_host(str(away))

    def take(
        self,
        submission: Submission | SamplerSubmission | RunSubmission,
        *,
        refused: Callable[[], Sequence[str]],
        busy: str,
    ) -> None:
        """Take it; `busy` is said where the one before is not over.

        It is started once it is looked at, or the others are. Errors: `Rejected` with what `refused` says, `Retryable`.
        """
        reference = submission.reference
        if self.queue.holds(reference.account, reference.job):
            self.advance()  # one that died is over by this
        with self.queue.turn():
            directory = self.folders.place_for(submission)
            if not directory.exists():
                if reasons := refused():
                    raise Rejected(" ".join(reasons))
                if self.queue.holds(reference.account, reference.job):
                    raise Retryable(busy)
                self.queue.append(reference, self.folders.write(submission, directory))

    def observe(self, reference: Reference, *, lost: str) -> Observation:
        """The state right now; also starts what waits for a slot that has become free.

        `lost` is said of one whose end could not be noted yet. Errors: `Gone`, `Retryable`.
        """
        directory = self.folders.find(reference)
        standing = self.advance()
        if (directory / files.EXIT).exists():
            return observation.ended(directory, files.read_json(directory / files.EXIT) or {})
        if reference in standing.unreadable:
            raise Retryable(ILLEGIBLE)
        if reference in standing.waiting and not (directory / files.CANCELLED).exists():
            ahead = standing.waiting.index(reference)
            held_up = standing.held_up
            if standing.gpus_held_up and gpus_needed(directory):
                held_up = held_up or standing.gpus_held_up
            return observation.waiting(directory, ahead, self.slots, held_up)
        if reference in standing.unsettled and not standing.away:
            raise Retryable(lost)
        seen = observation.live(directory, self.host)
        return replace(seen, detail=standing.held_up) if reference in standing.unsettled else seen

    def ask_to_end(self, reference: Reference) -> None:
        """Ask for the end of one that is not over. Errors: `Gone`, `Retryable`."""
        directory = self.folders.find(reference)
        if not (directory / files.EXIT).exists():
            files.mark(directory / files.CANCELLED)  # which its wrapper looks for, and trainer-host tells it at once
            self.advance()

    def remove(self, account: str, job: str, *, keep_checkpoints: bool, busy: str) -> None:
        """Remove a job of which nothing runs, but for its checkpoints where these are to be kept.

        Errors: `Retryable` with what `busy` says while something does.
        """
        self.advance()
        with self.queue.turn():
            if self.queue.holds(account, job):
                raise Retryable(busy)
            self.folders.remove(account, job, keep_checkpoints=keep_checkpoints)
        self.folders.empty_trash()
