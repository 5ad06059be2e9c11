"""Request bodies, checked field by field into frozen dataclasses. Pure: no torch, no state.

Every error is an OperationError that names the field, what it was and what it should have been. Source of the shapes:
what the official SDK's deployment sampler sends (`fireworks.training.sdk.sampling`), and OpenAI's completions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from trainer.errors import OperationError
from trainer.fields import Fields, refuse, shown

MOST_CHOICES = 128
MOST_STOPS = 16
LONGEST_STOP = 200
MOST_TOP_LOGPROBS = 20
DEFAULT_MAX_TOKENS = 16
"""Of a completion that does not say, as everywhere; a chat goes on until the context ends."""
IGNORED = (
    "metadata", "perf_metrics_in_response", "prompt_cache_key", "prompt_cache_isolation_key", "prompt_cache_max_len",
    "safety_identifier", "service_tier", "store", "user",
)  # fmt: skip
"""What says nothing about the answer."""
NEUTRAL: Mapping[str, tuple[Any, ...]] = {
    "best_of": (1,), "frequency_penalty": (0,), "logit_bias": ({},), "min_p": (0,), "parallel_tool_calls": (True,),
    "presence_penalty": (0,), "repetition_penalty": (1,), "response_format": ({"type": "text"},), "suffix": ("",),
    "images": ([],), "tools": ([],), "tool_choice": ("none", "auto"), "context_length_exceeded_behavior": ("truncate",),
}  # fmt: skip
"""What may be sent with the value that changes nothing, and is refused with any other."""
COMMON = (
    "model", "max_tokens", "temperature", "top_p", "top_k", "n", "seed", "stop", "stop_token_ids", "logprobs",
    "top_logprobs", "stream", "stream_options", "ignore_eos", "raw_output", "return_token_ids",
    "include_routing_matrix",
)  # fmt: skip
COMPLETION = (*COMMON, "prompt", "echo", "echo_last")
CHAT = (*COMMON, "messages", "max_completion_tokens")

Prompt = str | tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How tokens are chosen. temperature 0: always the likeliest; top_k 0: out of all. max_tokens None: up to the end
    of the context."""

    max_tokens: int | None = DEFAULT_MAX_TOKENS
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    seed: int | None = None
    stop: tuple[str, ...] = ()
    stop_token_ids: tuple[int, ...] = ()
    ignore_eos: bool = False

    @property
    def is_plain(self) -> bool:
        """Whether tokens are drawn from the model's own distribution, nothing cut off or sharpened."""
        return self.temperature == 1.0 and self.top_p == 1.0 and self.top_k == 0


@dataclass(frozen=True, kw_only=True)
class Completion:
    """One request. Each prompt has n choices.

    echo: how many of the prompt's last tokens are answered as well; None: all. logprobs: whether log-probabilities are
    answered, with those of the `top` likeliest tokens beside each; legacy: in the older of the two shapes.
    """

    model: str
    prompts: tuple[Prompt, ...]
    sampling: Sampling
    n: int = 1
    echo: int | None = 0
    logprobs: bool = False
    top: int = 0
    legacy: bool = False
    stream: bool = False
    include_usage: bool = False
    raw_output: bool = False
    token_ids: bool = False
    routing: bool = False


@dataclass(frozen=True, kw_only=True)
class Chat(Completion):
    """messages: as the model's chat template takes them; it makes the one prompt of it."""

    messages: tuple[dict[str, str], ...]


@dataclass(frozen=True)
class HotLoad:
    """identity: NAME or accounts/ACCOUNT/models/ID. previous: what a delta is said to be one of; None: it is whole."""

    identity: str
    previous: str | None


