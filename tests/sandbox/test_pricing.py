import time
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import orjson
import pytest

from sandbox.clock import SandboxClock
from sandbox.config import SandboxConfig
from sandbox.errors import GraphError
from sandbox.ledger import Message
from sandbox.pricing import Analytics, parse_query, period
from sandbox.world import World
from tests.support.sandboxes import Callback, Json, RunningSandbox, quick_config, running_sandbox

SAO_PAULO = ZoneInfo("America/Sao_Paulo")
RATES = [
    {"country": "BR", "category": "utility", "rate": "0.0068"},
    {
        "country": "BR",
        "category": "utility",
        "rate": "0.0070",
        "effective_from": "2026-10-01",
    },
    {"country": "BR", "category": "marketing", "rate": "0.0625"},
]


def analytics(rates: list[Json] | None = None) -> Analytics:
    config = quick_config().model_dump(mode="json")
    config["rates"] = RATES if rates is None else rates
    return Analytics(World(SandboxConfig.model_validate(config), SandboxClock()))


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).astimezone(UTC).timestamp() * 1000)


def deliver(
    book: Analytics,
    when: str,
    *,
    country: str = "BR",
    category: str = "utility",
    price_type: str = "regular",
    times: int = 1,
) -> None:
    message = Message(
        seq=1,
        wamid="wamid.x",
        number_id=next(iter(book.world.numbers)),
        wa_id="5511955550123",
        country=country,
        accepted_ms=0,
        type="template",
        template="t/pt_BR",
        category=category,
        price_type=price_type,
        opaque=None,
        content=0,
        steps=(),
    )
    for _ in range(times):
        book.count_delivery(message, at(when))


def points(
    book: Analytics, start: str, end: str, granularity: str = "DAILY", more: str = ""
) -> list[Json]:
    expression = (
        f"pricing_analytics.start({at(start) // 1000}).end({at(end) // 1000})"
        f".granularity({granularity}){more}"
    )
    waba = next(iter(book.world.wabas.values()))
    answer = book.answer(waba, expression)["data"]
    assert isinstance(answer, list)
    found: list[Json] = answer[0]["data_points"]
    return found


ALL = '.dimensions(["COUNTRY","PHONE","PRICING_CATEGORY","PRICING_TYPE","TIER"])'


def test_daily_points_are_days_of_the_account() -> None:
    book = analytics()
    deliver(book, "2026-11-01T02:59:59+00:00")
    deliver(book, "2026-11-01T03:00:00+00:00", times=2)

    october, november = points(book, "2026-10-01T03:00+00:00", "2026-12-01T03:00+00:00")

    assert (october["volume"], november["volume"]) == (1, 2)
    assert datetime.fromtimestamp(november["start"], SAO_PAULO).isoformat() == (
        "2026-11-01T00:00:00-03:00"
    )
    assert november["end"] - november["start"] == 86_400


def test_cost_is_volume_times_the_dated_rate_without_a_float() -> None:
    book = analytics()
    deliver(book, "2026-09-30T12:00:00+00:00", times=3)
    deliver(book, "2026-10-01T12:00:00+00:00", times=3)
    deliver(book, "2026-10-01T12:00:00+00:00", price_type="free_customer_service")

    found = points(book, "2026-09-01T03:00+00:00", "2026-12-01T03:00+00:00", more=ALL)

    by_key = {(p["start"], p["pricing_type"]): p for p in found}
    costs = sorted(orjson.dumps(p["cost"]).decode() for p in by_key.values())
    assert costs == ["0", "0.0204", "0.0210"]
    assert [p.get("tier") for p in found if p["pricing_type"] != "REGULAR"] == [None]
    assert {p["phone_number"] for p in found} == {"5511955500101"}


