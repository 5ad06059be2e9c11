"""A YAML mapping read key by key, with the line of everything that is wrong with it. Pure."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import yaml

from catalog.files.kinds import Meaning, ScalarKind, text
from catalog.files.problems import Place, Problem, Reporter, cut, odd_space
from catalog.files.yaml_readings import difference, number_with_exponent

Default = TypeVar("Default")
REQUIRED: Any = object()
"""In place of a default: the value must be there, and say something."""
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
            report.note(Problem(self.place.line, path, f"{found}; write a mapping of keys and values"))
            return
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                report.note(Problem(_line(key), path, f"{_written(key)} cannot be a key; write a word"))
            elif key.value in self._values:
                both = f"{_written(self._values[key.value])} and {_written(value)}"
                report.note(Problem(_line(key), self.place.at(key.value), f"is given twice, as {both}; keep one"))
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

    def wrong(self, key: str, text: str, node: yaml.Node | None = None) -> None:
        """Note that the value of `key` cannot be used; `node` is the value where the key is no more than its name."""
        node = node or self._values.get(key)
        line = _line(node) if node else self.place.line_of(key)
        self._report.note(Problem(line, self.place.at(key), f"{text}{_as_it_stands(node, text)}"))

    def finish(self) -> None:
        """Note every key that nobody asked for."""
        for name, value in self._values.items():
            if name not in self._read:
                known = ", ".join(sorted(self._read))
                odd = odd_space(name)
                self.wrong(name, f"is not known here, where {_written(value)} is given{odd}; there are {known}")

    def take(self, key: str, kind: ScalarKind[Meaning], default: Default = REQUIRED) -> Meaning | Default:
        """What the value means; where it is absent or null `default`, and without one it must be there."""
        self._read.add(key)
        return self._meaning(key, self._values.get(key), kind, default)

    def _meaning(
        self, key: str, node: yaml.Node | None, kind: ScalarKind[Meaning], default: Default = REQUIRED
    ) -> Meaning | Default:
        required = default is REQUIRED
        if node is None:
            sentence = kind.missing if required else ""
        elif not isinstance(node, yaml.ScalarNode):
            sentence = f"{_written(node)} is no single value; write one, no list or mapping"
        elif not (sentence := _doubt(node)):
            value = _construct(node)
            try:
                if value is not None:
                    found = kind.read(value)
                    if not required or str(found).strip():
                        return found
                    raise ValueError("is blank; write what people shall read")
                sentence = kind.empty if required else ""
            except ValueError as error:
                sentence = f"{_written(node)} {error}"
        if sentence:
            self.wrong(key, sentence, node)
        return kind.stand_in if required else default

    def named(self, key: str, refuse: Callable[[str], str], default: str = REQUIRED) -> str:
        """A name; one of which `refuse` says why it is none stays as it is, so that others can be held against it."""
        found = self.take(key, text(200), default)
        if found and (sentence := refuse(found)):
            self.wrong(key, sentence)
        return found

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

    def texts(self, key: str, kind: ScalarKind[str], *, most: int) -> tuple[str, ...]:
        """Up to `most` different texts; none where it is absent or null."""
        if not self.has_value(key):
            return ()
        node = self._values[key]
        if not isinstance(node, yaml.SequenceNode) or len(node.value) > most:
            self.wrong(key, f"{_written(node)} is no list of up to {most} texts")
            return ()
        entries = enumerate(node.value)
        return tuple(dict.fromkeys(self._meaning(f"{key}[{index}]", entry, kind) for index, entry in entries))

    def maybe_record(self, key: str) -> Record | None:
        """A mapping inside this one, or None where it is absent or null."""
        return Record(self._values[key], self.place.at(key), self._report) if self.has_value(key) else None

    def plain(self, key: str, *, number: bool) -> Any:
        """A single value or a list of single values, by YAML's own rules; with `number` also numbers such as 1e-5."""
        self._read.add(key)
        node = self._values[key]
        entries = node.value if isinstance(node, yaml.SequenceNode) else [node]
        single = [each for each in entries if isinstance(each, yaml.ScalarNode)]
        if len(single) < len(entries):
            self.wrong(key, f"{_written(node)} is neither a single value nor a list of single values")
            return None
        for sentence in filter(None, (_doubt(each, number=number) for each in single)):
            self.wrong(key, sentence)
        found = [_construct(each, number=number) for each in single]
        return found if isinstance(node, yaml.SequenceNode) else found[0]


def _doubt(node: yaml.ScalarNode, *, number: bool = False) -> str:
    """That readers of YAML differ on the value, both readings told; "" where they do not."""
    exempt = not _is_plain(node) or (number and number_with_exponent(node.value) is not None)
    return "" if exempt else difference(node.value)


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


def _construct(node: yaml.Node, *, number: bool = False) -> Any:
    """The node's value by YAML's own rules. A number that cannot be one stays the text that was written."""
    if not isinstance(node, yaml.ScalarNode):
        return None
    found = number_with_exponent(node.value) if number and _is_plain(node) else None
    return _value_of(node.tag, node.value) if found is None else found


@functools.lru_cache(maxsize=4096)
def _value_of(tag: str, text: str) -> Any:
    try:
        return yaml.constructor.SafeConstructor().construct_document(yaml.ScalarNode(tag, text))
    except (yaml.YAMLError, ValueError, OverflowError):
        return text
