"""The `webhooks` of the OpenAPI document: what tenants are told, and what Meta posts to us."""

from collections.abc import Mapping
from typing import Any, Final

from api.problems import CATALOGUE
from api.vocabulary import EVENTS
from core.domain.tenant_events import ENVELOPE_VERSION, TenantEventType

_TEXT: Final = {"type": "string"}
_ID: Final = {
    "type": "string",
    "format": "uuid",
    "examples": ["019ab3f2-a001-7000-8000-5440743f3d97"],
}


def _text(example: str) -> dict[str, Any]:
    return {"type": "string", "examples": [example]}


_REQUEST: Final = {
    "type": "string",
    "format": "uuid",
    "description": "The `X-Request-Id` of the request that set this off, where there was one.",
    "examples": ["019ab3f2-c7a0-7c3e-9d5b-1f0a6e4d2c11"],
}
_COUNT: Final = {"type": "integer", "minimum": 0}
_INSTANT: Final = {"type": "string", "format": "date-time"}
#: Members of `data` by the first word of the type; a name with `?` is left out without a value.
_DATA: Final[Mapping[str, Mapping[str, Mapping[str, Any]]]] = {
    "message": {
        "message_id": _ID,
        "campaign_id?": _ID,
        "contact_id": _ID,
        "phone_number_id": _TEXT,
        "category": _TEXT,
        "state": _text("failed"),
        "error_code?": {"type": "integer", "examples": [131026]},
        "reason?": _text("undeliverable"),
    },
    "message.inbound": {
        "inbound_id": _ID,
        "contact_id?": _ID,
        "phone_number_id": _TEXT,
        "message_type": _text("text"),
        "reply_to_message_id?": _ID,
    },
    "campaign": {
        "campaign_id": _ID,
        "status": _text("running"),
        "previous_status?": _text("approved"),
        "reason?": _text("by a person"),
    },
    "campaign.finished": {"campaign_id": _ID, "status": _text("running")},
    "campaign.reopened": {"campaign_id": _ID, "status": _text("running")},
    "template.status_changed": {
        "template_id": _ID,
        "name": _text("weekly_offer"),
        "language": _TEXT,
        "status": _text("PAUSED"),
        "previous_status?": _text("APPROVED"),
        "halted_reason?": _text("PAUSED"),
    },
    "template.quality_changed": {
        "template_id": _ID,
        "name": _text("weekly_offer"),
        "language": _TEXT,
        "quality?": _text("YELLOW"),
        "previous_quality?": _text("GREEN"),
    },
    "template.category_changed": {
        "template_id": _ID,
        "name": _text("weekly_offer"),
        "language": _TEXT,
        "category": _text("MARKETING"),
        "previous_category?": _text("UTILITY"),
    },
    "number.quality_changed": {
        "phone_number_id": _TEXT,
        "quality?": _text("YELLOW"),
        "previous_quality?": _text("GREEN"),
    },
    "number.throughput_changed": {
        "phone_number_id": _TEXT,
        "throughput_per_second?": {"type": "integer"},
    },
    "number.paused": {
        "phone_number_id": _TEXT,
        "reason?": _text("spam rate limit"),
        "paused_until?": {**_INSTANT, "examples": ["2026-11-23T15:05:09Z"]},
    },
    "number.resumed": {"phone_number_id": _TEXT},
    "account.blocked": {"waba_id": _TEXT, "reason?": _text("spam rate limit")},
    "account.unblocked": {"waba_id": _TEXT},
    "consent": {
        "consent_id": _ID,
        "contact_id": _ID,
        "purpose": _TEXT,
        "action": _TEXT,
        "channel": _TEXT,
    },
    "import": {
        "import_id": _ID,
        "list_id?": _ID,
        "rows_read": _COUNT,
        "rows_created": _COUNT,
        "rows_updated": _COUNT,
        "rows_refused": _COUNT,
    },
    "webhook.test": {"endpoint_id": _ID},
}
_SIGNED: Final = (
    ("webhook-id", "The event's id: the same in every attempt and every replay.", "evt_019ab3f2"),
    ("webhook-timestamp", "Seconds since 1970 at which it was signed.", "1795442709"),
    (
        "webhook-signature",
        "`v1,` and the base64 HMAC-SHA256 of `<id>.<timestamp>.<body>`; several, while a secret is "
        "being changed.",
        "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    ),
)
_META_BODY: Final = {
    "title": "MetaNotification",
    "description": "Meta's envelope. What it holds is stored whole, and read afterwards.",
    "type": "object",
    "required": ["object", "entry"],
    "properties": {
        "object": {"const": "whatsapp_business_account"},
        "entry": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["id", "changes"],
                "properties": {
                    "id": {"type": "string", "description": "The account (WABA)."},
                    "changes": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "required": ["field", "value"],
                            "properties": {
                                "field": {
                                    "type": "string",
                                    "description": "`messages` (also statuses), "
                                    "`message_template_status_update`, `account_update` ...",
                                },
                                "value": {"type": "object", "additionalProperties": True},
                            },
                        },
                    },
                },
            },
        },
    },
}
_META_EXAMPLE: Final = {
    "object": "whatsapp_business_account",
    "entry": [
        {
            "id": "102290129340398",
            "changes": [
                {
                    "field": "messages",
                    "value": {
                        "messaging_product": "whatsapp",
                        "metadata": {"phone_number_id": "106540352242922"},
                        "statuses": [
                            {
                                "id": "wamid.HBgNNTUxMTk4NzY1NDMyMQ==",
                                "status": "delivered",
                                "timestamp": "1795442709",
                            }
                        ],
                    },
                }
            ],
        }
    ],
}


