import hashlib
import hmac
import json
import re

import pytest

from sandbox.config import EscapeMode
from sandbox.payloads import escape_json, sign
from tests.support.sandboxes import (
    Callback,
    RunningSandbox,
    quick_config,
    recording_callback,
    running_sandbox,
)


def test_statuses_have_the_shape_of_2026(sandbox: RunningSandbox, callback: Callback) -> None:
    wamid = sandbox.send_template(biz_opaque_callback_data="tok/é").json()["messages"][0]["id"]

    sent, delivered, read = callback.wait_for_statuses(3)

    price = {"billable": True, "pricing_model": "PMP", "type": "regular", "category": "utility"}
    assert [s["status"] for s in (sent, delivered, read)] == ["sent", "delivered", "read"]
    assert [s.get("pricing") for s in (sent, delivered, read)] == [price, price, None]
    assert {s["id"] for s in (sent, delivered, read)} == {wamid}
    assert {s["biz_opaque_callback_data"] for s in (sent, delivered, read)} == {"tok/é"}
    assert all(s["recipient_id"] == "5511955550123" for s in (sent, delivered, read))
    assert all(re.fullmatch(r"BR\.\d{20}", s["recipient_user_id"]) for s in (sent, read))
    assert all("conversation" not in s for s in (sent, delivered, read))
    value = callback.values()[0]
    assert value["metadata"] == {
        "display_phone_number": "5511955500101",
        "phone_number_id": sandbox.number_id,
    }
    assert value["contacts"][0]["wa_id"] == "5511955550123"
    assert value["contacts"][0]["user_id"] == sent["recipient_user_id"]
    envelope = callback.deliveries[0].json
    assert envelope["object"] == "whatsapp_business_account"
    assert envelope["entry"][0]["id"] == sandbox.waba_id
    assert "time" not in envelope["entry"][0]


def test_signature_covers_the_escaped_bytes(sandbox: RunningSandbox, callback: Callback) -> None:
    sandbox.send_template(biz_opaque_callback_data="a/b ä 🌟 é")
    callback.wait_for_statuses(1)

    delivery = callback.deliveries[0]

    assert delivery.body.isascii()
    assert b"a\\/b \\u00e4 \\ud83c\\udf1f \\u00e9" in delivery.body
    secret = sandbox.app.sandbox.config.app_secret.encode()
    digest = hmac.new(secret, delivery.body, hashlib.sha256).hexdigest()
    assert delivery.signature == f"sha256={digest}"
    reserialised = json.dumps(json.loads(delivery.body), ensure_ascii=False).encode()
    assert sign(reserialised, secret.decode()) != delivery.signature


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        (EscapeMode.META, b'{"a":"\\u00e4\\/<%@\\ud83c\\udf1f"}'),
        (EscapeMode.HTML, b'{"a":"\\u00e4\\/\\u003C\\u0025\\u0040\\ud83c\\udf1f"}'),
        (EscapeMode.RAW, '{"a":"ä/<%@🌟"}'.encode()),
    ],
)
def test_escaping_keeps_the_json_value(mode: EscapeMode, expected: bytes) -> None:
    body = '{"a":"ä/<%@🌟"}'.encode()

    escaped = escape_json(body, mode)

    assert escaped == expected
    assert json.loads(escaped) == json.loads(body)


def test_failed_status_carries_metas_code_and_no_contacts(callback: Callback) -> None:
    config = quick_config(
        callback={"url": callback.url}, faults={"failed_webhooks": {"131026": 1.0}}
    )
    with running_sandbox(config) as sandbox:
        sandbox.send_template("+5511955550123")
        callback.wait_for(lambda c: any(s["status"] == "failed" for s in c.statuses()))

    value = next(v for v in callback.values() if v["statuses"][0]["status"] == "failed")
    failed = value["statuses"][0]
    assert "contacts" not in value
    assert "recipient_user_id" not in failed
    assert "pricing" not in failed
    error = failed["errors"][0]
    assert error["code"] == 131026
    assert error["title"] == error["message"]
    assert error["error_data"]["details"]


def test_batches_fill_up_to_the_configured_size(callback: Callback) -> None:
    config = quick_config(
        callback={"url": callback.url, "batch_size": 20, "flush_interval_ms": 300}
    )
    with running_sandbox(config) as sandbox:
        for i in range(20):
            sandbox.send_template(f"+55119555502{i:02d}")
        callback.wait_for_statuses(60)

    sizes = [len(value["statuses"]) for value in callback.values()]
    assert sum(sizes) == 60
    assert max(sizes) <= 20
    assert len(sizes) < 30


