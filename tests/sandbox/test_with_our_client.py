"""The platform's own client and parser against the sandbox: two readings of one protocol."""

from datetime import UTC, datetime, timedelta

import pytest

from core.domain.message_state import MessageState
from core.errors import MetaError, MetaUnreachable
from core.whatsapp.client import CloudApi, open_session
from core.whatsapp.updates import InboundMessage, StatusUpdate
from core.whatsapp.webhooks import parse_updates, verify_signature
from tests.support.sandboxes import (
    TEMPLATE,
    Callback,
    Json,
    RunningSandbox,
    quick_config,
    running_sandbox,
)

BODY: Json = {
    "messaging_product": "whatsapp",
    "to": "+5531987654321",
    "type": "template",
    "template": TEMPLATE,
    "biz_opaque_callback_data": "c1.token/1",
}


async def test_client_sends_and_the_parser_reads_every_status(
    sandbox: RunningSandbox, callback: Callback
) -> None:
    async with open_session(max_connections=2, timeout_seconds=10) as session:
        api = CloudApi(sandbox.base_url, "v26.0", sandbox.token, session)
        accepted = await api.send_message(sandbox.number_id, BODY)
        templates = [template async for template in api.iter_templates(sandbox.waba_id)]
        numbers = [number async for number in api.iter_phone_numbers(sandbox.waba_id)]
    sandbox.control("inbound", {"from": "+5531987654321", "text": "Parar 🌟"})
    callback.wait_for(lambda c: len(c.deliveries) >= 4)
    secret = sandbox.app.sandbox.config.app_secret

    updates = [u for d in callback.deliveries for u in parse_updates(d.body)]
    statuses = [u for u in updates if isinstance(u, StatusUpdate)]
    inbound = [u for u in updates if isinstance(u, InboundMessage)]

    assert accepted.wa_id == "553187654321"
    assert not accepted.held
    assert [t["name"] for t in templates] == ["hello_world", "order_update", "spring_offer"]
    assert [n["id"] for n in numbers] == [sandbox.number_id]
    assert all(verify_signature(d.body, d.signature, [secret]) for d in callback.deliveries)
    assert not verify_signature(
        callback.deliveries[0].body, callback.deliveries[1].signature, [secret]
    )
    assert {s.state for s in statuses} == {
        MessageState.SENT,
        MessageState.DELIVERED,
        MessageState.READ,
    }
    assert {s.wamid for s in statuses} == {accepted.wamid}
    assert {s.callback_token for s in statuses} == {"c1.token/1"}
    assert {s.recipient_wa_id for s in statuses} == {"553187654321"}
    priced = [s.pricing.category for s in statuses if s.pricing is not None]
    assert priced == ["utility", "utility"]
    assert [i.from_wa_id for i in inbound] == ["553187654321"]
    assert len(updates) == len(statuses) + len(inbound)


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ({"api_error": 131026}, MetaError),
        ({"answer": "drop_accepted"}, MetaUnreachable),
        ({"answer": "drop_unaccepted"}, MetaUnreachable),
        ({"answer": "hang_accepted"}, MetaUnreachable),
        ({"answer": "html_accepted"}, MetaUnreachable),
    ],
)
async def test_client_never_takes_a_broken_answer_for_a_safe_one(
    fault: Json, expected: type[Exception]
) -> None:
    with running_sandbox(quick_config(faults={"next": [fault]})) as sandbox:
        async with open_session(max_connections=1, timeout_seconds=1) as session:
            api = CloudApi(sandbox.base_url, "v26.0", sandbox.token, session)
            with pytest.raises(expected) as caught:
                await api.send_message(sandbox.number_id, BODY)

    if isinstance(caught.value, MetaUnreachable):
        assert not caught.value.before_bytes
    if isinstance(caught.value, MetaError):
        assert caught.value.meta_code == 131026


async def test_client_reads_what_the_sandbox_charges(
    sandbox: RunningSandbox, callback: Callback
) -> None:
    async with open_session(max_connections=1, timeout_seconds=10) as session:
        api = CloudApi(sandbox.base_url, "v26.0", sandbox.token, session)
        await api.send_message(sandbox.number_id, BODY)
        callback.wait_for_statuses(3)
        now = datetime.now(UTC)
        points = await api.pricing_analytics(
            sandbox.waba_id, now - timedelta(days=1), now + timedelta(days=1)
        )

    assert [(p["country"], p["volume"], p["pricing_type"]) for p in points] == [
        ("BR", 1, "REGULAR")
    ]
