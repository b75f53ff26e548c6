"""Arrow batches to Parquet, CSV, NDJSON and XLSX; the same rows give the same bytes."""

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from core.errors import InvalidInput

if TYPE_CHECKING:
    import pyarrow as pa

XLSX_MAX_ROWS: Final = 1_048_575
# What a spreadsheet would run: a formula, or a character that hides one (OWASP, CSV injection).
_FORMULA: Final = r"^[=+\-@\t\r\n]"


def write_parquet(schema: "pa.Schema", batches: "Iterator[pa.Table]", path: Path) -> int:
    """zstd Parquet with every type kept; returns the rows."""
    import pyarrow.parquet as pq

    rows = 0
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for batch in batches:
            writer.write_table(batch)
            rows += batch.num_rows
    return rows


def write_csv(schema: "pa.Schema", batches: "Iterator[pa.Table]", path: Path) -> int:
    """RFC 4180 with a header, UTF-8, ISO instants; text that looks like a formula gets a quote."""
    import pyarrow as pa
    from pyarrow import csv

    rows = 0
    plain = pa.schema([pa.field(field.name, _csv_type(field.type)) for field in schema])
    with csv.CSVWriter(path, plain) as writer:
        for batch in batches:
            columns = [_for_csv(column) for column in batch.columns]
            writer.write_table(pa.Table.from_arrays(columns, schema=plain))
            rows += batch.num_rows
    return rows


def _csv_type(kind: Any) -> Any:
    import pyarrow as pa

    is_text = pa.types.is_timestamp(kind) or pa.types.is_decimal(kind)
    return pa.string() if is_text else kind


def _for_csv(column: Any) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_timestamp(column.type):
        return pc.strftime(column, format="%Y-%m-%dT%H:%M:%SZ")
    if pa.types.is_decimal(column.type):
        return column.cast(pa.string())
    if pa.types.is_string(column.type):
        quoted = pc.binary_join_element_wise("'", column, "")
        return pc.if_else(pc.match_substring_regex(column, _FORMULA), quoted, column)
    return column


def write_ndjson(_schema: "pa.Schema", batches: "Iterator[pa.Table]", path: Path) -> int:
    """One JSON object a line, keys in column order; exact numbers are strings."""
    rows = 0
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for batch in batches:
            for row in batch.to_pylist():
                line = json.dumps(row, default=_json, ensure_ascii=False, separators=(",", ":"))
                file.write(line + "\n")
                rows += 1
    return rows


def _json(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return format(value.normalize(), "f")
    raise TypeError(f"a {type(value).__name__} has no place in an export")


def write_xlsx(schema: "pa.Schema", batches: "Iterator[pa.Table]", path: Path) -> int:
    """One sheet, text never read as a formula; raises InvalidInput above XLSX_MAX_ROWS rows."""
    import xlsxwriter

    options = {
        "constant_memory": True,
        "strings_to_formulas": False,
        "strings_to_urls": False,
        "strings_to_numbers": False,
        "remove_timezone": True,
    }
    rows = 0
    with xlsxwriter.Workbook(str(path), options) as book:
        # The time of writing would make two files of the same rows differ.
        book.set_properties({"created": datetime(2026, 1, 1, tzinfo=UTC)})
        styles = _xlsx_styles(book, schema)
        sheet = book.add_worksheet("data")
        sheet.write_row(0, 0, schema.names)
        for batch in batches:
            for row in batch.to_pylist():
                rows += 1
                if rows > XLSX_MAX_ROWS:
                    raise InvalidInput(
                        f"a sheet holds {XLSX_MAX_ROWS} rows, this has more: choose csv or parquet"
                    )
                for index, value in enumerate(row.values()):
                    if value is not None:
                        sheet.write(rows, index, value, styles[index])
    return rows


def _xlsx_styles(book: Any, schema: "pa.Schema") -> list[Any]:
    import pyarrow as pa

    day = book.add_format({"num_format": "yyyy-mm-dd"})
    instant = book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
    return [
        instant if pa.types.is_timestamp(kind) else day if pa.types.is_date(kind) else None
        for kind in schema.types
    ]


WRITERS: Final[Mapping[str, Callable[..., int]]] = {
    "parquet": write_parquet,
    "csv": write_csv,
    "ndjson": write_ndjson,
    "xlsx": write_xlsx,
}
