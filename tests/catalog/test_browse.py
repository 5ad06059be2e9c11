"""The catalog page through its front door: filters, counts, orders, fragments."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from urllib.parse import urlencode

import pytest
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catalog.enums import ShapeKind
from catalog.files.bundled import BUNDLED_FILES
from catalog.files.document import ShapeEntry
from catalog.files.reader import read_document
from catalog.filters import MODES
from connections.providers.spec import TrainerMode

pytestmark = pytest.mark.usefixtures("public_catalog")
HTMX = {"HX-Request": "true"}


def get(client: Client, query: str | Mapping[str, object] = "", **headers: str) -> str:
    text = query if isinstance(query, str) else urlencode(query, doseq=True)
    response = client.get(f"/?{text}" if text else "/", headers=headers)
    assert response.status_code == 200
    return response.content.decode()


def shapes_in(html: str) -> list[str]:
    return re.findall(r'shape-link" href="/shapes/[^/]+/([^"/]+)"', html)


def total_in(html: str) -> int:
    found = re.search(r"data-total>([\d,]+)<", html)
    assert found
    return int(found[1].replace(",", ""))


def counts_in(html: str) -> dict[str, int]:
    boxes = re.findall(r'data-count="([^"]+)">([\d,]+)<', html)
    lists = re.findall(r'<datalist id="facet-(\w+)-values">(.*?)</datalist>', html, re.DOTALL)
    found = {name: int(number) for name, number in boxes}
    for name, block in lists:
        for value, number in re.findall(r'value="([^"]+)"[^>]*>[^(<]*\(([\d,]+)\)', block):
            found[f"{name}={value}"] = int(number)
    return found


class Bundled:
    """The bundled documents in plain Python: what the page must agree with."""

    def __init__(self) -> None:
        self.shapes: list[dict[str, object]] = []
        for path in BUNDLED_FILES:
            document = read_document(path.read_text(), source=path.name)
            for model in document.models:
                facts = model.facts
                assert facts
                for shape in (each for each in model.shapes if each.snapshot.kind is ShapeKind.TRAINING):
                    self.shapes.append(
                        {
                            "id": shape.shape_id,
                            "account": document.account_id,
                            "family": facts.family,
                            "mode": next(w for w, mode in MODES.items() if mode is shape.snapshot.trainer_mode),
                            "architecture": str(facts.architecture),
                            "tokens": shape.snapshot.max_supported_context_length,
                            "gpus": shape.snapshot.gpus,
                            "accelerator": self._accelerator(shape),
                            "text": " ".join(
                                (shape.snapshot.display_name, shape.shape_id, facts.title, model.name)
                            ).lower(),
                        }
                    )

    @staticmethod
    def _accelerator(shape: ShapeEntry) -> str:
        if not shape.snapshot.gpus:
            return "none"
        return str(shape.snapshot.accelerator_type or "unspecified")

    def passing(self, asked: dict[str, list[str]], *, ignoring: str = "") -> list[dict[str, object]]:
        return [
            shape for shape in self.shapes if self._passes(shape, {k: v for k, v in asked.items() if k != ignoring})
        ]

    @staticmethod
    def _passes(shape: dict[str, object], asked: dict[str, list[str]]) -> bool:
        for name, values in asked.items():
            if name == "q":
                if not SEARCHES[values[0]](shape):
                    return False
            elif name == "context":
                if int(str(shape["tokens"])) < int(values[0].removesuffix("k")) * 1000:
                    return False
            elif name == "gpus":
                if int(str(shape["gpus"])) > int(values[0]):
                    return False
            elif shape[name] not in values:
                return False
        return True


SEARCHES: dict[str, Callable[[dict[str, object]], bool]] = {
    "qwen": lambda shape: "qwen" in str(shape["text"]),
    "Qwen 3": lambda shape: "qwen" in str(shape["text"]),  # each is of a third generation
    "b200": lambda shape: "b200" in str(shape["text"]),
    "gemma it": lambda shape: "gemma" in str(shape["text"]),
    "nothing-like-it": lambda shape: False,
}
"""What is typed, and which shapes are called so."""
WORDS: dict[str, dict[str, list[str]]] = {
    "lora": {"mode": ["lora"]},
    "256k forward": {"mode": ["forward-only"], "context": ["256k"]},
}
"""What is typed, and which filters it means."""


def understood(asked: dict[str, list[str]]) -> dict[str, list[str]]:
    """With the filters that the words of the text mean, besides the modes chosen and instead of the context chosen."""
    words = WORDS.get(asked.get("q", [""])[0])
    if words is None:
        return asked
    others = {name: values for name, values in asked.items() if name != "q"}
    return others | words | {"mode": [*asked.get("mode", []), *words["mode"]]}


BUNDLED = Bundled()
CHOICES = {
    name: sorted({str(shape[name]) for shape in BUNDLED.shapes})
    for name in ("family", "mode", "architecture", "accelerator", "account")
}


def some(values: Iterable[str]) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(sorted(values)), min_size=1, max_size=2, unique=True)


def one(*values: str) -> st.SearchStrategy[list[str]]:
    return st.sampled_from(values).map(lambda value: [value])


asked_filters = st.fixed_dictionaries(
    {},
    optional={name: some(values) for name, values in CHOICES.items()}
    | {
        "context": one("32k", "64k", "128k", "200k", "256k"),
        "gpus": one("0", "1", "2", "4", "8", "16", "32"),
        "q": one(*SEARCHES, *WORDS),
    },
)


def test_all_shapes_are_on_the_first_page_by_family(bundled: None, client: Client) -> None:
    html = get(client)
    assert total_in(html) == 60
    assert len(shapes_in(html)) == 60
    assert shapes_in(html)[:5] == [
        "tiny-qwen3-chat-2k", "tiny-qwen3-chat-2k-lora",
        "tiny-qwen3-2k", "tiny-qwen3-2k-lora", "tiny-qwen3-2k-forward",
    ]  # fmt: skip
    headings = re.findall(r'family-title">(?:<svg.*?</svg>)?([\w ]+)', html)
    assert headings == ["Runs on this machine", "Qwen", "Gemma", "Llama", "Kimi", "GLM", "Ministral", "Nemotron"]
    assert "Next page" not in html


def test_the_public_account_has_the_documented_numbers(bundled: None, client: Client) -> None:
    html = get(client, {"account": "fireworks"})
    counts = counts_in(html)
    assert total_in(html) == 55
    assert "21 models" in html
    assert {name: counts[f"family={name}"] for name in ("Qwen", "Gemma", "Kimi", "Nemotron", "Llama", "GLM")} == {
        "Qwen": 30, "Gemma": 6, "Kimi": 6, "Nemotron": 5, "Llama": 3, "GLM": 2,
    }  # fmt: skip
    assert [counts[f"mode={mode}"] for mode in ("lora", "policy", "forward-only")] == [21, 17, 17]


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(asked=asked_filters)
def test_any_filters_agree_with_plain_python(bundled: None, client: Client, asked: dict[str, list[str]]) -> None:
    html, asked = get(client, asked), understood(asked)
    expected = BUNDLED.passing(asked)
    assert total_in(html) == len(expected)
    assert sorted(shapes_in(html)) == sorted(str(shape["id"]) for shape in expected)
    for key, number in counts_in(html).items():
        name, _, value = key.partition("=")
        assert number == len(BUNDLED.passing(asked | {name: [value]})), key


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(asked=asked_filters, sort=st.sampled_from(["name", "-name", "context", "-context", "gpus", "-gpus"]))
def test_any_order_shows_the_same_shapes(bundled: None, client: Client, asked: dict[str, list[str]], sort: str) -> None:
    expected = {str(shape["id"]): shape for shape in BUNDLED.passing(understood(asked))}
    found = shapes_in(get(client, asked | {"sort": sort}))
    assert sorted(found) == sorted(expected)
    column = {"name": "id", "context": "tokens", "gpus": "gpus"}[sort.removeprefix("-")]
    values = [expected[shape][column] for shape in found]
    assert values == sorted(values, reverse=sort.startswith("-"))  # type: ignore[type-var]


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(asked=asked_filters)
def test_an_empty_result_says_which_filter_to_loosen(
    bundled: None, client: Client, asked: dict[str, list[str]]
) -> None:
    html, asked = get(client, asked), understood(asked)
    offered = {(t.strip(), int(n)) for t, n in re.findall(r"without <span[^>]*>([\w ]+)</span>.*?(\d+) shapes?<", html)}
    if BUNDLED.passing(asked):
        assert not offered
        return
    titles = {"q": "Text", "mode": "Trainer mode", "context": "Context at least", "gpus": "GPUs at most"}
    expected = {
        (titles.get(name, name.capitalize()), number)
        for name in asked
        if (number := len(BUNDLED.passing(asked, ignoring=name)))
    }
    assert offered == expected
    for link in re.findall(r'justify-start" href="/(\?[^"]*)?"', html):
        assert total_in(get(client, link.replace("&amp;", "&").removeprefix("?"))) > 0


def test_filters_stand_in_the_controls_and_in_removable_chips(bundled: None, client: Client) -> None:
    html = get(client, {"family": "Gemma", "mode": "lora", "q": "gemma"})
    assert 'value="Gemma" form="filters" autocomplete="off" id="facet-family-Gemma" checked' in html
    assert 'name="q" form="filters" value="gemma"' in html
    assert 'class="chip" href="/?q=gemma&amp;mode=lora"' in html


@pytest.mark.parametrize("q", ["gemma", "nothing-like-it"])
def test_what_the_text_leaves_out_can_still_be_chosen(bundled: None, client: Client, q: str) -> None:
    everything, left = counts_in(get(client)), counts_in(get(client, {"q": q}))
    chosen = [key for key in everything if not key.startswith(("context=", "gpus="))]
    assert [key for key in left if key in chosen] == chosen
    assert (left["family=Gemma"], left["family=Qwen"]) == (6 if q == "gemma" else 0, 0)


@pytest.mark.parametrize("typed", ["200k", "200K", "204,785", "204785", " 200k "])
def test_any_length_can_be_typed(bundled: None, client: Client, typed: str) -> None:
    html = get(client, {"context": typed, "family": "GLM"})
    assert shapes_in(html) == ["glm-5p1-200k-lora"]
    shown = typed.strip().lower().replace(",", "")
    assert f'name="context" type="text" form="filters" value="{shown}"' in html


def test_htmx_gets_the_same_results_without_the_page(bundled: None, client: Client) -> None:
    query = {"family": "Kimi", "context": "", "gpus": "", "q": ""}
    page, fragment = get(client, query), client.get("/", query, headers=HTMX)
    html = fragment.content.decode()
    assert "<html" in page
    assert "<html" not in html
    assert shapes_in(html) == shapes_in(page) != []
    assert counts_in(html) == counts_in(page)
    assert fragment["HX-Push-Url"] == "/?family=Kimi"
    assert "HX-Request" in fragment["Vary"]


def test_going_back_gets_a_whole_page(bundled: None, client: Client) -> None:
    response = client.get("/?family=Kimi", headers=HTMX | {"HX-History-Restore-Request": "true"})
    assert b"<html" in response.content


def test_unconfirmed_ids_and_unknown_gpus_are_said(bundled: None, client: Client) -> None:
    html = get(client, {"q": "qwen3p5-9b-256k"})
    assert html.count("unconfirmed id") == 1
    assert "of a type that the shape leaves open" in html


@pytest.mark.parametrize(
    ("query", "complaint"),
    [
        ("context=big", "Context at least: &#x27;big&#x27; is no context length; use a size such as 128k"),
        ("gpus=-1", "GPUs at most: &#x27;-1&#x27; is no number of GPUs"),
        ("gpus=999999999999999999999", "is no number of GPUs"),
        ("mode=teacher", "Trainer mode: &#x27;teacher&#x27; is not known; use policy, lora, forward-only"),
        ("architecture=rnn", "Architecture: &#x27;rnn&#x27; is not known"),
        ("accelerator=TPU", "Accelerator: &#x27;TPU&#x27; is not known"),
        ("sort=price", "sort: &#x27;price&#x27; is no order"),
        ("q=" + "x" * 300, "the first 200 were used"),
    ],
)
def test_what_cannot_be_read_is_said_and_left_out(bundled: None, client: Client, query: str, complaint: str) -> None:
    html = get(client, query)
    assert complaint in html
    assert query.startswith("q=") or total_in(html) == 60


def test_a_bound_that_was_refused_stays_where_it_was_typed(bundled: None, client: Client) -> None:
    html = get(client, {"context": "2OOk", "gpus": "4"})
    assert re.search(r'id="facet-context"[^>]* value="2OOk"', html)
    assert re.search(r'id="facet-gpus"[^>]* value="4"', html)


@pytest.mark.parametrize(
    "query", ["q=%00", "after=x", "after=1~x", "after=~", "after=9999999999999999999~1", "family=%00"]
)
def test_hostile_text_is_no_error(bundled: None, client: Client, query: str) -> None:
    get(client, query)


def test_wire_names_of_modes_are_read_too(bundled: None, client: Client) -> None:
    assert total_in(get(client, "mode=LORA_TRAINER")) == total_in(get(client, "mode=lora")) == 23


def test_all_modes_have_a_word() -> None:
    assert set(MODES.values()) == set(TrainerMode)
