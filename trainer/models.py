"""The models a trainer holds: the base weights, and what clients made of them.

A POLICY_TRAINER gives each client a full copy of the base; a LORA_TRAINER keeps one frozen base and adds one adapter a
client; a frozen reference model is the base itself. All calls come from the one thread that runs operations.
"""

# mypy: allow-untyped-calls

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from torch.distributed.fsdp import FSDPModule
from transformers import AutoModelForCausalLM

from trainer.config import BFLOAT16, FLOAT32, FORWARD_ONLY, POLICY, TrainerConfig
from trainer.errors import OperationError
from trainer.facts import BaseFacts, adapted_modules, base_facts
from trainer.held import HeldModel
from trainer.memory import FLOAT, TRAINED_COPIES, Plan, available_bytes, checkpoint_layers, size_of
from trainer.ranks.adapted import as_if_whole, check_adapted, divide_adapter
from trainer.ranks.alike import check_alike
from trainer.ranks.group import ALONE, Group
from trainer.ranks.sharding import COMPUTE, load_sharded
from trainer.ranks.shareable import check_shareable, check_shared
from trainer.sessions import Sessions
from trainer.wire import CreateModel

T = TypeVar("T")
MODELS_AT_ONCE = 64
"""Of those that are trained: what comes first is the end of the memory."""