def data_schema(event_type: TenantEventType) -> dict[str, Any]:
    """The schema of `data` in the body of one type; new members may come without notice."""
    own = _DATA.get(event_type.value) or _DATA[event_type.value.partition(".")[0]]
    members = {**own, "request_id?": _REQUEST}
    return {
        "type": "object",
        "required": [name for name in members if not name.endswith("?")],
        "properties": {name.removesuffix("?"): dict(schema) for name, schema in members.items()},
    }


def event_schema(event_type: TenantEventType) -> dict[str, Any]:
    """The schema of the whole body of one type."""
    return {
        "type": "object",
        "required": ["id", "type", "version", "timestamp", "data"],
        "properties": {
            "id": {
                "type": "string",
                "pattern": "^evt_[0-9a-f]{32}$",
                "examples": ["evt_019ab3f2c7a07c3e9d5b1f0a6e4d2c11"],
            },
            "type": {"const": event_type.value},
            "version": {"const": ENVELOPE_VERSION},
            "timestamp": _INSTANT,
            "data": data_schema(event_type),
        },
    }


def webhooks() -> dict[str, Any]:
    """All of them by type, without examples: those are filled in from the schemas."""
    return {each.value: {"post": _event(each)} for each in TenantEventType}


def _event(event_type: TenantEventType) -> dict[str, Any]:
    return {
        "tags": ["events"],
        "operationId": "on_" + event_type.value.replace(".", "_"),
        "summary": f"Told to you: {event_type.value}",
        "description": f"Sent when: {EVENTS[event_type]}. At least once; verify the signature.",
        "security": [],
        "parameters": [
            {
                "name": name,
                "in": "header",
                "required": True,
                "schema": _TEXT,
                "description": description,
                "example": example,
            }
            for name, description, example in _SIGNED
        ],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": event_schema(event_type)}},
        },
        "responses": {
            "2XX": {"description": "Taken: it isn't sent again."},
            "410": {"description": "Never again: the endpoint is switched off."},
            "4XX": {"description": "Tried again, over three days."},
            "5XX": {"description": "Tried again, over three days."},
        },
    }


def meta_path(problem: Any) -> dict[str, Any]:
    """The address that Meta posts to; the program serves it below FastAPI."""
    examples = {"hub.mode": "subscribe", "hub.verify_token": "yours", "hub.challenge": "1158201444"}
    signature = {
        "name": "X-Hub-Signature-256",
        "in": "header",
        "required": True,
        "schema": {"type": "string", "pattern": "^sha256=[0-9a-f]{64}$"},
        "description": "HMAC-SHA256 of the raw body with the app secret.",
        "example": "sha256=" + "9f86d081884c7d65" * 4,
    }
    refusals = (
        "bad-signature",
        "body-too-slow",
        "body-too-large",
        "unsupported-media-type",
        "unavailable",
    )
    return {
        "get": {
            "tags": ["webhooks"],
            "operationId": "verify_webhook_address",
            "summary": "Meta's handshake when the address is entered",
            "description": "Echoes the challenge when the token is the one that was set.",
            "security": [],
            "parameters": [
                {
                    "name": name,
                    "in": "query",
                    "required": True,
                    "schema": _TEXT,
                    "description": "As Meta sends it.",
                    "example": example,
                }
                for name, example in examples.items()
            ],
            "responses": {
                "200": _plain("The challenge.", "1158201444"),
                "403": problem("not-allowed"),
            },
        },
        "post": {
            "tags": ["webhooks"],
            "operationId": "receive_webhook",
            "summary": "Meta's notifications",
            "description": "Answered with 200 only after the raw body is durable.",
            "security": [],
            "parameters": [signature],
            "requestBody": {
                "required": True,
                "content": {"application/json": {"schema": _META_BODY, "example": _META_EXAMPLE}},
            },
            "responses": {
                "200": _plain("Stored.", "OK"),
                **{str(CATALOGUE[code].status): problem(code) for code in refusals},
            },
        },
    }


def _plain(description: str, example: str) -> dict[str, Any]:
    return {
        "description": description,
        "content": {"text/plain": {"schema": _TEXT, "example": example}},
    }
