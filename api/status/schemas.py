"""What the status slice gives."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from api.dto import Answer

StatusState = Literal["ok", "degraded", "stopped"]
Cause = Literal[
    "sending_stopped",
    "tenant_stopped",
    "campaign_stopped",
    "number_stopped",
    "number_paused",
    "account_blocked",
    "api_read_only",
    "webhooks_not_applied",
    "webhooks_late",
    "broker_unreachable",
    "messages_late",
    "deliveries_late",
    "endpoint_disabled",
]
Broker = Literal["ok", "no_answer", "not_set"]


class StatusCause(Answer):
    """One thing that does not go as it should."""

    cause: Cause
    subject: str | None = Field(
        description="Which number, account, campaign or endpoint of yours; null: all of them."
    )
    since: datetime | None = Field(description="Null where nobody wrote it down.")
    until: datetime | None = Field(description="When it ends by itself; null: nobody knows.")


class Backlogs(Answer):
    """Since when the first of each line could have gone; null where nothing waits."""

    single_messages: datetime | None
    campaigns: datetime | None = Field(
        description="When the earliest campaign began that still has messages to send; a large one "
        "sends for hours at the rate of its number."
    )
    deliveries: datetime | None = Field(description="Webhooks to your endpoints in service.")
    meta_webhooks: datetime | None = Field(
        description="What Meta told us and we have not applied yet, of the line that all share."
    )


class SystemStatus(Answer):
    """What is accepted, sent and told now."""

    state: StatusState
    as_of: datetime
    accepts_changes: bool = Field(description="False: changes are answered with 503 `read-only`.")
    sends: bool = Field(description="False: what you send is accepted, and waits.")
    broker: Broker = Field(description="Without it sending waits; nothing is lost.")
    causes: list[StatusCause] = Field(description="Why the state isn't `ok`.")
    waiting_since: Backlogs
