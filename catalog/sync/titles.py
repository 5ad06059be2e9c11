"""What a base model is called for people, from its id, where nobody says it. Pure.

qwen3p8-27b               Qwen 3.8 27B            of Qwen, under Qwen 3.8
qwen3p6-35b-a3b           Qwen 3.6 35B A3B        of Qwen, under Qwen 3.6 (Mixture-of-Experts)
llama-v3p3-70b-instruct   Llama V3.3 70B Instruct
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from catalog.enums import Architecture

_POINT = re.compile(r"(?<=\d)p(?=\d)")
_NAME_AND_NUMBER = re.compile(r"([a-z]{3,})(\d[\d.]*)")
_SIZE = re.compile(r"[ae]?\d+(\.\d+)?[bmt]")
_ACTIVE = re.compile(r"a\d+(\.\d+)?b")
_NUMBER = re.compile(r"[a-z]?\d+(\.\d+)?")
_SHORT = re.compile(r"[a-z]{1,2}\d[\d.]*")
_SPELLED = {
    **{word: word.upper() for word in ("ai", "bf16", "fp4", "fp8", "glm", "gpt", "it", "nvidia", "oss", "vl")},
    "deepseek": "DeepSeek",
    "minimax": "MiniMax",
    "moe": "MoE",
    "nf4": "NF4",
}
_MAKERS = frozenset({"nvidia"})
"""Said before the name of a family; the family is what comes next."""
_SECTIONS = {Architecture.DENSE: " (Dense)", Architecture.MOE: " (Mixture-of-Experts)", None: ""}


@dataclass(frozen=True)
class Spelled:
    """A title, its family, and the section of the family that it stands in."""

    title: str
    family: str
    section: str
    architecture: Architecture | None


def spell(model_id: str, architecture: Architecture | None = None) -> Spelled:
    """All of it from the id; `architecture` where that is known: an id that counts active parameters says it, too."""
    words = [word for token in model_id.split("-") for word in _split(_POINT.sub(".", token))]
    if architecture is None and any(_ACTIVE.fullmatch(word) for word in words[1:]):
        architecture = Architecture.MOE
    named = words[1:] if words[0] in _MAKERS and len(words) > 1 else words
    family = _spelled(named[0])
    lead = [family]
    for word in named[1:]:
        if _SIZE.fullmatch(word) or not _NUMBER.fullmatch(word):
            break
        lead.append(_spelled(word))
    section = " ".join(lead) + _SECTIONS[architecture]
    return Spelled(" ".join(_spelled(word) for word in words), family, section, architecture)


def _split(token: str) -> list[str]:
    """`qwen3.8` is a name and a number; `bf16` is a word."""
    found = None if token in _SPELLED else _NAME_AND_NUMBER.fullmatch(token)
    return [found[1], found[2]] if found else [token]


def _spelled(word: str) -> str:
    if word in _SPELLED:
        return _SPELLED[word]
    return word.upper() if _SIZE.fullmatch(word) or _SHORT.fullmatch(word) else word[:1].upper() + word[1:]
