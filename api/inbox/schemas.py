"""What the inbox gives."""

from datetime import datetime
from uuid import UUID

from pydantic import Field

from api.dto import Answer


class InboundMessage(Answer):
    """One message of a person to one of your numbers. `text` is personal data."""

    inbound_id: UUID
    phone_number_id: str
    contact_id: UUID
    type: str = Field(description="Meta's type: text, image, button, interactive ...")
    text: str | None = Field(description="What was written, a caption, or the button's words.")
    reply_to_message_id: UUID | None = Field(description="Your message that it answers.")
    button_payload: str | None
    media_id: str | None = Field(description="Meta keeps it for 7 days.")
    referral: dict[str, str] | None = Field(description="The advertisement the person came by.")
    occurred_at: datetime = Field(description="When the person sent it, as Meta says.")
    received_at: datetime
    from_history: bool = Field(
        description="Written in the WhatsApp Business app before the number came to us."
    )
    window_expires_at: datetime | None = Field(
        description="Until when free text may be sent to the person from this number."
    )
