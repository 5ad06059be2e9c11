"""The models a trainer holds: the base weights, and what clients made of them.

A POLICY_TRAINER gives each client a full copy of the base; a LORA_TRAINER keeps one frozen base and adds one adapter a
client; a frozen reference model is the base itself. All calls come from the one thread that runs operations.
"""

# mypy: allow-untyped-calls

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from torch import nn
from transformers import AutoModelForCausalLM

from trainer.config import FORWARD_ONLY, POLICY, TrainerConfig
from trainer.errors import OperationError
from trainer.logprobs import comes_apart
from trainer.sessions import Sessions
from trainer.wire import CreateModel

MODELS_AT_ONCE = 4


@dataclass
class Accumulated:
    """What forward_backward calls added up since the last optimizer step.

    loss is a sum; longest counts the tokens of the longest sequence; seconds are compute; rewards and told_losses are
    as the loop told them.
    """

    loss: float = 0.0
    loss_tokens: int = 0
    sequences: int = 0
    tokens: int = 0
    longest: int = 0
    seconds: float = 0.0
    passes: int = 0
    rewards: list[float] = field(default_factory=list)
    told_losses: list[float] = field(default_factory=list)


@dataclass
class HeldModel:
    """One model of one client.

    module: its own weights, or None where it uses the shared base. parameters: empty where it is frozen.
    rank, alpha: 0 unless it is an adapter on the shared base; its weights count alpha / rank times.
    """

    id: str
    session_id: str
    module: Any = None
    parameters: list[nn.Parameter] = field(default_factory=list)
    rank: int = 0
    alpha: int = 0
    optimizer: torch.optim.AdamW | None = None
    step: int = 0
    accumulated: Accumulated = field(default_factory=Accumulated)
    last_used: float = field(default_factory=time.monotonic)

    @property
    def trainable(self) -> bool:
        return bool(self.parameters)

    def ensure_optimizer(self) -> torch.optim.AdamW:
        """The AdamW of this model, made on first use; each step sets its own learning rate and moments."""
        if self.optimizer is None:
            self.optimizer = torch.optim.AdamW(self.parameters, weight_decay=0.0)
        return self.optimizer

    def drop_gradients(self) -> None:
        for parameter in self.parameters:
            parameter.grad = None
        self.accumulated = Accumulated()


@dataclass(frozen=True)
class BaseFacts:
    """What is known of the base weights once they are loaded.

    linear: names of its linear modules; output: the name of that which makes the logits. comes_apart: whether that
    makes them alone, so that they need not be made all at once.
    """

    parameters: int
    vocabulary: int
    architecture: str
    linear: tuple[str, ...]
    output: str | None
    comes_apart: bool


class ModelHost:
    """Loads the base and makes, finds and drops the models of clients."""

    def __init__(self, config: TrainerConfig, sessions: Sessions, device: torch.device) -> None:
        self._config = config
        self._sessions = sessions
        self.directory = Path()
        self._unused: Any = None
        self._shared: Any = None
        self._models: dict[str, HeldModel] = {}
        self.device = device

    def load(self, directory: Path) -> BaseFacts:
        """Load the base from a Hugging Face model directory. Raises OSError or ValueError where it is not one."""
        self.directory = directory
        self._unused = self._load_base()
        self.facts = base_facts(self._unused)
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

    @contextmanager
    def active(self, model: HeldModel) -> Iterator[Any]:
        """The module to call for `model`: with its adapter switched on, or with none where it is the bare base."""
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

    def create(self, request: CreateModel) -> HeldModel:
        """Make a model from the base weights. Raises OperationError where the launch does not allow it."""
        check_create(request, self._config)
        self._make_room()
        if request.seed is not None:
            torch.manual_seed(request.seed)
        model = HeldModel(f"model-{uuid.uuid4().hex[:12]}", request.session_id)
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

    def _make_room(self) -> None:
        """Where the trainer is full, drop the model of a client that went away."""
        if len(self._models) < MODELS_AT_ONCE:
            return
        silent = [
            model for model in self._models.values() if self._sessions.is_silent(model.session_id, model.last_used)
        ]
        if not silent:
            raise OperationError(
                f"This trainer holds {MODELS_AT_ONCE} models already. Unload one (unload_model), then try again."
            )
        self.unload(min(silent, key=lambda model: model.last_used).id)

    def _add_adapter(self, model: HeldModel, request: CreateModel) -> None:
        config = LoraConfig(
            r=request.rank,
            lora_alpha=request.alpha,
            lora_dropout=0.0,
            target_modules=adapted_modules(self.facts, request),
            task_type="CAUSAL_LM",
        )
        if isinstance(self._shared, PeftModel):
            self._shared.add_adapter(model.id, config)
        else:
            self._shared = get_peft_model(self._shared, config, adapter_name=model.id)
        self._shared.set_adapter(model.id)
        self._shared.eval()
        model.rank, model.alpha = request.rank, request.alpha
        model.parameters = [parameter for parameter in self._shared.parameters() if parameter.requires_grad]

    def _take_base(self) -> Any:
        """Base weights that nobody else uses: those loaded at the start, once; afterwards a fresh load."""
        module, self._unused = self._unused, None
        return module if module is not None else self._load_base()

    def _load_base(self) -> Any:
        trained = self._config.trainer_mode == POLICY
        dtype = torch.float32 if trained or self.device.type == "cpu" else "auto"
        module = AutoModelForCausalLM.from_pretrained(self.directory, local_files_only=True, dtype=dtype)
        # Evaluation mode throughout: a loss that a client differentiates must not depend on dropout.
        module.to(self.device)  # type: ignore[arg-type]  # its stubs leave out devices
        return module.requires_grad_(False).eval()


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


def base_facts(module: Any) -> BaseFacts:
    output = module.get_output_embeddings()
    linear = {
        name: part
        for name, part in module.named_modules()
        if isinstance(part, nn.Linear) or type(part).__name__ == "Conv1D"
    }
    return BaseFacts(
        parameters=sum(parameter.numel() for parameter in module.parameters()),
        vocabulary=int(module.get_input_embeddings().num_embeddings),
        architecture=str(module.config.model_type),
        linear=tuple(linear),
        output=next((name for name, part in linear.items() if part is output), None),
        comes_apart=comes_apart(module, module.device),
    )


def adapted_modules(facts: BaseFacts, request: CreateModel) -> list[str]:
    """Names of the linear modules that get an adapter, by the parts of the model that the request wants trained."""

    def is_wanted(name: str) -> bool:
        if name == facts.output:
            return request.train_unembed
        return request.train_attn if "attn" in name or "attention" in name else request.train_mlp

    chosen = [name for name in facts.linear if is_wanted(name)]
    if not chosen:
        raise OperationError("lora_config trains nothing: set train_attn, train_mlp or train_unembed.")
    return chosen
