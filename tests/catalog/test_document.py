"""The reader of catalog documents: strict, with line and field, all errors at once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.enums import AcceleratorType, IdSource
from catalog.files.bundled import BUNDLED_FILES
from catalog.files.document import Document
from catalog.files.export import write_document
from catalog.files.problems import DocumentError
from catalog.files.reader import read_document
from connections.providers.spec import ShardingScheme, TrainerMode

GOOD = """\
account: team-a
models:
  - model: accounts/team-a/models/small
    title: Small
    family: Own
    shapes:
      - id: small-8k
        trainer_mode: LORA_TRAINER
        max_supported_context_length: 8192
        gpus: 2
"""


def read(text: str) -> Document:
    return read_document(text, source="own.yaml")


def complaints(text: str) -> str:
    with pytest.raises(DocumentError) as caught:
        read(text)
    return str(caught.value)


@pytest.mark.parametrize(
    ("written", "tokens"), [("256k", 262_144), ("200K", 204_800), ('"8192"', 8192), ("125k", 125_000)]
)
def test_a_context_is_written_as_pages_show_it(written: str, tokens: int) -> None:
    document = read(GOOD.replace("length: 8192", f"length: {written}"))
    assert document.shapes[0].snapshot.max_supported_context_length == tokens
    assert f"max_supported_context_length: {tokens}\n" in write_document(document)


@pytest.mark.parametrize("written", ["big", "0k", "999999k", "1.5k", "''"])
def test_a_context_that_is_none_is_refused_as_it_stands(written: str) -> None:
    found = complaints(GOOD.replace("length: 8192", f"length: {written}"))
    assert written.strip("'") in found
    assert "max_supported_context_length" in found


def test_the_smallest_document() -> None:
    document = read(GOOD)
    shape = document.models[0].shapes[0]
    assert (document.account_id, document.public) == ("team-a", False)
    assert shape.id_source is IdSource.OWN
    assert shape.snapshot.name == "accounts/team-a/trainingShapes/small-8k"
    assert (shape.snapshot.accelerator_count, shape.snapshot.node_count) == (2, 1)
    assert shape.snapshot.accelerator_type is None
    assert [field.name for field in shape.launch_fields][1] == "lora_rank"


def test_every_optional_key() -> None:
    document = read(
        GOOD.replace("gpus: 2", "nodes: 3")
        + """\
        label: Small LoRA
        description: For trying things out.
        id_source: published
        context_label: 8k
        accelerator_type: NVIDIA_B200_180GB
        weight_precision: BFLOAT16
        image_tag: 0.383.0
        deployment_shape_version: accounts/team-a/deploymentShapes/d/versions/gyiqbrd6
        parallelism: {context: 4, sequence: true}
        launch_fields: {lora_rank: {maximum: 32}, region: null, recipe.epochs: {maximum: 3}}
