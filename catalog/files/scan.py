"""Turn the bytes of a catalog document into a tree of YAML nodes, or refuse them in bounded time and memory. Pure.

A document says facts, so it needs none of what makes YAML dangerous or ambiguous: aliases, tags, merge keys, several
documents. Size, depth and number of nodes are limited before a tree is built, since building one is recursive.
"""

from __future__ import annotations

import re
from typing import Protocol

import yaml

from catalog.files.problems import DocumentError, Problem, odd_space

MAX_BYTES = 4 * 1024 * 1024
MAX_NODES = 100_000
"""Keys and values together; a shape with everything written out has about 60, so this is some 1,600 of those."""
MAX_DEPTH = 10
"""Mappings and lists inside each other; the schema has eight."""
MAX_SCALAR = 3000
"""Characters of one value: above the longest text of the schema, and small enough for any number to be read quickly."""

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's, which every wheel has: many times faster; the same language."""
_UNREADABLE = re.compile("[^\t\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Among them U+0085, U+2028 and U+2029, which end a line in YAML 1.1 and do not in 1.2."""
_MERGE_MARKER = re.compile(r"^(<{7}|={7}|>{7}|\|{7})(?= |\r?$)", re.MULTILINE)
_PAIR = re.compile(r"\\u(d[89ab][0-9a-f]{2})\\u(d[c-f][0-9a-f]{2})", re.IGNORECASE)
_HALF = re.compile(r"\\u(d[89a-f][0-9a-f]{2})", re.IGNORECASE)
_NEAR = 40
"""Characters before and after the place of an error that are looked at for its cause."""
_MARKS = {b"\xff\xfe": "UTF-16 or UTF-32", b"\xfe\xff": "UTF-16", b"\x00\x00\xfe\xff": "UTF-32"}


class Readable(Protocol):
    """What bytes are read from: a file, standard input, an upload."""

    def read(self, size: int, /) -> bytes:
        """At most that many bytes, none at the end."""


def read_limited(stream: Readable) -> bytes:
    """The stream's bytes, one more than the limit at most, however long it is; `decode` refuses that one."""
    found = bytearray()
    while len(found) <= MAX_BYTES and (chunk := stream.read(MAX_BYTES + 1 - len(found))):
        found += chunk
    return bytes(found)


def decode(data: bytes, *, source: str) -> str:
    """The text of a document, a byte order mark of UTF-8 left out. Errors: `DocumentError`."""
    if len(data) > MAX_BYTES:
        raise _refused(source, 1, f"is larger than {MAX_BYTES // 1024**2} MiB, the limit; divide the account's shapes")
    for mark, encoding in _MARKS.items():
        if data.startswith(mark):
            raise _refused(source, 1, f"is written in {encoding}; save it as UTF-8")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _refused(source, line, f"byte {data[error.start]:#04x} is not UTF-8; save the file as UTF-8") from None
    return text


def compose(text: str, *, source: str) -> yaml.Node | None:
    """The root node, None for an empty document. Errors: `DocumentError`."""
    if found := _UNREADABLE.search(text):
        line = text.count("\n", 0, found.start()) + 1
        hint = "; it looks like UTF-16, so save it as UTF-8" if found[0] == "\0" else "; delete it"
        raise _refused(source, line, f"the character U+{ord(found[0]):04X} may not stand in a document{hint}")
    if marker := _MERGE_MARKER.search(text):
        line = text.count("\n", 0, marker.start()) + 1
        raise _refused(source, line, f"{marker[1]} is left from a merge; decide which side holds, and delete the marks")
    try:
        _scan(text, source)
        root: yaml.Node | None = yaml.compose(text, Loader=_LOADER)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise _refused(source, line, _why_no_yaml(text, error)) from None
    except yaml.YAMLError as error:
        raise _refused(source, 1, f"not YAML: {str(error)[:200]}") from None
    return root


def _why_no_yaml(text: str, error: yaml.MarkedYAMLError) -> str:
    """What the parser says, or what people know its cause by."""
    near = _place(text, error.problem_mark)
    if pair := _PAIR.search(near):
        letter = chr(0x10000 + (int(pair[1], 16) - 0xD800) * 0x400 + int(pair[2], 16) - 0xDC00)
        return f"{pair[0]} is how JSON escapes {letter} (U+{ord(letter):04X}), and YAML does not; write the character"
    if half := _HALF.search(near):
        return f"{half[0]} is half of a character, and the other half does not follow; write the whole character"
    return f"not YAML: {str(error.problem)[:200]}{odd_space(near)}"


def _place(text: str, mark: yaml.Mark | None) -> str:
    """The line of an error, as far as it is near, and before it the beginning of the line above."""
    lines = text.split("\n")
    if mark is None or mark.line >= len(lines):
        return ""
    above = lines[mark.line - 1][:_NEAR] if mark.line else ""
    return f"{above}\n{lines[mark.line][max(0, mark.column - _NEAR) : mark.column + _NEAR]}"


def _scan(text: str, source: str) -> None:
    """Pass where a tree may be built. Errors: `DocumentError`, `yaml.YAMLError`."""
    nodes = depth = documents = 0
    for event in yaml.parse(text, Loader=_LOADER):
        match event:
            case yaml.DocumentStartEvent():
                documents += 1
            case yaml.CollectionStartEvent():
                depth += 1
            case yaml.CollectionEndEvent():
                depth -= 1
        nodes += isinstance(event, yaml.NodeEvent)
        if sentence := _forbidden(event, nodes, depth, documents):
            raise _refused(source, event.start_mark.line + 1 if event.start_mark else 1, sentence)


def _forbidden(event: yaml.Event, nodes: int, depth: int, documents: int) -> str:
    """Why reading stops here; "" where it goes on."""
    if nodes > MAX_NODES:
        return f"has more than {MAX_NODES:,} keys and values, the limit; divide the account's shapes"
    if depth > MAX_DEPTH:
        return f"mappings and lists are nested deeper than {MAX_DEPTH}, the limit; no entry needs that"
    if documents > 1:
        return "a second document begins here; write one to a file, without another ---"
    if isinstance(event, yaml.AliasEvent):
        return f"*{str(event.anchor)[:60]} is an alias; write the value out where it is needed"
    if isinstance(event, yaml.NodeEvent) and event.anchor:
        return f"&{event.anchor[:60]} is an anchor; delete it, and write the value out where it is needed"
    if isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent) and event.tag:
        return f"{event.tag[:60]} is a tag; delete it, and put a value that is to be a text in quotes"
    if isinstance(event, yaml.ScalarEvent):
        if len(event.value) > MAX_SCALAR:
            return f"a value has {len(event.value):,} characters; the limit is {MAX_SCALAR:,}, so shorten it"
        if event.value == "<<" and event.implicit[0]:
            return "<< is a merge key; write the keys out where they are needed"
    return ""


def _refused(source: str, line: int, text: str) -> DocumentError:
    return DocumentError(source, [Problem(line, "document", text)])
