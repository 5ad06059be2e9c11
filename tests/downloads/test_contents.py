"""What is downloaded: parts of any download are the same parts of its bytes, and no altered file looks whole."""

from __future__ import annotations

import io
import tarfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from downloads import contents
from downloads.archives import archive_download
from downloads.contents import AlteredFile, StoredFile, file_download
from tests.downloads.makers import make_file

WHEN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
NAMES = st.text("abcdefgh-_.", min_size=1, max_size=120).filter(lambda name: name.strip("."))
FILES = st.dictionaries(NAMES, st.binary(max_size=2000), max_size=5)


def tar_of(files: dict[str, bytes]) -> bytes:
    archive = archive_download("mine", [make_file(path, held) for path, held in files.items()], modified=WHEN)
    packed = b"".join(archive.chunks(0, archive.size))
    assert len(packed) == archive.size
    return packed


@given(FILES)
def test_an_archive_holds_every_file_below_its_folder(files: dict[str, bytes]) -> None:
    with tarfile.open(fileobj=io.BytesIO(tar_of(files))) as archive:
        found = {entry.name: archive.extractfile(entry).read() for entry in archive}  # type: ignore[union-attr]
        assert all(entry.isreg() and entry.mode == 0o644 and entry.mtime == WHEN.timestamp() for entry in archive)
    assert found == {f"mine/{path}": content for path, content in files.items()}
    assert len(tar_of(files)) % tarfile.RECORDSIZE == 0


@given(FILES, st.data())
def test_any_part_of_an_archive_is_that_part_of_its_bytes(files: dict[str, bytes], data: st.DataObject) -> None:
    whole = tar_of(files)
    archive = archive_download("mine", [make_file(path, held) for path, held in files.items()], modified=WHEN)
    start = data.draw(st.integers(0, len(whole)))
    stop = data.draw(st.integers(start, len(whole)))
    assert b"".join(archive.chunks(start, stop)) == whole[start:stop]


def test_the_tag_of_an_archive_is_of_its_names_sizes_and_digests() -> None:
    def tag(*files: StoredFile, folder: str = "mine") -> str:
        return archive_download(folder, files, modified=WHEN).etag

    one, two = make_file("a"), make_file("b")
    assert tag(one, two) == tag(two, one)
    others = {tag(one), tag(one, two), tag(two), tag(make_file("a", b"other-byte")), tag(one, folder="yours")}
    assert len(others) == 5


def test_a_file_of_ten_gigabytes_has_its_place_in_an_archive(tmp_path: Path) -> None:
    large = StoredFile("large", 10_000_000_000, "0" * 64, io.BytesIO)
    archive = archive_download("mine", [large, make_file("small")], modified=WHEN)
    head = b"".join(part for part in archive.parts[:1] if isinstance(part, bytes))
    with tarfile.open(fileobj=io.BytesIO(head)) as opened:
        entry = opened.next()
    assert entry is not None
    assert (entry.name, entry.size) == ("mine/large", 10_000_000_000)


@pytest.mark.parametrize("now", [b"", b"01234", b"0123456789a", b"0123456780"], ids=["gone", "short", "long", "other"])
def test_an_altered_file_never_comes_whole(now: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contents, "CHUNK_BYTES", 3)
    download, came = file_download(make_file(content=b"0123456789", now=now)), b""
    with pytest.raises(AlteredFile, match=r"does not have|has \d|ended"):
        for chunk in download.chunks(0, download.size):
            came += chunk
    assert len(came) < 10


def test_a_file_whose_length_cannot_be_had_is_closed() -> None:
    class Away(io.BytesIO):
        def seek(self, *_: int) -> int:
            raise OSError("away")

    opened = Away()
    with pytest.raises(OSError, match="away"):
        StoredFile("a", 1, "", lambda: opened).check()
    assert opened.closed


def test_a_file_that_ends_while_it_is_read_breaks_off(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(contents, "CHUNK_BYTES", 3)
    path = tmp_path / "weights"
    path.write_bytes(b"0123456789")
    file = StoredFile("weights", 10, "0" * 64, lambda: path.open("rb", buffering=0))
    chunks = file.chunks(0, 9)
    assert next(chunks) == b"012"
    path.write_bytes(b"0123456")
    with pytest.raises(AlteredFile, match="ended 2 bytes early"):
        list(chunks)


HOSTILE = ["", "/etc/passwd", "..", "../x", "a/../../x", "a//b", "./x", "a/.", "a\\..\\x", "C:x", "a\0b", "a\nb", "a/"]


@pytest.mark.parametrize("path", HOSTILE)
def test_a_path_that_leaves_its_folder_is_refused(path: str) -> None:
    with pytest.raises(AlteredFile, match="no path below a folder"):
        make_file(path)
