"""What the playground asks and shows: a form, the request that it makes, and an answer token by token. Pure."""

from __future__ import annotations

import json
import math
import pprint
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from catalog.fields.inputs import Input, options_of
from catalog.usage import KEY_VARIABLE, URL_VARIABLE
from wire.counts import quantity

COMPLETIONS, CHATS = "/inference/v1/completions", "/inference/v1/chat/completions"
TEXT, CHAT = "text", "chat"
LONGEST_PROMPT = 20_000
MOST_TOKENS = 512
LONGEST_NAMED = 400
"""Characters of a token, or of the name of weights."""
BESIDE = 5
"""How many of the likeliest tokens are told beside each."""
LIKELY = (0.05, 0.25, 0.5, 0.8)
"""Below these probabilities a token is of look 0, 1, 2, 3; else of 4."""
DEFAULTS = {"prompt": "", "as": TEXT, "temperature": "1", "max_tokens": "64", "top_p": "1", "seed": "", "compare": ""}
PREFIX = "try-"


@dataclass(frozen=True)
class Asked:
    """What the form asks for; a chat is of one message. `seed` None draws anew each time."""

    prompt: str
    is_chat: bool
    temperature: float
    max_tokens: int
    top_p: float
    seed: int | None
    compare: bool

    @property
    def path(self) -> str:
        """Where it is asked."""
        return CHATS if self.is_chat else COMPLETIONS

    def body(self, model: str) -> dict[str, Any]:
        """The request to the model of that name."""
        said = {"messages": [{"role": "user", "content": self.prompt}]} if self.is_chat else {"prompt": self.prompt}
        drawn = {"max_tokens": self.max_tokens, "temperature": self.temperature, "top_p": self.top_p}
        seeded = {} if self.seed is None else {"seed": self.seed}
        return {"model": model, **said, **drawn, **seeded, "logprobs": True, "top_logprobs": BESIDE}


def _number(text: str, low: float, high: float, *, open_low: bool = False) -> float:
    value = float(text)
    if not math.isfinite(value) or not low <= value <= high or (open_low and value == low):
        raise ValueError
    return value


def _whole(text: str, low: int, high: int) -> int:
    value = int(text)
    if not low <= value <= high:
        raise ValueError
    return value


READERS: Mapping[str, tuple[Callable[[str], Any], str]] = {
    "temperature": (lambda text: _number(text, 0, 5), "a number from 0, always the likeliest token, to 5"),
    "max_tokens": (lambda text: _whole(text, 1, MOST_TOKENS), f"a whole number from 1 to {MOST_TOKENS}"),
    "top_p": (lambda text: _number(text, 0, 1, open_low=True), "a number above 0, at most 1"),
    "seed": (lambda text: _whole(text, 0, 2**63 - 1) if text else None, "a whole number, or nothing"),
}


def read_asked(typed: Mapping[str, str]) -> tuple[Asked | None, dict[str, str]]:
    """What was typed, or by field what is wrong with it."""
    wrong, read = {}, {}
    for name, (reader, words) in READERS.items():
        try:
            read[name] = reader(typed[name].strip())
        except ValueError:
            wrong[name] = f"{typed[name][:40]!r} is not {words}."
    prompt = typed["prompt"].replace("\r\n", "\n")
    if not prompt:
        wrong["prompt"] = "Say what it is to go on from, or to answer."
    elif len(prompt) > LONGEST_PROMPT:
        wrong["prompt"] = f"It has {len(prompt):,} characters; the playground takes {LONGEST_PROMPT:,} at most."
    if typed["as"] not in (TEXT, CHAT):
        wrong["as"] = f"{typed['as'][:40]!r} is neither {TEXT} nor {CHAT}."
    if wrong:
        return None, wrong
    return Asked(prompt, typed["as"] == CHAT, compare=bool(typed["compare"]), **read), {}


