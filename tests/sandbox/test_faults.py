import asyncio
from collections import Counter

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from sandbox.config import DeliveryConfig, FaultConfig
from sandbox.faults import Fate
from sandbox.script import Flag, Kind, Step, write_script
from tests.support.sandboxes import (
    TEMPLATE,
    Callback,
    Json,
    closes_without_answer,
    quick_config,
    running_sandbox,
)

EVERYTHING: Json = {
    "failed_webhooks": {"131026": 0.1, "131049": 0.1},
    "api_errors": {"131057": 0.1, "130497": 0.05},
    "answers": {"http_500_accepted": 0.05, "html_unaccepted": 0.05},
    "duplicate_status": 0.2,
    "late_status": 0.1,
    "late_ms": [50, 100],
    "out_of_order": 0.2,
    "missing_delivered": 0.2,
    "lost_status": 0.1,
    "hidden_phone": 0.1,
    "no_status": 0.05,
}
NOTHING = FaultConfig()


def fate(nth: int = 1, seed: int = 1, wa_id: str = "5511955550123") -> Fate:
    return Fate(seed=seed, number_id="1", wa_id=wa_id, nth=nth)


def outcomes(seed: int) -> list[tuple[int, object]]:
    """What a run of 150 sends meets: status, and code or script of each."""
    config = quick_config(faults=EVERYTHING, limits={"enforce_throughput": False})
    config.seed = seed
    with running_sandbox(config) as sandbox:
        seen: list[tuple[int, object]] = []
        for i in range(150):
            response = sandbox.send_template(f"+551195555{i:04d}")
            is_json = response.headers["content-type"].startswith("application/json")
            error = response.json().get("error", {}).get("code") if is_json else "html"
            seen.append((response.status_code, error))
        seen += [(m.seq, m.steps) for m in sandbox.app.sandbox.ledger.messages]
    return seen


def test_same_seed_same_faults_and_another_seed_others() -> None:
    first, again, other = outcomes(1), outcomes(1), outcomes(2)

    assert first == again
    assert first != other
    assert len({status for status, _ in first[:150]}) > 2


@pytest.mark.parametrize(
    ("faults", "field", "expected"),
    [
        ({"duplicate_status": 1.0}, "count", 4),
        ({"missing_delivered": 1.0}, "kinds", [Kind.SENT, Kind.READ]),
        ({"no_status": 1.0}, "count", 0),
        ({"failed_webhooks": {"131026": 1.0}}, "last", Kind.FAILED),
    ],
)
def test_fault_bends_the_script(faults: Json, field: str, expected: object) -> None:
    config = FaultConfig.model_validate(faults)
    delivery = DeliveryConfig(read_probability=1.0)
    failed = next(iter(config.failed_webhooks), None)
    steps = write_script(fate(), delivery, config, failed_webhook=failed, held=False)

    kinds = [step.kind for step in steps]
    facts = {"count": len(steps), "kinds": kinds, "last": kinds[-1] if kinds else None}
    assert facts[field] == expected


def test_out_of_order_brings_a_later_status_first_but_keeps_the_true_times() -> None:
    config = FaultConfig(out_of_order=1.0)
    delivery = DeliveryConfig(read_probability=1.0)
    orders: Counter[tuple[int, ...]] = Counter()
    for nth in range(200):
        steps = write_script(fate(nth), delivery, config, failed_webhook=None, held=False)
        told = [step for step in steps if step.kind != Kind.FACT]
        orders[tuple(step.kind for step in told)] += 1
        true_order = sorted(told, key=lambda step: step.at_ms)
        assert [s.kind for s in true_order] == [Kind.SENT, Kind.DELIVERED, Kind.READ]

    assert orders[Kind.DELIVERED, Kind.SENT, Kind.READ] > 20
    assert orders[Kind.SENT, Kind.READ, Kind.DELIVERED] > 20
    assert orders[Kind.SENT, Kind.DELIVERED, Kind.READ] == 0