class ModelHost:
    """Loads the base and makes, finds and drops the models of clients: on every rank the same, in the same order."""

    def __init__(self, config: TrainerConfig, sessions: Sessions, device: torch.device, group: Group = ALONE) -> None:
        self._config = config
        self._group = group
        self.in_bfloat16 = (config.precision or default_precision(device)) == BFLOAT16
        self._sessions = sessions
        self.directory = Path()
        self._unused: Any = None
        self._shared: Any = None
        self._models: dict[str, HeldModel] = {}
        self.device = device
        self.plan: Plan | None = None
        self.told_peak = 0

    def load(self, directory: Path) -> BaseFacts:
        """Load the base from a Hugging Face model directory.

        Raises OSError or ValueError where it is not one, OperationError where ranks cannot share its sequences as they
        are to, ConfigError where they cannot share its layers.
        """
        self.directory = directory
        check_shareable(directory, self._group.context)
        self._unused = self._load_base()
        if self._config.trainer_mode != FORWARD_ONLY:
            check_alike(self._unused, self._group, self.compute)
        with self.in_precision():
            found = base_facts(self._unused, self.compute)
        # All ranks have to divide what they are sent alike.
        why = next(filter(None, self._group.gather(found.padded)), "")
        self.facts = replace(found, padded=why)
        with self.in_precision():
            check_shared(self._unused, self._group, why, self.compute)
        self._rest(self._unused)
        return self.facts

    def get(self, model_id: str) -> HeldModel:
        """The model of that id. Raises OperationError 404."""
        model = self._models.get(model_id)
        if model is None:
            raise OperationError(
                f"There is no model {model_id[:80]} here: it was unloaded, or the trainer restarted.", 404
            )
        model.last_used = time.monotonic()
        return model

    def models(self) -> Iterable[HeldModel]:
        return self._models.values()

    def modules(self) -> Iterator[Any]:
        """All that have weights of their own, in use or not."""
        held = (self._unused, self._shared, *(model.module for model in self._models.values()))
        return (module for module in held if module is not None)

    @contextmanager
    def active(self, model: HeldModel) -> Iterator[Any]:
        """The module to call for `model`: with its adapter switched on, or with none where it is the bare base."""
        try:
            with self._switched_to(model) as module:
                yield module
        finally:
            self._rest(model.module if model.module is not None else self._shared)

    def _rest(self, module: Any) -> None:
        """A pass without gradients leaves what is outside of layers whole, and the next step would not reach that."""
        if isinstance(causal := _causal(module), FSDPModule):
            causal.reshard()

    @contextmanager
    def _switched_to(self, model: HeldModel) -> Iterator[Any]:
        if model.module is not None:
            yield model.module
        elif model.rank:
            self._shared.set_adapter(model.id)
            yield self._shared
        elif isinstance(self._shared, PeftModel):
            # What was active last may be deleted by now, and peft looks it up on the way in and out.
            self._shared.set_adapter(next(iter(self._shared.peft_config)))
            with self._shared.disable_adapter():
                yield self._shared
        else:
            yield self._shared

    def compute(self, module: Any, function: Callable[[], T]) -> T:
        """What the function computes with the module, in the precision of passes; what it needs is whole meanwhile."""
        with self.in_precision():
            return getattr(_causal(module), COMPUTE)(function) if self._group.size > 1 else function()

    def in_precision(self) -> torch.autocast:
        """The precision of passes, for a module that is called as a whole."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.in_bfloat16)

    def create(self, request: CreateModel) -> HeldModel:
        """Make a model from the base weights. Raises OperationError where the launch does not allow it."""
        check_create(request, self._config)
        name, seed, unwanted = self._group.agree(lambda: self._decide(request))
        for each in unwanted:
            self.unload(each)
        if seed is not None:
            torch.manual_seed(seed)
        model = HeldModel(name, request.session_id)
        if self._config.trainer_mode == POLICY and not request.base_only:
            model.module = self._take_base().requires_grad_(True)
            model.parameters = list(model.module.parameters())
        else:
            self._shared = self._shared if self._shared is not None else self._take_base()
            if request.rank and not request.base_only:
                self._add_adapter(model, request)
        self._models[model.id] = model
        return model

    def unload(self, model_id: str) -> None:
        model = self.get(model_id)
        del self._models[model_id]
        if not model.rank:
            return
        if len(self._shared.peft_config) > 1:
            self._shared.delete_adapter(model_id)
        else:
            self._shared = self._shared.unload()

    def _decide(self, request: CreateModel) -> tuple[str, int | None, list[str]]:
        """What all ranks have to do alike: the model's id, its seed, and which models make room for it."""
        # Adapters are whole on every rank, and have to begin as the same there.
        seed = random.getrandbits(32) if request.seed is None and self._group.size > 1 else request.seed
        return f"model-{uuid.uuid4().hex[:12]}", seed, self._in_the_way(request)

    def _in_the_way(self, request: CreateModel) -> list[str]:
        """Where the trainer is full, models of clients that went away, the longest unused first.

        Raises OperationError where that makes no room.
        """
        unwanted: list[str] = []
        while short := self._shortage(request, unwanted):
            silent = [
                model
                for model in self._models.values()
                if model.trainable
                and model.id not in unwanted
                and self._sessions.is_silent(model.session_id, model.last_used)
            ]
            if not silent:
                raise OperationError(f"{short} Unload a model (unload_model), then try again.")
            unwanted.append(min(silent, key=lambda model: model.last_used).id)
        return unwanted

    def _shortage(self, request: CreateModel, without: list[str]) -> str:
        """Why there is no room for one more model without those; empty where there is.

        Frozen ones take none but the base's.
        """
        trained = [model for model in self._models.values() if model.trainable and model.id not in without]
        needed = self._needed_bytes(request)
        if needed and len(trained) >= MODELS_AT_ONCE:
            return f"This trainer holds {MODELS_AT_ONCE} models that are trained already."
        free = available_bytes(self.device) - sum(model.promised_bytes for model in trained)
        free += sum(self._models[name].held_bytes for name in without)
        # The first one may try, for a plan is no more than that; and where it was too much already, it says nothing.
        if trained and self.plan is not None and self.plan.fits:
            free -= self.plan.memory.passes
        if not needed or needed <= free:
            return ""
        room = f"{size_of(max(0, free))} of the memory are free beside what passes take"
        return f"Another model takes {size_of(needed)}, and {room}."

    def _needed_bytes(self, request: CreateModel) -> int:
        """What it takes with its gradients and the moments of its optimizer, beyond what is loaded already."""
        whole = self.facts.parameters * FLOAT // self._group.size
        weights = 0 if self._unused is not None else whole
        if self._config.trainer_mode == POLICY and not request.base_only:
            return weights + whole * (TRAINED_COPIES - 1)
        shared = weights if self._shared is None else 0
        if not request.rank or request.base_only:
            return shared
        each = sum(self.facts.linear[name] for name in adapted_modules(self.facts, request))
        return shared + each * request.rank * FLOAT * TRAINED_COPIES

    def _add_adapter(self, model: HeldModel, request: CreateModel) -> None:
        places = adapted_modules(self.facts, request)
        config = LoraConfig(
            r=request.rank, lora_alpha=request.alpha, lora_dropout=0.0, target_modules=places, task_type="CAUSAL_LM"
        )
        is_divided = self._group.mesh.scheme.tensor > 1
        if is_divided:
            check_adapted(_causal(self._shared), places)
        with as_if_whole(_causal(self._shared)) if is_divided else nullcontext():
            if isinstance(self._shared, PeftModel):
                self._shared.add_adapter(model.id, config)
            else:
                self._shared = get_peft_model(self._shared, config, adapter_name=model.id)
        if is_divided:
            divide_adapter(_causal(self._shared), model.id, self._group)
        self._shared.set_adapter(model.id)
        self._settle(self._shared)
        model.rank, model.alpha = request.rank, request.alpha
        model.parameters = [parameter for parameter in self._shared.parameters() if parameter.requires_grad]

    def _take_base(self) -> Any:
        """Base weights that nobody else uses: those loaded at the start, once; afterwards a fresh load."""
        module, self._unused = self._unused, None
        return module if module is not None else self._load_base()

    def _load_base(self) -> Any:
        trained = self._config.trainer_mode == POLICY
        dtype = torch.float32 if trained or self.device.type == "cpu" else "auto"
        if self._group.size > 1:
            module = load_sharded(self.directory, self._group.mesh, dtype, in_bfloat16=self.in_bfloat16)
        else:
            module = AutoModelForCausalLM.from_pretrained(self.directory, local_files_only=True, dtype=dtype)
            module.to(self.device)
        # Evaluation mode throughout: a loss that a client differentiates must not depend on dropout. What is sharded
        # keeps for good whether it has gradients.
        return self._settle(module.requires_grad_(trained and self._group.size > 1))

    def _settle(self, module: Any) -> Any:
        """Evaluation mode, but for what decides that layers are computed again."""
        module.eval()
        if self.plan is not None and self.plan.checkpointing:
            checkpoint_layers(_causal(module))
        return module


def _causal(module: Any) -> Any:
    """The model of transformers, with the adapters that are in it."""
    return module.get_base_model() if isinstance(module, PeftModel) else module


def default_precision(device: torch.device) -> str:
    """Processors are slower in bfloat16 than in float32, or no faster."""
    return FLOAT32 if device.type == "cpu" else BFLOAT16


def check_create(request: CreateModel, config: TrainerConfig) -> None:
    """Raise OperationError where the launch fixed something other than what is asked for."""
    if request.base_model not in (config.base_model, config.adapter):
        raise OperationError(
            f"This trainer was launched with base model {config.base_model}, not {request.base_model[:200]}."
        )
    if request.base_only or request.rank == 0:
        return
    asked = f"lora_config.rank is {request.rank}, but this trainer was launched"
    if config.trainer_mode == POLICY:
        raise OperationError(
            f"{asked} from a policy shape and trains all parameters. Use rank 0, or launch a LoRA shape."
        )
    if config.trainer_mode == FORWARD_ONLY:
        raise OperationError(f"{asked} from a forward-only shape and trains nothing. Use rank 0 or base_only.")
    if request.rank > config.lora_rank:
        raise OperationError(f"{asked} with LoRA rank {config.lora_rank}. Use a rank up to that.")
