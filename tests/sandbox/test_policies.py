"""Limits that look at people and accounts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.clock import DAY_MS, HOUR_MS
from sandbox.config import SandboxConfig, Spelling
from sandbox.policies import CallAllowance, MarketingLimit, Portfolio, next_tier, tier_name
from tests.support.sandboxes import (
    Callback,
    Json,
    RunningSandbox,
    quick_config,
    running_sandbox,
)

OFFER: Json = {
    "name": "spring_offer",
    "language": {"code": "pt_BR"},
    "components": [
        {
            "type": "body",
            "parameters": [
                {"type": "text", "parameter_name": "first_name", "text": "Zoë"},
                {"type": "text", "parameter_name": "discount", "text": "20%"},
            ],
        }
    ],
}


def with_portfolio(people: int | None, **limits: object) -> SandboxConfig:
    config = quick_config(limits=limits).model_dump(mode="json")
    portfolio = config["wabas"][0]["portfolio_id"]
    config["portfolios"] = [{"id": portfolio, "people_per_day": people}]
    first = config["wabas"][0]["numbers"][0]
    second = {**first, "id": "777", "display_phone_number": "+55 11 95550-0102"}
    config["wabas"][0]["numbers"].append(second)
    return SandboxConfig.model_validate(config)


def code_of(answer: Json) -> int | None:
    code = answer.get("error", {}).get("code")
    assert code is None or isinstance(code, int)
    return code


@given(
    sends=st.lists(
        st.tuples(st.integers(0, 30), st.integers(0, 12 * HOUR_MS)), min_size=1, max_size=150
    ),
    limit=st.integers(1, 8),
)
def test_portfolio_never_reaches_more_unique_people_a_day_than_its_limit(
    sends: list[tuple[int, int]], limit: int
) -> None:
    portfolio = Portfolio("p", limit)
    now, admitted = 0, []
    for person, gap in sends:
        now += gap
        if portfolio.admit(str(person), now):
            admitted.append((now, person))
        within = {p for at, p in admitted if at > now - DAY_MS}
        assert len(within) <= limit
        assert portfolio.reached() == len(within)


@given(st.lists(st.integers(0, 10 * HOUR_MS), min_size=1, max_size=60), st.integers(1, 4))
def test_person_never_gets_more_marketing_a_day_than_allowed(gaps: list[int], most: int) -> None:
    limit = MarketingLimit()
    now, given_at = 0, []
    for gap in gaps:
        now += gap
        if limit.admit("person", now, most):
            given_at.append(now)

    for at in given_at:
        assert sum(at - DAY_MS < other <= at for other in given_at) <= most


def test_stubborn_retries_shut_a_person_off_for_another_day() -> None:
    limit = MarketingLimit()
    assert limit.admit("person", 0, 1)
    assert not any(limit.admit("person", hour * HOUR_MS, 1) for hour in (20, 21, 22))

    assert not limit.admit("person", DAY_MS + HOUR_MS, 1)
    assert limit.admit("person", 2 * DAY_MS + HOUR_MS, 1)


def test_call_allowance_tells_the_minutes_until_the_next_call() -> None:
    allowance = CallAllowance()
    assert [allowance.take("waba", at, 2) for at in (0, 60_000, 120_000)] == [0, 0, 58]
    assert allowance.take("other", 120_000, 2) == 0
    assert allowance.take("waba", HOUR_MS, 2) == 0


@pytest.mark.parametrize(
    ("people", "name", "following"),
    [(250, "TIER_250", 2000), (2000, "TIER_2K", 10_000), (100_000, "TIER_100K", None)],
)
def test_tiers_have_metas_names_and_steps(people: int, name: str, following: int | None) -> None:
    assert tier_name(people) == name
    assert next_tier(people) == following
    assert tier_name(None) == "TIER_UNLIMITED"


def test_portfolio_limit_is_shared_by_its_numbers_and_spares_open_windows() -> None:
    with running_sandbox(with_portfolio(2, tier_upgrades=False)) as sandbox:
        answers = [sandbox.send_template(f"+551195555000{i}").json() for i in range(2)]
        third = sandbox.post(
            {
                "messaging_product": "whatsapp",
                "to": "+5511955550009",
                "type": "template",
                "template": {"name": "hello_world", "language": {"code": "en_US"}},
            },
            number_id="777",
        ).json()
        known_again = sandbox.send_template("+5511955550001").json()
        sandbox.control("inbound", {"from": "+5511955550009", "text": "oi"})
        in_window = sandbox.send_template("+5511955550009").json()
        sandbox.control("clock", {"advance_seconds": 86_401})
        next_day = sandbox.send_template("+5511955550008").json()

    assert [code_of(a) for a in (*answers, third, known_again)] == [None, None, 131048, None]
    assert (code_of(in_window), code_of(next_day)) == (None, None)


def test_half_used_limit_steps_up_within_six_hours_and_is_announced(callback: Callback) -> None:
    config = with_portfolio(250)
    config.callback.url = callback.url
    with running_sandbox(config) as sandbox:
        for i in range(125):
            sandbox.app.sandbox.clock.offset_ms += 1000
            sandbox.send_template(f"+551195555{i:04d}")
        before = sandbox.client.get("/sandbox/limits").json()["portfolios"][0]
        sandbox.control("clock", {"advance_seconds": 6 * 3600})
        callback.wait_for(lambda c: bool(c.values("phone_number_quality_update")))
        after = sandbox.client.get("/sandbox/limits").json()["portfolios"][0]

    assert (before["people_per_day"], before["reached"]) == (250, 125)
    assert after["people_per_day"] == 2000
    capability = callback.values("business_capability_update")[0]
    assert capability["max_daily_conversations_per_business"] == "TIER_2K"
    quality = callback.values("phone_number_quality_update")[0]
    assert (quality["event"], quality["old_limit"]) == ("UPGRADE", "TIER_250")


def test_old_spelling_of_the_limits(callback: Callback) -> None:
    config = with_portfolio(250)
    config.callback = config.callback.model_copy(
        update={"url": callback.url, "spelling": Spelling.OLD}
    )
    with running_sandbox(SandboxConfig.model_validate(config.model_dump())) as sandbox:
        portfolio = config.wabas[0].portfolio_id
        sandbox.control("portfolios", {"id": portfolio, "people_per_day": 10_000})
        callback.wait_for(lambda c: bool(c.values("phone_number_quality_update")))

    assert callback.values("business_capability_update") == [
        {"max_daily_conversation_per_phone": 10_000, "max_phone_numbers_per_waba": 25}
    ]
    quality = callback.values("phone_number_quality_update")[0]
    assert "max_daily_conversations_per_business" not in quality


def test_throughput_upgrade_is_a_maintenance_then_a_webhook(callback: Callback) -> None:
    with running_sandbox(quick_config(callback={"url": callback.url})) as sandbox:
        change = {"id": sandbox.number_id, "throughput_mps": 1000, "upgrade_seconds": 60}
        sandbox.control("numbers", change)
        during = sandbox.send_template().json()
        sandbox.control("clock", {"advance_seconds": 61})
        callback.wait_for(lambda c: bool(c.values("phone_number_quality_update")))
        afterwards = sandbox.send_template().json()
        node = sandbox.client.get(f"/v26.0/{sandbox.number_id}?fields=throughput").json()

    assert (code_of(during), code_of(afterwards)) == (131057, None)
    assert callback.values("phone_number_quality_update")[0]["event"] == "THROUGHPUT_UPGRADE"
    assert node["throughput"] == {"level": "HIGH"}


def test_marketing_limit_is_told_by_webhook_and_not_inside_a_window(callback: Callback) -> None:
    config = quick_config(callback={"url": callback.url}, limits={"marketing_per_person": 1})
    with running_sandbox(config) as sandbox:
        answers = [sandbox.send_template(template=OFFER).status_code for _ in range(2)]
        callback.wait_for(lambda c: any(s["status"] == "failed" for s in c.statuses()))
        sandbox.control("inbound", {"from": "+5511955550123", "text": "oi"})
        sandbox.send_template(template=OFFER)
        callback.wait_for(lambda _: sandbox.summary()["statuses"]["pending"] == 0)

    failed = [s for s in callback.statuses() if s["status"] == "failed"]
    assert answers == [200, 200]
    assert [f["errors"][0]["code"] for f in failed] == [131049]


def test_spam_limited_number_may_only_answer() -> None:
    with running_sandbox(quick_config()) as sandbox:
        sandbox.control("numbers", {"id": sandbox.number_id, "spam_limited_seconds": 60})
        sandbox.control("inbound", {"from": "+5511955550001", "text": "oi"})
        outside = sandbox.send_template("+5511955550002").json()
        inside = sandbox.send_template("+5511955550001").json()

    assert (code_of(outside), code_of(inside)) == (131048, None)


def test_management_calls_over_the_hourly_limit_get_80007_with_the_minutes() -> None:
    with running_sandbox(quick_config(limits={"management_calls_per_hour": 2})) as sandbox:
        url = f"/v26.0/{sandbox.waba_id}/phone_numbers"
        answers = [sandbox.client.get(url) for _ in range(3)]
        sending = sandbox.send_template().status_code

    usage = answers[2].headers["x-business-use-case-usage"]
    assert [a.status_code for a in answers] == [200, 200, 429]
    assert answers[2].json()["error"]["code"] == 80007
    assert '"estimated_time_to_regain_access":60' in usage
    assert sending == 200


def test_app_call_limit_answers_4() -> None:
    with running_sandbox(quick_config(limits={"app_calls_per_hour": 1})) as sandbox:
        url = f"/v26.0/{sandbox.number_id}"
        answers = [sandbox.client.get(url).json() for _ in range(2)]

    assert [code_of(a) for a in answers] == [None, 4]


@pytest.mark.parametrize("status", [400, 403, 429])
def test_http_status_of_a_code_is_configurable(status: int) -> None:
    config = quick_config(
        limits={"throughput_burst_seconds": 0.001, "http_status": {130429: status}}
    )
    config.wabas[0].numbers[0].throughput_mps = 1
    with running_sandbox(config) as sandbox:
        sandbox.send_template()
        refused = sandbox.send_template("+5511955550124")

    assert (refused.status_code, refused.json()["error"]["code"]) == (status, 130429)


def test_expired_token_answers_190_until_it_lives_again(sandbox: RunningSandbox) -> None:
    past = "2020-01-01T00:00:00Z"
    sandbox.control("tokens", {"token": sandbox.token, "expires_at": past})
    expired = sandbox.send_template().json()["error"]
    sandbox.control("tokens", {"token": sandbox.token, "expires_at": None})

    assert (expired["code"], expired["error_subcode"]) == (190, 463)
    assert sandbox.send_template().status_code == 200