def parse_completion(body: Any, default_model: str) -> Completion:
    fields = _known(body, COMPLETION)
    echo = None if fields.flag("echo", False) else fields.integer("echo_last", 0, 0)
    common = _common(fields, default_model, DEFAULT_MAX_TOKENS)
    if common["sampling"].max_tokens == 0 and echo == 0:
        raise OperationError("max_tokens is 0, and echo is not asked for: there would be nothing to answer.", 422)
    prompts = _prompts(fields)
    if (choices := len(prompts) * common["n"]) > MOST_CHOICES:
        raise OperationError(f"prompt and n ask for {choices} choices; the limit is {MOST_CHOICES}.", 422)
    return Completion(prompts=prompts, echo=echo, **common)


def parse_chat(body: Any, default_model: str) -> Chat:
    fields = _known(body, CHAT)
    given = fields.value
    if given.get("max_tokens") is None and given.get("max_completion_tokens") is not None:
        fields = Fields({**given, "max_tokens": given["max_completion_tokens"]})
    common = _common(fields, default_model, None)
    if common["sampling"].max_tokens == 0:
        raise OperationError("max_tokens must be at least 1, not 0.", 422)
    return Chat(prompts=(), messages=_messages(fields), **common)


def parse_hot_load(body: Any) -> HotLoad:
    """reset_prompt_cache says nothing here: nothing computed by older weights is ever used by newer ones."""
    fields = Fields(body)
    _refuse_unknown(fields, ("identity", "incremental_snapshot_metadata", "reset_prompt_cache"))
    fields.flag("reset_prompt_cache", True)
    metadata = fields.value.get("incremental_snapshot_metadata")
    previous = None
    if metadata is not None:
        previous = fields.child("incremental_snapshot_metadata").text("previous_snapshot_identity")
    return HotLoad(fields.text("identity"), previous)


def _known(body: Any, names: tuple[str, ...]) -> Fields:
    fields = Fields(body)
    _refuse_unknown(fields, (*names, *IGNORED, *NEUTRAL))
    for name, values in NEUTRAL.items():
        value = fields.value.get(name)
        if value is not None and value not in values:
            allowed = " or ".join(shown(each) for each in values)
            raise OperationError(f"{name} {shown(value)} is not supported; leave it out, or send {allowed}.", 422)
    return fields


def _refuse_unknown(fields: Fields, names: tuple[str, ...]) -> None:
    """The sentence is that by which the SDK learns which newer fields an engine does not take."""
    for name, value in fields.value.items():
        if name not in names and value is not None:
            raise OperationError(f"Extra inputs are not permitted, field: {shown(name)}", 422)


def _common(fields: Fields, default_model: str, max_tokens: int | None) -> dict[str, Any]:
    model = fields.text("model") if fields.value.get("model") is not None else default_model
    logprobs, top, legacy = _logprobs(fields)
    stream = fields.flag("stream", False)
    options = fields.child("stream_options") if fields.value.get("stream_options") is not None else Fields({})
    return {
        "model": model,
        "sampling": _sampling(fields, max_tokens),
        "n": _bounded(fields, "n", 1, 1, MOST_CHOICES),
        "logprobs": logprobs,
        "top": top,
        "legacy": legacy,
        "stream": stream,
        "include_usage": options.flag("include_usage", False),
        "raw_output": fields.flag("raw_output", False),
        "token_ids": fields.flag("return_token_ids", False),
        "routing": fields.flag("include_routing_matrix", False),
    }


def _sampling(fields: Fields, max_tokens: int | None) -> Sampling:
    top_k = fields.value.get("top_k")
    strings, ids = _stops(fields)
    top_p = fields.number("top_p", 1.0)
    if not 0 < top_p <= 1:
        raise refuse("top_p", "a number above 0, 1 at most", fields.value["top_p"])
    return Sampling(
        max_tokens=fields.integer("max_tokens", max_tokens, 0),
        temperature=fields.number("temperature", 1.0, below=100.0),
        top_p=top_p,
        top_k=0 if top_k == -1 and type(top_k) is int else fields.integer("top_k", 0, 0) or 0,
        seed=_seed(fields),
        stop=strings,
        stop_token_ids=ids,
        ignore_eos=fields.flag("ignore_eos", False),
    )


