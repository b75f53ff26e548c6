"""What a tenant sees of its messaging limits."""

from datetime import UTC, datetime, timedelta

import httpx
import psycopg

from core.domain.ids import new_id
from tests.api.conftest import Account, as_tenant

Admin = psycopg.Connection[tuple[object, ...]]


def portfolio_of(admin: Admin, account: Account) -> str:
    row = admin.execute(
        "select portfolio_id from app.whatsapp_accounts where tenant_id = %s", (account.tenant_id,)
    ).fetchone()
    assert row
    return str(row[0])


def limit(admin: Admin, account: Account, portfolio_id: str, people: int | None) -> None:
    admin.execute(
        "insert into app.portfolios (tenant_id, portfolio_id, people_per_day) values (%s, %s, %s)",
        (account.tenant_id, portfolio_id, people),
    )


def reach(admin: Admin, account: Account, portfolio_id: str, *hours_ago: float) -> list[datetime]:
    times = [datetime.now(UTC) - timedelta(hours=hours) for hours in hours_ago]
    for at in times:
        admin.execute(
            "insert into app.portfolio_reach values (%s, %s, %s, %s)",
            (account.tenant_id, portfolio_id, new_id(), at),
        )
    return times


async def test_an_unknown_limit_is_said_to_be_unknown(
    api: httpx.AsyncClient, admin: Admin, tenant: Account
) -> None:
    [found] = (await api.get("/v1/portfolios")).json()["items"]
    assert found == {
        "portfolio_id": portfolio_of(admin, tenant),
        "known": False,
        "people_per_day": None,
        "used": None,
        "free": None,
        "next_free_at": None,
        "created_at": found["created_at"],
    }


async def test_people_of_the_moving_day_are_counted_and_the_next_room_is_announced(
    api: httpx.AsyncClient, admin: Admin, tenant: Account
) -> None:
    portfolio_id = portfolio_of(admin, tenant)
    limit(admin, tenant, portfolio_id, 3)
    reach(admin, tenant, portfolio_id, 25, 2)
    [found] = (await api.get("/v1/portfolios")).json()["items"]
    assert (found["people_per_day"], found["used"], found["free"]) == (3, 1, 2)
    assert found["next_free_at"] is None
    (oldest, _) = reach(admin, tenant, portfolio_id, 23, 1)
    [found] = (await api.get("/v1/portfolios")).json()["items"]
    assert (found["used"], found["free"]) == (3, 0)
    assert datetime.fromisoformat(found["next_free_at"]) == oldest + timedelta(hours=24)


async def test_a_shared_portfolio_is_counted_over_its_tenants_and_shown_to_them_only(
    api: httpx.AsyncClient, admin: Admin, tenant: Account, other: Account
) -> None:
    portfolio_id = portfolio_of(admin, tenant)
    assert portfolio_of(admin, other) != portfolio_id
    limit(admin, tenant, portfolio_id, 10)
    reach(admin, tenant, portfolio_id, 1)
    reach(admin, other, portfolio_id, 1, 2)
    theirs = (await api.get("/v1/portfolios", headers=as_tenant(other))).json()["items"]
    # Without an account in it, it is not the other's: not seen, and nobody of his counts.
    assert portfolio_id not in {item["portfolio_id"] for item in theirs}
    [ours] = (await api.get("/v1/portfolios")).json()["items"]
    assert (ours["used"], ours["free"]) == (1, 9)
    admin.execute(
        "update app.whatsapp_accounts set portfolio_id = %s where tenant_id = %s",
        (portfolio_id, other.tenant_id),
    )
    [ours] = (await api.get("/v1/portfolios")).json()["items"]
    assert (ours["used"], ours["free"]) == (3, 7)


async def test_a_limit_that_only_a_neighbour_heard_is_known_to_all_who_share_it(
    api: httpx.AsyncClient, admin: Admin, tenant: Account, other: Account
) -> None:
    portfolio_id = portfolio_of(admin, tenant)
    admin.execute(
        "update app.whatsapp_accounts set portfolio_id = %s where tenant_id = %s",
        (portfolio_id, other.tenant_id),
    )
    limit(admin, tenant, portfolio_id, 250)
    reach(admin, tenant, portfolio_id, 1, 2)
    reach(admin, other, portfolio_id, 3)
    for headers in ({}, as_tenant(other)):
        [found] = (await api.get("/v1/portfolios", headers=headers)).json()["items"]
        assert (found["known"], found["people_per_day"], found["used"]) == (True, 250, 3)
