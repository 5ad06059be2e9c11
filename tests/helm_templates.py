"""As much of Helm's template language as deploy/helm uses, for a machine without Helm; anything else is refused."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

TAG = re.compile(r"(\s*)\{\{(-?)\s*(.*?)\s*(-?)\}\}(\s*)", re.DOTALL)
Piece = str | tuple[str, list[Any]]


def render(chart: Path, release: str, **values: Any) -> list[dict[str, Any]]:
    """The resources of the chart, with these values in place of its own.

    Raises:
        AssertionError: a template uses what is not understood here.
    """
    given = yaml.safe_load((chart / "values.yaml").read_text())
    about = yaml.safe_load((chart / "Chart.yaml").read_text())
    context = {
        "Values": {**given, **values},
        "Chart": {"Name": about["name"], "AppVersion": about["appVersion"]},
        "Release": {"Name": release, "Service": "Helm"},
    }
    named: dict[str, list[Piece]] = {}
    files = sorted((chart / "templates").iterdir(), key=lambda path: path.suffix)
    texts = [_text(_parse(path.read_text()), context, named) for path in files]
    return [resource for text in texts for resource in yaml.safe_load_all(text) if resource]


def _parse(text: str) -> list[Piece]:
    """Texts and tags, what stands between a tag and its `end` inside the tag."""
    open_tags: list[list[Piece]] = [[]]
    at = 0
    for found in TAG.finditer(text):
        before, cut_before, said, cut_after, after = found.groups()
        open_tags[-1].append(text[at : found.start()] + ("" if cut_before else before))
        at = found.end() if cut_after else found.end() - len(after)
        if said == "end":
            open_tags.pop()
        else:
            body: list[Piece] = []
            open_tags[-1].append((said, body))
            if said.split()[0] in ("if", "range", "define"):
                open_tags.append(body)
    assert len(open_tags) == 1, "each if, range and define has its end"
    return [*open_tags[0], text[at:]]


def _text(pieces: list[Piece], context: Mapping[str, Any], named: dict[str, list[Piece]]) -> str:
    out = []
    for piece in pieces:
        if isinstance(piece, str):
            out.append(piece)
            continue
        said, body = piece
        word, _, rest = said.partition(" ")
        match word:
            case "define":
                named[json.loads(rest)] = body
            case "if":
                negated = rest.startswith("not ")
                if bool(_value(rest.removeprefix("not "), context, named)) != negated:
                    out.append(_text(body, context, named))
            case "range":
                names, _, of = rest.partition(":=")
                key, value = names.replace(",", " ").split()
                for each in sorted(_value(of.strip(), context, named).items()):
                    out.append(_text(body, {**context, key: each[0], value: each[1]}, named))
            case _:
                out.append(str(_value(said, context, named)))
    return "".join(out)


def _value(said: str, context: Mapping[str, Any], named: dict[str, list[Piece]]) -> Any:
    """What a pipeline gives."""

    def atom(word: str) -> Any:
        if word.startswith("."):
            found: Any = context
            for name in word[1:].split("."):
                found = found[name]
            return found
        return context[word] if word.startswith("$") else json.loads(word)

    functions: dict[str, Callable[..., Any]] = {
        "quote": lambda value: json.dumps(str(value)),
        "default": lambda other, value: value or other,
        "nindent": lambda width, text: "\n" + re.sub(r"^(?=.)", " " * width, text, flags=re.MULTILINE),
        "toYaml": lambda value: yaml.safe_dump(value).rstrip(),
        "printf": lambda form, *words: form % words,
        "include": lambda name, _: _text(named[name], context, named).strip("\n"),
    }
    piped: list[Any] = []
    for stage in re.split(r"\s\|\s", said):
        inner = {
            f"$({number})": _value(text, context, named) for number, text in enumerate(re.findall(r"\((.*?)\)", stage))
        }
        for number in range(len(inner)):
            stage = re.sub(r"\(.*?\)", f"$<{number}>", stage, count=1)  # noqa: PLW2901
        words = [word.replace("<", "(").replace(">", ")") for word in shlex.split(stage, posix=False)]
        head, *rest = words
        arguments = [inner[word] if word in inner else context if word == "." else atom(word) for word in rest]
        if head in functions:
            piped = [functions[head](*arguments, *piped)]
        else:
            assert not rest and not piped, f"{said!r} is more than is understood here"
            piped = [atom(head)]
    return piped[0]
