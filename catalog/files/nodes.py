"""A YAML mapping read key by key, with the line of everything that is wrong with it. Pure."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from enum import StrEnum
from typing import Any, TypeVar

import yaml

from catalog.files.problems import Place, Problem, Reporter, cut, odd_space, shown
from catalog.files.yaml_readings import difference, number_with_exponent
from catalog.labels import read_tokens
from wire import names
from wire.numbers import read_whole
from wire.texts import unseen_in

Choice = TypeVar("Choice", bound=StrEnum)
MAX_RECORDS = 10_000
_SHOWN_ENTRIES = 5
"""Of a list or mapping that a message repeats."""
_LONGEST_KEY, _DEEPEST_KEY = 63, 2
"""Of the keys in which others stand, such as `launch_fields.lora_rank.maximum`."""


class Record:
    """A mapping of the document. Every reading method notes a problem instead of raising, and returns a stand-in."""

    def __init__(self, node: yaml.Node | None, path: str, report: Reporter) -> None:
        self._report = report
        self.place = Place(_line(node) if node else 1, path, dict(_lines(node)))
        self._values: dict[str, yaml.Node] = {}
        self._read: set[str] = set()
        if not isinstance(node, yaml.MappingNode):
            found = f"{_written(node)} is no mapping{odd_space(_text_of(node))}" if node else "is empty"
            self._note(self.place.line, path, f"{found}; write a mapping of keys and values")
            return
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self._note(_line(key), path, f"{_written(key)} cannot be a key; write a word")
            elif key.value in self._values:
                both = f"{_written(self._values[key.value])} and {_written(value)}"
                self._note(_line(key), self.place.at(key.value), f"is given twice, as {both}; keep one")
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
        self._report.note(self.place.problem(key, f"{text}{_as_it_stands(self._values.get(key), text)}"))

    def finish(self) -> None:
        """Note every key that nobody asked for."""
        for name, value in self._values.items():
            if name not in self._read:
                known = ", ".join(sorted(self._read))
                odd = odd_space(name)
                self.wrong(name, f"is not known here, where {_written(value)} is given{odd}; there are {known}")

    def text(self, key: str, *, longest: int, default: str | None = None, lines: bool = False) -> str:
        """A text of 1 to `longest` characters, several lines with `lines`; without a default it must say something."""
        found = self._scalar(key, required=default is None)
        if found is None:
            return default or ""
        if not isinstance(found, str) or not 0 < len(found) <= longest:
            quotes = "" if isinstance(found, str) else "; put it in quotes"
            self.wrong(key, f"{self._shown(key)} is no text of 1 to {longest} characters{quotes}")
            return default or ""
        if unseen := unseen_in(found, lines=lines):
            self.wrong(key, f"{shown(found)} holds {unseen}; remove it")
            return default or ""
        if default is None and not found.strip():
            self.wrong(key, f"{shown(found)} is blank; write what people shall read")
            return ""
        return found

    def maybe_text(self, key: str, *, longest: int) -> str | None:
        """A text, which may be empty, or None where it is absent or null."""
        return "" if self._scalar(key, required=False) == "" else self.text(key, longest=longest, default="") or None

    def identifier(self, key: str) -> str:
        """An id as the wire has them."""
        found = self.text(key, longest=200)
        if found and (sentence := names.refuse_id(found)):
            self.wrong(key, sentence)
        return found

    def whole(self, key: str, *, least: int, most: int, default: int | None = None) -> int:
        """A whole number within the bounds; without a default it must be there."""
        found = self._scalar(key, required=default is None)
        if found is None:
            return default or 0
        number = None if isinstance(found, str) else read_whole(found)
        if number is None or not least <= number <= most:
            self.wrong(key, f"{self._shown(key)} is no whole number from {least} to {most}")
            return least
        return number

    def tokens(self, key: str, *, most: int) -> int:
        """A length in tokens, from 1, written as a number or as lengths are shown, such as 256k; it must be there."""
        found = self._scalar(key, required=False)
        if not isinstance(found, str):
            return self.whole(key, least=1, most=most)
        try:
            number = read_tokens(found)
        except ValueError as error:
            self.wrong(key, f"{self._shown(key)} is no length from 1 to {most}; {error}")
            return 1
        if not 1 <= number <= most:
            self.wrong(key, f"{self._shown(key)} is {number} tokens, and no length from 1 to {most}")
        return number

    def maybe_whole(self, key: str, *, least: int, most: int) -> int | None:
        """A whole number, or None where it is absent or null."""
        return self.whole(key, least=least, most=most, default=0) or None

    def flag(self, key: str, *, default: bool) -> bool:
        """true or false."""
        found = self._scalar(key, required=False)
        if found is None:
            return default
        if not isinstance(found, bool):
            self.wrong(key, f"{self._shown(key)} is neither true nor false")
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
            self.wrong(key, f"{self._shown(key)} is none of {', '.join(choices)}")
            return None
        return choices(found)

    def records(self, key: str, *, least: int) -> Iterator[Record]:
        """The mappings of a list that must be there."""
        self._read.add(key)
        node = self._values.get(key)
        wanted = f"list of {least} to {MAX_RECORDS} entries"
        if node is None:
            self.wrong(key, f"is missing; write a {wanted}")
        elif not isinstance(node, yaml.SequenceNode) or not least <= len(node.value) <= MAX_RECORDS:
            self.wrong(key, f"{_written(node)} is no {wanted}")
        else:
            for index, entry in enumerate(node.value):
                yield Record(entry, f"{self.place.at(key)}[{index}]", self._report)

    def texts(self, key: str, *, longest: int, most: int) -> tuple[str, ...]:
        """Up to `most` different texts of 1 to `longest` characters; none where it is absent or null."""
        if not self.has_value(key):
            return ()
        node = self._values[key]
        if not isinstance(node, yaml.SequenceNode) or len(node.value) > most:
            self.wrong(key, f"{_written(node)} is no list of up to {most} texts")
            return ()
        named = {f"{key}[{index}]": entry for index, entry in enumerate(node.value)}
        pairs = [(yaml.ScalarNode("tag:yaml.org,2002:str", name), entry) for name, entry in named.items()]
        entries = Record(yaml.MappingNode(node.tag, pairs, node.start_mark), self.place.path, self._report)
        return tuple(dict.fromkeys(entries.text(name, longest=longest) for name in named))

    def maybe_record(self, key: str) -> Record | None:
        """A mapping inside this one, or None where it is absent or null."""
        return Record(self._values[key], self.place.at(key), self._report) if self.has_value(key) else None

    def plain(self, key: str, *, number: bool) -> Any:
        """A single value or a list of single values, by YAML's own rules; with `number` also numbers such as 1e-5."""
        self._read.add(key)
        node = self._values[key]
        if isinstance(node, yaml.ScalarNode):
            return self._value(key, node, number=number)
        if isinstance(node, yaml.SequenceNode) and all(isinstance(each, yaml.ScalarNode) for each in node.value):
            return [self._value(key, each, number=number) for each in node.value]
        self.wrong(key, f"{_written(node)} is neither a single value nor a list of single values")
        return None

    def _scalar(self, key: str, *, required: bool) -> Any:
        self._read.add(key)
        node = self._values.get(key)
        if node is None:
            if required:
                self.wrong(key, "is missing")
            return None
        if not isinstance(node, yaml.ScalarNode):
            self.wrong(key, f"{_written(node)} is no single value; write one, no list or mapping")
            return None
        before = len(self._report.problems)
        found = self._value(key, node)
        if found is None and required and len(self._report.problems) == before:
            self.wrong(key, "is empty")
        return found

    def _value(self, key: str, node: yaml.ScalarNode, *, number: bool = False) -> Any:
        """The single value; None, and a problem noted, where readers of YAML differ on it."""
        if not _is_plain(node):
            return _construct(node)
        if number and (found := number_with_exponent(node.value)) is not None:
            return found
        if sentence := difference(node.value):
            self.wrong(key, sentence)
            return None
        return _construct(node)

    def _shown(self, key: str) -> str:
        """The key's value as a message repeats it."""
        return _written(self._values[key])

    def _note(self, line: int, path: str, text: str) -> None:
        self._report.note(Problem(line, path, text))


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _lines(node: yaml.Node | None, above: str = "") -> Iterator[tuple[str, int]]:
    """Every key of a mapping, and of the mappings in it, with the line of its value; of a key given twice the first.

    As deep and below keys as long as the schema's, so that their paths stay small whatever is written.
    """
    seen = set()
    for key, value in node.value if isinstance(node, yaml.MappingNode) else []:
        if isinstance(key, yaml.ScalarNode) and key.value not in seen:
            seen.add(key.value)
            yield f"{above}{key.value}", _line(value)
            if len(key.value) <= _LONGEST_KEY and above.count(".") < _DEEPEST_KEY:
                yield from _lines(value, f"{above}{key.value}.")


