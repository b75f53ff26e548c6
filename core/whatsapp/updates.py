"""What one webhook can tell: one class a kind of update, without names and without text.

Profile names, message texts and raw JSON never leave the parser. A phone number appears only where
the applier needs it to find the person. `position` is the update's place in its body, from 0.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from core.domain.ids import PhoneNumberId, WabaId
from core.domain.message_state import MessageState


@dataclass(frozen=True, slots=True, kw_only=True)
class Pricing:
    """Meta's word on what a message costs; the category in our spelling (underscores).

    `type` is regular, free_customer_service or free_entry_point; absent before 2025-07-01.
    `billable` is to be removed by Meta one day: use type and category.
    """

    billable: bool | None
    model: str | None
    type: str | None
    category: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedError:
    """One error object; `details` may quote what was sent and belongs in the attempt's row only."""

    code: int | None
    title: str | None
    details: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusUpdate:
    """One status of one message; `callback_token` is what the send carried, not yet verified."""

    position: int
    waba_id: WabaId
    phone_number_id: PhoneNumberId
    wamid: str
    state: MessageState
    occurred_at: datetime
    callback_token: str | None
    recipient_wa_id: str | None
    recipient_user_id: str | None
    pricing: Pricing | None
    origin: str | None
    errors: tuple[ReportedError, ...]

    @property
    def failure_code(self) -> int | None:
        """The code of the first error, None when it failed without one."""
        return self.errors[0].code if self.errors else None


@dataclass(frozen=True, slots=True, kw_only=True)
class InboundMessage:
    """A person wrote or tapped: this opens the 24 h window, and may withdraw consent.

    `stop_word` is one of our list when the message is nothing else; no other text is kept.
    `button_payload` is what the tenant put on a button, cut at 256 characters.
    """

    position: int
    waba_id: WabaId
    phone_number_id: PhoneNumberId
    wamid: str
    kind: str
    occurred_at: datetime
    from_wa_id: str | None
    from_user_id: str | None
    reply_to_wamid: str | None
    stop_word: str | None
    button_payload: str | None
    from_advertisement: bool
    system_type: str | None
    new_wa_id: str | None
    new_user_id: str | None


class TemplateChange(StrEnum):
    """Which side of a template an update speaks of."""

    STATUS = "status"
    QUALITY = "quality"
    CATEGORY = "category"
    COMPONENTS = "components"


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateUpdate:
    """Meta changed a template.

    `event` is the new status or quality score. `category_now` is what is charged at present;
    `category_next` with `category_next_at` is announced only (Meta's notice form puts the CURRENT
    category into `new_category`). `language` is spelt as the API spells it (en_US).
    """

    position: int
    waba_id: WabaId
    occurred_at: datetime | None
    change: TemplateChange
    meta_template_id: str
    name: str | None
    language: str | None
    event: str | None
    reason: str | None
    category_now: str | None
    category_next: str | None
    category_next_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeTier:
    """The volume tier an account has reached; on duplicates the earliest `reached_at` counts."""

    category: str
    market: str | None
    tier: str
    effective_month: str | None
    reached_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountUpdate:
    """Something about the account or one of its numbers: limits, quality, restrictions, bans.

    `messaging_limit` as Meta writes it (TIER_2K, a number as text, UNLIMITED).
    """

    position: int
    waba_id: WabaId
    occurred_at: datetime | None
    field: str
    event: str | None
    display_phone_number: str | None
    messaging_limit: str | None
    restrictions: tuple[str, ...]
    violation: str | None
    volume_tier: VolumeTier | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PreferenceUpdate:
    """A person stopped or resumed marketing inside WhatsApp."""

    position: int
    waba_id: WabaId
    phone_number_id: PhoneNumberId | None
    wa_id: str | None
    user_id: str | None
    category: str
    stopped: bool
    occurred_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorUpdate:
    """Trouble of a number or account without any message: alert, touch no message."""

    position: int
    waba_id: WabaId
    phone_number_id: PhoneNumberId | None
    error: ReportedError


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownUpdate:
    """Well formed, but of a kind this version doesn't know; the raw body keeps it."""

    position: int
    waba_id: WabaId | None
    field: str
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BadUpdate:
    """An update that breaks the documented shape; its neighbours are processed all the same.

    `path` says where in the body, `reason` what is wrong; neither quotes a value.
    """

    position: int
    path: str
    reason: str


Update = (
    StatusUpdate
    | InboundMessage
    | TemplateUpdate
    | AccountUpdate
    | PreferenceUpdate
    | ErrorUpdate
    | UnknownUpdate
    | BadUpdate
)
