"""`python -m trainer.merge CONFIG.json`: an adapter folded into its base, as a Hugging Face directory of its own.

CONFIG.json holds base_model (its resource name), model_directory (null for a demo model), model_cache, adapter (the
directory of a PEFT adapter, which anybody may have made) and output (an empty directory). Nothing else is written to.

The last line of the output is a JSON object {reason, message}. Exit codes: 0 COMPLETED; 1 REFUSED, where the same will
never do; 2 for a bad CONFIG.json; 3 ERROR.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from trainer.errors import ConfigError, OperationError
from trainer.program_config import read_program_config

EXIT_CODES = {"COMPLETED": 0, "REFUSED": 1, "BAD_CONFIG": 2, "ERROR": 3}
_PATHS = ("model_cache", "adapter", "output")


def main(arguments: list[str]) -> int:
    os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1", TOKENIZERS_PARALLELISM="false")
    try:
        reason, message = "COMPLETED", merge(read_config(arguments))
    except ConfigError as error:
        reason, message = "BAD_CONFIG", str(error)
    except OperationError as error:
        reason, message = "REFUSED", error.detail
    except Exception as error:
        reason, message = "ERROR", f"{type(error).__name__}: {' '.join(str(error).split())[:500]}"
    print(json.dumps({"reason": reason, "message": message}), flush=True)
    return EXIT_CODES[reason]


def merge(config: dict[str, Any]) -> str:
    """Write the merged model and return one sentence. Raises OperationError where the adapter is not of this base."""
    # Seconds of imports, of which a bad configuration needs none.
    from trainer.adapters import read_adapter  # noqa: PLC0415
    from trainer.devices import choose_device  # noqa: PLC0415
    from trainer.export import write_merged  # noqa: PLC0415
    from trainer.tiny_model import ensure_tiny_model  # noqa: PLC0415

    adapter = read_adapter(Path(config["adapter"]))
    if adapter.base_model != config["base_model"]:
        raise OperationError(f"The adapter is of base model {adapter.base_model[:200]}, not {config['base_model']}.")
    choose_device()  # for its quiet, and its modest share of the cores
    given = config["model_directory"]
    base = Path(given) if given else ensure_tiny_model(Path(config["model_cache"]), config["base_model"])
    precision = write_merged(base, adapter, Path(config["output"]))
    return f"Merged {len(adapter.modules)} modules of rank {adapter.rank}, in {precision}."


def read_config(arguments: list[str]) -> dict[str, Any]:
    """CONFIG.json, whose output is an empty directory. Raises ConfigError."""
    return read_program_config("merge", arguments, _check)


def _check(config: dict[str, Any]) -> None:
    texts = [config["base_model"], *(config[name] for name in _PATHS)]
    if not all(isinstance(text, str) and text for text in (*texts, config["model_directory"] or "none")):
        raise ConfigError("Every field of CONFIG.json has to be a text; model_directory may be null.")
    if any(Path(config["output"]).iterdir()):
        raise ConfigError(f"The folder {config['output']} is not empty; the merged model gets a fresh one.")


if __name__ == "__main__":
    code = main(sys.argv[1:])
    # Threads inside torch cannot be asked to stop, and everything that must last is written.
    os._exit(code)