def inputs_of(typed: Mapping[str, str], wrong: Mapping[str, str], *, chats: bool) -> dict[str, Input]:
    """The form's inputs by name; `chats` says whether the model has a template for them."""

    def made(name: str, label: str, **words: Any) -> Input:
        errors = (wrong[name],) if name in wrong else ()
        return Input(
            prefix=PREFIX, name=name, value=typed[name], errors=errors, **{"label": label, "help": "", **words}
        )

    forms = [(TEXT, "text to go on from"), (CHAT, "a message, by the model's chat template")]
    no_template = "" if chats else "The tokenizer has no chat template, so it goes on from text."
    return {
        "prompt": made("prompt", "Prompt", long=True),
        "as": made(
            "as", "Ask as", options=options_of(forms if chats else forms[:1], typed["as"], odd=""), help=no_template
        ),
        "temperature": made("temperature", "Temperature", keyboard="decimal", limits="0 to 5"),
        "max_tokens": made("max_tokens", "Tokens", keyboard="numeric", limits=f"1 to {MOST_TOKENS}"),
        "top_p": made("top_p", "Top p", keyboard="decimal", limits="up to 1"),
        "seed": made("seed", "Seed", keyboard="numeric", optional=True),
        "compare": made("compare", "The base model beside it", flag=True),
    }


@dataclass(frozen=True)
class ShownToken:
    """One token of an answer: its text, how likely the model found it, and what it found likeliest there."""

    text: str
    token_id: int
    logprob: float
    beside: tuple[tuple[str, float], ...]

    @property
    def look(self) -> int:
        """0 for one that surprises to 4 for one that was expected."""
        return sum(self.probability >= bound for bound in LIKELY)

    @property
    def probability(self) -> float:
        """From 0 to 1."""
        return _probability(self.logprob)

    @property
    def percent(self) -> str:
        """Its probability in words."""
        return _percent(self.logprob)

    @property
    def shown(self) -> str:
        """With an end of line to be seen before it takes place."""
        return self.text.replace("\n", "↵\n")

    @property
    def named(self) -> str:
        """Its text in a table, where blanks would not be seen."""
        return _named(self.text)

    @property
    def instead(self) -> str:
        """The likeliest at its place, in words."""
        return ", ".join(f"{_named(text)} {_percent(logprob)}" for text, logprob in self.beside)

    @property
    def words(self) -> str:
        """What stands in its tooltip."""
        return f"{self.percent}, log-probability {self.logprob:.3f}. Likeliest: {self.instead or 'not told'}"


def _named(text: str) -> str:
    return text.replace("\n", "↵").replace("\t", "⇥").replace(" ", "␣") or "(nothing)"


def _probability(logprob: float) -> float:
    return min(1.0, math.exp(min(0.0, logprob)))


def _percent(logprob: float) -> str:
    percent = 100 * _probability(logprob)
    return f"{percent:.0f} %" if percent >= 10 else f"{percent:.2g} %" if percent >= 0.01 else "under 0.01 %"


@dataclass(frozen=True)
class ShownAnswer:
    """An answer as it is shown, `cut` says how far; what a sampler says is not taken for whole, or true to its form."""

    identity: str
    text: str
    tokens: tuple[ShownToken, ...]
    finish: str
    seconds: float
    first_token_seconds: float | None
    cut: str = ""

    @property
    def counted(self) -> str:
        """How many tokens it has."""
        return quantity(len(self.tokens), "token")

    @property
    def rate(self) -> str:
        """Tokens a second, over all of the time."""
        return f"{len(self.tokens) / self.seconds:,.1f} tokens/s" if self.seconds > 0 and self.tokens else ""

    @property
    def ending(self) -> str:
        """Why it ended, for people."""
        return {"stop": "it came to an end", "length": "cut at the tokens that were asked for"}.get(self.finish, "")


