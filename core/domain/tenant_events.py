"""What tenants are told by webhook: the types of events and the body that carries one.

A type, once given out, keeps its meaning. Bodies are thin: ids, states and codes, never a phone
number, a name or a text, so that a webhook that goes astray tells nothing about a person.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

ENVELOPE_VERSION: Final = 1
"""The shape of the body; raised only when a reader of the old one would misread the new."""
EVERYTHING: Final = "*"
"""In place of a list of types: all of them, those of later versions too."""
_PREFIX: Final = "evt_"


class TenantEventType(StrEnum):
    """Everything an endpoint can ask for."""

    MESSAGE_ACCEPTED = "message.accepted"
    MESSAGE_HELD = "message.held"
    MESSAGE_SENT = "message.sent"
    MESSAGE_DELIVERED = "message.delivered"
    MESSAGE_READ = "message.read"
    MESSAGE_FAILED = "message.failed"
    MESSAGE_IN_DOUBT = "message.in_doubt"
    MESSAGE_CANCELLED = "message.cancelled"
    MESSAGE_EXPIRED = "message.expired"
    MESSAGE_REDRIVEN = "message.redriven"
    MESSAGE_INBOUND = "message.inbound"
    CAMPAIGN_PLANNING = "campaign.planning"
    CAMPAIGN_PLANNED = "campaign.planned"
    CAMPAIGN_PLAN_FAILED = "campaign.plan_failed"
    CAMPAIGN_APPROVED = "campaign.approved"
    CAMPAIGN_STARTED = "campaign.started"
    CAMPAIGN_PAUSED = "campaign.paused"
    CAMPAIGN_RESUMED = "campaign.resumed"
    CAMPAIGN_CANCELLED = "campaign.cancelled"
    CAMPAIGN_FINISHED = "campaign.finished"
    CAMPAIGN_REOPENED = "campaign.reopened"
    TEMPLATE_STATUS_CHANGED = "template.status_changed"
    TEMPLATE_QUALITY_CHANGED = "template.quality_changed"
    TEMPLATE_CATEGORY_CHANGED = "template.category_changed"
    NUMBER_QUALITY_CHANGED = "number.quality_changed"
    NUMBER_THROUGHPUT_CHANGED = "number.throughput_changed"
    NUMBER_PAUSED = "number.paused"
    NUMBER_RESUMED = "number.resumed"
    ACCOUNT_BLOCKED = "account.blocked"
    ACCOUNT_UNBLOCKED = "account.unblocked"
    CONSENT_CHANGED = "consent.changed"
    IMPORT_FINISHED = "import.finished"
    IMPORT_FAILED = "import.failed"
    WEBHOOK_TEST = "webhook.test"


def webhook_id(event_id: UUID) -> str:
    """The id of an event as tenants see it: the same in every attempt and every replay."""
    return f"{_PREFIX}{event_id.hex}"


def envelope(
    *, event_id: UUID, event_type: str, occurred_at: datetime, data: Mapping[str, object]
) -> dict[str, object]:
    """The body of a webhook, to be written as JSON."""
    return {
        "id": webhook_id(event_id),
        "type": event_type,
        "version": ENVELOPE_VERSION,
        "timestamp": occurred_at.isoformat().replace("+00:00", "Z"),
        "data": dict(data),
    }