@pytest.mark.parametrize(
    "rates", [[], [{"country": "BR", "category": "utility", "rate": "1", "currency": "EUR"}]]
)
def test_cost_is_absent_when_no_rate_is_known(rates: list[Json]) -> None:
    book = analytics(rates)
    deliver(book, "2026-10-01T12:00:00+00:00")

    (point,) = points(book, "2026-09-01T03:00+00:00", "2026-12-01T03:00+00:00")

    assert point["volume"] == 1
    assert "cost" not in point


@pytest.mark.parametrize(
    ("filters", "volume"),
    [
        ("", 10),
        (".country_codes([BR])", 6),
        ('.country_codes(["PT","IN"])', 4),
        (".pricing_categories([MARKETING])", 1),
        (".pricing_types([FREE_CUSTOMER_SERVICE])", 2),
        (".phone_numbers([+55 11 95550-0101])", 10),
        (".phone_numbers([15550001111])", 0),
        (".phone_numbers([])", 10),
    ],
)
def test_filters_choose_what_counts(filters: str, volume: int) -> None:
    book = analytics()
    when = "2026-10-01T12:00:00+00:00"
    deliver(book, when, times=3)
    deliver(book, when, category="marketing")
    deliver(book, when, category="service", price_type="free_customer_service", times=2)
    deliver(book, when, country="PT", times=4)

    found = points(book, "2026-09-01T03:00+00:00", "2026-12-01T03:00+00:00", more=filters)

    assert sum(point["volume"] for point in found) == volume


def test_range_is_half_open_and_metric_types_choose_the_columns() -> None:
    book = analytics()
    deliver(book, "2026-10-01T12:00:00+00:00")

    until = points(book, "2026-10-01T11:00+00:00", "2026-10-01T12:00+00:00")
    cost = points(
        book, "2026-10-01T12:00+00:00", "2026-10-01T12:30+00:00", more=".metric_types([COST])"
    )

    assert until == []
    assert "volume" not in cost[0]
    assert "cost" in cost[0]


@pytest.mark.parametrize(
    ("granularity", "zone", "inside", "start", "end"),
    [
        ("HALF_HOUR", "UTC", "2026-03-01T10:44:00", "2026-03-01T10:30:00", "2026-03-01T11:00:00"),
        (
            "DAILY",
            "Asia/Kathmandu",
            "2026-03-01T18:14:00",
            "2026-02-28T18:15:00",
            "2026-03-01T18:15:00",
        ),
        (
            "DAILY",
            "Europe/Lisbon",
            "2026-03-29T12:00:00",
            "2026-03-29T00:00:00",
            "2026-03-29T23:00:00",
        ),
        (
            "MONTHLY",
            "America/Sao_Paulo",
            "2026-12-15T12:00:00",
            "2026-12-01T03:00:00",
            "2027-01-01T03:00:00",
        ),
    ],
)
def test_periods_follow_the_zone_across_clock_changes(
    granularity: str, zone: str, inside: str, start: str, end: str
) -> None:
    slot = at(f"{inside}+00:00") // 1000

    assert period(slot - slot % 900, granularity, ZoneInfo(zone)) == (
        at(f"{start}+00:00") // 1000,
        at(f"{end}+00:00") // 1000,
    )


@pytest.mark.parametrize(
    "expression",
    [
        "pricing_analytics",
        "pricing_analytics.start(1).end(2)",
        "pricing_analytics.start(1).end(2).granularity(DAY)",
        "pricing_analytics.start(1).end(2).granularity(DAILY).dimensions([COLOUR])",
    ],
)
def test_query_that_meta_would_refuse_is_refused(expression: str) -> None:
    with pytest.raises(GraphError) as refusal:
        parse_query(expression)
    assert refusal.value.code == 100


