"""Reads a contact file row by row; a broken row is reported and the next one is read.

The standard reader alone would let one unclosed quote swallow the rest of the file. Here a row that
doesn't close within a few lines is refused, and reading goes on with the line after its first.
"""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

MAX_LINE_BYTES: Final = 64 * 1024
_MAX_LINES_PER_ROW: Final = 16
_DELIMITERS: Final = (",", ";", "\t")
_BOM: Final = b"\xef\xbb\xbf"
#: What a file that isn't UTF-8 text begins with: UTF-16 and 32, XLSX, gzip, PDF, XLS.
_FOREIGN_STARTS: Final = (
    b"\xff\xfe",
    b"\xfe\xff",
    b"\x00\x00\xfe\xff",
    b"PK\x03\x04",
    b"\x1f\x8b",
    b"%PDF",
    b"\xd0\xcf\x11\xe0",
)


class ByteFile(Protocol):
    """What is asked of a file."""

    def read(self, size: int, /) -> bytes: ...
    def readline(self, size: int, /) -> bytes: ...
    def seek(self, offset: int, /) -> object: ...


class NotContactFile(Exception):
    """The file as a whole can't be read; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row of the file; `number` is its first line in the file, the header's is 1."""

    number: int
    values: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """The beginning of a row: its byte in the file, and how many lines come before it."""

    offset: int
    line: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class BadRow:
    """A row that can't be read."""

    number: int
    code: str
    advice: str


class CsvFile:
    """A CSV file in UTF-8 whose rows can be read from any position on that an earlier read gave."""

    def __init__(self, file: ByteFile, *, delimiter: str | None = None) -> None:
        """Reads the header, and the delimiter off it unless that is known.

        Raises NotContactFile when it isn't such a file.
        """
        self._file = file
        start = file.read(8)
        if start.startswith(_FOREIGN_STARTS):
            raise NotContactFile("the file isn't UTF-8 text")
        self._lines = self._from(Position(offset=len(_BOM) if start.startswith(_BOM) else 0))
        header = _header(self._lines)
        self._delimiter = delimiter or max(_DELIMITERS, key=header.count)
        try:
            self.header = Row(number=1, values=_parse([header], self._delimiter))
        except (csv.Error, StopIteration):
            raise NotContactFile(
                "the first row isn't a CSV header with line breaks after each row"
            ) from None

    @property
    def position(self) -> "Position":
        """Where the row after the last one that was read begins."""
        return Position(offset=self._lines.offset, line=self._lines.number)

    def rows(self, position: "Position | None" = None) -> Iterator[Row | BadRow]:
        """The rows from `position` on; from the one after the header when it is None."""
        if position is not None:
            self._lines = self._from(position)
        return _rows(self._lines, self._delimiter)

    def _from(self, position: "Position") -> "_Lines":
        self._file.seek(position.offset)
        return _Lines(self._file, position)


def _rows(lines: "_Lines", delimiter: str) -> Iterator[Row | BadRow]:
    while (line := lines.take()) is not None:
        number = lines.number
        if not line.strip():
            continue
        if isinstance(problem := _decoded(line), BadRow):
            yield BadRow(number=number, code=problem.code, advice=problem.advice)
            continue
        text = [problem]
        if problem.count('"') % 2:
            text = _closed(lines, problem)
        if not text:
            yield BadRow(
                number=number,
                code="unclosed_quote",
                advice='A cell opens with " and never closes; close it or double the quote inside.',
            )
            continue
        try:
            yield Row(number=number, values=_parse(text, delimiter))
        except csv.Error:
            yield BadRow(
                number=number, code="malformed_row", advice="Quote the cells as CSV wants it."
            )


def _closed(lines: "_Lines", first: str) -> list[str]:
    """The lines of a row whose quoted cell holds line breaks; empty when it never closes."""
    text = [first]
    quotes = first.count('"')
    for line in lines.ahead(_MAX_LINES_PER_ROW):
        decoded = _decoded(line)
        if isinstance(decoded, BadRow):
            return []
        text.append(decoded)
        quotes += decoded.count('"')
        if quotes % 2 == 0:
            lines.skip(len(text) - 1)
            return text
    return []


def _parse(text: list[str], delimiter: str) -> list[str]:
    return next(csv.reader(text, delimiter=delimiter, strict=True))


def _decoded(line: bytes) -> "str | BadRow":
    if len(line) > MAX_LINE_BYTES:
        return BadRow(
            number=0, code="line_too_long", advice=f"A line has at most {MAX_LINE_BYTES} bytes."
        )
    if b"\x00" in line:
        return BadRow(number=0, code="nul_character", advice="Remove the NUL characters.")
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        return BadRow(
            number=0, code="not_utf8", advice="Save the file as CSV UTF-8; this row isn't."
        )


def _header(lines: "_Lines") -> str:
    line = lines.take()
    decoded = _decoded(line) if line is not None else ""
    if isinstance(decoded, BadRow):
        raise NotContactFile("the header row isn't UTF-8 text")
    return decoded


class _Lines:
    """The lines of a file, with a few looked at ahead; a line's overlong rest is dropped."""

    def __init__(self, file: ByteFile, position: Position) -> None:
        self._file = file
        #: Lines as they are judged, each with its length in the file.
        self._ahead: list[tuple[bytes, int]] = []
        self.number = position.line
        self.offset = position.offset

    def take(self) -> bytes | None:
        """The next line, or None at the end."""
        taken = self._ahead.pop(0) if self._ahead else self._read()
        if taken is None:
            return None
        self.number += 1
        self.offset += taken[1]
        return taken[0]

    def ahead(self, count: int) -> list[bytes]:
        """Up to `count` lines that follow, without taking them."""
        while len(self._ahead) < count and (line := self._read()) is not None:
            self._ahead.append(line)
        return [line for line, _ in self._ahead[:count]]

    def skip(self, count: int) -> None:
        """Take `count` lines that were looked at."""
        for _ in range(count):
            self.take()

    def _read(self) -> tuple[bytes, int] | None:
        line = self._file.readline(MAX_LINE_BYTES + 2)
        if not line:
            return None
        length, rest = len(line), line
        while not rest.endswith(b"\n"):
            rest = self._file.readline(MAX_LINE_BYTES)
            if not rest:
                break
            length += len(rest)
            # Only the length counts any more: long enough to be refused, short enough to hold.
            line = line[: MAX_LINE_BYTES + 1] + b"x"
        return line, length