@given(
    nth=st.integers(1, 10**6),
    probability=st.sampled_from([0.0, 0.3, 1.0]),
    missing=st.sampled_from([0.0, 0.5]),
    reads=st.sampled_from([0.0, 0.5, 1.0]),
)
def test_a_delivered_message_is_priced_twice_and_billed_once(
    nth: int, probability: float, missing: float, reads: float
) -> None:
    config = FaultConfig(
        duplicate_status=probability,
        late_status=probability,
        out_of_order=probability,
        lost_status=probability,
        missing_delivered=missing,
    )
    delivery = DeliveryConfig(read_probability=reads)
    steps = write_script(fate(nth), delivery, config, failed_webhook=None, held=False)

    first_tellings = [s for s in steps if not s.flags & Flag.REPEAT and s.kind != Kind.FACT]
    priced = [s.kind for s in first_tellings if s.flags & Flag.PRICING]
    billed = [s for s in steps if s.flags & Flag.BILLS]
    arrival = next(s for s in first_tellings if s.kind in {Kind.DELIVERED, Kind.READ})
    assert len(priced) == 2
    assert priced.count(Kind.SENT) == 1
    assert len(billed) == 1
    assert billed[0].emit_ms == billed[0].at_ms
    assert billed[0].at_ms == min(
        s.at_ms for s in first_tellings if s.kind in {Kind.DELIVERED, Kind.READ}
    )
    assert arrival.at_ms >= 0
    assert list(steps) == sorted(steps, key=lambda s: s.emit_ms)


def test_held_marketing_is_released_or_dropped_with_132015() -> None:
    config = FaultConfig(held=1.0, hold_ms=(1000, 2000), held_failed=0.5)
    endings: Counter[tuple[int, int]] = Counter()
    for nth in range(300):
        steps: tuple[Step, ...] = write_script(
            fate(nth), DeliveryConfig(), config, failed_webhook=None, held=True
        )
        assert steps[0].emit_ms >= 1000
        endings[steps[0].kind, steps[0].code] += 1

    assert set(endings) == {(Kind.FAILED, 132015), (Kind.SENT, 0)}
    assert endings[Kind.FAILED, 132015] > 100


def test_held_send_says_so_in_its_answer() -> None:
    parameters = [
        {"type": "text", "parameter_name": "first_name", "text": "Zoë"},
        {"type": "text", "parameter_name": "discount", "text": "20%"},
    ]
    template = {
        "name": "spring_offer",
        "language": {"code": "pt_BR"},
        "components": [{"type": "body", "parameters": parameters}],
    }
    with running_sandbox(quick_config(faults={"held": 1.0})) as sandbox:
        answer = sandbox.send_template(template=template).json()

    assert answer["messages"][0]["message_status"] == "held_for_quality_assessment"


@pytest.mark.parametrize(
    ("answer", "status", "accepted"),
    [
        ("http_500_unaccepted", 500, 0),
        ("http_503_unaccepted", 503, 0),
        ("html_unaccepted", 502, 0),
        ("http_500_accepted", 500, 1),
        ("html_accepted", 502, 1),
    ],
)
def test_broken_answer_hides_whether_the_message_was_accepted(
    answer: str, status: int, accepted: int
) -> None:
    with running_sandbox(quick_config(faults={"answers": {answer: 1.0}})) as sandbox:
        response = sandbox.send_template()
        summary = sandbox.summary()

    assert response.status_code == status
    assert summary["accepted_total"] == accepted
    assert summary["answer_faults"] == {answer: 1}
    if answer.startswith("html"):
        assert response.text.startswith("<!DOCTYPE html>")


