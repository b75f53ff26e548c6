"""Webhook bodies as Meta sends them, landed as the API lands them."""

import json
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg

from core.clock import utc_now
from core.domain.ids import MessageId, TenantId
from core.secrets import sign_callback
from core.settings import DatabaseRole
from core.store.queries import load
from tests.sender.world import World


def token_of(world: World, message_id: UUID, attempt_no: int = 1) -> str:
    return sign_callback(TenantId(world.tenant_id), MessageId(message_id), attempt_no)


def status(
    wamid: str,
    state: str,
    *,
    token: str | None = None,
    at: datetime | None = None,
    code: int | None = None,
    **more: Any,
) -> dict[str, Any]:
    value: dict[str, Any] = {
        "id": wamid,
        "status": state,
        "timestamp": str(int((at or utc_now()).timestamp())),
        "recipient_id": "5511910000000",
        **more,
    }
    if token:
        value["biz_opaque_callback_data"] = token
    if code:
        value["errors"] = [{"code": code, "title": "refused"}]
    return value


PRICING = {"billable": True, "pricing_model": "PMP", "type": "regular", "category": "utility"}


def messages_body(world: World, *statuses: dict[str, Any], **value: Any) -> dict[str, Any]:
    return field_body(
        world,
        "messages",
        {
            "messaging_product": "whatsapp",
            "metadata": {
                "display_phone_number": "551155550000",
                "phone_number_id": world.phone_number_id,
            },
            **({"statuses": list(statuses)} if statuses else {}),
            **value,
        },
    )


def field_body(world: World, field: str, value: dict[str, Any]) -> dict[str, Any]:
    return {
        "object": "whatsapp_business_account",
        "entry": [{"id": world.waba_id, "changes": [{"field": field, "value": value}]}],
    }


def land(world: World, *bodies: dict[str, Any] | bytes) -> None:
    """What the API's landing does, as the API's role."""
    raw = [body if isinstance(body, bytes) else json.dumps(body).encode() for body in bodies]
    dsn = world.settings.dsn(DatabaseRole.APP)
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(load("landing").land_bodies, {"bodies": raw})
