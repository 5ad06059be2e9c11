"""`python -m trainer.count CONFIG.json`: how many tokens the rows of a dataset have, by a model's own tokenizer.

CONFIG.json holds dataset (a path), base_model (its resource name), model_directory (null for a demo model),
model_cache, and samples: a path where the first rows are written as the model reads them (`recipes.marked`), as the
`rows` of a JSON object; null for nowhere. Nothing is written but there, and no weights are loaded.

The last line of the output is a JSON object {reason, message}, with COMPLETED also rows, tokens, longest and counts:
counts[n] are the rows shorter than 2**n tokens that are not in a smaller one. Exit codes: 0 COMPLETED; 1 REFUSED, where
the same will never do; 2 for a bad CONFIG.json; 3 ERROR.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trainer.errors import ConfigError, OperationError
from trainer.program_config import read_program_config
from trainer.recipes.formats import Formatter
from trainer.recipes.marked import marked
from trainer.recipes.rows import Rows

EXIT_CODES = {"COMPLETED": 0, "REFUSED": 1, "BAD_CONFIG": 2, "ERROR": 3}
BATCH = 256
"""Rows that are encoded at a time."""
MOST_SHOWN = 3
"""Rows that are written as the model reads them."""
_NO_LIMIT = sys.maxsize


@dataclass
class TokenCount:
    """What was counted. A preference pair is as long as its longer answer after the prompt."""

    rows: int = 0
    tokens: int = 0
    longest: int = 0
    counts: list[int] = field(default_factory=lambda: [0] * 32)

    def add(self, length: int) -> None:
        """One row more."""
        self.rows, self.tokens, self.longest = self.rows + 1, self.tokens + length, max(self.longest, length)
        self.counts[min(length.bit_length(), 31)] += 1


def count_tokens(rows: Rows, tokenizer: Any, base_model: str) -> TokenCount:
    """Count those of all rows, as the recipes write them and before anything is cut. Raises DatasetError."""
    formatter, counted = Formatter(tokenizer, base_model, _NO_LIMIT), TokenCount()
    for indexes in _batches(len(rows)):
        written = [formatter.written(rows.read(index), rows.line(index)) for index in indexes]
        texts = [text for sequences in written for sequence in sequences for text in sequence.texts]
        encoded = tokenizer.backend_tokenizer.encode_batch_fast(texts, add_special_tokens=False)
        lengths = iter([len(each.ids) for each in encoded])
        for sequences in written:
            counted.add(max(each.added + sum(next(lengths) for _ in each.texts) for each in sequences))
    return counted


def _batches(rows: int) -> Iterator[range]:
    return (range(start, min(start + BATCH, rows)) for start in range(0, rows, BATCH))


def main(arguments: list[str]) -> int:
    os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1")
    told: dict[str, Any] = {}
    try:
        told = vars(count(read_config(arguments)))
        reason, message = "COMPLETED", f"{told['rows']:,} rows, {told['tokens']:,} tokens."
    except ConfigError as error:
        reason, message = "BAD_CONFIG", str(error)
    except OperationError as error:
        reason, message = "REFUSED", error.detail
    except Exception as error:
        reason, message = "ERROR", f"{type(error).__name__}: {' '.join(str(error).split())[:500]}"
    print(json.dumps({"reason": reason, "message": message} | told), flush=True)
    return EXIT_CODES[reason]


def count(config: dict[str, Any]) -> TokenCount:
    """Count by the configuration. Raises OperationError where the dataset or the tokenizer will never do."""
    # Seconds of imports, of which a bad configuration needs none.
    from transformers import AutoTokenizer  # noqa: PLC0415

    from trainer.tiny_model import base_directory  # noqa: PLC0415

    given = Path(config["model_directory"]) if config["model_directory"] else None
    directory = base_directory(given, Path(config["model_cache"]), config["base_model"])
    tokenizer = AutoTokenizer.from_pretrained(directory, local_files_only=True)
    if not tokenizer.is_fast:
        raise OperationError(f"{config['base_model']} has no tokenizer.json, by which its tokens are counted.")
    rows = Rows(Path(config["dataset"]), None)
    counted = count_tokens(rows, tokenizer, config["base_model"])
    if path := config["samples"]:
        formatter = Formatter(tokenizer, config["base_model"], _NO_LIMIT)
        shown = [marked(formatter, rows.read(index), rows.line(index)) for index in range(min(MOST_SHOWN, len(rows)))]
        Path(path).write_text(json.dumps({"rows": shown}), encoding="ascii")
    return counted


def read_config(arguments: list[str]) -> dict[str, Any]:
    """CONFIG.json. Raises ConfigError."""
    return read_program_config("count", arguments, _check)


def _check(config: dict[str, Any]) -> None:
    config.setdefault("samples", None)  # which Slipways before this one did not name
    optional = [config[name] or "none" for name in ("model_directory", "samples")]
    texts = [config["dataset"], config["base_model"], config["model_cache"], *optional]
    if not all(isinstance(text, str) and text for text in texts):
        raise ConfigError("Every field of CONFIG.json has to be a text; model_directory and samples may be null.")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
