"""What a trainer process does with its life: load, serve (and drive itself where there is a recipe), end.

Operations run in one thread, the recipe in another. Heavy imports happen in the thread that loads the model, while the
server listens already.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer.checkpoints import Checkpoints
from trainer.config import TrainerConfig
from trainer.durable import write_json
from trainer.errors import OperationError
from trainer.outcome import Ending
from trainer.process import ServingProcess
from trainer.recipes import declared
from trainer.server import make_app
from trainer.service import Service
from trainer.sessions import Sessions
from trainer.work import Work

if TYPE_CHECKING:
    from trainer.operations.parts import Parts

log = logging.getLogger(__name__)


class Runtime:
    def __init__(self, config: TrainerConfig, token: str) -> None:
        self.config = config
        self.process = ServingProcess(config.directory, config.host, config.port)
        self.sessions = Sessions(self._note_session)
        self.work = Work()
        self.checkpoints = Checkpoints(config.checkpoints, config.jobs_root, config.job)
        self.service = Service(config, self.checkpoints)
        self._token = token
        self._recipe_running = config.recipe != "none"

    def run(self) -> Ending:
        """Serve until something ends the process; write exit-reason.json and return why."""
        app = make_app(self.service, self.work, self.sessions, self._token)
        return self.process.run(app, self._load, self._check)

    def _note_session(self) -> None:
        write_json(self.config.directory / "session.json", {"opened": True})

    def _check(self) -> None:
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

        try:
            parts, directory = load_parts(self.config, self.checkpoints, self.sessions)
        except Exception as error:
            self.process.fail("The model could not be loaded", error)
            return
        self.service.open(parts, run_operation)
        log.info("ready")
        if self._recipe_running:
            self._run_recipe(parts, directory)

    def _run_recipe(self, parts: Parts, model_directory: Path) -> None:
        from trainer.recipes.driver import Driver  # noqa: PLC0415  # see _load
        from trainer.recipes.sample import SampleRecipe  # noqa: PLC0415
        from trainer.recipes.tuning import Tuning  # noqa: PLC0415

        outcome = self.process.outcome
        driver = Driver(self.config, self.checkpoints, self._call)
        try:
            if self.config.recipe not in declared.NAMES:
                message = SampleRecipe(driver, model_directory).run()
            else:
                message = Tuning.open(driver, parts, model_directory, self._wait_for).run()
        except OperationError as error:
            outcome.end("ERROR", f"Recipe {self.config.recipe} stopped: {error.detail}")
        except Exception as error:
            self.process.fail(f"Recipe {self.config.recipe} failed", error)
        else:
            outcome.end("COMPLETED", message)

    def _call(self, operation: str, body: dict[str, Any]) -> dict[str, Any]:
        """One operation through the same queue that clients use, waited for."""
        return self._wait_for(operation, self.service.prepare(operation, body))

    def _wait_for(self, operation: str, run: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        request_id = self.work.submit(operation, run)
        ticket = self.work.ticket(request_id)
        try:
            return ticket.future.result()
        finally:
            ticket.mark_fetched()
