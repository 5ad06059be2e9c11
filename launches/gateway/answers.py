"""What a trainer's answer says of training: in JSON or in protobuf, packed or not, and hostile until it is read. Pure.

The official SDK takes protobuf for forward_backward (it sends `Accept: application/x-protobuf, application/json`), and
its HTTP client takes gzip and deflate. Of protobuf two fields are read, by the numbers that its
`tinker_public.ForwardBackwardOutput` gives them: the metrics, and how long the log-probabilities are.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

LARGEST = 8 * 1024 * 1024
"""Bytes of an answer that is read, unpacked: the log-probabilities of some hundred thousand tokens."""
LARGEST_FIGURE = 2**53
MOST_FIELDS = 50_000
"""Of an answer in protobuf, with those of the messages inside: each is gone through by itself."""
_PACKED = frozenset({b"gzip", b"x-gzip", b"deflate"})
_PROTOBUF = b"application/x-protobuf"
_TOKEN_BYTES = {1: 4, 2: 8, 3: 4, 4: 2}
"""By tinker_public.DType, bytes of one log-probability: float32, int64, int32, bfloat16."""
_RECORDS, _METRICS, _RECORD_FIELDS, _KEY, _VALUE, _DATA, _DTYPE = 2, 3, 2, 1, 2, 1, 3
_VARINT, _DOUBLE, _BYTES, _FLOAT = 0, 1, 2, 5


@dataclass(frozen=True)
class AnswerForm:
    """How an answer is written, as its fields say."""

    is_protobuf: bool = False
    is_packed: bool = False


def form_of(fields: Iterable[tuple[bytes, bytes]]) -> AnswerForm | None:
    """None where nobody here unpacks it."""
    given = {name.lower(): value.strip().lower() for name, value in fields}
    packing = given.get(b"content-encoding", b"")
    if packing not in _PACKED | {b"", b"identity"}:
        return None
    return AnswerForm(given.get(b"content-type", b"").startswith(_PROTOBUF), packing in _PACKED)


def read_metrics(body: bytes, form: AnswerForm | None = None) -> dict[str, float]:
    """The finite figures of a result's metrics; where it counts no loss tokens, those whose log-probability it has.

    Whatever else the answer is, there are none. Errors: `OverflowError` for what is too long when it is unpacked, or
    has too many fields.
    """
    form = form or AnswerForm()
    try:
        plain = _unpacked(body) if form.is_packed else body
        metrics, tokens = _of_protobuf(plain) if form.is_protobuf else _of_json(plain)
    except (ValueError, RecursionError, zlib.error, struct.error):
        return {}
    told = {name: value for name, value in metrics.items() if _is_figure(value)}
    if "loss:sum" in told and "loss_tokens:sum" not in told:
        told["loss_tokens:sum"] = float(tokens)
    return told


def _unpacked(body: bytes) -> bytes:
    """Of gzip, of zlib, or of the bare deflate that some send under its name."""
    try:
        return _inflated(body, 32 + zlib.MAX_WBITS)
    except zlib.error:
        return _inflated(body, -zlib.MAX_WBITS)


def _inflated(body: bytes, window: int) -> bytes:
    reader = zlib.decompressobj(window)
    plain = reader.decompress(body, LARGEST)
    if reader.unconsumed_tail:
        raise OverflowError(f"More than {LARGEST:,} bytes when it is unpacked.")
    return plain


def _is_figure(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < LARGEST_FIGURE


def _of_json(body: bytes) -> tuple[Mapping[str, Any], int]:
    answer = json.loads(body)
    if not isinstance(answer, Mapping) or not isinstance(answer.get("metrics"), Mapping):
        return {}, 0
    outputs = answer.get("loss_fn_outputs")
    return answer["metrics"], sum(map(_tokens, outputs)) if isinstance(outputs, list) else 0


def _tokens(output: Any) -> int:
    logprobs = output.get("logprobs") if isinstance(output, Mapping) else None
    data = logprobs.get("data") if isinstance(logprobs, Mapping) else None
    return len(data) if isinstance(data, list) else 0


def _of_protobuf(body: bytes) -> tuple[Mapping[str, Any], int]:
    metrics: dict[str, Any] = {}
    tokens, left = 0, iter(range(MOST_FIELDS))
    for number, value in _fields(body, left):
        if number == _METRICS and isinstance(value, bytes):
            entry = dict(_fields(value, left))
            metrics[_text(entry.get(_KEY))] = entry.get(_VALUE, 0.0)
        elif number == _RECORDS and isinstance(value, bytes):
            tokens += sum(_logprobs(inner, left) for place, inner in _fields(value, left) if place == _RECORD_FIELDS)
    return metrics, tokens


def _logprobs(entry: Any, left: Iterator[int]) -> int:
    """How many there are in an entry of a record's fields; 0 where it is another field's."""
    said = dict(_fields(entry, left)) if isinstance(entry, bytes) else {}
    tensor = said.get(_VALUE)
    if _text(said.get(_KEY)) != "logprobs" or not isinstance(tensor, bytes):
        return 0
    facts = dict(_fields(tensor, left))
    data, size = facts.get(_DATA), _TOKEN_BYTES.get(int(facts.get(_DTYPE, 0)) if facts else 0)
    return len(data) // size if isinstance(data, bytes) and size else 0


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else ""


def _fields(message: bytes, left: Iterator[int]) -> Iterator[tuple[int, Any]]:
    """The fields of a message by number, in the order of the wire, each of which takes one of what is `left`.

    Errors: `ValueError`, `struct.error`, `OverflowError` where nothing is left.
    """
    place = 0
    while place < len(message):
        if next(left, None) is None:
            raise OverflowError(f"More than {MOST_FIELDS:,} fields.")
        tag, place = _varint(message, place)
        kind = tag & 7
        if kind == _VARINT:
            value, place = _varint(message, place)
            yield tag >> 3, value
        elif kind in (_DOUBLE, _FLOAT):
            form = "<d" if kind == _DOUBLE else "<f"
            yield tag >> 3, struct.unpack_from(form, message, place)[0]
            place += struct.calcsize(form)
        elif kind == _BYTES:
            length, place = _varint(message, place)
            if place + length > len(message):
                raise ValueError("A field is longer than its message.")
            yield tag >> 3, message[place : place + length]
            place += length
        else:
            raise ValueError(f"There are no fields of the kind {kind}.")


def _varint(message: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while place < len(message) and shift < 64:
        byte = message[place]
        value, shift, place = value | (byte & 127) << shift, shift + 7, place + 1
        if byte < 128:
            return value, place
    raise ValueError("A number breaks off.")
