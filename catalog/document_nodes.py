"""A YAML mapping read key by key, with the line of everything that is wrong with it. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeVar

import yaml

from wire import names

Choice = TypeVar("Choice", bound=StrEnum)
MAX_RECORDS = 10_000


@dataclass(frozen=True)
class Problem:
    """One thing wrong: the line (from 1), the field's path such as `models[3].shapes[0].gpus`, and a remedy."""

    line: int
    field: str
    text: str


@dataclass
class Reporter:
    """Collects the problems of one document."""

    problems: list[Problem] = field(default_factory=list)


class Record:
    """A mapping of the document. Every reading method notes a problem instead of raising, and returns a stand-in."""

    def __init__(self, node: yaml.Node | None, path: str, report: Reporter) -> None:
        self._path, self._report = path, report
        self._line = node.start_mark.line + 1 if node else 1
        self._values: dict[str, yaml.Node] = {}
        self._read: set[str] = set()
        if not isinstance(node, yaml.MappingNode):
            self._note(self._line, path, "write a mapping of keys and values")
            return
        for key, value in node.value:
            name = str(key.value)
            if name in self._values:
                self._note(key.start_mark.line + 1, self._at(name), "is given twice; keep one")
            self._values[name] = value

    def wrong(self, key: str, text: str) -> None:
        """Note that the value of `key` cannot be used."""
        node = self._values.get(key)
        self._note(node.start_mark.line + 1 if node else self._line, self._at(key), text)

    def finish(self) -> None:
        """Note every key that nobody asked for."""
        for name in self._values:
            if name not in self._read:
                self.wrong(name, f"is not known here; there are {', '.join(sorted(self._read))}")

    def unique(self, key: str, ids: Sequence[str], what: str) -> None:
        """Note ids that occur more than once."""
        for identifier, times in sorted(Counter(ids).items()):
            if identifier and times > 1:
                self.wrong(key, f"{what} {identifier} is there {times} times; keep one")

    def text(self, key: str, *, longest: int, default: str | None = None) -> str:
        """A text of 1 to `longest` characters; without a default it must be there."""
        found = self._scalar(key, required=default is None)
        if found is None:
            return default or ""
        if not isinstance(found, str) or not 0 < len(found) <= longest or "\0" in found:
            self.wrong(key, f"{found!r} is no text of 1 to {longest} characters")
            return default or ""
        return found

    def maybe_text(self, key: str, *, longest: int) -> str | None:
        """A text, or None where it is absent or null."""
        return self.text(key, longest=longest, default="") or None

    def identifier(self, key: str) -> str:
        """An id as the wire has them."""
        found = self.text(key, longest=200)
        if found and not names.is_id(found):
            self.wrong(key, f"{found!r} is no id; {names.ID_RULE}")
        return found

    def whole(self, key: str, *, least: int, most: int, default: int | None = None) -> int:
        """A whole number within the bounds; without a default it must be there."""
        found = self._scalar(key, required=default is None)
        if found is None:
            return default or 0
        if not isinstance(found, int) or isinstance(found, bool) or not least <= found <= most:
            self.wrong(key, f"{found!r} is no whole number from {least} to {most}")
            return least
        return found

    def maybe_whole(self, key: str, *, least: int, most: int) -> int | None:
        """A whole number, or None where it is absent or null."""
        return self.whole(key, least=least, most=most, default=0) or None

    def flag(self, key: str, *, default: bool) -> bool:
        """true or false."""
        found = self._scalar(key, required=False)
        if found is None:
            return default
        if not isinstance(found, bool):
            self.wrong(key, f"{found!r} is neither true nor false")
            return default
        return found

    def choice(self, key: str, choices: type[Choice]) -> Choice:
        """One of the enumeration's values; it must be there."""
        found = self.maybe_choice(key, choices)
        if found is None and self._values.get(key) is None:
            self.wrong(key, f"is missing; write one of {', '.join(choices)}")
        return found or next(iter(choices))

    def maybe_choice(self, key: str, choices: type[Choice]) -> Choice | None:
        """One of the enumeration's values, or None where it is absent or null."""
        found = self._scalar(key, required=False)
        if found is None:
            return None
        if found not in list(choices):
            self.wrong(key, f"{found!r} is none of {', '.join(choices)}")
            return None
        return choices(found)

    def records(self, key: str) -> Iterator[Record]:
        """The mappings of a list that must be there and not be empty."""
        self._read.add(key)
        node = self._values.get(key)
        if not isinstance(node, yaml.SequenceNode) or not 0 < len(node.value) <= MAX_RECORDS:
            self.wrong(key, f"write a list of 1 to {MAX_RECORDS} entries")
            return
        for index, entry in enumerate(node.value):
            yield Record(entry, f"{self._at(key)}[{index}]", self._report)

    def maybe_record(self, key: str) -> Record | None:
        """A mapping inside this one, or None where it is absent."""
        self._read.add(key)
        node = self._values.get(key)
        return Record(node, self._at(key), self._report) if node else None

    def maybe_plain(self, key: str) -> dict[str, Any] | None:
        """A mapping as plain values, or None where it is absent."""
        self._read.add(key)
        node = self._values.get(key)
        found = _construct(node) if node else None
        if found is not None and not isinstance(found, dict):
            self.wrong(key, "write a mapping of keys and values")
            return None
        return found

    def _scalar(self, key: str, *, required: bool) -> Any:
        self._read.add(key)
        node = self._values.get(key)
        if node is None:
            if required:
                self.wrong(key, "is missing")
            return None
        if not isinstance(node, yaml.ScalarNode):
            self.wrong(key, "write a single value, no list or mapping")
            return None
        found = _construct(node)
        if found is None and required:
            self.wrong(key, "is empty")
        return found

    def _at(self, key: str) -> str:
        return key if self._path == "document" else f"{self._path}.{key}"

    def _note(self, line: int, path: str, text: str) -> None:
        self._report.problems.append(Problem(line, path, text))


def _construct(node: yaml.Node) -> Any:
    """The node's value by YAML's own rules. A date or a binary stays the text that was written."""
    try:
        return yaml.constructor.SafeConstructor().construct_document(node)
    except (yaml.YAMLError, ValueError, RecursionError):
        return str(node.value)