"""
    )
    shape = document.models[0].shapes[0]
    assert shape.snapshot.gpus == 24
    assert shape.snapshot.accelerator_type is AcceleratorType.NVIDIA_B200_180GB
    assert shape.snapshot.trainer_sharding_scheme == ShardingScheme(context_parallelism=4, sequence_parallelism=True)
    fields = {field.name: field for field in shape.launch_fields}
    assert fields["lora_rank"].maximum == 32
    assert "region" not in fields
    assert (fields["recipe.epochs"].maximum, fields["recipe.epochs"].default) == (3, None)
    again = read(write_document(document)).models[0].shapes[0]
    assert again.launch_fields == shape.launch_fields


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("account: team-a", "account: Team A", "own.yaml:1: account: 'Team A' is no id; use 1 to 63"),
        ("    family: Own\n", "", "own.yaml:3: models[0].family: is missing"),
        (
            "    title: Small",
            "    title: Small\n    tilte: S",
            "own.yaml:5: models[0].tilte: is not known here, where 'S' is given; there are aliases, architecture",
        ),
        ("    title: Small", "    title: 7", "own.yaml:4: models[0].title: 7 is no text"),
        ("LORA_TRAINER", "LORA", "own.yaml:8: models[0].shapes[0].trainer_mode: 'LORA' is none of POLICY_TRAINER"),
        ("8192", "-1", "own.yaml:9: models[0].shapes[0].max_supported_context_length: -1 is no whole number from 1"),
        ("8192", "8192.5", "own.yaml:9: models[0].shapes[0].max_supported_context_length: 8192.5 is no whole number"),
        ("gpus: 2", "gpus: true", "own.yaml:10: models[0].shapes[0].gpus: true is no whole number"),
        ("gpus: 2", "gpus: [2]", "own.yaml:10: models[0].shapes[0].gpus: [2] is no single value; write one"),
        ("gpus: 2", "", "own.yaml:7: models[0].shapes[0].gpus: is missing"),
        (
            "gpus: 2",
            "gpus: 2\n        gpus: 3",
            "own.yaml:11: models[0].shapes[0].gpus: is given twice, as 2 and 3; keep one",
        ),
        (
            "gpus: 2",
            "gpus: 2\n        context_label: 9k",
            "own.yaml:11: models[0].shapes[0].context_label: '9k' does not fit",
        ),
        (
            "models/small",
            "model/small",
            "own.yaml:3: models[0].model: 'accounts/team-a/model/small' is no resource name",
        ),
        (
            "models/small",
            "models/Small.3",
            "'accounts/team-a/models/Small.3' is no resource name: 'Small.3' is no model id; use 1 to 63 characters of "
            "a-z, 0-9 and hyphen, starting and ending with a letter or digit, such as small-3",
        ),
        (
            "accounts/team-a",
            "accounts/team-b",
            "own.yaml:4: models[0].title: accounts/team-b/models/small is another account's, which says this of it",
        ),
        (
            "gpus: 2",
            "gpus: 2\n        launch_fields: {recipe.epochs: {maximum: 101}, recipe.seed: null}",
            "launch_fields.recipe.epochs.maximum: recipe.epochs: maximum 101 is above the common maximum 100",
        ),
        (
            "gpus: 2",
            "gpus: 2\n        launch_fields: {learning_rate: {maximum: 2}}",
            "own.yaml:11: models[0].shapes[0].launch_fields.learning_rate.maximum: learning_rate: maximum 2",
        ),
        (
            "gpus: 2",
            "gpus: 2\n        launch_fields: {node_count: {default: 2}}",
            "own.yaml:11: models[0].shapes[0].launch_fields.node_count: cannot be set for LORA_TRAINER; there are",
        ),
        (
            "gpus: 2",
            "gpus: 2\n        image_tag: 'bad tag:x'",
            "own.yaml:11: models[0].shapes[0].image_tag: 'bad tag:x' cannot be used. Use letters, digits, _, . and -",
        ),
        (
            "gpus: 2",
            "gpus: 2\n        launch_fields: {lora_rank: {default: 1000, maximum: 500}}",
            "lora_rank: maximum 500 is above the common maximum 128",
        ),
        (
            "gpus: 2",
            "gpus: 2\n        launch_fields: {lora_rank: {default: 1000, maximum: 500}}",
            "lora_rank: default 1000 is above the common maximum 128",
        ),
        (
            "title: Small",
            'title: "a\\e[31mRED"',
            "own.yaml:4: models[0].title: 'a\\x1b[31mRED' holds a control character",
        ),
        ("title: Small", 'title: "a\\nb"', "holds a control character, an invisible one or a line break; remove it"),
        ("title: Small", 'title: "Good\\u202egnp.exe"', "models[0].title: 'Good\\u202egnp.exe' holds"),
        ("title: Small", 'title: "   "', "models[0].title: '   ' is blank; write what people shall read"),
        ("    family:", '    section: "a\\u2066"\n    family:', "models[0].section: 'a\\u2066' holds"),
        ("    family:", '    model_type: "a\\u200b"\n    family:', "models[0].model_type: 'a\\u200b' holds"),
        ("team-a\n", 'team-a\ndisplay_name: "Te\\u200bam"\n', "own.yaml:2: display_name: 'Te\\u200bam' holds"),
        (
            "gpus: 2",
            'gpus: 2\n        label: "LoRA \\u202e!laiciffo"',
            "shapes[0].label: 'LoRA \\u202e!laiciffo' holds",
        ),
        (
            "gpus: 2",
            'gpus: 2\n        description: "a\\u202eb"',
            "description: 'a\\u202eb' holds a control character or an",
        ),
        ("gpus: 2", 'gpus: 2\n        deprecated: {message: "a\\u202eb"}', "deprecated.message: 'a\\u202eb' holds"),
        ("gpus: 2", 'gpus: 2\n        launch_fields: {region: {help: "\\u202e"}}', "region.help: region: It holds a"),
        ("models:", "models: {}\nmore:", "own.yaml:2: models: {} is no list of 0 to"),
        ("    shapes:", "    shapes: []\n    more:", "own.yaml:6: models[0].shapes: [] is no list of 1 to"),
        ("account: team-a", "account: [", "not YAML"),
    ],
)
def test_an_error_names_file_line_field_and_remedy(old: str, new: str, complaint: str) -> None:
    assert old in GOOD
    assert complaint in complaints(GOOD.replace(old, new))


def test_a_shape_may_stand_there_only_once() -> None:
    shape = GOOD[GOOD.index("      - id") :]
    told = complaints(GOOD + shape + shape).splitlines()
    assert told == [
        f"own.yaml:{line}: models[0].shapes[{index}].id: small-8k is there already, in line 7; keep one"
        for index, line in ((1, 11), (2, 15))
    ]
    model = GOOD[GOOD.index("  - model") :].replace("small-8k", "other-8k")
    assert complaints(GOOD + model) == (
        "own.yaml:11: models[1].model: accounts/team-a/models/small is there already, in line 3; keep one"
    )


def test_all_errors_are_told_at_once() -> None:
    broken = GOOD.replace("LORA_TRAINER", "LORA").replace("gpus: 2", "gpus: -2").replace("team-a\n", "team_a\n", 1)
    told = complaints(broken)
    assert all(word in told for word in ("trainer_mode", "gpus", "account"))


KEYS = ["account", "models", "model", "shapes", "id", "gpus", "launch_fields"]
PLAIN = st.none() | st.booleans() | st.integers() | st.text(max_size=8)


@settings(max_examples=40)
@given(
    st.recursive(PLAIN, lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(KEYS), inner), max_leaves=12)
)
def test_nonsense_is_refused_and_never_crashes(value: object) -> None:
    with pytest.raises(DocumentError):
        read(yaml.safe_dump(value))


@settings(max_examples=40)
@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    with pytest.raises(DocumentError):
        read(text)


@pytest.mark.parametrize("path", BUNDLED_FILES, ids=lambda path: path.stem)
def test_bundled_documents_are_good(path: Path) -> None:
    document = read_document(path.read_text(), source=path.name)
    shapes = [shape for model in document.models for shape in model.shapes]
    assert document.public
    assert {shape.snapshot.trainer_mode for shape in shapes} - {None} == set(TrainerMode)


@pytest.mark.parametrize(
    "changes",
    ["{learning_rate: {maximum: 1}}", "{learning_rate: {default: 1e-4, suggestions: [1e-4, 0.001]}, region: null}"],
)
def test_what_was_narrowed_comes_back_with_the_same_digest(changes: str) -> None:
    document = read(f"{GOOD}        launch_fields: {changes}\n        parallelism: {{}}\n        image_tag: ''\n")
    again = read(write_document(document))
    assert again == document
    assert again.shapes[0].digest == document.shapes[0].digest


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ("{learning_rate: {default: .nan}}", "learning_rate.default: learning_rate: default 'nan' is not a number"),
        ("{learning_rate: {minimum: .inf}}", "learning_rate.minimum: learning_rate: minimum 'inf' is not a number"),
        ("{lora_rank: {minimum: true}}", "lora_rank.minimum: lora_rank: minimum 'true' is not a whole number"),
        ("{lora_rank: {maximum: 1.5}}", "lora_rank.maximum: lora_rank: maximum '1.5' is not a whole number"),
        ("{lora_rank: {choices: 8}}", "lora_rank.choices: lora_rank: choices 8 is no list of at most 64 values"),
        ("{lora_rank: {choices: [8, x]}}", "lora_rank.choices: lora_rank: choices: 'x' is not a whole number"),
        ("{lora_rank: {suggestions: [999]}}", "suggestions: 999 is above the common maximum 128"),
        (
            "{lora_rank: {default: {a: 1}}}",
            "lora_rank.default: {'a': 1} is neither a single value nor a list of single",
        ),
        ("{lora_rank: {help: ''}}", "help '' is no text of 1 to 500 characters"),
        ('{region: {default: "\\0"}}', "default: It holds a control character"),
        ("{lora_rank: {maximum: 8, maximum: 9}}", "lora_rank.maximum: is given twice, as 8 and 9; keep one"),
        ("[lora_rank]", "launch_fields: ['lora_rank'] is no mapping; write a mapping of keys and values"),
        ("{lora_rank: {choices: [8, [1]]}}", "lora_rank.choices: [8, [1]] is neither a single value nor a list of"),
        (
            "{lora_rank: {maximum: {a: {b: [1]}, c: [1, 2, 3, 4, 5, 6], d: 1, e: 1, f: 1, g: 1}}}",
            "maximum: {'a': {'b': […]}, 'c': [1, 2, 3, 4, 5, …], 'd': 1, 'e': 1, '… is neither",
        ),
    ],
)
def test_launch_fields_of_the_wrong_kind(changes: str, complaint: str) -> None:
    assert complaint in complaints(f"{GOOD}        launch_fields: {changes}\n")


def test_what_cannot_be_read_leads_to_no_second_problem() -> None:
    told = complaints(f"{GOOD}        launch_fields: {{lora_rank: {{choices: [8, [1]], maximum: [4, [2]]}}}}\n")
    assert len(told.splitlines()) == 2 and "None" not in told


def test_what_readers_differ_on_is_told_once_and_nothing_is_held_against_its_stand_in() -> None:
    told = complaints(f"{GOOD.replace('8192', '1e3')}        context_label: 8k\n        image_tag: off\n")
    assert [line.split(": ")[1].rpartition(".")[2] for line in told.splitlines()] == [
        "max_supported_context_length",
        "image_tag",
    ]


def test_a_problem_stands_in_the_line_of_its_key() -> None:
    more = """\
        launch_fields:
          lora_rank:
            help: Small.
            maximum: 999
        deprecated:
          message: Old.
          successor: accounts/team-a/trainingShapes/small-8k
