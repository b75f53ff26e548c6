"""`carteiro deprecations`, typed as an operator types it."""

from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from typer.testing import CliRunner

from api.deprecations import Deprecation
from core.settings import Settings
from tests.carteiro.test_switch_and_dlq_commands import say, shell, world
from tests.sender.world import World

__all__ = ["shell", "world"]


def test_an_operator_sees_what_ends_and_who_still_uses_it(
    shell: CliRunner, world: World, database: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert say(shell, "deprecations", "ls") == "nothing of the API ends\n"
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    ending = Deprecation(
        announced_at=today,
        deprecated_at=today,
        sunset_at=today + timedelta(days=365),
        reason="Lists are segments from version 2 on.",
    )
    monkeypatch.setattr("api.deprecations.DEPRECATIONS", {"list_lists": ending})
    shown = say(shell, "deprecations", "ls")
    assert shown == (
        f"list_lists  deprecated, ends {ending.sunset_at:%Y-%m-%d} 00:00Z"
        "\n    Lists are segments from version 2 on.\n"
    )
    with psycopg.connect(database.database_url, autocommit=True) as connection:
        slug = connection.execute("select slug from app.tenants").fetchone()
        assert slug is not None
        connection.execute(
            "insert into app.deprecated_uses select tenant_id, used.name, %s::date - back, uses"
            " from app.tenants, (values ('list_lists', 0, 3), ('list_lists', 29, 4),"
            " ('list_lists', 30, 9), ('get_list', 1, 1)) as used (name, back, uses)",
            (today,),
        )
    assert say(shell, "deprecations", "users") == (
        f"get_list  {slug[0]}  1 uses, last on {today.date() - timedelta(days=1)}\n"
        f"list_lists  {slug[0]}  7 uses, last on {today.date()}\n"
    )
    few = say(shell, "deprecations", "users", "--operation", "list_lists", "--days", "1")
    assert few == f"list_lists  {slug[0]}  3 uses, last on {today.date()}\n"
    assert say(shell, "deprecations", "users", "--operation", "x").startswith("nobody, since ")
