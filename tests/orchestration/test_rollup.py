"""The rollup's clock: whole seconds, whatever the engine thinks of fractions."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from orchestration.usage.rollup import epoch_second


@pytest.mark.xdist_group("data")
def test_an_instant_counts_in_the_second_it_lies_in(tmp_path: Path) -> None:
    import ibis
    import pyarrow as pa
    import pyarrow.parquet as pq

    instants = [
        datetime(2026, 11, 23, 12, 0, 0, 251_300, tzinfo=UTC),
        datetime(2026, 11, 23, 23, 59, 59, 999_999, tzinfo=UTC),
        datetime(2026, 11, 24, tzinfo=UTC),
    ]
    table = pa.table({"at": pa.array(instants, pa.timestamp("us", tz="UTC"))})
    pq.write_table(table, tmp_path / "events.parquet")
    events = ibis.duckdb.connect().read_parquet(tmp_path / "events.parquet")
    found = events.select(second=epoch_second(events.at)).to_pyarrow()
    assert found.column("second").to_pylist() == [int(at.timestamp()) for at in instants]
