"""Contact files: rows read from any position, and workbooks that mean harm."""

import io
import zipfile
from datetime import date
from itertools import islice

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.contact_files import xlsx
from core.contact_files.csv_rows import BadRow, CsvFile, NotContactFile, Row
from core.contact_files.people import read_header

lines = st.lists(
    st.sampled_from(
        [
            b"+5511987654321,Ana",
            b'+5511987654322,"Ana\nB"',
            b'x,"never closed',
            b"",
            b"   ",
            b"\xff\xfe,bad",
            b"a\x00b,c",
            b"y" * 70_000,
            b'"a""b",c',
        ]
    ),
    max_size=12,
)


@given(rows=lines, end=st.sampled_from([b"", b"\n"]), every=st.integers(1, 5))
def test_rows_read_in_pieces_are_the_rows_read_at_once(
    rows: list[bytes], end: bytes, every: int
) -> None:
    content = b"\n".join([b"\xef\xbb\xbfphone,name", *rows]) + end
    whole = list(CsvFile(io.BytesIO(content)).rows())
    pieces: list[Row | BadRow] = []
    position = None
    while True:
        file = CsvFile(io.BytesIO(content))
        read = list(islice(file.rows(position), every))
        if not read:
            break
        pieces += read
        position = file.position
    assert pieces == whole


def read(mapping: dict[str, str | None], header: list[str]) -> dict[str, int]:
    columns = read_header(Row(number=1, values=header), mapping)
    found = {"phone": columns.phone, **{name: at for at, name in columns.attributes}}
    return found | ({"name": columns.name} if columns.name is not None else {})


def test_a_mapping_says_what_columns_are() -> None:
    header = ["Telefone", "Nome completo", "Loja n\u00ba 1", "Obs"]
    mapping = {"Telefone": "phone", "Nome completo": "name", "Loja n\u00ba 1": "store", "Obs": None}
    assert read(mapping, header) == {"phone": 0, "name": 1, "store": 2}
    assert read({"b": "phone"}, ["a", "b"]) == {"phone": 1, "a": 0}


@pytest.mark.parametrize(
    ("mapping", "header"),
    [
        ({"Telefone": "phone"}, ["phone"]),
        ({"a": "phone"}, ["a", "phone"]),
        ({"phone": None}, ["phone", "name"]),
        ({}, ["phone", *(f"c{n}" for n in range(64))]),
        ({}, ["phone", "=cmd"]),
    ],
)
def test_a_mapping_that_does_not_fit_is_refused(
    mapping: dict[str, str | None], header: list[str]
) -> None:
    with pytest.raises(NotContactFile):
        read(mapping, header)


def workbook(**parts: bytes) -> io.BytesIO:
    """A small workbook, with parts put in or replaced."""
    book = openpyxl.Workbook()
    assert book.active is not None
    book.active.append(["phone", date(2026, 11, 23)])
    saved = io.BytesIO()
    book.save(saved)
    changed = io.BytesIO()
    with zipfile.ZipFile(saved) as old, zipfile.ZipFile(changed, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            if name not in parts:
                new.writestr(name, old.read(name))
        for name, content in parts.items():
            new.writestr(name, content)
    changed.seek(0)
    return changed


def converted(source: io.BytesIO) -> str:
    target = io.BytesIO()
    xlsx.convert(source, target)
    return target.getvalue().decode()


def test_a_workbook_becomes_csv() -> None:
    assert converted(workbook()) == "phone,2026-11-23\n"


def test_a_bomb_is_refused_by_what_it_inflates_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xlsx, "_MAX_INFLATED", 1_000_000)
    bomb = workbook(**{"xl/media/a.bin": b"\x00" * 2_000_000})
    assert len(bomb.getvalue()) < 50_000
    with pytest.raises(NotContactFile, match="too large"):
        xlsx.check_directory(bomb)
    # One whose directory lies about the sizes passes the first look and not the count.
    lying = bytearray(bomb.getvalue())
    for size in ((2_000_000).to_bytes(4, "little"),):
        assert lying.count(size) == 2
        lying = bytearray(bytes(lying).replace(size, (20_000).to_bytes(4, "little")))
    liar = io.BytesIO(bytes(lying))
    xlsx.check_directory(liar)
    with pytest.raises(NotContactFile):
        converted(liar)


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "xl\\..\\..\\x", "C:/x"])
def test_parts_that_point_out_of_a_workbook_are_refused(name: str) -> None:
    with pytest.raises(NotContactFile, match="points out"):
        xlsx.check_directory(workbook(**{name: b"x"}))


def test_a_symbolic_link_is_refused() -> None:
    book = workbook()
    link = zipfile.ZipInfo("xl/link.xml")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(book, "a") as parts:
        parts.writestr(link, "/etc/passwd")
    with pytest.raises(NotContactFile, match="points out"):
        xlsx.check_directory(book)


@pytest.mark.parametrize(
    "declaration",
    [
        b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>',
        b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>',
    ],
)
def test_entities_are_never_read(declaration: bytes) -> None:
    sheet = (
        b'<?xml version="1.0"?>' + declaration + b'<worksheet xmlns="http://schemas.openxmlformats'
        b'.org/spreadsheetml/2006/main"><sheetData><row r="1"><c r="A1" t="inlineStr"><is><t>'
        b"&b;&a;</t></is></c></row></sheetData></worksheet>"
    )
    with pytest.raises(NotContactFile):
        converted(workbook(**{"xl/worksheets/sheet1.xml": sheet}))


def test_a_sheet_that_says_it_is_endless_is_read_to_its_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(xlsx, "MAX_ROWS", 1_000)
    sheet = (
        b'<?xml version="1.0"?><worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml'
        b'/2006/main"><dimension ref="A1:XFD1048576"/><sheetData><row r="1"><c r="A1"><v>1</v></c>'
        b'</row><row r="999999999"><c r="XFD999999999"><v>1</v></c></row></sheetData></worksheet>'
    )
    with pytest.raises(NotContactFile, match="rows"):
        converted(workbook(**{"xl/worksheets/sheet1.xml": sheet}))


@given(content=st.binary(max_size=200))
def test_whatever_is_no_workbook_is_refused_in_words(content: bytes) -> None:
    with pytest.raises(NotContactFile):
        converted(io.BytesIO(content))


@given(at=st.integers(0, 10_000), byte=st.integers(0, 255))
def test_a_damaged_workbook_is_read_or_refused(at: int, byte: int) -> None:
    content = bytearray(workbook().getvalue())
    content[at % len(content)] = byte
    try:
        text = converted(io.BytesIO(bytes(content)))
    except NotContactFile:
        return
    assert isinstance(text, str)
