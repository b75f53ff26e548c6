"""Turns the first sheet of an XLSX workbook into CSV, row by row.

A workbook is a zip of XML, and comes from strangers: it is inflated once only to be counted, before
anything reads it, so that a few kilobytes never become gigabytes. Nothing is unpacked to disk.
"""

import csv
import io
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time
from typing import IO, Final

from core.contact_files.csv_rows import NotContactFile
from core.contact_files.people import MAX_COLUMNS

MAX_ROWS: Final = 1_000_000
MEDIA_TYPE: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_MAX_MEMBERS: Final = 1_000
#: The texts of cells lie in a part of their own, which is held in memory as a whole.
_MAX_INFLATED: Final = 128 * 1024 * 1024
_PIECE: Final = 256 * 1024
_METHODS: Final = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_NO_WORKBOOK: Final = "the file isn't an XLSX workbook"


def check_directory(file: IO[bytes]) -> None:
    """Refuse what is no workbook, by the zip's list of its parts alone.

    Raises NotContactFile: for a part that points out of the workbook, too; none is ever unpacked.
    """
    try:
        with zipfile.ZipFile(file) as parts:
            members = parts.infolist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError, EOFError) as error:
        raise NotContactFile(_NO_WORKBOOK) from error
    names = [member.filename for member in members]
    if "[Content_Types].xml" not in names or len(set(names)) != len(names):
        raise NotContactFile(_NO_WORKBOOK)
    if len(members) > _MAX_MEMBERS or sum(part.file_size for part in members) > _MAX_INFLATED:
        raise NotContactFile("the workbook is too large when it is inflated")
    for member in members:
        _check_member(member)
    file.seek(0)


def convert(source: IO[bytes], target: IO[bytes]) -> None:
    """Write the first sheet as CSV in UTF-8 with commas; row n of the sheet becomes line n.

    Line breaks inside a cell become spaces. Numbers are written in full, dates in ISO 8601,
    formulas as the value that was saved with them. Raises NotContactFile.
    """
    check_directory(source)
    _check_parts(source)
    source.seek(0)
    text = io.TextIOWrapper(target, encoding="utf-8", errors="replace", newline="")
    writer = csv.writer(text, lineterminator="\n")
    for number, row in enumerate(_rows(source), start=1):
        if number > MAX_ROWS + 1:
            raise NotContactFile(f"a file has at most {MAX_ROWS} rows")
        cells = [_written(value) for value in row]
        while cells and not cells[-1]:
            cells.pop()
        if cells:
            writer.writerow(cells)
        else:
            text.write("\n")
    text.flush()
    text.detach()
    target.seek(0)


def _check_member(member: zipfile.ZipInfo) -> None:
    name = member.filename.replace("\\", "/")
    is_link = member.external_attr >> 16 & 0o170000 == 0o120000
    if name.startswith("/") or ".." in name.split("/") or ":" in name or is_link:
        raise NotContactFile("a part of the workbook points out of it")
    if member.flag_bits & 1:
        raise NotContactFile("the workbook is encrypted; save it without a password")
    if member.compress_type not in _METHODS:
        raise NotContactFile(_NO_WORKBOOK)


def _check_parts(source: IO[bytes]) -> None:
    """Inflate every part once, counting: what the directory says of its size proves nothing."""
    inflated = 0
    with zipfile.ZipFile(source) as parts:
        for member in parts.infolist():
            for piece in _inflated(parts, member):
                inflated += len(piece)
                if inflated > _MAX_INFLATED:
                    raise NotContactFile("the workbook is too large when it is inflated")


def _inflated(parts: zipfile.ZipFile, member: zipfile.ZipInfo) -> Iterator[bytes]:
    try:
        with parts.open(member) as part:
            while piece := part.read(_PIECE):
                yield piece
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError) as error:
        raise NotContactFile(_NO_WORKBOOK) from error


def _rows(source: IO[bytes]) -> Iterator[Sequence[object]]:
    import openpyxl
    from openpyxl.utils.exceptions import CellCoordinatesException, InvalidFileException

    # Anything may be wrong inside a workbook, and openpyxl raises what it meets; an entity, which
    # no spreadsheet needs, is a ValueError of defusedxml's.
    try:
        book = openpyxl.load_workbook(source, read_only=True, data_only=True, keep_links=False)
        sheet = book.worksheets[0]
        # One column more than there may be, to see that there are more.
        yield from sheet.iter_rows(max_col=MAX_COLUMNS + 1, values_only=True)
    except (ArithmeticError, AttributeError, LookupError, SyntaxError, TypeError) as error:
        raise NotContactFile(_NO_WORKBOOK) from error
    except (ValueError, OSError, EOFError, RuntimeError, zipfile.BadZipFile) as error:
        raise NotContactFile(_NO_WORKBOOK) from error
    except (CellCoordinatesException, InvalidFileException) as error:
        raise NotContactFile(_NO_WORKBOOK) from error


def _written(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        # A phone number is a number to a spreadsheet: 5511987654321.0, never 5.51E+12.
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time(0) else value.isoformat()
    if isinstance(value, date | time):
        return value.isoformat()
    return " ".join(str(value).splitlines()) if value else ""
