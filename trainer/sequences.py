"""The sequences of request bodies: token ids, and numbers beside them. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from trainer.errors import OperationError
from trainer.fields import Fields, is_number, refuse, shown

ID_LIMIT = 2**63
IGNORED = -100
"""A target that is no token: it has weight 0, log-probability 0.0, and is not counted, as everywhere in PyTorch."""


@dataclass(frozen=True)
class Datum:
    """One sequence: token ids, and the numbers of each input of the loss, one for each token.

    Where `width` is given there are so many targets for each token, and as many of the other inputs, a token's side
    by side. Targets may be IGNORED.
    """

    tokens: list[int]
    inputs: dict[str, list[float]]
    width: int | None = None


def parse_tokens(model_input: Fields) -> list[int]:
    chunks = model_input.require("chunks")
    if not isinstance(chunks, list):
        raise refuse(model_input.where("chunks"), "a list", chunks)
    tokens: list[int] = []
    for index, value in enumerate(chunks):
        chunk = Fields(value, f"{model_input.where('chunks')}[{index}]")
        if (kind := chunk.value.get("type", "encoded_text")) != "encoded_text":
            raise OperationError(
                f"{chunk.where('type')} {shown(kind)} is not supported; this trainer takes encoded_text only.", 422
            )
        tokens += whole_numbers(chunk.require("tokens"), chunk.where("tokens"))
    if not tokens:
        raise OperationError(f"{model_input.where('chunks')} holds no token.", 422)
    return tokens


def whole_numbers(value: Any, where: str, *, but: int = 0) -> list[int]:
    """A list of token ids; `but` is the one number below 0 that is let through."""
    wanted = "a list of whole numbers of at least 0" + (f", or {but} for a target that does not count" if but else "")
    if not isinstance(value, list):
        raise refuse(where, wanted, value)
    allowed = (type(item) is int and (0 <= item < ID_LIMIT or item == but) for item in value)
    wrong = next((index for index, good in enumerate(allowed) if not good), None)
    if wrong is not None:
        raise refuse(f"{where}[{wrong}]", wanted.replace("a list of whole numbers", "a whole number"), value[wrong])
    return value


def finite_numbers(value: Any, where: str) -> list[float]:
    if not isinstance(value, list):
        raise refuse(where, "a list of finite numbers", value)
    if wrong := next(((index, item) for index, item in enumerate(value) if not is_number(item)), None):
        raise refuse(f"{where}[{wrong[0]}]", "a finite number", wrong[1])
    return value
