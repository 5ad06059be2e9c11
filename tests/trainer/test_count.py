"""Tokens of a dataset are counted as the recipes write its rows, without a model being loaded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from starting import finish_module
from transformers import AutoTokenizer

from trainer.count import BATCH, count_tokens
from trainer.recipes.formats import PREFERENCE, Formatter, format_of
from trainer.recipes.rows import Rows
from trainer.tiny_model import TOKENIZERS

CHAT = "accounts/local/models/tiny-qwen3-chat"
WHY, NO = {"role": "user", "content": "Why not?"}, {"role": "assistant", "content": "No."}
LONG = {"role": "assistant", "content": "Because it is so, and was so, and will be."}
FILES: dict[str, list[dict[str, Any]]] = {
    "chat": [{"messages": [WHY, NO]}, {"messages": [{"role": "system", "content": "Be brief."}, WHY, LONG, WHY, NO]}],
    "completion": [{"prompt": "2+2=", "completion": "4"}, {"prompt": "", "completion": "Über den Wogen"}],
    "preference": [
        {"prompt": "Why?", "chosen": "No.", "rejected": "Because it is so."},
        {"prompt": "Why?", "chosen": [NO], "rejected": [LONG]},
        {"chosen": {"messages": [WHY, LONG]}, "rejected": {"messages": [WHY, NO]}},
    ],
    "text": [{"text": "Once upon a time"}, {"text": "\N{SAILBOAT}"}],
}


def written(folder: Path, rows: list[dict[str, Any]]) -> Path:
    path = folder / "rows.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return path


@pytest.mark.parametrize("name", FILES)
def test_the_tokens_are_those_that_are_trained_on(tmp_path: Path, name: str) -> None:
    tokenizer = AutoTokenizer.from_pretrained(TOKENIZERS / "tiny-qwen3-chat")
    formatter, rows = Formatter(tokenizer, CHAT, 10_000), FILES[name] * BATCH
    lengths = []
    for row in FILES[name]:
        both = formatter.pair(row, 1) if format_of(row, 1) == PREFERENCE else [formatter.sequence(row, 1)]
        lengths.append(max(len(each.tokens) for each in both))
    counted = count_tokens(Rows(written(tmp_path, rows), None), tokenizer, CHAT)
    assert (counted.rows, counted.tokens) == (len(rows), sum(lengths) * BATCH)
    assert (counted.longest, sum(counted.counts)) == (max(lengths), len(rows))
    assert all(counted.counts[length.bit_length()] for length in lengths)


def run(folder: Path, **config: Any) -> tuple[int, dict[str, Any]]:
    given = {"base_model": CHAT, "model_directory": None, "model_cache": str(folder / "cache")} | config
    (folder / "config.json").write_text(json.dumps(given))
    code, lines = finish_module("trainer.count", [str(folder / "config.json")], folder / "log")
    return code, json.loads(lines[-1])


def test_as_a_process_it_tells_what_it_counted_or_why_not(tmp_path: Path) -> None:
    samples = tmp_path / "samples.json"
    code, told = run(tmp_path, dataset=str(written(tmp_path, FILES["chat"] * 2)), samples=str(samples))
    assert (code, told["reason"], told["rows"]) == (0, "COMPLETED", 4)
    rows = json.loads(samples.read_text())["rows"]
    assert [row["line"] for row in rows] == [1, 2, 3]
    parts = rows[1]["sequences"][0]["parts"]
    assert [is_learnt for _, is_learnt in parts] == [False, True, False, True, False], parts
    assert [text for text, is_learnt in parts if is_learnt] == [f"{each['content']}<|im_end|>" for each in (LONG, NO)]
    assert "Be brief." in parts[0][0] and "Why not?" in parts[2][0]
    code, told = run(tmp_path, dataset=str(written(tmp_path, [{"messages": []}])))
    assert (code, told["reason"]) == (1, "REFUSED") and "Line 1" in told["message"]
    assert run(tmp_path)[0] == 2
