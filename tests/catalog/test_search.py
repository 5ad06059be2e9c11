"""Names are found as their makers, hubs and people write them."""

from __future__ import annotations

import unicodedata
from typing import Literal

import pytest
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from catalog.forms import read_search
from catalog.model_queries import visible_models
from catalog.search import patterns, search_text
from catalog.search_words import ParsedSearch, read_words
from tests.catalog.test_browse import get, shapes_in, total_in
from tests.makers import make_model, make_shape, make_version

NAMES = {
    "qwen3p5-9b": ("Qwen/Qwen3.5-9B", "Qwen 3.5 9B", "qwen3.5 9b", "qwen3.5:9b", "Qwen3_5 9B", "qwen-3.5-9b"),
    "qwen3p5-27b": ("Qwen/Qwen3.5-27B", "Qwen 3.5 27B", "qwen3.5 27b", "qwen 27b 3p5"),
    "qwen3p5-35b-a3b": ("Qwen/Qwen3.5-35B-A3B", "Qwen 3.5 35B A3B", "qwen3.5 35b"),
    "qwen3p5-397b-a17b": ("Qwen/Qwen3.5-397B-A17B", "Qwen 3.5 397B A17B", "Qwen3.5 397B"),
    "gemma-4-31b-it": ("google/gemma-4-31B-it", "Gemma 4 31B", "Gemma4 31B", "gemma4:31b", "Google Gemma 4 31B IT"),
    "gemma-4-26b-a4b-it": ("google/gemma-4-26B-A4B-it", "Gemma 4 26B A4B", "gemma4-26b"),
    "llama-v3p3-70b-instruct": (
        *("meta-llama/Llama-3.3-70B-Instruct", "Llama 3.3 70B", "llama3.3:70b", "Llama3.3-70B", "Llama-3_3-70B"),
        *("Meta Llama 3.3", "Meta-Llama-3.3-70B-Instruct", "Llama 70B", "llama 3 70b"),
    ),
    "kimi-k2p5": ("moonshotai/Kimi-K2.5", "Kimi K2.5", "Kimi-K2.5", "Kimi 2.5", "kimi2.5", "Moonshot Kimi K2.5"),
    "kimi-k2p6": ("moonshotai/Kimi-K2.6", "Kimi K2.6", "kimi-2.6"),
    "qwen3-4b": ("Qwen/Qwen3-4B", "Qwen 3 4B", "qwen3:4b", "Qwen3 4B"),
    "qwen3-8b": ("Qwen/Qwen3-8B", "Qwen 3 8B", "qwen3 8b"),
    "qwen3-vl-8b-instruct": ("Qwen/Qwen3-VL-8B-Instruct", "Qwen 3 VL 8B", "Qwen3VL 8B", "qwen3-vl:8b"),
    "qwen3-32b": ("Qwen/Qwen3-32B", "Qwen 3 32B"),
    "qwen3-30b-a3b-instruct-2507": ("Qwen/Qwen3-30B-A3B-Instruct-2507", "Qwen3 30B A3B 2507", "Qwen 3 30B"),
    "qwen3-235b-a22b-instruct-2507": ("Qwen/Qwen3-235B-A22B-Instruct-2507", "Qwen3-235B-A22B-2507", "Qwen 3 235B"),
    "qwen3p6-27b": ("Qwen/Qwen3.6-27B", "Qwen 3.6 27B"),
    "qwen3p6-35b-a3b": ("Qwen/Qwen3.6-35B-A3B", "Qwen 3.6 35B A3B"),
    "glm-5p1": ("zai-org/GLM-5.1", "GLM 5.1", "GLM5.1", "GLM-5", "Z.ai GLM 5.1"),
    "ministral-3-3b-instruct-2512": (
        *("mistralai/Ministral-3-3B-Instruct-2512", "Ministral 3 3B", "Ministral-3B", "ministral3 3b"),
    ),
    "nemotron-nano-3-30b-a3b": (
        *("nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-BF16", "Nemotron 3 Nano", "NVIDIA Nemotron 3 Nano 30B-A3B"),
        *("Nemotron3 Nano 30B", "nemotron-3-nano:30b", "Nemotron Nano 3"),
    ),
    "nvidia-nemotron-3-super-120b-a12b-bf16": (
        *("nvidia/NVIDIA-Nemotron-3-Super-120B-A12B-BF16", "Nemotron 3 Super", "nvidia/nemotron-3-super-120b-a12b"),
        *("Nemotron Super 120B", "Nemotron3Super"),
    ),
}
"""Of every public base model its repository on Hugging Face first, then what people write."""
WRITTEN = [(model, name) for model, names in NAMES.items() for name in names]
FORMS: tuple[Literal["NFC", "NFD", "NFKC", "NFKD"], ...] = ("NFC", "NFD", "NFKC", "NFKD")
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)

pytestmark = pytest.mark.usefixtures("public_catalog")


def models_found(text: str) -> list[str]:
    return [model.model_id for model in visible_models((), read_search(text))]


def test_every_public_model_is_in_the_table(bundled: None) -> None:
    public = visible_models(()).filter(account__account_id="fireworks")
    assert {model.model_id for model in public} == set(NAMES)


