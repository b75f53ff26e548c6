"""An array parameter says to PostgreSQL what psycopg would have said."""

from datetime import UTC, datetime

import psycopg
import pytest

from core.domain.ids import new_id
from core.domain.message_state import MessageState
from core.settings import Settings
from core.store.arrays import as_array

NOON = datetime(2026, 11, 23, 12, 0, 0, 123_456, tzinfo=UTC)


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("uuid", [new_id(), None, new_id()]),
        ("timestamptz", [NOON, None]),
        ("integer", [131_026, None, -1]),
        ("boolean", [True, False, None]),
        ("text", []),
        ("text", ["", "null", "NULL", "{}", "a,b", " x ", None, "é\U0001f4ee", "it's"]),
        ("text", ['"', "\\", "\\n", "\n", "\t", "\x1f", "\x7f", None]),
        ("text", [MessageState.SENT, MessageState.READ]),
    ],
)
def test_every_value_arrives_as_it_is(database: Settings, kind: str, values: list[object]) -> None:
    with psycopg.connect(database.database_url) as connection:
        row = connection.execute(
            f"select %(values)s::{kind}[]",
            {"values": as_array(values)},
        ).fetchone()
    assert row == (values,)
