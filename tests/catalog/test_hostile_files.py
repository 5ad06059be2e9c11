"""Files that mean harm are refused at once, in words, through the command; `./run bench hostile` measures them."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from benchmarks.hostile import files
from catalog.files.scan import MAX_BYTES, read_limited
from catalog.models import TrainingShape
from tests.catalog.test_document import GOOD, complaints, read

WORDS = {
    "python tag": "python/object/apply:os.system is a tag; delete it",
    "billion laughs": ":1: document: &a is an anchor; delete it",
    "merge keys": ":3: document: << is a merge key; write the keys out",
    "50 MB of spaces": "is larger than 4 MiB, the limit",
    "50 MB of a comment": "is larger than 4 MiB, the limit",
    "50 MB of shapes": "is larger than 4 MiB, the limit",
    "deep lists": "nested deeper than 10",
    "deep mappings": "nested deeper than 10",
    "deep indentation": ":11: document: mappings and lists are nested deeper than 10",
    "deep dashes": "nested deeper than 10",
    "many empty values": "more than 100,000 keys and values",
    "many flow values": "more than 100,000 keys and values",
    "many keys": ":50000: document: has more than 100,000 keys and values",
    "duplicate keys": ":2: account: is given twice, as 'bench' and 'bench'; keep one",
    "duplicate ids": "the rest was not read; mend these 200 first",
    "unknown keys": "models[0].x1: is not known here, where 1 is given; there are",
    "keys below long keys": "is not known here, where {'kkkkkk",
    "one long text": "a value has 4,194,284 characters; the limit is 3,000",
    "one long number": "a value has 4,194,284 characters; the limit is 3,000",
    "a number of base 60": "characters; the limit is 3,000",
    "a long key": "characters; the limit is 3,000",
    "question marks": "nested deeper than 10",
    "many documents": ":2: document: a second document begins here",
    "tags and anchors": "is an anchor",
    "quotes that never end": "not YAML: found unexpected end of stream",
    "a block that never ends": "characters; the limit is 3,000",
    "UTF-16": "is written in UTF-16 or UTF-32; save it as UTF-8",
    "UTF-16 without a mark": "U+0000 may not stand in a document; it looks like UTF-16",
    "Latin-1": ":2: document: byte 0xe9 is not UTF-8; save the file as UTF-8",
    "NUL bytes": "U+0000 may not stand in a document",
    "random bytes": "",
    "the same shape, often": "models[0].shapes[1].id: m-64k-lora is there already, in line 8; keep one",
    "nothing": ":1: document: is empty; write a mapping of keys and values",
}
HOSTILE = dict(files())


@pytest.mark.e2e  # for how long it takes
@pytest.mark.django_db
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_in_words_and_changes_nothing(name: str, tmp_path: Path) -> None:
    path = tmp_path / "hostile.yaml"
    path.write_bytes(HOSTILE[name])
    with pytest.raises(CommandError) as caught:
        call_command("apply_catalog", path)
    assert WORDS[name] in str(caught.value)
    assert len(str(caught.value)) < 100_000, "a message repeats little of the file"
    assert not TrainingShape.objects.exists()


def test_no_more_is_read_than_the_limit() -> None:
    class Endless(io.RawIOBase):
        given = 0

        def read(self, size: int = -1) -> bytes:
            assert 0 < size <= MAX_BYTES + 1 - self.given
            self.given += min(size, 1 << 16)
            return b" " * min(size, 1 << 16)

    endless = Endless()
    assert len(read_limited(endless)) == endless.given == MAX_BYTES + 1


@pytest.mark.django_db
def test_a_mark_of_utf8_is_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + GOOD.encode())
    with pytest.raises(CommandError, match="public: true"):  # it was read
        call_command("plan_catalog", path)


@pytest.mark.parametrize(
    "value", ["*x", "0o7" * 900, "1:" * 900 + "1", "0x" + "f" * 2900, "1e999", "2024-99-99", "!!int 7"]
)
def test_what_yaml_makes_of_a_value_is_never_a_crash(value: str) -> None:
    assert "own.yaml:10: " in complaints(GOOD.replace("gpus: 2", f"gpus: {value}"))


def test_texts_that_look_like_yaml_are_texts() -> None:
    assert read(GOOD.replace("title: Small", 'title: "<< &a *b !!c"')).models[0].facts
