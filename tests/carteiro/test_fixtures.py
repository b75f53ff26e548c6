"""The servers that every other test stands on."""

import kombu
import psycopg
import redis

from core.settings import Settings
from core.store import migrate


def test_each_test_gets_a_migrated_database_on_each_postgresql(each_database: Settings) -> None:
    current, head = migrate.revisions(each_database)
    assert current == head
    with psycopg.connect(each_database.database_url) as connection:
        row = connection.execute("select count(*) from app.tenants").fetchone()
    assert row == (0,)


def test_warehouse_and_dagster_databases_stand_beside_the_database(
    data_databases: Settings,
) -> None:
    for dsn in (data_databases.warehouse_dsn(), data_databases.dagster_dsn()):
        with psycopg.connect(dsn) as connection:
            assert connection.execute("select 1").fetchone() == (1,)


def test_each_broker_carries_a_message(broker_url: str) -> None:
    with kombu.Connection(broker_url) as connection:
        queue = connection.SimpleQueue("carteiro-test-fixture")
        queue.put({"v": 1})
        message = queue.get(timeout=5)
        message.ack()
        queue.close()
        queue.queue(connection.default_channel).delete()
    assert message.payload == {"v": 1}


def test_each_cache_starts_empty(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        assert client.dbsize() in {0, 1}
        assert client.set("key", "value")
