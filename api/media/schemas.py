"""What the media slice gives."""

from datetime import datetime
from uuid import UUID

from pydantic import Field

from api.dto import Answer


class MediaFile(Answer):
    """A file of yours."""

    media_file_id: UUID
    reference: str = Field(description="Use it as a campaign's or message's `header` value.")
    kind: str = Field(description="image, video or document.")
    mime_type: str
    file_name: str
    bytes: int
    created_by: str
    created_at: datetime


class MediaUpload(Answer):
    """Meta has the file for a number, until an instant; afterwards it is uploaded anew."""

    phone_number_id: str
    uploaded_at: datetime
    expires_at: datetime


class MediaFileDetails(MediaFile):
    """A file of yours with where Meta has it."""

    uploads: list[MediaUpload]
