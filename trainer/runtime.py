"""What a trainer process does with its life: load, serve (and drive itself where there is a recipe), end.

Operations run in one thread, the recipe in another. Heavy imports happen in the thread that loads the model, while the
server listens already.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer.checkpoints import Checkpoints
from trainer.config import TrainerConfig
from trainer.durable import write_json
from trainer.errors import OperationError
from trainer.outcome import Ending
from trainer.process import ServingProcess
from trainer.ranks.crew import Crew
from trainer.ranks.places import RankPlace
from trainer.ranks.roll import LOST_S, Roll, is_lost_connection
from trainer.recipes import declared
from trainer.server import make_app
from trainer.service import Service
from trainer.sessions import Sessions
from trainer.work import Answer, Later, Work

if TYPE_CHECKING:
    from trainer.operations.parts import Parts
    from trainer.ranks.group import Group
    from trainer.service import Runner

log = logging.getLogger(__name__)


class Runtime:
    def __init__(self, config: TrainerConfig, token: str, place: RankPlace, path: Path) -> None:
        """`path` is that of CONFIG.json, which further processes read, too."""
        self.config = config
        self._place = place
        self._path = path
        self._roll = Roll(config.directory, place.rank, place.size)
        self._crew = Crew(place, self._roll)
        self.process = ServingProcess(config.directory, config.host, config.port)
        self.sessions = Sessions(self._note_session)
        self.work = Work()
        self.checkpoints = Checkpoints(config.checkpoints, config.jobs_root, config.job)
        self.service = Service(config, self.checkpoints)
        self._token = token
        self._recipe_running = config.recipe != "none"

    def run(self) -> Ending:
        """Serve until something ends the process; write exit-reason.json and return why."""
        if self._place.size > 1:
            self._roll.call()
            self._crew.start(self._path, self._token)
        app = make_app(self.service, self.work, self.sessions, self._token)
        return self.process.run(app, self._load, self._check)

    def _note_session(self) -> None:
        write_json(self.config.directory / "session.json", {"opened": True})

    def _check(self) -> None:
        if self._place.size > 1 and (lost := self._crew.lost()):
            self.process.outcome.end("ERROR", lost)
        if self._recipe_running or self.work.waiting or not self.service.is_ready:
            self.sessions.touch()
        elif self.sessions.idle_seconds > self.config.inactivity_timeout_s:
            self.process.outcome.end(
                "INACTIVE", f"No call for {self.config.inactivity_timeout_s:g} s (the inactivity timeout)."
            )

    def _load(self) -> None:
        # Seconds of imports: they are made here, while the server listens already and a signal is heard.
        from trainer.loading import load_parts  # noqa: PLC0415
        from trainer.operations.table import run_operation  # noqa: PLC0415
        from trainer.recipes.goes_on import check_adapted  # noqa: PLC0415

        try:
            check_adapted(self.config, self.checkpoints)
        except OperationError as error:
            self.process.outcome.end("ERROR", f"Recipe {self.config.recipe} cannot go on: {error.detail}")
            return
        try:
            group = self._meet()
            parts, directory = load_parts(self.config, self.checkpoints, self.sessions, group)
        except Exception as error:
            self._fail("The model could not be loaded", error)
            return
        self.service.open(parts, run_operation if group.size == 1 else self._lead(group, run_operation))
        log.info("ready")
        if self._recipe_running:
            self._run_recipe(parts, directory)

    def _meet(self) -> Group:
        from trainer.ranks.group import ALONE, Ranks  # noqa: PLC0415  # see _load

        if self._place.size == 1:
            return ALONE
        return Ranks(self._place, self._roll.meeting, self.config.scheme)

    def _lead(self, group: Group, run: Runner) -> Runner:
        """Have each operation run on every rank. Where this one cannot go on, the others wait for ever: all end."""

        def check(name: str, error: BaseException | None) -> None:
            if isinstance(error, Exception) and not isinstance(error, OperationError):
                self._fail(f"Rank 0 of {group.size} failed in {name}", error)

        def lead(name: str, parts: Parts, request: Any) -> Answer | Later:
            group.agree(lambda: (name, request))
            try:
                answer = run(name, parts, request)
            except Exception as error:
                check(name, error)
                raise
            if isinstance(answer, Later):
                answer.answer.add_done_callback(lambda done: check(name, done.exception()))
            return answer

        return lead

    def _fail(self, what: str, error: Exception) -> None:
        """End with that; but where it is only that another rank is gone, `_check` may say first which, and why."""
        if is_lost_connection(error):
            time.sleep(LOST_S)
        self.process.fail(what, error)

    def _run_recipe(self, parts: Parts, model_directory: Path) -> None:
        from trainer.recipes.driver import Driver  # noqa: PLC0415  # see _load
        from trainer.recipes.sample import SampleRecipe  # noqa: PLC0415
        from trainer.recipes.tuning import Tuning  # noqa: PLC0415

        outcome = self.process.outcome
        driver = Driver(self.config, self.checkpoints, self._call)
        try:
            if self.config.recipe not in declared.NAMES:
                message = SampleRecipe(driver, model_directory, parts.host.facts.experts).run()
            else:
                message = Tuning.open(driver, parts, model_directory, self._sample).run()
        except OperationError as error:
            outcome.end("ERROR", f"Recipe {self.config.recipe} stopped: {error.detail}")
        except Exception as error:
            self._fail(f"Recipe {self.config.recipe} failed", error)
        else:
            outcome.end("COMPLETED", message)

    def _call(self, operation: str, body: dict[str, Any]) -> dict[str, Any]:
        """One operation through the same queue that clients use, waited for."""
        return self._wait_for(operation, self.service.prepare(operation, body))

    def _sample(self, request: Any) -> dict[str, Any]:
        return self._wait_for("sample", lambda: self.service.run("sample", request))

    def _wait_for(self, operation: str, run: Callable[[], Answer | Later]) -> dict[str, Any]:
        request_id = self.work.submit(operation, run)
        ticket = self.work.ticket(request_id)
        try:
            return ticket.future.result()
        finally:
            ticket.mark_fetched()
