"""A number and its health: state, stops, the room of its portfolio, what became of its sends."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psycopg
import pytest

from core.domain.ids import PhoneNumberId, new_id
from core.domain.switches import SwitchScope
from core.store import tenants
from core.store.switches import find_target, set_switch
from tests.api.conftest import Account, as_tenant
from tests.api.test_campaigns import make_campaign, planned
from tests.api.test_portfolios import limit, portfolio_of, reach

Admin = psycopg.Connection[tuple[object, ...]]


async def health(api: httpx.AsyncClient, account: Account) -> dict[str, Any]:
    answer = await api.get(f"/v1/numbers/{account.phone_number_id}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_one_number_is_what_the_list_shows_and_its_health(
    api: httpx.AsyncClient, tenant: Account
) -> None:
    [listed] = (await api.get("/v1/numbers")).json()["items"]
    found = await health(api, tenant)
    assert listed.items() <= found.items()
    assert (found["state"], found["stops"]) == ("ready", [])
    assert found["recent"] == {
        "since": None,
        "attempts": 0,
        "accepted": 0,
        "failed": 0,
        "in_doubt": 0,
        "put_off": 0,
        "error_rate": None,
        "errors": [],
    }


async def test_another_tenants_number_is_no_number(
    api: httpx.AsyncClient, tenant: Account, other: Account
) -> None:
    url = f"/v1/numbers/{tenant.phone_number_id}"
    theirs = await api.get(url, headers=as_tenant(other))
    never = await api.get("/v1/numbers/299999999999999", headers=as_tenant(other))
    assert (theirs.status_code, theirs.json()["code"]) == (404, "not-found")
    assert theirs.json()["detail"] == never.json()["detail"]
    assert (await api.get("/v1/numbers/twelve")).status_code == 422


@pytest.mark.parametrize(
    ("state", "changes"),
    [
        ("ready", ()),
        ("slowed", ("app.phone_numbers set granted_per_second = 12.5",)),
        (
            "paused",
            (
                "app.phone_numbers set granted_per_second = 12.5,"
                " paused_until = now() + interval '1 minute', pause_reason = 'spam_limit'",
            ),
        ),
        (
            "blocked",
            (
                "app.phone_numbers set paused_until = now() + interval '1 minute'",
                "app.whatsapp_accounts set blocked_reason = 'token_expired'",
            ),
        ),
        # A pause that is over holds nothing back, also before the pacer has tidied it away.
        ("ready", ("app.phone_numbers set paused_until = now() - interval '1 minute'",)),
    ],
)
async def test_the_state_is_the_gravest_of_what_holds_a_number_back(
    api: httpx.AsyncClient,
    admin: Admin,
    operator: tenants.Connection,
    tenant: Account,
    state: str,
    changes: tuple[str, ...],
) -> None:
    for change in changes:
        admin.execute(f"update {change}")
    assert (await health(api, tenant))["state"] == state
    for each in ("ready", "slowed", "paused", "blocked", "stopped"):
        found = (await api.get("/v1/numbers", params={"state": each})).json()["items"]
        assert [one["state"] for one in found] == [each] * (each == state)
    target = find_target(
        operator, SwitchScope.NUMBER, phone_number_id=PhoneNumberId(tenant.phone_number_id)
    )
    set_switch(operator, target, lasting=timedelta(hours=1), reason="r", actor="rui")
    assert (await health(api, tenant))["state"] == "stopped"


async def test_stops_of_the_number_and_its_account_are_told_with_their_times(
    api: httpx.AsyncClient, admin: Admin, tenant: Account, other: Account
) -> None:
    for account, kind, subject, opened, closed in (
        (tenant, "number_paused", tenant.phone_number_id, 40, 39),
        (tenant, "number_paused", tenant.phone_number_id, 3, 2),
        (tenant, "account_blocked", tenant.waba_id, 1, None),
        (tenant, "number_paused", "299", 1, None),
        (tenant, "template_halted", tenant.phone_number_id, 1, None),
        (other, "number_paused", tenant.phone_number_id, 1, None),
    ):
        now = datetime.now(UTC)
        admin.execute(
            "insert into app.alerts (tenant_id, alert_id, kind, subject, detail, occurrences,"
            " opened_at, closed_at) values (%s, %s, %s, %s, 'Mend it.', 7, %s, %s)",
            (
                account.tenant_id,
                new_id(),
                kind,
                subject,
                now - timedelta(days=opened),
                None if closed is None else now - timedelta(days=closed),
            ),
        )
    stops = (await health(api, tenant))["stops"]
    assert [(stop["kind"], stop["times"]) for stop in stops] == [
        ("account_blocked", 7),
        ("number_paused", 7),
    ]
    assert [stop["ended_at"] is None for stop in stops] == [True, False]
    assert stops[1]["since"] < stops[1]["ended_at"] < stops[0]["since"]


async def test_the_room_of_the_portfolio_is_that_of_all_its_numbers(
    api: httpx.AsyncClient, admin: Admin, tenant: Account
) -> None:
    portfolio_id = portfolio_of(admin, tenant)
    limit(admin, tenant, portfolio_id, 250)
    reach(admin, tenant, portfolio_id, 1, 2)
    found = await health(api, tenant)
    assert found["portfolio_id"] == portfolio_id
    [listed] = (await api.get("/v1/portfolios")).json()["items"]
    assert found["portfolio"] == listed
    assert (listed["used"], listed["free"]) == (2, 248)


async def test_recent_sends_are_counted_from_the_rows_of_this_number(
    api: httpx.AsyncClient, admin: Admin, operator: tenants.Connection, tenant: Account
) -> None:
    campaign = await make_campaign(api, admin, tenant)
    planned(admin, tenant, campaign["campaign_id"], 9)
    rows = admin.execute("select message_id from app.messages order by message_id").fetchall()
    ids = [row[0] for row in rows]
    old = new_id(datetime.now(UTC) - timedelta(days=2))
    admin.execute("update app.messages set message_id = %s where message_id = %s", (old, ids[7]))
    # Two taken, one of them failed later; two refused; one in doubt; one put off, then taken.
    attempts = [
        (ids[0], 1, "accepted", None),
        (ids[1], 1, "held", None),
        (ids[2], 1, "rejected", 131026),
        (ids[3], 1, "rejected", 132000),
        (ids[4], 1, "in_doubt", None),
        (ids[5], 1, "throttled", 130429),
        (ids[5], 2, "accepted", None),
        # Somebody else's number, and one of the day before.
        (ids[6], 1, "rejected", 131026),
        (old, 1, "rejected", 131026),
    ]
    for message_id, attempt_no, outcome, code in attempts:
        admin.execute(
            "insert into app.message_attempts (tenant_id, message_id, attempt_no, outcome,"
            " claimed_at, error_code) values (%s, %s, %s, %s, now(), %s)",
            (tenant.tenant_id, message_id, attempt_no, outcome, code),
        )
    admin.execute("update app.messages set attempt_no = 1, state = 'accepted'")
    admin.execute("update app.messages set attempt_no = 2 where message_id = %s", (ids[5],))
    admin.execute(
        "update app.messages set state = 'failed', error_code = 131026 where message_id = any(%s)",
        ([ids[1], ids[2]],),
    )
    admin.execute(
        "update app.messages set phone_number_id = '299' where message_id = %s", (ids[6],)
    )
    recent = (await health(api, tenant))["recent"]
    assert recent.pop("since") is not None
    assert recent == {
        "attempts": 7,
        "accepted": 2,
        "failed": 3,
        "in_doubt": 1,
        "put_off": 1,
        "error_rate": "0.6000",
        "errors": [
            {"code": 131026, "name": "undeliverable", "attempts": 2},
            {"code": 132000, "name": "parameter_count", "attempts": 1},
        ],
    }
