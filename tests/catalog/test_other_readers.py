"""What export writes is the same to every reader of YAML: PyYAML (1.1), ruamel.yaml (1.2) and npm's yaml (both)."""

from __future__ import annotations

import functools
import json
import shutil
import subprocess
from dataclasses import replace
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from catalog.files.document import ModelFacts
from catalog.files.export import write_document
from catalog.files.reader import read_document
from catalog.files.yaml_readings import readings, stays_text
from embedded.checks import find_node
from embedded.console import Trouble
from embedded.home import ROOT
from tests.catalog.test_document import GOOD

WORDS = """
    7e12345 1e3 1E3 1e+3 1.5e3 -1e-5 08 09 010 007 0o7 0O7 0b1 0B1 0x1F 0X1f -0x1 1_000 1__0 _ __ 1:00 1:00:00
    1:30.5 190:20:30 y Y n N yes Yes YES no No off Off on ON true True TRUE false null Null ~ NULL . .. -. +.
    .5 5. -.5 +.5 5.e3 .inf -.Inf .NaN .nan nan inf NaN Infinity -Infinity 2024-01-01 2024-01-01T10:00:00Z
    2024-1-1 2024-1-1T1:00:00
    12:30 1.10 0.383.0 1.2.3 0 -0 +0 00 +1 -1 1e 1e+ e5 = << - -- --- ... ? ?a : a:b :a # a#b & * ! |
    > % @ ` { } [ ] , 99999999999999999999 0.1e400 0x 0o 0b 1,000 1a 0xg
"""
TEXTS = [
    *WORDS.split(),
    "",
    " ",
    " a",
    "a ",
    "a: b",
    "2024-1-1 10:00:00",
    "2024-01-01 10:00:00 +1",
    "a #b",
    "- a",
    "'a'",
    '"a"',
    "a\\b",
    "\\u00e9",
    "\xa0a",
    "\u3000",
    "\U0001f680",
    "é",
]
NODE = """
import {parse} from 'yaml';
let text = '';
for await (const piece of process.stdin) text += piece;
console.log(JSON.stringify([parse(text, {version: '1.1'}), parse(text, {version: '1.2'})]));
"""


def exported(texts: list[str]) -> str:
    """A document that has each text as the family of a model."""
    document = read_document(GOOD, source="good.yaml")
    model = document.models[0]
    return write_document(
        replace(document, models=tuple(replace(model, facts=ModelFacts(title="t", family=text)) for text in texts))
    )


def families(tree: Any) -> list[object]:
    return [model["family"] for model in tree["models"]]


@functools.cache
def node() -> str:
    """The program; "" where there is none, or npm's yaml is not installed beside it."""
    try:
        path, _ = find_node()
    except Trouble:
        return ""
    return (shutil.which("node", path=path) or "") if (ROOT / "node_modules/yaml").is_dir() else ""


def test_every_tricky_text_is_a_text_to_readers_of_both_versions() -> None:
    text = exported(TEXTS)
    assert families(yaml.safe_load(text)) == TEXTS
    assert families(YAML(typ="safe", pure=True).load(text)) == TEXTS


def test_and_to_the_reader_of_another_language() -> None:
    if not node():
        pytest.skip("There is no Node, or `npm install` was not run (./run check does).")
    text = exported(TEXTS)
    done = subprocess.run(
        [node(), "--input-type=module", "-e", NODE], input=text, cwd=ROOT, capture_output=True, text=True, check=True
    )
    old, new = json.loads(done.stdout)
    assert families(old) == families(new) == TEXTS
    assert old == new == yaml.safe_load(text)


LETTERS = st.text(st.sampled_from("0123456789+-._:eExXoObByYnN~=aT"), min_size=1, max_size=8)


@settings(max_examples=40)
@given(st.lists(LETTERS | st.text(st.characters(exclude_categories=["Cs", "Cc"])), min_size=1, max_size=20))
def test_so_is_any_other_text(texts: list[str]) -> None:
    text = exported(texts)
    assert families(yaml.safe_load(text)) == families(YAML(typ="safe", pure=True).load(text)) == texts


@settings(max_examples=100)
@given(LETTERS)
def test_our_reading_of_version_1_1_is_pyyamls_but_for_its_shorter_booleans(text: str) -> None:
    try:
        read = yaml.safe_load(f"[{text}]")[0]
    except (yaml.YAMLError, ValueError):
        return
    if text not in ("y", "Y", "n", "N", "=") and not isinstance(read, dict):
        assert (type(readings(text).old), str(readings(text).old)) == (type(read), str(read))


@pytest.mark.parametrize("text", ["qwen3p5-9b", "LORA_TRAINER", "0.383.0", "a b", "Qwen 3.5 9B", "30m", "1h30m"])
def test_plain_texts_stay_bare(text: str) -> None:
    assert stays_text(text)
    assert f"family: {text}\n" in exported([text])