@pytest.mark.parametrize(("answer", "accepted"), [("drop_accepted", 1), ("drop_unaccepted", 0)])
def test_dropped_connection_gives_no_byte_and_accepted_ones_are_delivered(
    callback: Callback, answer: str, accepted: int
) -> None:
    config = quick_config(callback={"url": callback.url}, faults={"answers": {answer: 1.0}})
    with running_sandbox(config) as sandbox:
        url = f"{sandbox.base_url}/v26.0/{sandbox.number_id}/messages"
        body = {
            "messaging_product": "whatsapp",
            "to": "+5511955550123",
            "type": "template",
            "template": TEMPLATE,
            "biz_opaque_callback_data": "in-doubt",
        }
        headers = {"Authorization": f"Bearer {sandbox.token}"}
        assert asyncio.run(closes_without_answer(url, headers, body))
        if accepted:
            statuses = callback.wait_for_statuses(3)
            assert {s["biz_opaque_callback_data"] for s in statuses} == {"in-doubt"}
        assert sandbox.summary()["accepted_total"] == accepted


def test_hanging_answer_never_comes_but_its_statuses_do(callback: Callback) -> None:
    config = quick_config(
        callback={"url": callback.url},
        faults={"answers": {"hang_accepted": 1.0}, "hang_seconds": 30},
    )
    with running_sandbox(config) as sandbox:
        sandbox.client.timeout = httpx.Timeout(0.5)
        with pytest.raises(httpx.ReadTimeout):
            sandbox.send_template()
        assert len(callback.wait_for_statuses(3)) == 3


def test_next_fault_strikes_once_and_a_recipients_fault_always() -> None:
    with running_sandbox(quick_config()) as sandbox:
        sandbox.control(
            "faults",
            {
                "next": [{"api_error": 131057, "count": 2}],
                "recipients": {"+55 11 95555-0199": {"api_error": 130497}},
            },
        )
        codes = [sandbox.send_template(f"+551195555012{i}").json() for i in range(3)]
        always = [sandbox.send_template("+5511955550199").json() for _ in range(2)]
        cleared = sandbox.client.post("/sandbox/faults", json={})
        after = sandbox.send_template("+5511955550199")

    assert [c.get("error", {}).get("code") for c in codes] == [131057, 131057, None]
    assert [c["error"]["code"] for c in always] == [130497, 130497]
    assert cleared.status_code == 200
    assert after.status_code == 200


def test_throttled_send_does_not_use_up_a_fault() -> None:
    config = quick_config(limits={"throughput_burst_seconds": 0.001})
    config.wabas[0].numbers[0].throughput_mps = 1
    with running_sandbox(config) as sandbox:
        assert sandbox.send_template().status_code == 200
        sandbox.control("faults", {"next": [{"api_error": 131026}]})
        throttled = sandbox.send_template("+5511955550124").json()["error"]["code"]
        sandbox.app.sandbox.clock.offset_ms = 5_000
        struck = sandbox.send_template("+5511955550124").json()["error"]["code"]

    assert (throttled, struck) == (130429, 131026)


def test_hidden_phone_leaves_only_the_business_scoped_user_id(callback: Callback) -> None:
    config = quick_config(callback={"url": callback.url}, faults={"hidden_phone": 1.0})
    with running_sandbox(config) as sandbox:
        sandbox.send_template()
        statuses = callback.wait_for_statuses(3)

    assert all("recipient_id" not in status for status in statuses)
    assert all(status["recipient_user_id"] for status in statuses)
    assert all("wa_id" not in value["contacts"][0] for value in callback.values())


@pytest.mark.parametrize(
    "faults",
    [
        {"duplicate_status": 1.5},
        {"answers": {"explode": 0.5}},
        {"api_errors": {"1": 0.6, "2": 0.6}},
        {"next": [{"count": 1}]},
        {"unknown": 1},
    ],
)
def test_impossible_faults_are_refused(faults: Json) -> None:
    with pytest.raises(ValidationError):
        FaultConfig.model_validate(faults)
    with running_sandbox(quick_config()) as sandbox:
        assert sandbox.client.post("/sandbox/faults", json=faults).status_code == 422