def test_models_are_found_as_they_are_written(bundled: None) -> None:
    for model, name in WRITTEN:
        for text in (name, name.lower(), name.upper(), f"https://huggingface.co/{name}" if "/" in name else name):
            assert model in models_found(text), text


def test_a_repository_of_a_hub_is_one_model(bundled: None) -> None:
    """But for the one whose name another's has with more in it."""
    several = {names[0]: found for names in NAMES.values() if len(found := models_found(names[0])) > 1}
    assert several == {"Qwen/Qwen3-8B": ["qwen3-8b", "qwen3-vl-8b-instruct"]}


@pytest.mark.parametrize(
    "text", ["Qwen2.5-7B", "Qwen/Qwen2.5-7B-Instruct", "qwen3.5 7b", "Gemma 3", "Llama-3.1-70B", "Kimi-K2.7", "GLM-4.6"]
)
def test_what_the_catalog_does_not_have_is_not_found(bundled: None, client: Client, text: str) -> None:
    assert total_in(get(client, {"q": text})) == 0


def test_every_shape_is_found_by_its_own_id(bundled: None, client: Client) -> None:
    for shape in ("qwen3-32b-65k-b200", "qwen3-8b-128k", "glm-5p1-100k-lora", "ts-llama70b-b200-ref"):
        assert shape in shapes_in(get(client, {"q": shape}))


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("27b lora 200k", "q=27b&mode=lora&context=200k"),
        ("200K Policy qwen3.5", "q=qwen3.5&mode=policy&context=200k"),
        ("2 gpus", "gpus=2"),
        ("kimi 8GPUs", "q=kimi&gpus=8"),
        ("8x gpu lora trainer", "mode=lora&gpus=8"),
        ("262144", "context=262144"),
        ("262,144", "context=262144"),
        ("Forward-only / reference", "mode=forward-only"),
        ("no gpu", "gpus=0"),
        ("qwen 128k tokens", "q=qwen&context=128k"),
        ("instruct 2507", "q=instruct+2507"),
        ('"lora"', "q=%22lora%22"),
    ],
)
def test_words_of_a_mode_a_context_or_gpus_are_filters(bundled: None, client: Client, text: str, query: str) -> None:
    answer = client.get("/", {"q": text}, headers={"HX-Request": "true"})
    assert answer["HX-Push-Url"] == f"/?{query}"
    assert total_in(answer.content.decode()) == total_in(get(client, query)) > 0
    assert answer.content.decode().count('class="chip" href') == query.count("=")


def test_words_come_to_the_shapes_that_they_describe(bundled: None, client: Client) -> None:
    assert shapes_in(get(client, {"q": "27b lora 200k"})) == ["qwen3p5-27b-256k-lora", "qwen3p6-27b-256k-lora"]


def test_composed_and_decomposed_letters_are_the_same(db: None, client: Client) -> None:
    for form in FORMS[:2]:
        make_version(
            shape=make_shape(
                shape_id=form.lower(), base_model=make_model(title=unicodedata.normalize(form, "Modèle Été 3"))
            )
        )
    for form in FORMS:
        assert sorted(shapes_in(get(client, {"q": unicodedata.normalize(form, "modèle été")}))) == ["nfc", "nfd"]
    assert sorted(shapes_in(get(client, {"q": "MODELE ETE"}))) == ["nfc", "nfd"]


def test_other_names_of_a_model_find_its_shapes(db: None, client: Client) -> None:
    make_version(shape=make_shape(shape_id="wanted", base_model=make_model(aliases=["owner/Some-Other-7B"])))
    assert shapes_in(get(client, {"q": "Some Other 7B"})) == ["wanted"]


def test_a_text_without_a_letter_or_a_figure_says_so(bundled: None, client: Client) -> None:
    assert "has no letter and no figure" in get(client, {"q": "%/%"})


@given(TEXT)
def test_every_name_finds_itself_in_every_form_of_letters(name: str) -> None:
    stored = search_text("another", name, "third")
    for form in FORMS:
        for pattern in patterns(f'"{unicodedata.normalize(form, name.replace("/", " "))}"'):
            assert pattern in stored


@given(
    st.text("abcqxyz", min_size=3, max_size=6),
    st.integers(1, 9),
    st.integers(0, 9),
    st.sampled_from([" ", "-", ""]),
    st.sampled_from([".", "p", "_"]),
    st.sampled_from([" ", "-", ""]),
    st.sampled_from([".", "p", "_"]),
)
def test_what_stands_between_a_name_and_its_figure_does_not_matter(
    name: str, whole: int, part: int, gap: str, point: str, other_gap: str, other_point: str
) -> None:
    stored = search_text(f"{name}{gap}{whole}{point}{part}")
    assert all(pattern in stored for pattern in patterns(f"{name}{other_gap}{whole}{other_point}{part}"))
    assert not all(pattern in stored for pattern in patterns(f"{name}{other_gap}{whole}{other_point}{part + 1}"))


@given(st.lists(st.sampled_from(["qwen", "2", "gpus", "lora", "forward", "only", "200k", "/", '"x', "tokens"])))
def test_what_is_left_of_a_text_asks_for_nothing_more(words: list[str]) -> None:
    left = read_words(" ".join(words)).text
    assert read_words(left) == ParsedSearch(left)