def read_answer(body: Mapping[str, Any], seconds: float, *, base_model: str) -> ShownAnswer:
    """The first choice of an answer; `base_model` answered where no identity is told."""
    choices = body.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else {}
    message = choice.get("message")
    text = message.get("content") if isinstance(message, dict) else choice.get("text")
    identity, finish = body.get("snapshot_identity"), choice.get("finish_reason")
    return ShownAnswer(
        identity=identity[:LONGEST_NAMED] if isinstance(identity, str) and identity else base_model,
        text=text[:LONGEST_PROMPT] if isinstance(text, str) else "",
        tokens=tuple(_tokens(_rows(choice))),
        finish=finish if isinstance(finish, str) else "",
        seconds=seconds,
        first_token_seconds=_first_token(body.get("perf_metrics")),
        cut=_cut(text, len(_rows(choice))),
    )


def _cut(text: Any, tokens: int) -> str:
    if tokens > MOST_TOKENS:
        return f"Shown are the first {MOST_TOKENS} of {tokens:,} tokens"
    if not tokens and isinstance(text, str) and len(text) > LONGEST_PROMPT:
        return f"Shown are the first {LONGEST_PROMPT:,} of {len(text):,} characters"
    return ""


def _first_token(metrics: Any) -> float | None:
    try:
        return _finite(metrics["server-time-to-first-token"])
    except (TypeError, KeyError):
        return None


def _finite(told: Any) -> float | None:
    """As a number, where it is one that can be shown."""
    try:
        number = float(told)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _rows(choice: Mapping[str, Any]) -> list[Any]:
    logprobs = choice.get("logprobs")
    rows = logprobs.get("content") if isinstance(logprobs, dict) else None
    return rows if isinstance(rows, list) else []


def _tokens(rows: list[Any]) -> Iterator[ShownToken]:
    for row in _objects(rows, MOST_TOKENS):
        if (own := _scored(row)) is not None:
            beside = tuple(pair for pair in map(_scored, _objects(row.get("top_logprobs"), BESIDE)) if pair)
            token_id = row.get("token_id")
            yield ShownToken(own[0], token_id if isinstance(token_id, int) else -1, own[1], beside)


def _objects(rows: Any, most: int) -> Sequence[Mapping[str, Any]]:
    """Those among the first; nobody asked for more."""
    return [row for row in rows[:most] if isinstance(row, dict)] if isinstance(rows, list) else []


def _scored(row: Mapping[str, Any]) -> tuple[str, float] | None:
    text, logprob = row.get("token"), row.get("logprob")
    if not isinstance(text, str) or isinstance(logprob, bool) or not isinstance(logprob, (int, float)):
        return None
    number = _finite(logprob)
    return None if number is None else (text[:LONGEST_NAMED], number)


def curl_of(path: str, body: Mapping[str, Any]) -> str:
    """A line that makes exactly this request."""
    said = json.dumps(body, indent=2, ensure_ascii=False).replace("'", "'\\''")
    return (
        f'curl --fail-with-body -sS "${URL_VARIABLE}{path}" \\\n'
        f'  -H "Authorization: Bearer ${KEY_VARIABLE}" \\\n'
        "  -H 'Content-Type: application/json' \\\n"
        f"  -d '{said}'"
    )


def python_of(path: str, body: Mapping[str, Any]) -> str:
    """The same in Python, with nothing but its standard library."""
    said = pprint.pformat(dict(body), sort_dicts=False, width=88)
    return (
        "import json, os, urllib.request\n\n"
        f"body = {said}\n"
        "asked = urllib.request.Request(\n"
        f'    os.environ["{URL_VARIABLE}"] + "{path}",\n'
        "    json.dumps(body).encode(),\n"
        f'    {{"Authorization": "Bearer " + os.environ["{KEY_VARIABLE}"], "Content-Type": "application/json"}},\n'
        ")\n"
        "with urllib.request.urlopen(asked) as answer:\n"
        "    print(json.load(answer))\n"
    )