"""
    told = complaints(GOOD + more)
    assert "own.yaml:14: models[0].shapes[0].launch_fields.lora_rank.maximum: lora_rank: maximum 999" in told
    assert "own.yaml:17: models[0].shapes[0].deprecated.successor: " in told


def test_what_the_checks_of_a_version_find_is_told_with_its_line() -> None:
    told = complaints(f"{GOOD}        parallelism: {{tensor: 4, context: 3}}\n")
    assert "own.yaml:11: models[0].shapes[0].parallelism: 2 GPUs x 1 node = 2 GPUs, but tensor 4 x" in told
    assert "own.yaml:9: models[0].shapes[0].max_supported_context_length: 8,192 tokens do not divide by" in told


@pytest.mark.parametrize(
    ("deprecated", "complaint"),
    [
        ("{}", "deprecated.message: is missing"),
        ("{message: ' '}", "deprecated.message: ' ' is blank; write"),
        ("{message: Old., successor: other}", "deprecated.successor: 'other' is no resource name"),
        ("{message: Old., successor: accounts/team-a/trainingShapes/small-8k}", "is this shape itself"),
        (
            "{message: Old., sucessor: x}",
            "deprecated.sucessor: is not known here, where 'x' is given; there are message, successor",
        ),
    ],
)
def test_a_wrong_deprecation(deprecated: str, complaint: str) -> None:
    assert complaint in complaints(f"{GOOD}        deprecated: {deprecated}\n")


@pytest.mark.parametrize(
    ("written", "both"),
    [
        ("010", "is the number 8 in YAML 1.1 and the number 10 in YAML 1.2; write 8 or 10, or put a text in quotes"),
        ("0100000", "is the number 32768 in YAML 1.1 and the number 100000 in YAML 1.2; write 32768 or 100000, or"),
        ("1:00:00", "is the number 3600 in YAML 1.1 and a text in YAML 1.2; write 3600, or put a text in quotes"),
        ("1:30.5", "is the number 90.5 in YAML 1.1 and a text in YAML 1.2; write 90.5, or put a text in quotes"),
        ("08", "is a text in YAML 1.1 and the number 8 in YAML 1.2; write 8, or put a text in quotes"),
        ("0o10", "is a text in YAML 1.1 and the number 8 in YAML 1.2; write 8, or put a text in quotes"),
        ("0b11", "is the number 3 in YAML 1.1 and a text in YAML 1.2; write 3, or put a text in quotes"),
        ("1_000", "is the number 1000 in YAML 1.1 and a text in YAML 1.2; write 1000, or put a text in quotes"),
        ("1e3", "is a text in YAML 1.1 and the number 1000 in YAML 1.2; write 1000, or put a text in quotes"),
        ("7e12345", "is a text in YAML 1.1 and the number infinity in YAML 1.2; put it in quotes"),
        ("off", "is false in YAML 1.1 and a text in YAML 1.2; write false, or put a text in quotes"),
        ("Yes", "is true in YAML 1.1 and a text in YAML 1.2; write true, or put a text in quotes"),
        ("y", "is true in YAML 1.1 and a text in YAML 1.2; write true, or put a text in quotes"),
        ("2024-01-01", "is a date in YAML 1.1 and a text in YAML 1.2; put it in quotes"),
        ("2024-01-01T10:00:00Z", "is a date in YAML 1.1 and a text in YAML 1.2; put it in quotes"),
    ],
)
def test_what_readers_of_yaml_read_differently_is_refused_with_both_readings(written: str, both: str) -> None:
    last = "models[0].shapes[0].launch_fields"
    for old, new, field in (
        ("gpus: 2", f"gpus: {written}", "models[0].shapes[0].gpus"),
        ("title: Small", f"title: {written}", "models[0].title"),
        ("account: team-a", f"account: {written}", "account"),
        ("LORA_TRAINER", written, "models[0].shapes[0].trainer_mode"),
        ("gpus: 2", f"gpus: 2\n        launch_fields: {{region: {{default: {written}}}}}", f"{last}.region.default"),
        ("gpus: 2", f"gpus: 2\n        launch_fields: {{lora_rank: {{choices: [{written}]}}}}", f"{last}.lora_rank.ch"),
    ):
        if not (written == "2024-01-01T10:00:00Z" and "{" in new):  # a colon in braces
            assert f": {field}" in complaints(GOOD.replace(old, new))
            assert f": {written} {both}" in complaints(GOOD.replace(old, new))
    assert read(GOOD.replace("title: Small", f"title: '{written}'")).models[0].facts.title == written  # type: ignore[union-attr]


@pytest.mark.parametrize("written", ["1.10", "007", "0x1F", "TRUE", "12.0", "+7", "~"])
def test_a_refusal_quotes_what_stands_in_the_file(written: str) -> None:
    told = complaints(GOOD.replace("title: Small", f"title: {written}"))
    if written == "~":
        assert "models[0].title: is empty" in told
    else:
        assert f"models[0].title: {written} is no text of 1 to 120 characters; put it in quotes" in told


@pytest.mark.parametrize(("written", "gpus"), [("8.0", 8), ("007", 7), ("0x10", 16), ("+4", 4), ("2.000", 2)])
def test_a_whole_number_that_all_readers_agree_on_is_taken(written: str, gpus: int) -> None:
    assert read(GOOD.replace("gpus: 2", f"gpus: {written}")).shapes[0].snapshot.accelerator_count == gpus


def test_a_whole_number_with_a_point_is_the_same_number_in_a_launch_field() -> None:
    plain, pointed = (
        read(f"{GOOD}        launch_fields: {{lora_rank: {{default: 8{end}, choices: [8{end}, 16{end}]}}}}\n")
        for end in ("", ".0")
    )
    assert plain.shapes[0].digest == pointed.shapes[0].digest


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ("{lora_rank: {maximum: 1.50}}", "maximum '1.5' is not a whole number (the file says 1.50)"),
        ("{lora_rank: {choices: [0x200]}}", "choices: 512 is above the common maximum 128 (the file says 0x200)"),
        ("{learning_rate: {default: 7e12}}", "above the common maximum 1 (the file says 7e12)"),
    ],
)
def test_a_refusal_by_the_value_quotes_the_file_too(changes: str, complaint: str) -> None:
    assert complaint in complaints(f"{GOOD}        launch_fields: {changes}\n")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (
            '{"account": "team-a", "display_name": "\\ud83d\\ude80", "models": []}',
            "own.yaml:1: document: \\ud83d\\ude80 is how JSON escapes \U0001f680 (U+1F680), and YAML does not; write",
        ),
        (
            '{"account": "\\ud83d", "models": []}',
            "own.yaml:1: document: \\ud83d is half of a character, and the other half does not follow; write the whole",
        ),
        (
            '{\xa0"account": "team-a", "models": []}',
            "is not known here, where 'team-a' is given (it holds a no-break space, U+00A0, which is a letter to YAML: "
            "write a plain space); there are account",
        ),
        (
            GOOD.replace("    title: Small", "   \xa0title: Small"),
            "(it holds a no-break space, U+00A0, which is a letter to YAML: write a plain space)",
        ),
        (
            GOOD.replace("    title: Small", "    title:\u202fSmall"),
            "(it holds a no-break space, U+202F, which is a letter to YAML: write a plain space)",
        ),
        (
            "account:\u3000team-a\n",
            "is no mapping (it holds a space of its own kind, U+3000, which is a letter to YAML",
        ),
        (
            GOOD.replace("models:", "<<<<<<< HEAD\nmodels:"),
            "own.yaml:2: document: <<<<<<< is left from a merge; decide which side holds, and delete the marks",
        ),
        (GOOD.replace("models:", "=======\r\nmodels:"), "own.yaml:2: document: ======= is left from a merge"),
        (f"{GOOD}>>>>>>> theirs\n", "own.yaml:11: document: >>>>>>> is left from a merge"),
        (f"{GOOD}||||||| 1234\n", "own.yaml:11: document: ||||||| is left from a merge"),
        (
            GOOD.replace("Small", "Sm\u2028all"),
            "own.yaml:4: document: the character U+2028 may not stand in a document",
        ),
        (GOOD.replace("Small", "Sm\x85all"), "own.yaml:4: document: the character U+0085 may not stand in a document"),
    ],
)
def test_what_people_copy_into_a_file_unseen_has_words_of_its_own(text: str, complaint: str) -> None:
    assert complaint in complaints(text)


def test_json_is_read_and_so_are_its_letters_and_spaces_in_texts() -> None:
    document = read(json.dumps(yaml.safe_load(GOOD.replace("Small", "\U0001f680 a\xa0b")), ensure_ascii=False))
    assert document.models[0].facts and document.models[0].facts.title == "\U0001f680 a\xa0b"
