"""What a sampler process does with its life: load, serve, end. Heavy imports come while the server listens already."""

from __future__ import annotations

import logging
import time

from sampler.config import VLLM, SamplerConfig
from sampler.engine import Engine
from sampler.holdings import Holdings
from sampler.records import Records
from sampler.server import SamplerApi, make_app
from sampler.vllm_engine import VllmEngine
from trainer.outcome import Ending
from trainer.process import ServingProcess
from trainer.sessions import Sessions

log = logging.getLogger(__name__)


class SamplerRuntime:
    def __init__(self, config: SamplerConfig, token: str) -> None:
        self.config = config
        self.process = ServingProcess(config.directory, config.host, config.port)
        self.sessions = Sessions()
        self.records = Records(config.directory)
        self.api = SamplerApi(config, self.records)
        self._token = token
        self._engine: Engine | None = None

    def run(self) -> Ending:
        """Serve until something ends the process; write exit-reason.json and return why."""
        ending = self.process.run(make_app(self.api, self._token, self.sessions), self._load, self._check)
        self.records.write(now=True)
        if self._engine:
            self._engine.close()
        return ending

    def _check(self) -> None:
        opened = self.api.opened
        if opened and (failure := opened.engine.failure()):
            self.process.outcome.end("ERROR", failure)
        if opened is None or sum(opened.engine.occupied()):
            self.sessions.touch()
        elif self.config.inactivity_timeout_s and self.sessions.idle_seconds > self.config.inactivity_timeout_s:
            self.process.outcome.end(
                "INACTIVE", f"No call for {self.config.inactivity_timeout_s:g} s (the inactivity timeout)."
            )
        self.records.write()

    def _load(self) -> None:
        try:
            self._open()
        except Exception as error:
            self.process.fail("The model could not be loaded", error)

    def _open(self) -> None:
        from sampler.tokenizer import Tokenizer  # noqa: PLC0415  # see above
        from trainer.tiny_model import base_directory  # noqa: PLC0415

        started = time.monotonic()
        config = self.config
        engine = self._engine = self._open_engine()
        log.info("loading model %s", config.model_directory or f"{config.base_model} (demo)")
        directory = base_directory(config.model_directory, config.model_cache, config.base_model)
        holdings = Holdings(config, engine, self.records.note_load)
        holdings.open(directory)
        self.api.open(engine, holdings, Tokenizer(directory))
        log.info("ready after %.1f s, vocabulary %d", time.monotonic() - started, engine.vocabulary)

    def _open_engine(self) -> Engine:
        if self.config.engine == VLLM:
            return VllmEngine(self.config)
        from sampler.transformers_engine import TransformersEngine  # noqa: PLC0415  # see above
        from trainer.devices import choose_device  # noqa: PLC0415

        device = choose_device()
        log.info("computing on %s", device)
        return TransformersEngine(self.config, device)