def _seed(fields: Fields) -> int | None:
    value = fields.value.get("seed")
    if value is not None and (type(value) is not int or not -(2**63) <= value < 2**63):
        raise refuse("seed", "a whole number of 64 bits", value)
    return value


def _bounded(fields: Fields, name: str, default: int, low: int, high: int) -> int:
    value = fields.value.get(name)
    if value is None:
        return default
    if type(value) is not int or not low <= value <= high:
        raise refuse(name, f"a whole number from {low} to {high}", value)
    return value


def _logprobs(fields: Fields) -> tuple[bool, int, bool]:
    """Whether, how many beside each, and whether in the older shape: which is what a number there asks for."""
    given = fields.value.get("logprobs")
    top = _bounded(fields, "top_logprobs", 0, 0, MOST_TOP_LOGPROBS)
    if given is None or isinstance(given, bool):
        return bool(given) or top > 0, top, False
    return True, max(top, _bounded(fields, "logprobs", 0, 0, MOST_TOP_LOGPROBS)), True


def _stops(fields: Fields) -> tuple[tuple[str, ...], tuple[int, ...]]:
    given = fields.value.get("stop")
    listed = [] if given is None else given if isinstance(given, list) else [given]
    ids = fields.value.get("stop_token_ids")
    if ids is not None and not isinstance(ids, list):
        raise refuse("stop_token_ids", "a list of token ids", ids)
    every = [*(("stop", each) for each in listed), *(("stop_token_ids", each) for each in ids or [])]
    if len(every) > MOST_STOPS:
        raise OperationError(f"stop and stop_token_ids hold {len(every)} entries; the limit is {MOST_STOPS}.", 422)
    for name, each in every:
        is_text = isinstance(each, str) and name == "stop" and 0 < len(each) <= LONGEST_STOP
        if not is_text and not (type(each) is int and 0 <= each < 2**31):
            texts = f"texts of 1 to {LONGEST_STOP} characters or " if name == "stop" else ""
            raise refuse(name, f"{texts}token ids", each)
    return (
        tuple(each for _, each in every if isinstance(each, str)),
        tuple(each for _, each in every if not isinstance(each, str)),
    )


def _prompts(fields: Fields) -> tuple[Prompt, ...]:
    given = fields.require("prompt")
    several = isinstance(given, list) and given and isinstance(given[0], (str, list))
    prompts = given if several else [given]
    if len(prompts) > MOST_CHOICES:
        raise OperationError(f"prompt holds {len(prompts)} prompts; the limit is {MOST_CHOICES}.", 422)
    return tuple(_prompt(each, f"prompt[{index}]" if several else "prompt") for index, each in enumerate(prompts))


def _prompt(given: Any, where: str) -> Prompt:
    if isinstance(given, str) and given:
        return given
    if not isinstance(given, list) or not given:
        raise refuse(where, "a text or a list of token ids, and not empty", given)
    wrong = next((index for index, each in enumerate(given) if type(each) is not int or not 0 <= each < 2**31), None)
    if wrong is not None:
        raise refuse(f"{where}[{wrong}]", "a token id, a whole number of at least 0", given[wrong])
    return tuple(given)


def _messages(fields: Fields) -> tuple[dict[str, str], ...]:
    given = fields.require("messages")
    if not isinstance(given, list) or not given:
        raise refuse("messages", "a list of at least one message", given)
    return tuple(_message(Fields(each, f"messages[{index}]")) for index, each in enumerate(given))


def _message(message: Fields) -> dict[str, str]:
    content = message.value.get("content")
    if isinstance(content, list):
        parts = [Fields(part, f"{message.where('content')}[{index}]") for index, part in enumerate(content)]
        for part in parts:
            if part.value.get("type") != "text":
                raise OperationError(
                    f"{part.where('type')} {shown(part.value.get('type'))} is not supported; send text.", 422
                )
        content = "".join(part.text("text") for part in parts)
    if not isinstance(content, str):
        raise refuse(message.where("content"), "a text", content)
    return {"role": message.text("role"), "content": content}