def test_callback_that_fails_gets_the_same_bytes_again_until_it_answers_200() -> None:
    with recording_callback(answers=[500, 503, 201]) as callback:
        config = quick_config(
            callback={"url": callback.url, "retry_first_seconds": 0.05},
            delivery={"read_probability": 0.0, "delivered_ms": [60_000, 60_000]},
        )
        with running_sandbox(config) as sandbox:
            sandbox.send_template()
            callback.wait_for(lambda c: len(c.deliveries) >= 4)
            summary = sandbox.summary()

    assert len({(d.body, d.signature) for d in callback.deliveries}) == 1
    assert summary["callback_posts"]["failed"] == 3
    assert summary["statuses"]["posted_ok"]["sent"] == 1


def test_inbound_message_is_announced_with_both_ids(
    sandbox: RunningSandbox, callback: Callback
) -> None:
    answer = sandbox.control("inbound", {"from": "+5511955550123", "text": "Olá"})
    callback.wait_for(lambda c: bool(c.values()))

    message = callback.values()[0]["messages"][0]
    assert message["text"] == {"body": "Olá"}
    assert (message["from"], message["from_user_id"]) == (answer["wa_id"], answer["user_id"])
    assert message["id"] == answer["id"]


def test_stop_of_marketing_is_announced_and_makes_marketing_fail_with_131050(
    sandbox: RunningSandbox, callback: Callback
) -> None:
    sandbox.control("inbound", {"from": "+5511955550123", "preference": "stop"})
    parameters = [
        {"type": "text", "parameter_name": "first_name", "text": "Zoë"},
        {"type": "text", "parameter_name": "discount", "text": "20%"},
    ]
    template = {
        "name": "spring_offer",
        "language": {"code": "pt_BR"},
        "components": [{"type": "body", "parameters": parameters}],
    }
    sandbox.send_template(template=template)
    callback.wait_for(lambda c: any(s["status"] == "failed" for s in c.statuses()))

    preference = callback.values("user_preferences")[0]["user_preferences"][0]
    assert (preference["value"], preference["category"]) == ("stop", "marketing_messages")
    assert isinstance(preference["timestamp"], int)
    failed = next(s for s in callback.statuses() if s["status"] == "failed")
    assert failed["errors"][0]["code"] == 131050


def test_override_of_the_account_takes_messages_but_not_template_webhooks(
    sandbox: RunningSandbox, callback: Callback
) -> None:
    with recording_callback() as own:
        url = f"/{sandbox.waba_id}/subscribed_apps"
        body = {"override_callback_uri": own.url, "verify_token": own.verify_token}
        assert sandbox.client.post(url, json=body).json() == {"success": True}
        sandbox.send_template()
        known = next(iter(sandbox.app.sandbox.world.templates.values()))
        sandbox.control("templates/status", {"id": known.id, "status": "PAUSED"})
        own.wait_for_statuses(3)
        callback.wait_for(lambda c: bool(c.values("message_template_status_update")))

    assert callback.statuses() == []
    paused = callback.values("message_template_status_update")[0]
    assert (paused["event"], paused["message_template_language"]) == ("PAUSED", "en-US")
    assert "time" in callback.deliveries[0].json["entry"][0]


def test_account_without_subscription_gets_no_webhooks(
    sandbox: RunningSandbox, callback: Callback
) -> None:
    sandbox.client.delete(f"/{sandbox.waba_id}/subscribed_apps")
    sandbox.send_template()
    callback.wait_for(lambda _: sandbox.summary()["statuses"]["unrouted"] == 3)
    sandbox.client.post(f"/{sandbox.waba_id}/subscribed_apps")
    sandbox.send_template("+5511955550999")
    callback.wait_for_statuses(1)

    assert {status["recipient_id"] for status in callback.statuses()} == {"5511955550999"}


def test_app_subscription_is_verified_before_it_counts(sandbox: RunningSandbox) -> None:
    with recording_callback() as other:
        url = f"/v26.0/{sandbox.app.sandbox.config.app_id}/subscriptions"
        query = {"object": "whatsapp_business_account", "callback_url": other.url}
        wrong = sandbox.client.post(url, params={**query, "verify_token": "wrong"})
        right = sandbox.client.post(url, params={**query, "verify_token": other.verify_token})
        sandbox.send_template()
        other.wait_for_statuses(1)

    assert wrong.json()["error"]["code"] == 2200
    assert right.json() == {"success": True}
