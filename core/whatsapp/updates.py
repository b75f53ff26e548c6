"""What one webhook can tell: one class a kind of update, without names.

Profile names and raw JSON never leave the parser; what a person wrote does in one field only, which
no repr shows. A phone number appears only where the applier needs it to find the person. `position`
is the update's place in its body, from 0.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
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
    """One status of one message; `callback_token` is what the send carried, not yet verified.

    `word` is what Meta wrote: a voice message that was `played` is read. Of a message to a group
    the recipient is the participant, and there is one status each.
    """

    position: int
    waba_id: WabaId
    phone_number_id: PhoneNumberId
    wamid: str
    word: str
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
class UnknownStatus:
    """A status that moves no message: `deleted`, `warning`, or a word of Meta's to come."""

    position: int
    waba_id: WabaId
    phone_number_id: PhoneNumberId
    wamid: str
    word: str
    occurred_at: datetime
    recipient_wa_id: str | None
    recipient_user_id: str | None
    pricing: Pricing | None
    errors: tuple[ReportedError, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class InboundMessage:
    """A person wrote or tapped: this opens the 24 h window, and may withdraw consent.

    `stop_word` is one of our list when the message is nothing else. `body` is what they wrote, or
    the words of the button or list entry they tapped, or the caption of what they sent; for the
    inbox only. `referral` describes the advertisement they came by.
    `button_payload` is what the tenant put on a button, cut at 256 characters.
    `target_wamid` is the message that a reaction, an edit or a revocation is about. `group_id` is
    there when it was written to a group. A message of type `system` was written by nobody: it tells
    that the person has another number (`new_wa_id`) or business-scoped id (`new_user_id`).
    `errors` say why Meta could not pass it on (type `unsupported`).
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
    target_wamid: str | None
    group_id: str | None
    errors: tuple[ReportedError, ...]
    body: str | None = field(default=None, repr=False)
    media_id: str | None = None
    referral: Mapping[str, str] | None = field(default=None, repr=False)

    @property
    def is_system(self) -> bool:
        """Meta's own note about the person, not a word of theirs: it opens no window."""
        return self.kind == "system"


@dataclass(frozen=True, slots=True, kw_only=True)
class UserIdUpdate:
    """A person's business-scoped id has changed: both ids are the same person."""

    position: int
    waba_id: WabaId
    phone_number_id: PhoneNumberId | None
    wa_id: str | None
    previous_user_id: str | None
    current_user_id: str
    occurred_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallUpdate:
    """A call began or ended; one from a person opens the 24 h window like a message.

    `call_id` begins with `wacid.`. `direction` as Meta writes it: USER_INITIATED or
    BUSINESS_INITIATED.
    """

    position: int
    waba_id: WabaId
    phone_number_id: PhoneNumberId
    call_id: str
    event: str | None
    direction: str | None
    occurred_at: datetime
    from_wa_id: str | None
    from_user_id: str | None
    to_wa_id: str | None
    to_user_id: str | None
    errors: tuple[ReportedError, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CallStatusUpdate:
    """A call of ours rang, was accepted or rejected: never the status of a message."""

    position: int
    waba_id: WabaId
    phone_number_id: PhoneNumberId
    call_id: str
    word: str
    occurred_at: datetime
    recipient_wa_id: str | None
    recipient_user_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EchoUpdate:
    """A message that the business wrote elsewhere: in the WhatsApp Business app, or another app."""

    position: int
    waba_id: WabaId
    phone_number_id: PhoneNumberId
    field: str
    wamid: str
    kind: str
    occurred_at: datetime
    from_wa_id: str | None
    to_wa_id: str | None
    to_user_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryUpdate:
    """What people wrote in the WhatsApp Business app before the number came to the Cloud API.

    A piece of up to 180 days: `messages` are those of people, not of the business; `unread` counts
    those that break the documented shape.
    """

    position: int
    waba_id: WabaId
    phone_number_id: PhoneNumberId
    field: str
    messages: tuple[InboundMessage, ...]
    unread: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupUpdate:
    """Something about a group: made, left, renamed."""

    position: int
    waba_id: WabaId
    phone_number_id: PhoneNumberId | None
    field: str
    event: str | None
    group_id: str | None
    occurred_at: datetime | None


class TemplateChange(StrEnum):
    """Which side of a template an update speaks of."""

    STATUS = "status"
    QUALITY = "quality"
    CATEGORY = "category"
    COMPONENTS = "components"


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateUpdate:
    """Meta changed a template.

    `event` is the new status or quality score, `previous` the score or category before.
    `category_now` is what is charged at present; `category_next` with `category_next_at` is
    announced only (Meta's notice form puts the CURRENT category into `new_category`). `language` is
    spelt as the API spells it (en_US). `reason` is Meta's word for why, or which pause it is
    (FIRST_PAUSE).
    """

    position: int
    waba_id: WabaId
    occurred_at: datetime | None
    change: TemplateChange
    meta_template_id: str
    name: str | None
    language: str | None
    event: str | None
    previous: str | None
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
class Restriction:
    """What the account may not do, and until when; None: no end was named."""

    kind: str
    expires_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountUpdate:
    """Something about the account or one of its numbers: limits, quality, restrictions, bans.

    `event` is Meta's event, the decision of a review, or the type of an alert. `messaging_limit` as
    Meta writes it (TIER_2K, a number as text, UNLIMITED). `ban_state` is DISABLE, REINSTATE or
    SCHEDULE_FOR_DISABLE.
    """

    position: int
    waba_id: WabaId
    occurred_at: datetime | None
    field: str
    event: str | None
    display_phone_number: str | None
    messaging_limit: str | None
    restrictions: tuple[Restriction, ...]
    ban_state: str | None
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
class UnknownPreference:
    """A word about a person's wishes that is neither stop nor resume (`signup`): changes none."""

    position: int
    waba_id: WabaId
    phone_number_id: PhoneNumberId | None
    wa_id: str | None
    user_id: str | None
    category: str
    word: str
    occurred_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorUpdate:
    """Trouble of a number or account without any message: alert, touch no message."""

    position: int
    waba_id: WabaId
    phone_number_id: PhoneNumberId | None
    field: str
    error: ReportedError


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownUpdate:
    """Well formed, but of a kind this version doesn't know; the raw body keeps it."""

    position: int
    waba_id: WabaId | None
    phone_number_id: PhoneNumberId | None
    field: str
    what: str
    occurred_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BadUpdate:
    """An update that breaks the documented shape; its neighbours are processed all the same.

    `path` says where in the body, `reason` what is wrong; neither quotes a value. `field` is empty,
    and the ids None, when the fault lies above them.
    """

    position: int
    path: str
    reason: str
    field: str
    waba_id: WabaId | None
    phone_number_id: PhoneNumberId | None


Update = (
    StatusUpdate
    | UnknownStatus
    | InboundMessage
    | UserIdUpdate
    | CallUpdate
    | CallStatusUpdate
    | EchoUpdate
    | HistoryUpdate
    | GroupUpdate
    | TemplateUpdate
    | AccountUpdate
    | PreferenceUpdate
    | UnknownPreference
    | ErrorUpdate
    | UnknownUpdate
    | BadUpdate
)