@pytest.mark.parametrize(
    ("category", "in_window", "when", "expected"),
    [
        ("marketing", True, "2026-09-30T12:00:00+00:00", "regular"),
        ("authentication", True, "2026-09-30T12:00:00+00:00", "regular"),
        ("utility", False, "2026-09-30T12:00:00+00:00", "regular"),
        ("utility", True, "2026-09-30T12:00:00+00:00", "free_customer_service"),
        ("utility", True, "2026-10-01T00:00:00+00:00", "regular"),
        ("service", True, "2026-09-30T12:00:00+00:00", "free_customer_service"),
    ],
)
def test_price_type_follows_the_rules_of_its_day(
    category: str, in_window: bool, when: str, expected: str
) -> None:
    book = analytics()
    number = next(iter(book.world.numbers.values()))

    assert book.price_type(number, category, in_window=in_window, now_ms=at(when)) == expected


def test_thousand_service_messages_a_month_are_free_since_october_2026() -> None:
    book = analytics()
    number = next(iter(book.world.numbers.values()))

    def month(text: str, count: int) -> list[str]:
        return [
            book.price_type(number, "service", in_window=True, now_ms=at(text))
            for _ in range(count)
        ]

    november = month("2026-12-01T02:59:00+00:00", 1001)
    december = month("2026-12-01T03:00:00+00:00", 1)

    assert november == ["free_customer_service"] * 1000 + ["regular"]
    assert december == ["free_customer_service"]


def test_analytics_over_http_counts_what_was_delivered_not_what_was_sent() -> None:
    config = quick_config(faults={"recipients": {"+5511955550001": {"failed_webhook": 131026}}})
    with running_sandbox(config) as sandbox:
        for i in range(4):
            sandbox.send_template(f"+551195555000{i}")
        _wait_for_delivered(sandbox, 3)
        now = sandbox.app.sandbox.clock.now_ms() // 1000
        field = (
            f"pricing_analytics.start({now - 86400}).end({now + 86400}).granularity(DAILY)"
            ".dimensions(['COUNTRY','PRICING_CATEGORY'])"
        )
        answer = sandbox.client.get(f"/v26.0/{sandbox.waba_id}", params={"fields": field}).json()

    (group,) = answer["pricing_analytics"]["data"]
    assert [(p["country"], p["pricing_category"], p["volume"]) for p in group["data_points"]] == [
        ("BR", "UTILITY", 3)
    ]
    assert answer["id"] == sandbox.waba_id


def _wait_for_delivered(sandbox: RunningSandbox, count: int) -> None:
    deadline = time.monotonic() + 10
    while sandbox.summary()["delivered_by_category"].get("utility") != count:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_crossing_a_volume_tier_is_announced_and_priced(callback: Callback) -> None:
    config = quick_config(callback={"url": callback.url}).model_dump(mode="json")
    config["volume_tiers"] = {"utility": [2]}
    rate = {"country": "BR", "category": "utility", "effective_from": "2026-10-01"}
    config["rates"] = [{**rate, "rate": "0.01"}, {**rate, "rate": "0.004", "tier": "3:MAX"}]
    with running_sandbox(SandboxConfig.model_validate(config)) as sandbox:
        sandbox.control("clock", {"at": "2026-11-10T12:00:00Z"})
        for i in range(4):
            sandbox.send_template(f"+551195555000{i}")
        callback.wait_for(lambda c: bool(c.values("account_update")))
        callback.wait_for(lambda _: sandbox.summary()["delivered_by_category"] == {"utility": 4})
        fields = (
            "pricing_analytics.start(1790000000).end(1800000000).granularity(MONTHLY)"
            ".dimensions(TIER)"
        )
        node = sandbox.client.get(f"/v26.0/{sandbox.waba_id}?fields={fields}").json()

    points = node["pricing_analytics"]["data"][0]["data_points"]
    assert {p["tier"]: (p["volume"], p["cost"]) for p in points} == {
        "0:2": (2, 0.02),
        "3:MAX": (2, 0.008),
    }
    told = callback.values("account_update")
    assert [(v["event"], v["volume_tier_info"]["tier"]) for v in told] == [
        ("VOLUME_BASED_PRICING_TIER_UPDATE", "3:MAX")
    ]
