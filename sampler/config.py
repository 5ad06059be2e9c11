"""What one sampler process is told: CONFIG.json, read and checked before anything heavy is imported."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any

from trainer.errors import ConfigError

TRANSFORMERS, VLLM = "transformers", "vllm"
ENGINES = (TRANSFORMERS, VLLM)


@dataclass(frozen=True, kw_only=True)
class SamplerConfig:
    """CONFIG.json, field by field. Paths are absolute.

    directory            this attempt's own files: endpoint.json, metrics.jsonl, exit-reason.json
    deployment           accounts/ACCOUNT/deployments/ID: the model that clients name
    base_model           resource name of the weights that are loaded first and that adapters are of
    model_directory      a Hugging Face model directory; None: base_model is a demo model, made or found in model_cache
    jobs_root            parent of the account's job directories: snapshot NAME of job JOB is jobs_root/JOB/sampler/NAME
    trainer_job          the job whose snapshots are meant where a hot load names none
    models_root          the models of the account: accounts/ACCOUNT/models/ID is models_root/ID, where models_root is
                         named like the account; None: there are none
    snapshot             what is loaded before the process is ready: NAME, JOB/NAME or accounts/ACCOUNT/models/ID
    engine               transformers, or vllm (a server of its own, in the environment of vllm_command)
    vllm_command         what starts vLLM's server, without its options
    max_context_length   tokens of prompt and completion, at most
    max_batch_size       sequences that are computed together
    max_sequences        sequences that are computed or wait; what comes beyond is told to come again
    cache_tokens         tokens whose keys and values are held at once
    max_adapters         adapters that are held at once; the one not asked for longest makes room
    max_lora_rank        of an adapter
    inactivity_timeout_s seconds without a call (probes excepted) after which the process stops itself; None: never
    port                 0: any free one; endpoint.json says which
    """

    directory: Path
    deployment: str
    base_model: str
    jobs_root: Path
    model_cache: Path
    model_directory: Path | None = None
    models_root: Path | None = None
    trainer_job: str | None = None
    snapshot: str | None = None
    engine: str = TRANSFORMERS
    vllm_command: tuple[str, ...] = ("vllm", "serve")
    max_context_length: int = 2048
    max_batch_size: int = 32
    max_sequences: int = 256
    cache_tokens: int = 32_768
    max_adapters: int = 4
    max_lora_rank: int = 128
    inactivity_timeout_s: float | None = None
    host: str = "127.0.0.1"
    port: int = 0


_PATHS = ("directory", "jobs_root", "model_cache", "model_directory", "models_root")
_TEXTS = ("deployment", "base_model", "trainer_job", "snapshot", "host")
_INTEGERS = {
    "max_context_length": (1, 10_000_000),
    "max_batch_size": (1, 1024),
    "max_sequences": (1, 100_000),
    "cache_tokens": (1, 2**40),
    "max_adapters": (1, 256),
    "max_lora_rank": (1, 1024),
    "port": (0, 65535),
}
_NULLABLE = ("model_directory", "models_root", "trainer_job", "snapshot", "inactivity_timeout_s")


def load_config(path: Path) -> SamplerConfig:
    """Read CONFIG.json. Raises ConfigError naming the first field that is wrong."""
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"Cannot read {path}: {error.strerror}.") from error
    except ValueError as error:
        raise ConfigError(f"{path} is not JSON: {error}.") from error
    if not isinstance(raw, dict):
        raise ConfigError(f"{path} must hold one JSON object.")
    return parse_config(raw)


def parse_config(raw: Mapping[str, Any]) -> SamplerConfig:
    """Check a decoded CONFIG.json. Raises ConfigError naming the first field that is wrong."""
    known = {field.name: field for field in fields(SamplerConfig)}
    if unknown := sorted(set(raw) - set(known)):
        raise ConfigError(f"Unknown field {', '.join(unknown)}; known are {', '.join(known)}.")
    if missing := [name for name, field in known.items() if field.default is MISSING and name not in raw]:
        raise ConfigError(f"Missing field {', '.join(missing)}.")
    config = SamplerConfig(**{name: _value(name, value) for name, value in raw.items()})
    if config.cache_tokens < config.max_context_length:
        raise ConfigError(
            f"cache_tokens {config.cache_tokens} must be at least max_context_length {config.max_context_length}: "
            "one sequence has to fit."
        )
    return config


def _value(name: str, value: Any) -> Any:
    if value is None and name in _NULLABLE:
        return None
    if name in _PATHS or name in _TEXTS:
        if not isinstance(value, str) or not value:
            raise ConfigError(f"{name} must be a text that is not empty, not {value!r}.")
        if name in _PATHS and not Path(value).is_absolute():
            raise ConfigError(f"{name} must be an absolute path, not {value!r}.")
        return Path(value) if name in _PATHS else value
    if name in _INTEGERS:
        low, high = _INTEGERS[name]
        if type(value) is not int or not low <= value <= high:
            raise ConfigError(f"{name} must be a whole number from {low} to {high}, not {value!r}.")
        return value
    if name == "engine":
        if value not in ENGINES:
            raise ConfigError(f"engine must be one of {', '.join(ENGINES)}, not {value!r}.")
        return value
    if name == "vllm_command":
        if not isinstance(value, list) or not value or not all(isinstance(word, str) and word for word in value):
            raise ConfigError(f"vllm_command must be a list of texts that is not empty, not {value!r}.")
        return tuple(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value) or value <= 0:
        raise ConfigError(f"{name} must be a number above 0, not {value!r}.")
    return float(value)
