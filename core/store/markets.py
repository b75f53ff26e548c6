"""The market map as stored, for whoever must say a recipient's market."""

from psycopg.rows import class_row

from core.domain.market import MarketMap, MarketRow
from core.store.database import Connection
from core.store.queries import load

_sql = load("messages")


async def read_market_map(connection: Connection) -> MarketMap:
    """The whole dated map; a few hundred rows, worth keeping for minutes."""
    async with connection.cursor(row_factory=class_row(MarketRow)) as cursor:
        await cursor.execute(_sql.list_market_rows)
        return MarketMap(await cursor.fetchall())
