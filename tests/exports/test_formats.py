import csv
import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.errors import InvalidInput, InvariantBroken
from exports import formats
from exports.datasets import Filters, dataset_named
from exports.manifest import Manifest, verify, write_manifest
from exports.storage import assembling, sha256_of

pytestmark = pytest.mark.xdist_group("data")

SCHEMA = pa.schema(
    [
        ("text", pa.string()),
        ("number", pa.int64()),
        ("amount", pa.decimal128(38, 12)),
        ("day", pa.date32()),
        ("at", pa.timestamp("us", tz="UTC")),
    ]
)
ROW = {
    "text": "São Paulo",
    "number": 7,
    "amount": Decimal("0.089"),
    "day": date(2026, 11, 1),
    "at": datetime(2026, 11, 1, 2, 30, tzinfo=UTC),
}


def _table(*texts: str | None) -> pa.Table:
    return pa.Table.from_pylist([{**ROW, "text": text} for text in texts], SCHEMA)


@pytest.mark.parametrize("kind", sorted(formats.WRITERS))
def test_same_rows_give_the_same_bytes(kind: str, tmp_path: Path) -> None:
    digests = set()
    for name in ("first", "second"):
        path = tmp_path / f"{name}.{kind}"
        rows = formats.WRITERS[kind](SCHEMA, iter([_table("a", None), _table("b")]), path)
        assert rows == 3
        digests.add(sha256_of(path))
    assert len(digests) == 1


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("=1+1", "'=1+1"),
        ("+55 11", "'+55 11"),
        ("-2", "'-2"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t=1"),
        ("plain", "plain"),
        ('a "quoted", text', 'a "quoted", text'),
        ("line\nbreak", "line\nbreak"),
    ],
)
def test_text_that_a_spreadsheet_would_run_is_quoted_in_csv(
    written: str, read: str, tmp_path: Path
) -> None:
    path = tmp_path / "x.csv"
    formats.write_csv(SCHEMA, iter([_table(written)]), path)
    with path.open(encoding="utf-8", newline="") as file:
        (row,) = csv.DictReader(file)
    assert row["text"] == read
    assert row["amount"] == "0.089000000000"
    assert row["at"] == "2026-11-01T02:30:00.000000Z"


def test_ndjson_keeps_exact_numbers_as_text_and_null_as_null(tmp_path: Path) -> None:
    path = tmp_path / "x.ndjson"
    formats.write_ndjson(SCHEMA, iter([_table(None)]), path)
    assert json.loads(path.read_text(encoding="utf-8")) == {
        "text": None,
        "number": 7,
        "amount": "0.089",
        "day": "2026-11-01",
        "at": "2026-11-01T02:30:00Z",
    }


def test_parquet_gives_back_every_type(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    formats.write_parquet(SCHEMA, iter([_table("São Paulo")]), path)
    assert pq.read_table(path).to_pylist() == [ROW]


def test_sheet_with_too_many_rows_is_refused_with_advice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(formats, "XLSX_MAX_ROWS", 1)
    with pytest.raises(InvalidInput, match="choose csv or parquet"):
        formats.write_xlsx(SCHEMA, iter([_table("a", "b")]), tmp_path / "x.xlsx")


def test_export_that_fails_half_way_leaves_what_was_there(tmp_path: Path) -> None:
    from uuid import UUID

    tenant, export = UUID(int=1), UUID(int=2)
    with assembling(tmp_path, tenant, export) as folder:
        (folder / "file").write_text("whole")

    def fail_half_way() -> None:
        with assembling(tmp_path, tenant, export) as folder:
            (folder / "file").write_text("ha")
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        fail_half_way()
    assert (tmp_path / str(tenant) / str(export) / "file").read_text() == "whole"
    assert [path.name for path in (tmp_path / str(tenant)).iterdir()] == [str(export)]


def test_file_that_is_not_its_manifests_is_found_out(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("abc")
    manifest = Manifest(
        tenant_id="t", export_id="e", dataset="messages", schema_version=1, format="csv",
        file=path.name, rows=1, bytes=3, sha256=sha256_of(path), columns=(("a", "string"),),
        filters={}, snapshot={}, created_at="2026-11-01T00:00:00+00:00",
    )  # fmt: skip
    write_manifest(tmp_path, manifest)
    assert verify(tmp_path) == manifest
    path.write_text("abd")
    with pytest.raises(InvariantBroken, match="not what was written"):
        verify(tmp_path)
    path.write_text("ab")
    with pytest.raises(InvariantBroken, match="missing or cut"):
        verify(tmp_path)


@pytest.mark.parametrize(
    "raw", [{"from": "yesterday"}, {"campaign_id": "1; drop table"}, {"where": "true"}]
)
def test_filter_that_cannot_be_read_is_refused(raw: dict[str, object]) -> None:
    with pytest.raises(InvalidInput):
        Filters.parse(raw)


def test_unknown_dataset_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(InvalidInput, match="messages, events, usage, invoices"):
        dataset_named("secrets")
