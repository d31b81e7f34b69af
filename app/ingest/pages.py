"""Reading what is left of a SQLite file that SQLite cannot read.

Works on the file formats themselves (https://www.sqlite.org/fileformat2.html, to which § refers): the pages that hold rows
are found by looking at every page, so it does not matter which of the others are destroyed.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

_LEAF: Final = 0x0D  # §1.6: a page of a table that holds rows
_WAL_HEADER: Final = 32
_FRAME_HEADER: Final = 24
_DEFAULT_PAGE: Final = 4096

Row = tuple[bytes, ...]


def rows_in(file: Path, wal: Path) -> Iterator[tuple[int, Row]]:
    """(rowid, columns as bytes) of the rows that are left, those of forgotten pages included; NULL is b''."""
    size, logged = _logged(wal)
    size = size or _page_size(file)
    with file.open("rb") as stream:
        last = max((file.stat().st_size + size - 1) // size, *logged, 0)

        def page(number: int) -> bytes:
            if number in logged:
                return logged[number]
            stream.seek((number - 1) * size)
            return stream.read(size)

        pages = _Pages(page, size, last)
        for number in range(1, last + 1):
            yield from pages.rows(number)


def _logged(wal: Path) -> tuple[int, dict[int, bytes]]:
    """(size of a page, the pages of a log's commits) (§4), up to the first frame that cannot be read; (0, {}) of no log."""
    data = wal.read_bytes() if wal.exists() else b""
    if len(data) < _WAL_HEADER:
        return 0, {}
    magic, _, page_size, _, salt, salt_2, *summed = struct.unpack(">8I", data[:_WAL_HEADER])
    order = ">" if magic & 1 else "<"
    sums = _sums(order, data[:24], (0, 0))
    if magic & ~1 != 0x377F0682 or sums != tuple(summed):
        return 0, {}
    committed: dict[int, bytes] = {}
    waiting: dict[int, bytes] = {}
    size = _FRAME_HEADER + page_size
    for at in range(_WAL_HEADER, len(data) - size + 1, size):
        frame = data[at : at + size]
        page, commits, one, two, *summed = struct.unpack(">6I", frame[:_FRAME_HEADER])
        sums = _sums(order, frame[:8] + frame[_FRAME_HEADER:], sums)
        if (one, two) != (salt, salt_2) or sums != tuple(summed):
            break
        waiting[page] = frame[_FRAME_HEADER:]
        if commits:
            committed |= waiting
            waiting = {}
    return page_size, committed


def _sums(order: str, data: bytes, sums: tuple[int, int]) -> tuple[int, int]:
    """The log's running checksum (§4.2)."""
    first, second = sums
    words = struct.unpack(f"{order}{len(data) // 4}I", data)
    for a, b in zip(words[::2], words[1::2], strict=True):
        first = (first + a + second) & 0xFFFFFFFF
        second = (second + b + first) & 0xFFFFFFFF
    return first, second


def _page_size(file: Path) -> int:
    """§1.3.2, or what SQLite makes unless told otherwise."""
    with file.open("rb") as stream:
        size = int.from_bytes(stream.read(18)[16:18], "big")
    size = 65536 if size == 1 else size
    return size if 512 <= size <= 65536 and size & (size - 1) == 0 else _DEFAULT_PAGE


class _Pages:
    def __init__(self, page: Callable[[int], bytes], size: int, last: int) -> None:
        self._page, self._size, self._last = page, size, last

    def rows(self, number: int) -> Iterator[tuple[int, Row]]:
        """The rows of a page, none if it holds none (§1.6)."""
        page = self._page(number)
        start = 100 if number == 1 else 0
        if len(page) < self._size or page[start] != _LEAF:
            return
        for index in range(int.from_bytes(page[start + 3 : start + 5], "big")):
            pointer = start + 8 + 2 * index
            at = int.from_bytes(page[pointer : pointer + 2], "big")
            with suppress(IndexError, ValueError, struct.error):  # garbled: the next may not be
                yield self._row(page, at)

    def _row(self, page: bytes, at: int) -> tuple[int, Row]:
        length, at = _varint(page, at)
        rowid, at = _varint(page, at)
        return rowid, _columns(self._payload(page, at, length))

    def _payload(self, page: bytes, at: int, length: int) -> bytes:
        """A row's bytes, of which a page keeps a part and a chain of others the rest (§1.6); as far as they are there."""
        if length > self._last * self._size:
            raise ValueError("longer than the file")
        most = self._size - 35
        if length <= most:
            return page[at : at + length]
        least = (self._size - 12) * 32 // 255 - 23
        here = least + (length - least) % (self._size - 4)
        here = here if here <= most else least
        payload = bytearray(page[at : at + here])
        following = int.from_bytes(page[at + here : at + here + 4], "big")
        while len(payload) < length and 0 < following <= self._last:
            page = self._page(following)
            payload += page[4 : 4 + length - len(payload)]
            following = int.from_bytes(page[:4], "big")
        return bytes(payload)


def _columns(payload: bytes) -> Row:
    """§2.1; the last of them shorter than it was where bytes are missing."""
    end, at = _varint(payload, 0)
    kinds = []
    while at < end:
        kind, at = _varint(payload, at)
        kinds.append(kind)
    columns, at = [], end
    for kind in kinds:
        length = (kind - 12) // 2 if kind >= 12 else (0, 1, 2, 3, 4, 6, 8, 8, 0, 0)[kind]
        columns.append(payload[at : at + length])
        at += length
    return tuple(columns)


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """(value, where it ends), §1.6."""
    value = 0
    for _ in range(8):
        byte = data[at]
        at += 1
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, at
    return value << 8 | data[at], at + 1