def _is_plain(node: yaml.ScalarNode) -> bool:
    """Whether it stands there without quotes, and in no block."""
    return not node.style


def _as_it_stands(node: yaml.Node | None, text: str) -> str:
    """What a message that tells a value otherwise than the file writes it has to add."""
    parts = node.value[:_SHOWN_ENTRIES] if isinstance(node, yaml.SequenceNode) else [node]
    scalars = [part for part in parts if isinstance(part, yaml.ScalarNode) and _is_plain(part)]
    foreign = [each.value for each in scalars if each.value not in text and any(told in text for told in _told(each))]
    return f" (the file says {cut(', '.join(foreign))})" if foreign else ""


def _told(node: yaml.ScalarNode) -> set[str]:
    """How a message may have the value."""
    return {str(_construct(node)), str(number_with_exponent(node.value))} - {"None"}


def _text_of(node: yaml.Node) -> str:
    return str(node.value) if isinstance(node, yaml.ScalarNode) else ""


def _written(node: yaml.Node) -> str:
    """The node's value as a message repeats it: as it stands, a text in quotes, cut where it is long or deep."""
    return cut(_brief(node, 2))


def _brief(node: yaml.Node, depth: int) -> str:
    if isinstance(node, yaml.ScalarNode):
        return repr(node.value) if not _is_plain(node) or isinstance(_construct(node), str) else str(node.value)
    brackets = "{}" if isinstance(node, yaml.MappingNode) else "[]"
    shown_first = node.value[:_SHOWN_ENTRIES] if depth else []
    entries = [
        ": ".join(_brief(part, depth - 1) for part in entry) if isinstance(entry, tuple) else _brief(entry, depth - 1)
        for entry in shown_first
    ]
    rest = ["…"] if len(node.value) > len(entries) else []
    return f"{brackets[0]}{', '.join([*entries, *rest])}{brackets[1]}"


def _construct(node: yaml.Node) -> Any:
    """The node's value by YAML's own rules. A number that cannot be one stays the text that was written."""
    return _value_of(node.tag, node.value) if isinstance(node, yaml.ScalarNode) else None


@functools.lru_cache(maxsize=4096)
def _value_of(tag: str, text: str) -> Any:
    try:
        return yaml.constructor.SafeConstructor().construct_document(yaml.ScalarNode(tag, text))
    except (yaml.YAMLError, ValueError, OverflowError):
        return text
