"""A YAML mapping read key by key, with the line of everything that is wrong with it. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import Any, TypeVar

import yaml

from catalog.document_problems import Place, Problem, Reporter, shown
from wire import names

Choice = TypeVar("Choice", bound=StrEnum)
MAX_RECORDS = 10_000


class Record:
    """A mapping of the document. Every reading method notes a problem instead of raising, and returns a stand-in."""

    def __init__(self, node: yaml.Node | None, path: str, report: Reporter) -> None:
        self._report = report
        self.place = Place(node.start_mark.line + 1 if node else 1, path)
        self._values: dict[str, yaml.Node] = {}
        self._read: set[str] = set()
        if not isinstance(node, yaml.MappingNode):
            self._note(self.place.line, path, "write a mapping of keys and values")
            return
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self._note(key.start_mark.line + 1, path, "a list or mapping cannot be a key; write a word")
            elif key.value in self._values:
                self._note(key.start_mark.line + 1, self._at(key.value), "is given twice; keep one")
            else:
                self._values[key.value] = value

    def has(self, key: str) -> bool:
        """Whether the key is written, be it with null."""
        self._read.add(key)
        return key in self._values

    def has_value(self, key: str) -> bool:
        """Whether the key is written with something other than null."""
        self._read.add(key)
        node = self._values.get(key)
        return node is not None and not (isinstance(node, yaml.ScalarNode) and _construct(node) is None)

    def all_keys(self) -> list[str]:
        """All keys, each of which counts as read."""
        self._read.update(self._values)
        return list(self._values)

    def wrong(self, key: str, text: str) -> None:
        """Note that the value of `key` cannot be used."""
        node = self._values.get(key)
        self._note(node.start_mark.line + 1 if node else self.place.line, self._at(key), text)

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
            quotes = "" if isinstance(found, str) else "; put it in quotes"
            self.wrong(key, f"{shown(found)} is no text of 1 to {longest} characters{quotes}")
            return default or ""
        return found

    def maybe_text(self, key: str, *, longest: int) -> str | None:
        """A text, which may be empty, or None where it is absent or null."""
        return "" if self._scalar(key, required=False) == "" else self.text(key, longest=longest, default="") or None

    def identifier(self, key: str) -> str:
        """An id as the wire has them."""
        found = self.text(key, longest=200)
        if found and not names.is_id(found):
            self.wrong(key, f"{shown(found)} is no id; {names.ID_RULE}")
        return found

    def whole(self, key: str, *, least: int, most: int, default: int | None = None) -> int:
        """A whole number within the bounds; without a default it must be there."""
        found = self._scalar(key, required=default is None)
        if found is None:
            return default or 0
        if not isinstance(found, int) or isinstance(found, bool) or not least <= found <= most:
            self.wrong(key, f"{shown(found)} is no whole number from {least} to {most}")
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
            self.wrong(key, f"{shown(found)} is neither true nor false")
            return default
        return found

    def choice(self, key: str, choices: type[Choice]) -> Choice:
        """One of the enumeration's values; it must be there."""
        found = self.maybe_choice(key, choices)
        if found is None and not self.has_value(key):
            self.wrong(key, f"is missing; write one of {', '.join(choices)}")
        return found or next(iter(choices))

    def maybe_choice(self, key: str, choices: type[Choice]) -> Choice | None:
        """One of the enumeration's values, or None where it is absent or null."""
        found = self._scalar(key, required=False)
        if found is None:
            return None
        if found not in list(choices):
            self.wrong(key, f"{shown(found)} is none of {', '.join(choices)}")
            return None
        return choices(found)

    def records(self, key: str, *, least: int) -> Iterator[Record]:
        """The mappings of a list that must be there."""
        self._read.add(key)
        node = self._values.get(key)
        if not isinstance(node, yaml.SequenceNode) or not least <= len(node.value) <= MAX_RECORDS:
            self.wrong(key, f"write a list of {least} to {MAX_RECORDS} entries")
            return
        for index, entry in enumerate(node.value):
            yield Record(entry, f"{self._at(key)}[{index}]", self._report)

    def maybe_record(self, key: str) -> Record | None:
        """A mapping inside this one, or None where it is absent or null."""
        return Record(self._values[key], self._at(key), self._report) if self.has_value(key) else None

    def plain(self, key: str) -> Any:
        """A single value or a list of single values, by YAML's own rules."""
        self._read.add(key)
        node = self._values[key]
        if isinstance(node, yaml.SequenceNode) and all(isinstance(each, yaml.ScalarNode) for each in node.value):
            return [_construct(each) for each in node.value]
        return self._scalar(key, required=False)

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
        return _shown_key(key) if self.place.path == "document" else f"{self.place.path}.{_shown_key(key)}"

    def _note(self, line: int, path: str, text: str) -> None:
        self._report.note(Problem(line, path, text))


def _shown_key(key: str) -> str:
    """A key as a path repeats it: cut where it is long, and without what would break its line."""
    return key if len(key) <= 60 and key.isprintable() else shown(key)


def _construct(node: yaml.Node) -> Any:
    """The node's value by YAML's own rules. A number that cannot be one stays the text that was written."""
    try:
        return yaml.constructor.SafeConstructor().construct_document(node)
    except (yaml.YAMLError, ValueError, OverflowError):
        return str(node.value)
